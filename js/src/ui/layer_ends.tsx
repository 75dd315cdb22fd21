/** The head at the end of the row, the lines between boxes, and the stacks to start from. */
import { Icon } from "./icons";
import type { Network } from "./layer_state";
import { grouped, plural } from "./number";

const HINT = "Drag to reorder, or Shift+← and Shift+→. Delete removes. ? tells all keys.";

/** What the network's outputs are; several heads are listed by name. */
export function HeadBox({ network, hold }: { network: Network; hold: (element: HTMLElement | null) => void }) {
  const heads = network.heads ?? [];
  const several = heads.length > 1;
  return (
    <div ref={hold} class={`mw-layer mw-end mw-head${network.failing === -1 ? " mw-failing" : ""}`}>
      <b class="mw-layer-name">
        {network.failing === -1 && <Icon name="warning" />} {several ? `${heads.length} heads` : heads[0]?.name || "Head"}
      </b>
      {several ? (
        heads.slice(0, 4).map((head, k) => (
          <span key={k} class="mw-layer-note mw-tiny" title={`${head.task}${head.at ? `, on ${head.at}` : ""}`}>
            {head.name || head.target || head.task} · {grouped(network.head_rows?.[k]?.parameters ?? 0)}
          </span>
        ))
      ) : (
        <span class="mw-layer-note mw-tiny" title={`${grouped(network.head.parameters)} parameters`}>
          {network.task === "classification" ? `${network.outputs} classes` : "1 number"} · {grouped(network.head.parameters)}
        </span>
      )}
    </div>
  );
}

/** The line between two boxes with the shape that flows along it; a press inserts a layer here. */
export function Edge({ shape, marked, off, before, onAdd }: {
  /** Null where nothing flows. */
  shape: string | null;
  marked: boolean;
  off: string;
  before: string;
  onAdd: () => void;
}) {
  return (
    <span class={`mw-edge${marked ? " mw-marked" : ""}${shape === null ? " mw-apart" : ""}`} title={shape === null ? `nothing flows straight into ${before}` : undefined}>
      <button class="mw-edge-add" tabIndex={-1} disabled={!!off} aria-label={`Insert a layer before ${before}`} title={off || "Insert a layer here"} onClick={onAdd}>
        <Icon name="plus" />
      </button>
      <span class="mw-edge-shape">{shape ?? ""}</span>
    </span>
  );
}

export interface Template {
  name: string;
  layers: string[];
}

/** Replaces the layers by a stack to start from. */
function Templates({ templates, off, take }: { templates: Template[]; off: string; take: (name: string) => void }) {
  return (
    <select
      class="mw-templates"
      aria-label="Templates"
      disabled={!!off}
      title={off || "Replace the layers by a stack to start from; undo brings yours back"}
      value=""
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        event.currentTarget.value = "";
        if (chosen) take(chosen);
      }}
    >
      <option value="">templates</option>
      {templates.map(({ name, layers }) => (
        <option key={name} value={name}>
          {name} ({plural(layers.length, "layer")})
        </option>
      ))}
    </select>
  );
}

/** Under the row: what adds a layer, how layers are moved, and stacks to start from. */
export function StackFoot({ hint, count, off, adding, add, templates, take }: {
  /** The id of the sentence about keys. */
  hint: string;
  count: number;
  off: string;
  adding: boolean;
  add: () => void;
  templates: Template[];
  take: (name: string) => void;
}) {
  return (
    <div class="mw-network-foot mw-tiny">
      <button class="mw-link" disabled={!!off} title={off || "Add a layer"} aria-expanded={adding} onClick={add}>
        + layer
      </button>
      <span id={hint}>{count === 0 ? "Without layers the inputs go straight to the head." : off ? "" : HINT}</span>
      <span class="mw-spread" />
      <Templates templates={templates} off={off} take={take} />
    </div>
  );
}
