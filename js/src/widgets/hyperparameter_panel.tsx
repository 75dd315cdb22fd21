/** The knobs of the chosen algorithm; the Python side is `medilytica_widgets/widgets/hyperparameter_panel.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { keep } from "../state/local";
import { ParameterField } from "../ui/field";
import { applies, fits, SearchBox, SEARCHED_FROM, whyAbsent } from "../ui/form_search";
import { Icon } from "../ui/icons";
import type { Parameter } from "../ui/number";
import { inForce, PresetList, type Preset } from "../ui/presets";
import { useUid } from "../ui/uid";
import type { Scalar } from "../wire/messages";
import type { WidgetProps } from "./_base";

/** The rows by their groups, in order; those without a group first. */
export function grouped(rows: Parameter[]): [string, Parameter[]][] {
  const groups = new Map<string, Parameter[]>([["", []]]);
  for (const p of rows) {
    const name = p.group ?? "";
    groups.set(name, [...(groups.get(name) ?? []), p]);
  }
  return [...groups];
}

/** A group that is folded away until it is opened or something in it is changed or wrong. */
function Group({ id, name, changed, wrong, searched, children }: {
  id: string;
  name: string;
  changed: number;
  wrong: boolean;
  /** While somebody looks for something it is open, and afterwards as it was. */
  searched: boolean;
  children: ComponentChildren;
}) {
  const open = keep(id, changed > 0);
  const marks = changed + (wrong ? 1 : 0);
  const before = useRef(0);
  useEffect(() => {
    if (marks > before.current) open.value = true;
    before.current = marks;
  }, [marks]);
  return (
    <details
      class="mw-group"
      open={open.value || searched}
      onToggle={(event) => {
        if (!searched) open.value = event.currentTarget.open;
      }}
    >
      <summary
        onClick={(event) => searched && event.preventDefault()}
        onKeyDown={(event) => {
          // JupyterLab cancels Enter's own effect in a notebook's output
          if (event.key !== "Enter" || event.target !== event.currentTarget) return;
          event.preventDefault();
          if (!searched) open.value = !open.value;
        }}
      >
        <Icon name={open.value || searched ? "expanded" : "collapsed"} />
        <span class="mw-group-name">{name}</span>
        {changed > 0 && <span class="mw-pill">{changed} changed</span>}
        {wrong && (
          <span class="mw-pill mw-group-wrong">
            <Icon name="warning" /> wrong
          </span>
        )}
      </summary>
      <div class="mw-fields">{children}</div>
    </details>
  );
}

/**
 * A button of the title. It keeps the focus where it has nothing more to do: from a disabled one JupyterLab
 * takes it to the notebook, where the next letter is a command.
 */
function Action({ name, icon, title, off, act }: {
  name: string;
  icon?: "undo" | "redo";
  title: string;
  off: boolean;
  act: () => void;
}) {
  return (
    <button
      class={icon ? "mw-icon mw-quiet" : ""}
      aria-label={icon && name}
      aria-disabled={off ? true : undefined}
      title={title}
      onClick={() => {
        if (!off) act();
      }}
    >
      {icon ? <Icon name={icon} /> : name}
    </button>
  );
}

