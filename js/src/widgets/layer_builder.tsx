/** The network's layers, to be shaped by hand; the Python side is `medilytica_widgets/widgets/layer_builder.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { CodePanel } from "../ui/code_panel";
import type { Problem } from "../ui/field";
import { Icon } from "../ui/icons";
import { LayerBox, type LayerKind, type LayerState } from "../ui/layer_box";
import { LayerEditor, LayerMenu } from "../ui/layer_editor";
import { formatBytes, grouped, plural } from "../ui/number";
import { destination, useReorder } from "../ui/reorder";
import { useUid } from "../ui/uid";
import type { LayerSpec, Scalar } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

interface Row {
  kind: string;
  name: string;
  output_shape: number[] | null;
  input_shape: number[] | null;
  parameters: number;
  error: string;
}

interface Network {
  layers: LayerSpec[];
  rows: Row[];
  head: Row;
  inputs: number;
  outputs: number;
  task: string;
  total_parameters: number;
  total_bytes: number;
  error: string | null;
  failing: number | null;
}

interface Template {
  name: string;
  layers: string[];
}

const HINT = "Drag to reorder, or Shift+← and Shift+→. Delete removes.";

const states = (network: Network): LayerState[] =>
  network.layers.map((layer, k) => {
    const row = network.rows[k];
    return {
      kind: layer.kind,
      name: row?.name ?? layer.kind,
      options: layer.options as Record<string, Scalar>,
      output: row?.output_shape?.[0] ?? null,
      parameters: row?.parameters ?? 0,
      error: row?.error ?? "",
    };
  });

export function LayerBuilder({ ctx }: WidgetProps) {
  const usesLayers = ctx.trait<boolean>("uses_layers").value;
  const network = ctx.trait<Network | Record<string, never>>("network").value;
  const algorithm = ctx.trait<string>("algorithm").value;
  const pending = ctx.trait<boolean>("pending").value;
  const revision = ctx.trait<number>("revision").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  const code = keep(`${ctx.id}:code`, false);
  const off = ctx.readOnly;
  const stack = usesLayers && "layers" in network ? (network as Network) : null;
  return (
    <section class="mw-card mw-network" aria-label="Network">
      <h3 class="mw-title">
        Network
        {pending && (
          <span class="mw-pill mw-next-pill" title="The layers count from the next run; the one that is training keeps its own">
            next run
          </span>
        )}
        <span class="mw-spread" />
        {stack && (
          <span class="mw-network-total" aria-live="polite">
            {stack.error === null
              ? `${plural(stack.total_parameters, "parameter")} · ${formatBytes(stack.total_bytes)}`
              : "cannot be built yet"}
          </span>
        )}
        {stack && (
          <>
            <button
              class="mw-icon mw-quiet"
              aria-label="Undo"
              title={off || "Undo the last change"}
              disabled={!!off || !canUndo}
              onClick={() => ctx.tell("spec.undo", {})}
            >
              <Icon name="undo" />
            </button>
            <button
              class="mw-icon mw-quiet"
              aria-label="Redo"
              title={off || "Bring back what was undone"}
              disabled={!!off || !canRedo}
              onClick={() => ctx.tell("spec.redo", {})}
            >
              <Icon name="redo" />
            </button>
          </>
        )}
        <button aria-expanded={code.value} onClick={() => (code.value = !code.value)}>
          Code
        </button>
      </h3>
      {stack ? (
        <Stack ctx={ctx} network={stack} off={off} />
      ) : (
        <p class="mw-muted mw-network-none">{algorithm} has no layers to build; its hyperparameters shape it.</p>
      )}
      {code.value && <CodePanel ctx={ctx} revision={revision} close={() => (code.value = false)} />}
    </section>
  );
}

function Stack({ ctx, network, off }: { ctx: Context; network: Network; off: string }) {
  const kinds = ctx.trait<LayerKind[]>("kinds").value;
  const templates = ctx.trait<Template[]>("templates").value;
  const uid = useUid();
  const selection = keep<number | null>(`${ctx.id}:layer`, null);
  const [current, setCurrent] = useState(0);
  const [inserting, setInserting] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [said, setSaid] = useState("");
  const [structure, setStructure] = useState(0);
  const boxes = useRef<(HTMLElement | null)[]>([]);
  const focusNext = useRef<number | null>(null);
  const busy = useRef(false);

  const layers = states(network);
  const count = layers.length;
  const selected = selection.value !== null && selection.value < count ? selection.value : null;
  const at = Math.min(current, Math.max(0, count - 1));
  boxes.current.length = count;

  // the boxes are keyed by structure, so that what is half typed in one never ends up in another
  useEffect(() => {
    if (focusNext.current === null) return;
    boxes.current[focusNext.current]?.focus();
    focusNext.current = null;
  }, [structure]);

  /** Ask for a change of the stack's order or length, and take focus and selection along. */
  const change = async (ask: () => Promise<unknown>, then: number | null, words: string, focus = true): Promise<void> => {
    if (busy.current || off) return;
    busy.current = true;
    setProblem(null);
    try {
      await ask();
      if (then !== null) setCurrent(then);
      if (selection.value !== null || !focus) selection.value = then;
      setSaid(words);
      if (focus) focusNext.current = then;
      setStructure((n) => n + 1);
    } catch {
      // the notice beside the widget says why
    } finally {
      busy.current = false;
    }
  };
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= count || from === to) return;
    const name = layers[from]?.name ?? "";
    void change(() => ctx.ask("layers.move", { index: from, to }), to, `${name} moved to place ${to + 1} of ${count}`);
  };
  const remove = (index: number): void => {
    const then = count > 1 ? Math.min(index, count - 2) : null;
    void change(() => ctx.ask("layers.remove", { index }), then, `${layers[index]?.name ?? ""} removed; undo brings it back`);
  };
  const add = (index: number, layer: LayerSpec): void => {
    setInserting(null);
    void change(() => ctx.ask("layers.add", { index, layer }), index, `layer added at place ${index + 1}`);
  };
  const update = (index: number, options: Record<string, Scalar>): Promise<unknown> =>
    ctx.ask("layers.update", { index, options }, { quiet: true });

  const { drag, grab } = useReorder(() => boxes.current.filter((box) => box !== null), move);
  const target = drag && destination(drag.from, drag.gap) !== drag.from ? drag.gap : null;
  const marked = target ?? inserting;

  const focusBox = (index: number): void => {
    const next = Math.max(0, Math.min(count - 1, index));
    setCurrent(next);
    if (selected !== null) selection.value = next;
    boxes.current[next]?.focus();
  };
  const keys = (event: KeyboardEvent, index: number): void => {
    if (event.target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return;
    // in a narrow column the row stands upright
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key] ?? 0;
    if (step && event.shiftKey) move(index, index + step);
    else if (step) focusBox(index + step);
    else if (event.key === "Home") focusBox(0);
    else if (event.key === "End") focusBox(count - 1);
    else if (event.key === "Delete" || event.key === "Backspace") remove(index);
    else if (event.key === "Enter" || event.key === " ") selection.value = selected === index ? null : index;
    else if (event.key === "Escape") selection.value = null;
    else return;
    event.preventDefault();
  };

  const layer = selected === null ? null : layers[selected];
  const failing = network.failing;
  const sentence = problem?.message ?? network.error;
  const width = (index: number): string => {
    const from = index === 0 ? network.inputs : layers[index - 1]?.output;
    return from === null || from === undefined ? "?" : grouped(from);
  };
  return (
    <>
      <div class="mw-layers" role="group" aria-label="Layers, from input to output">
        <div class="mw-layer mw-end">
          <b class="mw-layer-name">Input</b>
          <span class="mw-layer-note mw-tiny">{plural(network.inputs, "feature")}</span>
        </div>
        {layers.map((item, k) => (
          <div class="mw-layer-slot" key={`${structure}-${item.kind}-${k}`}>
            <Edge shape={width(k)} marked={marked === k} off={off} before={`layer ${k + 1}`} onAdd={() => setInserting(k)} />
            <LayerBox
              layer={item}
              kind={kinds.find((kind) => kind.kind === item.kind)}
              index={k}
              count={count}
              current={k === at}
              selected={k === selected}
              failing={failing === k}
              off={off}
              describedBy={`${uid}-hint${failing === k ? ` ${uid}-error` : ""}`}
              shift={drag?.from === k ? drag : null}
              hold={boxes}
              update={(options) => update(k, options)}
              onProblem={setProblem}
              onSelect={() => (selection.value = k)}
              onFocus={() => setCurrent(k)}
              onKeyDown={(event) => keys(event, k)}
              onPointerDown={(event) => !off && grab(event, k)}
            />
          </div>
        ))}
        <div class="mw-layer-slot">
          <Edge shape={width(count)} marked={marked === count} off={off} before="the head" onAdd={() => setInserting(count)} />
          <div class={`mw-layer mw-end mw-head${failing === -1 ? " mw-failing" : ""}`}>
            <b class="mw-layer-name">
              {failing === -1 && <Icon name="warning" />} Head
            </b>
            <span class="mw-layer-note mw-tiny" title={`${grouped(network.head.parameters)} parameters`}>
              {network.task === "classification" ? `${network.outputs} classes` : "1 number"} · {grouped(network.head.parameters)}
            </span>
          </div>
        </div>
      </div>
      <span class="mw-sr" role="status">
        {said}
      </span>
      {sentence && (
        <p id={`${uid}-error`} class="mw-error-text mw-network-error" role="alert">
          {sentence}
        </p>
      )}
      {inserting !== null && !off && (
        <LayerMenu kinds={kinds} layers={layers} index={Math.min(inserting, count)} move={setInserting} add={add} close={() => setInserting(null)} />
      )}
      {layer && selected !== null && (
        <LayerEditor
          key={`${structure}-${selected}-${layer.kind}`}
          uid={uid}
          layer={layer}
          kind={kinds.find((kind) => kind.kind === layer.kind)}
          index={selected}
          count={count}
          off={off}
          update={(options) => update(selected, options)}
          move={(to) => move(selected, to)}
          copy={() => add(selected + 1, { kind: layer.kind, options: layer.options })}
          remove={() => remove(selected)}
          close={() => (selection.value = null)}
        />
      )}
      <div class="mw-network-foot mw-tiny">
        <button
          class="mw-link"
          disabled={!!off}
          title={off || "Add a layer"}
          aria-expanded={inserting !== null}
          onClick={() => setInserting(inserting === null ? (selected === null ? count : selected + 1) : null)}
        >
          + layer
        </button>
        <span id={`${uid}-hint`}>{count > 0 ? HINT : "Without layers the inputs go straight to the head."}</span>
        <span class="mw-spread" />
        <select
          class="mw-templates"
          aria-label="Templates"
          disabled={!!off}
          title={off || "Replace the layers by a stack to start from; undo brings yours back"}
          value=""
          onChange={(event) => {
            const name = event.currentTarget.value;
            event.currentTarget.value = "";
            setInserting(null);
            if (name) void change(() => ctx.ask("layers.template", { name }), null, `template ${name}`, false);
          }}
        >
          <option value="">templates</option>
          {templates.map(({ name, layers: parts }) => (
            <option key={name} value={name}>
              {name} ({plural(parts.length, "layer")})
            </option>
          ))}
        </select>
      </div>
    </>
  );
}

/** The line between two boxes with the number that flows along it; a press inserts a layer here. */
function Edge({ shape, marked, off, before, onAdd }: {
  shape: string;
  marked: boolean;
  off: string;
  before: string;
  onAdd: () => void;
}) {
  return (
    <span class={`mw-edge${marked ? " mw-marked" : ""}`}>
      <button class="mw-edge-add" tabIndex={-1} disabled={!!off} aria-label={`Insert a layer before ${before}`} title={off || "Insert a layer here"} onClick={onAdd}>
        <Icon name="plus" />
      </button>
      <span class="mw-edge-shape">{shape}</span>
    </span>
  );
}
