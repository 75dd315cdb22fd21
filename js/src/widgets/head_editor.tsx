/** What the network answers: its heads; the Python side is `medilytica_widgets/widgets/head_editor.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { NumberBox, ParameterField, problemOf, type Problem } from "../ui/field";
import { Icon } from "../ui/icons";
import type { Parameter } from "../ui/number";
import { plural } from "../ui/number";
import { Refusal, SelectField, TextField } from "../ui/text_field";
import { useUid } from "../ui/uid";
import type { Scalar } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

interface Head {
  task: string;
  name: string;
  target: string;
  at: string;
  loss: string;
  usual_loss: string;
  weight: number | "uncertainty";
  options: Record<string, Scalar>;
}

interface Target {
  name: string;
  tasks: string[];
  /** Why nothing can be learned of it; empty where something can. */
  reason: string;
}

interface Loss {
  id: string;
  name: string;
  help: string;
  tasks: string[];
  parameters: Parameter[];
}

interface Place {
  kind: string;
  name: string;
}

const WEIGHT: Parameter = {
  id: "weight",
  kind: "float",
  default: 1,
  low: 0.001,
  high: null,
  scale: "log",
  smallest: 0.01,
  choices: [],
  unit: "",
  help: "How much its loss counts beside those of the other heads.",
  label: "weight",
  live: false,
  optional: false,
};

/** As a line that opens: where space is dear, and one head is what most networks have. */
export function FoldedHeads({ ctx }: WidgetProps) {
  return ctx.trait<boolean>("uses_layers").value ? <HeadEditor ctx={ctx} folds /> : null;
}

/** What is seen of the heads while they are folded. */
const inShort = (heads: readonly Head[], own: string): string =>
  heads.map((head) => `${head.name ? `${head.name}: ` : ""}${head.target || own}`).join(", ");

