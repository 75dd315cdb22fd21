/** Layers out of the page and into it: JSON as file and text, and a picture. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { LayerSpec } from "../wire/messages";
import { problemOf } from "./field";
import { Icon } from "./icons";
import { plainLayer, states, type Network } from "./layer_state";
import { plural } from "./number";

const LARGEST_FILE = 1_000_000;
const MOST_LAYERS = 500;

/** The file's text; `layersIn` reads it back. */
export const toText = (network: Network): string =>
  `${JSON.stringify({ layers: states(network).map(plainLayer) }, null, 2)}\n`;

/** The layers that a text states: a list of them, or an object with one, such as an experiment's specification. */
export function layersIn(text: string): LayerSpec[] {
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const list = Array.isArray(told) ? told : (told as { layers?: unknown } | null)?.layers;
  if (!Array.isArray(list)) throw new Error('There are no layers in it; it takes a list of layers, or an object with "layers".');
  if (list.length > MOST_LAYERS) throw new Error(`There are ${list.length} layers in it; a stack has at most ${MOST_LAYERS}.`);
  list.forEach((layer: unknown, k) => {
    const kind = (layer as { kind?: unknown } | null)?.kind;
    if (typeof kind !== "string") throw new Error(`Entry ${k + 1} is no layer: it lacks its "kind".`);
  });
  return list.map((layer: LayerSpec) => ({ ...layer, options: layer.options ?? {} }));
}

/** Hand the person a file. */
export function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.style.display = "none";
  document.body.append(link);
  link.click();
  link.remove();
  // a browser that is slow to begin would find the address gone
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Layers as JSON from a file or from pasted text. */
export function ImportPanel({ uid, off, replace, close }: {
  uid: string;
  off: string;
  replace: (layers: LayerSpec[]) => Promise<unknown>;
  close: () => void;
}) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [over, setOver] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.focus(), []);
  let count: number | null = null;
  try {
    if (text.trim()) count = layersIn(text).length;
  } catch {
    count = null;
  }
  const read = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    if (file.size > LARGEST_FILE) {
      setProblem(`${file.name} has ${Math.round(file.size / 1000)} kB; layers take less than ${LARGEST_FILE / 1000} kB.`);
      return;
    }
    setProblem("");
    setText(await file.text());
  };
  const submit = async (): Promise<void> => {
    try {
      if (text.length > LARGEST_FILE) throw new Error(`This is ${Math.round(text.length / 1000)} kB of text; layers take less.`);
      await replace(layersIn(text));
      close();
    } catch (error) {
      setProblem(problemOf(error).message);
    }
  };
  return (
    <form
      class={`mw-insert mw-import${over ? " mw-over" : ""}`}
      aria-label="Import layers"
      onKeyDown={(event) => event.key === "Escape" && close()}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void read(event.dataTransfer?.files[0]);
      }}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="mw-insert-head">
        <label for={`${uid}-json`}>Layers as JSON, from a file or pasted</label>
        <input type="file" accept=".json,application/json" aria-label="JSON file" onChange={(event) => void read(event.currentTarget.files?.[0])} />
        <span class="mw-spread" />
        <button type="button" class="mw-icon mw-quiet" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <textarea
        ref={area}
        id={`${uid}-json`}
        rows={6}
        spellcheck={false}
        placeholder='{"layers": [{"kind": "linear", "options": {"units": 64}}]}'
        aria-invalid={!!problem || undefined}
        aria-describedby={problem ? `${uid}-json-problem` : undefined}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setProblem("");
        }}
      />
      <div class="mw-insert-head">
        <button type="submit" class="mw-primary" disabled={!!off || !text.trim()} title={off || undefined}>
          Replace the layers
        </button>
        <span class="mw-tiny">{count === null ? "Undo brings yours back." : `${plural(count, "layer")} found. Undo brings yours back.`}</span>
        <span class="mw-tiny">
          A torch module: <code>builder.load(module)</code> in Python.
        </span>
      </div>
      {problem && (
        <p id={`${uid}-json-problem`} class="mw-error-text" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