export function HyperparameterPanel({ ctx }: WidgetProps) {
  const uid = useUid();
  const form = ctx.trait<Parameter[]>("form").value;
  const values = ctx.trait<Record<string, Scalar>>("values").value;
  const task = ctx.trait<string>("task").value;
  const pending = ctx.trait<string[]>("pending").value;
  const algorithm = ctx.trait<{ id: string; name: string }>("algorithm").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  // counts what replaces values from outside the fields: then what is typed and wrong gives way too
  const [clear, setClear] = useState(0);
  const [wrong, setWrong] = useState<ReadonlySet<string>>(new Set());
  // the field that has the focus stays, whatever makes it pointless: a person's hand is on it
  const [held, setHeld] = useState("");
  const presets = ctx.trait<Preset[]>("presets").value;
  const training = ctx.trait<boolean>("training").value;
  const listing = keep(`${ctx.id}:presets`, false);
  const [query, setQuery] = useState("");
  const find = useRef<HTMLInputElement>(null);
  const toggle = useRef<HTMLButtonElement>(null);
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => setQuery(""), [algorithm.id]);
  const off = ctx.readOnly;
  const sought = query.trim();
  const current = inForce(presets, values);
  const changed = (p: Parameter): boolean => (values[p.id] ?? null) !== p.default;
  const standing = form.filter((p) => applies(p, values, task) || changed(p) || wrong.has(p.id) || held === p.id);
  const found = form.filter((p) => sought && fits(p, sought));
  // what is wrong stays in sight whatever is looked for
  const shown = sought ? standing.filter((p) => found.includes(p) || wrong.has(p.id) || held === p.id) : standing;
  const absent = found.filter((p) => !standing.includes(p));
  const wholesale = (ask: () => Promise<unknown>) => (): void => {
    setClear((n) => n + 1);
    ask().catch(() => undefined); // the notice beside the widget says why
  };
  const anyChanged = form.some(changed);
  const note = (id: string, isWrong: boolean): void =>
    setWrong((known) => {
      if (known.has(id) === isWrong) return known;
      const next = new Set(known);
      if (isWrong) next.add(id);
      else next.delete(id);
      return next;
    });
  const focused = (event: FocusEvent): void => {
    const target = event.type === "focusin" ? event.target : event.relatedTarget;
    const field = target instanceof Element ? target.closest("[data-parameter]") : null;
    setHeld(field?.getAttribute("data-parameter") ?? "");
  };
  const keys = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    const writes = target instanceof HTMLInputElement && !["range", "checkbox"].includes(target.type);
    if (writes || event.altKey || off) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "/" && !command && find.current) {
      event.preventDefault();
      find.current.focus();
    } else if (command && event.key.toLowerCase() === "z" && (event.shiftKey ? canRedo : canUndo)) {
      event.preventDefault();
      wholesale(() => ctx.ask(event.shiftKey ? "spec.redo" : "spec.undo", {}))();
    }
  };
  const fields = (rows: Parameter[]) =>
    rows.map((p) => (
      <ParameterField
        key={`${algorithm.id}/${p.id}`}
        id={`${uid}-${p.id}`}
        parameter={p}
        value={values[p.id] ?? null}
        changed={changed(p)}
        nextRun={pending.includes(p.id)}
        off={off}
        clear={clear}
        onWrong={(isWrong) => note(p.id, isWrong)}
        send={(value) => ctx.ask("hyperparameters.set", { name: p.id, value }, { quiet: true })}
        reset={wholesale(() => ctx.ask("hyperparameters.reset", { name: p.id }))}
      />
    ));
  return (
    <section class={`mw-card mw-hyper${training ? " mw-training" : ""}`} aria-label="Hyperparameters" onKeyDown={keys}>
      <h3 class="mw-title">
        Hyperparameters
        {pending.includes("algorithm") && (
          <span class="mw-pill mw-next-pill" title={`${algorithm.name} counts from the next run; another algorithm is training now`}>
            next run
          </span>
        )}
        <span class="mw-spread" />
        {(form.length >= SEARCHED_FROM || query) && (
          <SearchBox
            query={query}
            set={setQuery}
            input={find}
            into={() => body.current?.querySelector<HTMLElement>(".mw-field :is(input.mw-number, select, .mw-switch)")?.focus()}
          />
        )}
        <button
          ref={toggle}
          class="mw-preset-toggle"
          aria-expanded={listing.value}
          aria-controls={`${uid}-presets`}
          title={current ? `The values are those of the preset ${current.name}` : "Values that are set together"}
          onClick={() => (listing.value = !listing.value)}
        >
          <span>{current ? `preset: ${current.name}` : "presets"}</span>
          <Icon name={listing.value ? "up" : "expanded"} />
        </button>
        <Action
          name="Undo"
          icon="undo"
          title={off || "Undo the last change"}
          off={!!off || !canUndo}
          act={wholesale(() => ctx.ask("spec.undo", {}))}
        />
        <Action
          name="Redo"
          icon="redo"
          title={off || "Bring back what was undone"}
          off={!!off || !canRedo}
          act={wholesale(() => ctx.ask("spec.redo", {}))}
        />
        <Action
          name="Reset"
          title={off || (anyChanged ? "All hyperparameters back to their defaults" : "All are at their defaults")}
          off={!!off || !anyChanged}
          act={wholesale(() => ctx.ask("hyperparameters.reset", { name: "" }))}
        />
      </h3>
      {listing.value && (
        <PresetList
          key={algorithm.id}
          ctx={ctx}
          id={`${uid}-presets`}
          presets={presets}
          form={form}
          values={values}
          algorithm={algorithm}
          wholesale={wholesale}
          close={() => {
            listing.value = false;
            toggle.current?.focus();
          }}
        />
      )}
      {sought && (
        <p class={shown.length ? "mw-sr" : "mw-muted mw-hyper-none"} role="status">
          {shown.length || absent.length
            ? `${shown.length} of ${form.length} hyperparameters found`
            : `No hyperparameter of ${algorithm.name} fits “${sought}”.`}
        </p>
      )}
      {absent.map((p) => (
        <p class="mw-tiny mw-hyper-absent" key={p.id}>
          {whyAbsent(p, form, task)}
        </p>
      ))}
      {form.length === 0 ? (
        <p class="mw-muted mw-hyper-none">{algorithm.name} has nothing to turn.</p>
      ) : (
        <div ref={body} onFocusIn={focused} onFocusOut={focused}>
          {grouped(shown).map(([name, rows]) =>
            name === "" ? (
              <div class="mw-fields" key="">
                {fields(rows)}
              </div>
            ) : (
              <Group
                key={`${algorithm.id}/${name}`}
                id={`${ctx.id}:group:${algorithm.id}/${name}`}
                name={name}
                changed={rows.filter(changed).length}
                wrong={rows.some((p) => wrong.has(p.id))}
                searched={sought !== ""}
              >
                {fields(rows)}
              </Group>
            ),
          )}
        </div>
      )}
    </section>
  );
}