export function HeadEditor({ ctx, folds = false }: WidgetProps & { folds?: boolean }) {
  const heads = ctx.trait<Head[]>("heads").value;
  const usesLayers = ctx.trait<boolean>("uses_layers").value;
  const algorithm = ctx.trait<string>("algorithm").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  const own = ctx.trait<string>("own").value;
  const uid = useUid();
  const unfolded = keep(`${ctx.id}:open`, heads.length > 1);
  const open = !folds || unfolded.value;
  const [removed, setRemoved] = useState("");
  const [said, setSaid] = useState("");
  const [structure, setStructure] = useState(0);
  const list = useRef<HTMLOListElement>(null);
  const focusNext = useRef<number | null>(null);
  const off = ctx.readOnly;
  useEffect(() => {
    if (focusNext.current === null) return;
    const cards = list.current?.querySelectorAll<HTMLElement>("[data-head]");
    cards?.[Math.min(focusNext.current, cards.length - 1)]?.querySelector<HTMLElement>("input, select")?.focus();
    focusNext.current = null;
  }, [structure]);

  /** Ask for more or fewer heads; the notice beside the widget says why where it cannot be. */
  const change = (asked: Promise<unknown>, then: number, words: string, gone = ""): void => {
    setRemoved("");
    asked.then(
      () => {
        setSaid(words);
        setRemoved(gone);
        focusNext.current = then;
        setStructure((n) => n + 1);
      },
      () => undefined,
    );
  };
  const named = (index: number): string => heads[index]?.name || `head ${index + 1}`;
  const travel = (kind: "spec.undo" | "spec.redo"): void => {
    setRemoved("");
    ctx.tell(kind, {});
  };
  return (
    <section
      class="mw-card mw-heads"
      aria-label="Heads"
      onKeyDown={(event) => {
        const key = event.key.toLowerCase();
        const command = (event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y");
        if (!command || off || (event.target as HTMLElement).closest("input:not([type=checkbox])")) return;
        event.preventDefault();
        travel(key === "y" || event.shiftKey ? "spec.redo" : "spec.undo");
      }}
    >
      <h3 class={`mw-title${open ? "" : " mw-folded"}`}>
        {folds ? (
          <button class="mw-quiet mw-fold" aria-expanded={open} onClick={() => (unfolded.value = !open)}>
            <Icon name={open ? "expanded" : "collapsed"} /> Heads
          </button>
        ) : (
          "Heads"
        )}
        {!open && <span class="mw-tiny mw-heads-short">{inShort(heads, own)}</span>}
        <span class="mw-spread" />
        {usesLayers && open && (
          <>
            <span class="mw-network-total">{plural(heads.length, "head")}</span>
            <button class="mw-icon mw-quiet" aria-label="Undo" title={off || "Undo the last change"} disabled={!!off || !canUndo} onClick={() => travel("spec.undo")}>
              <Icon name="undo" />
            </button>
            <button class="mw-icon mw-quiet" aria-label="Redo" title={off || "Bring back what was undone"} disabled={!!off || !canRedo} onClick={() => travel("spec.redo")}>
              <Icon name="redo" />
            </button>
          </>
        )}
      </h3>
      {!open ? null : usesLayers ? (
        <>
          <ol ref={list} class="mw-heads-list">
            {heads.map((head, k) => (
              <HeadCard
                key={`${structure}-${k}`}
                ctx={ctx}
                uid={`${uid}-${k}`}
                head={head}
                index={k}
                count={heads.length}
                off={off}
                duplicate={() => change(ctx.ask("heads.duplicate", { index: k }), k + 1, `${named(k)} duplicated`)}
                remove={() => change(ctx.ask("heads.remove", { index: k }), k, `${named(k)} removed; undo brings it back`, named(k))}
              />
            ))}
          </ol>
          {removed && !off && (
            <p class="mw-tiny mw-removed">
              {removed} removed.{" "}
              <button class="mw-link" onClick={() => travel("spec.undo")}>
                Undo
              </button>
            </p>
          )}
          <div class="mw-network-foot mw-tiny">
            <button class="mw-link" disabled={!!off} title={off || "Let the network learn another column too"} onClick={() => change(ctx.ask("heads.add", { head: {} }), heads.length, "head added")}>
              + head
            </button>
            <span>Each head learns one column from the layer it sits on; they share the layers below.</span>
          </div>
        </>
      ) : (
        <p class="mw-muted mw-network-none">{algorithm} answers one question, the table's target; heads are for networks.</p>
      )}
      <span class="mw-sr" role="status">
        {said}
      </span>
    </section>
  );
}

function HeadCard({ ctx, uid, head, index, count, off, duplicate, remove }: {
  ctx: Context;
  uid: string;
  head: Head;
  index: number;
  count: number;
  off: string;
  duplicate: () => void;
  remove: () => void;
}) {
  const targets = ctx.trait<Target[]>("targets").value;
  const losses = ctx.trait<Loss[]>("losses").value;
  const layers = ctx.trait<Place[]>("layers").value;
  const own = ctx.trait<string>("own").value;
  const send = (fields: Record<string, unknown>): Promise<unknown> => ctx.ask("heads.update", { index, fields }, { quiet: true });
  const target = targets.find((one) => one.name === (head.target || own));
  const loss = losses.find((one) => one.id === head.loss);
  const can = targets.filter((one) => one.tasks.length > 0);
  const cannot = targets.filter((one) => one.tasks.length === 0);
  const title = head.name || `head ${index + 1}`;
  const lost = head.at !== "" && head.at !== "input" && !layers.some((layer) => layer.name === head.at);
  return (
    <li class="mw-head-card" data-head={index} role="group" aria-label={`Head ${index + 1} of ${count}: ${title}`}>
      <div class="mw-editor-head">
        <b class="mw-head-title">{title}</b>
        <span class="mw-tiny">{head.task}</span>
        <span class="mw-spread" />
        <button class="mw-icon mw-quiet" aria-label={`Duplicate ${title}`} title={off || "Duplicate"} disabled={!!off} onClick={duplicate}>
          <Icon name="copy" />
        </button>
        <button
          class="mw-icon mw-quiet"
          aria-label={`Remove ${title}`}
          title={off || (count === 1 ? "A network needs at least one head" : "Remove")}
          disabled={!!off || count === 1}
          onClick={remove}
        >
          <Icon name="trash" />
        </button>
      </div>
      <div class="mw-head-fields">
        <TextField
          id={`${uid}-name`}
          label="name"
          value={head.name}
          off={off}
          placeholder={count === 1 ? "none" : "needed"}
          help="Its metrics and curves stand under this name."
          send={(name) => send({ name })}
        />
        <SelectField
          id={`${uid}-target`}
          label="target"
          value={head.target || own}
          off={off}
          help="The column it learns."
          send={(column) => send({ target: column === own ? "" : column })}
        >
          {can.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name}
              {one.name === own ? " (target)" : ""}
            </option>
          ))}
          {!target && <option value={head.target}>{head.target} (not in the table)</option>}
          {cannot.length > 0 && (
            <optgroup label="cannot be learned">
              {cannot.map((one) => (
                <option key={one.name} value={one.name} disabled title={one.reason}>
                  {one.name}: {one.reason}
                </option>
              ))}
            </optgroup>
          )}
        </SelectField>
        {(target?.tasks.length ?? 0) > 1 && (
          <SelectField id={`${uid}-task`} label="as" value={head.task} off={off} help="As classes, or as a number." send={(task) => send({ task })}>
            {target?.tasks.map((task) => (
              <option key={task} value={task}>
                {task === "classification" ? "classes" : "a number"}
              </option>
            ))}
          </SelectField>
        )}
        <SelectField
          id={`${uid}-at`}
          label="on layer"
          value={head.at ? `name:${head.at}` : ""}
          off={off}
          help="The layer whose output it reads."
          send={(at) => send({ at: at.startsWith("place:") ? Number(at.slice(6)) : at.replace(/^name:/, "") })}
        >
          <option value="">the last one</option>
          <option value="name:input">the network's input</option>
          {layers.map((layer, k) => (
            <option key={k} value={layer.name ? `name:${layer.name}` : `place:${k}`}>
              {layer.name ? `${layer.name} (${layer.kind})` : `layer ${k + 1}, ${layer.kind}`}
            </option>
          ))}
          {lost && <option value={`name:${head.at}`}>{head.at} (not there)</option>}
        </SelectField>
        <SelectField id={`${uid}-loss`} label="loss" value={head.loss} off={off} help={loss?.help ?? "What it is trained by."} send={(chosen) => send({ loss: chosen })}>
          <option value="">usual: {head.usual_loss}</option>
          {losses.map((one) => (
            <option
              key={one.id}
              value={one.id}
              disabled={!one.tasks.includes(head.task)}
              title={one.tasks.includes(head.task) ? one.help : `for ${one.tasks.join(" and ")}`}
            >
              {one.name}
            </option>
          ))}
        </SelectField>
        <WeightField id={`${uid}-weight`} value={head.weight} single={count === 1} off={off} send={(weight) => send({ weight })} />
      </div>
      {lost && (
        <p class="mw-error-text" role="alert">
          There is no layer {head.at} to sit on any more. Choose another one.
        </p>
      )}
      {loss && loss.parameters.length > 0 && (
        <div class="mw-fields">
          {loss.parameters.map((p) => (
            <ParameterField
              key={`${loss.id}-${p.id}`}
              id={`${uid}-${loss.id}-${p.id}`}
              parameter={p}
              value={head.options[p.id] ?? p.default}
              off={off}
              changed={p.id in head.options && head.options[p.id] !== p.default}
              send={(value) => send({ options: { [p.id]: value } })}
            />
          ))}
        </div>
      )}
      {loss && <p class="mw-tiny mw-head-help">{loss.help}</p>}
    </li>
  );
}

