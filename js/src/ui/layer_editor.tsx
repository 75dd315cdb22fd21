/** The selected layer in full: its options, and what every kind of layer has. */
import { useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import type { Scalar } from "../wire/messages";
import { ParameterField, problemOf } from "./field";
import { Icon, type IconName } from "./icons";
import { called, INPUT, optionOf, shapeText, sources, type LayerKind, type LayerState } from "./layer_state";
import { formatBytes, plural } from "./number";
import { TextField } from "./text_field";
import { TorchForm } from "./torch_form";

export interface LayerActions {
  update: (options: Record<string, unknown>) => Promise<unknown>;
  configure: (fields: Record<string, unknown>) => Promise<unknown>;
  connect: (source: number | string, connected: boolean) => Promise<unknown>;
  move: (to: number) => void;
  copy: () => void;
  remove: () => void;
  close: () => void;
}

export function LayerEditor({ ctx, uid, layers, kind, inits, index, off, ...act }: {
  ctx: Context;
  uid: string;
  layers: LayerState[];
  kind: LayerKind | undefined;
  inits: string[];
  index: number;
  off: string;
} & LayerActions) {
  const layer = layers[index] as LayerState;
  const tool = (icon: IconName, words: string, run: () => void, possible = true) => (
    <button class="mw-icon mw-quiet" aria-label={words} title={off || words} disabled={!!off || !possible} onClick={run}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="mw-editor" role="group" aria-label={`Layer ${index + 1}, ${layer.name || layer.title}`}>
      <div class="mw-editor-head">
        <b>
          Layer {index + 1} · {layer.name ? `${layer.name}, ` : ""}
          {layer.title}
        </b>
        <span class="mw-tiny">
          {plural(layer.parameters, "parameter")}, {formatBytes(layer.bytes)}, output {shapeText(layer.shape)}
        </span>
        <span class="mw-spread" />
        {tool("left", "Move left", () => act.move(index - 1), index > 0)}
        {tool("right", "Move right", () => act.move(index + 1), index < layers.length - 1)}
        {tool("copy", "Duplicate", act.copy)}
        {tool("trash", "Remove", act.remove)}
        <button class="mw-icon mw-quiet" aria-label="Close the editor" onClick={act.close}>
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
              send={(value: Scalar) => act.update({ [p.id]: value })}
            />
          ))}
        </div>
      )}
      {kind?.open && (
        <TorchForm ctx={ctx} uid={`${uid}-${index}-torch`} off={off} options={layer.options} action="Apply" send={act.update} />
      )}
      <div class="mw-editor-more">
        <TextField
          id={`${uid}-${index}-name`}
          label="name"
          value={layer.name}
          off={off}
          placeholder="none"
          help="Other layers and heads refer to this one by its name."
          send={(name) => act.configure({ name })}
        />
        <Inputs uid={`${uid}-${index}`} layers={layers} index={index} kind={kind} off={off} connect={act.connect} />
        <label class="mw-editor-field">
          <span>first weights</span>
          <select
            aria-label="first weights"
            disabled={!!off}
            title={off || "How its weights begin before training"}
            value={layer.init}
            onChange={(event) => void act.configure({ init: event.currentTarget.value }).catch(() => undefined)}
          >
            {inits.map((init) => (
              <option key={init} value={init}>
                {init ? init.replaceAll("_", " ") : "torch's own"}
              </option>
            ))}
          </select>
        </label>
        <label class="mw-editor-field">
          <span>
            <Icon name={layer.frozen ? "lock" : "unlock"} /> frozen
          </span>
          <input
            type="checkbox"
            role="switch"
            class="mw-switch"
            aria-label="frozen"
            disabled={!!off}
            title={off || "Keep its weights as they are while the network trains"}
            checked={layer.frozen}
            onChange={(event) => void act.configure({ frozen: event.currentTarget.checked }).catch(() => undefined)}
          />
        </label>
      </div>
      <p class="mw-tiny">{kind?.help}</p>
    </div>
  );
}

/** Where the layer takes its input from, and a list to connect it to more. */
function Inputs({ uid, layers, index, kind, off, connect }: {
  uid: string;
  layers: LayerState[];
  index: number;
  kind: LayerKind | undefined;
  off: string;
  connect: (source: number | string, connected: boolean) => Promise<unknown>;
}) {
  const [problem, setProblem] = useState("");
  const layer = layers[index] as LayerState;
  const several = !kind?.takes || kind.takes[1] !== 1;
  const here = sources(layers, index);
  const taken = new Set(here.map(({ at }) => at));
  const ask = (source: number | string, connected: boolean): void => {
    setProblem("");
    connect(source, connected).catch((error: unknown) => setProblem(problemOf(error).message));
  };
  return (
    <div class="mw-editor-field mw-editor-inputs">
      <span id={`${uid}-inputs`}>input from</span>
      <span class="mw-layer-chips" role="list" aria-labelledby={`${uid}-inputs`}>
        {layer.inputs.length === 0 ? (
          <span class="mw-tiny" role="listitem">
            {index === 0 ? "the network's input" : "the layer before"}
          </span>
        ) : (
          here.map(({ name, at }) => (
            <span key={name} role="listitem" class={`mw-chip${at === null ? " mw-chip-lost" : ""}`}>
              <span class="mw-chip-words">{name}</span>
              <button aria-label={`Disconnect ${name}`} title={off || `no longer take input from ${name}`} disabled={!!off} onClick={() => ask(name, false)}>
                ×
              </button>
            </span>
          ))
        )}
        <select
          aria-label="Connect from"
          disabled={!!off}
          title={off || (several ? "Take input from another layer too" : "Take input from another layer instead")}
          value=""
          onChange={(event) => {
            const { value } = event.currentTarget;
            event.currentTarget.value = "";
            if (value !== "") ask(Number(value), true);
          }}
        >
          <option value="">connect from…</option>
          {!taken.has(INPUT) && <option value={INPUT}>the network's input</option>}
          {layers.slice(0, index).map((other, k) =>
            taken.has(k) ? null : (
              <option key={k} value={k}>
                {called(other, k)}
              </option>
            ),
          )}
        </select>
      </span>
      {problem && (
        <span class="mw-error-text" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
}
