/** The knobs of the chosen algorithm; the Python side is `medilytica_widgets/widgets/hyperparameter_panel.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { keep } from "../state/local";
import { ParameterField } from "../ui/field";
import { Icon } from "../ui/icons";
import type { Parameter } from "../ui/number";
import { useUid } from "../ui/uid";
import type { Scalar } from "../wire/messages";
import type { WidgetProps } from "./_base";

/** Whether a parameter has an effect; the form leaves it out otherwise. */
export function applies(p: Parameter, values: Record<string, Scalar>, task: string): boolean {
  if (p.tasks?.length && !p.tasks.includes(task)) return false;
  return !p.only_if || values[p.only_if[0]] === p.only_if[1];
}

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
function Group({ id, name, changed, wrong, children }: {
  id: string;
  name: string;
  changed: number;
  wrong: boolean;
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
    <details class="mw-group" open={open.value} onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary
        onKeyDown={(event) => {
          // JupyterLab cancels Enter's own effect in a notebook's output
          if (event.key !== "Enter" || event.target !== event.currentTarget) return;
          event.preventDefault();
          open.value = !open.value;
        }}
      >
        <Icon name={open.value ? "expanded" : "collapsed"} />
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
  const off = ctx.readOnly;
  const changed = (p: Parameter): boolean => (values[p.id] ?? null) !== p.default;
  const shown = form.filter((p) => applies(p, values, task) || changed(p) || wrong.has(p.id) || held === p.id);
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
    <section class="mw-card mw-hyper" aria-label="Hyperparameters">
      <h3 class="mw-title">
        Hyperparameters
        {pending.includes("algorithm") && (
          <span class="mw-pill mw-next-pill" title={`${algorithm.name} counts from the next run; another algorithm is training now`}>
            next run
          </span>
        )}
        <span class="mw-spread" />
        <button
          class="mw-icon mw-quiet"
          aria-label="Undo"
          title={off || "Undo the last change"}
          disabled={!!off || !canUndo}
          onClick={wholesale(() => ctx.ask("spec.undo", {}))}
        >
          <Icon name="undo" />
        </button>
        <button
          class="mw-icon mw-quiet"
          aria-label="Redo"
          title={off || "Bring back what was undone"}
          disabled={!!off || !canRedo}
          onClick={wholesale(() => ctx.ask("spec.redo", {}))}
        >
          <Icon name="redo" />
        </button>
        <button
          disabled={!!off || !anyChanged}
          title={off || (anyChanged ? "All hyperparameters back to their defaults" : "All are at their defaults")}
          onClick={wholesale(() => ctx.ask("hyperparameters.reset", { name: "" }))}
        >
          Reset
        </button>
      </h3>
      {form.length === 0 ? (
        <p class="mw-muted mw-hyper-none">{algorithm.name} has nothing to turn.</p>
      ) : (
        <div onFocusIn={focused} onFocusOut={focused}>
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