/** A number, or the words that it is learned. */
function WeightField({ id, value, single, off, send }: {
  id: string;
  value: number | "uncertainty";
  single: boolean;
  off: string;
  send: (weight: number | "uncertainty") => Promise<unknown>;
}) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const last = useRef(1);
  if (typeof value === "number") last.current = value;
  const learned = value === "uncertainty";
  const take = (weight: Scalar): void => {
    setProblem(null);
    if (weight === null) return;
    send(weight as number | "uncertainty").catch((error: unknown) => setProblem(problemOf(error)));
  };
  return (
    <span class="mw-editor-field mw-head-weight">
      <label for={id}>weight</label>
      {learned ? (
        <span class="mw-tiny">learned</span>
      ) : (
        <NumberBox
          id={id}
          parameter={WEIGHT}
          value={value}
          label="weight"
          off={off}
          invalid={!!problem}
          describedBy={problem ? `${id}-problem` : undefined}
          onValue={take}
          onProblem={setProblem}
        />
      )}
      <label class="mw-use" title={off || "The network learns how much it counts from how uncertain the answer is (Kendall, Gal and Cipolla 2018)"}>
        <input
          type="checkbox"
          aria-label="weight by uncertainty"
          disabled={!!off}
          checked={learned}
          onChange={(event) => take(event.currentTarget.checked ? "uncertainty" : last.current)}
        />
        by uncertainty
      </label>
      {single && <span class="mw-tiny">of matter with several heads</span>}
      <Refusal id={`${id}-problem`} problem={problem} off={off} take={take} />
    </span>
  );
}
