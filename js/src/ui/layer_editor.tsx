/** What is under the builder's row of boxes: the menu of layers to add, and the selected layer in full. */
import { useEffect, useRef } from "preact/hooks";
import type { LayerSpec, Scalar } from "../wire/messages";
import { ParameterField } from "./field";
import { Icon } from "./icons";
import { optionOf, type LayerKind, type LayerState } from "./layer_box";
import { grouped, plural } from "./number";

/** Which layer to insert, and where. */
export function LayerMenu({ kinds, layers, index, move, add, close }: {
  kinds: LayerKind[];
  layers: LayerState[];
  index: number;
  move: (index: number) => void;
  add: (index: number, layer: LayerSpec) => void;
  close: () => void;
}) {
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  const defaults = (kind: LayerKind): LayerSpec => ({
    kind: kind.kind,
    options: Object.fromEntries(kind.parameters.map((p) => [p.id, p.default])),
  });
  return (
    <div class="mw-insert" role="group" aria-label="Add a layer" onKeyDown={(event) => event.key === "Escape" && close()}>
      <label>
        Add{" "}
        <select value={String(index)} onChange={(event) => move(Number(event.currentTarget.value))}>
          {layers.map((layer, k) => (
            <option key={k} value={String(k)}>
              before layer {k + 1}, {layer.name}
            </option>
          ))}
          <option value={String(layers.length)}>at the end</option>
        </select>
      </label>
      {kinds.map((kind, k) => (
        <button key={kind.kind} ref={k === 0 ? first : undefined} title={kind.help} onClick={() => add(index, defaults(kind))}>
          {kind.name}
        </button>
      ))}
      <button class="mw-icon mw-quiet" aria-label="Close" onClick={close}>
        <Icon name="close" />
      </button>
    </div>
  );
}

/** The selected layer's options in full, and what can be done with it. */
export function LayerEditor({ uid, layer, kind, index, count, off, update, move, copy, remove, close }: {
  uid: string;
  layer: LayerState;
  kind: LayerKind | undefined;
  index: number;
  count: number;
  off: string;
  update: (options: Record<string, Scalar>) => Promise<unknown>;
  move: (to: number) => void;
  copy: () => void;
  remove: () => void;
  close: () => void;
}) {
  const tool = (icon: "left" | "right" | "copy" | "trash", words: string, act: () => void, possible = true) => (
    <button class="mw-icon mw-quiet" aria-label={words} title={off || words} disabled={!!off || !possible} onClick={act}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="mw-editor" role="group" aria-label={`Layer ${index + 1}, ${layer.name}`}>
      <div class="mw-editor-head">
        <b>
          Layer {index + 1} · {layer.name}
        </b>
        <span class="mw-tiny">
          {plural(layer.parameters, "parameter")}, output {layer.output === null ? "?" : grouped(layer.output)}
        </span>
        <span class="mw-spread" />
        {tool("left", "Move left", () => move(index - 1), index > 0)}
        {tool("right", "Move right", () => move(index + 1), index < count - 1)}
        {tool("copy", "Duplicate", copy)}
        {tool("trash", "Remove", remove)}
        <button class="mw-icon mw-quiet" aria-label="Close the editor" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      {kind && kind.parameters.length > 0 && (
        <div class="mw-fields">
          {kind.parameters.map((p) => (
            <ParameterField
              key={p.id}
              id={`${uid}-${index}-${p.id}`}
              parameter={p}
              value={optionOf(layer, p)}
              off={off}
              lenient
              send={(value) => update({ [p.id]: value })}
            />
          ))}
        </div>
      )}
      <p class="mw-tiny">{kind?.help}</p>
    </div>
  );
}
