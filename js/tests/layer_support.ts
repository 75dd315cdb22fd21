/** A builder of layers against a fake kernel, and how a test finds its way in it. */
import type { LayerKind, Network } from "../src/ui/layer_state";
import { LayerBuilder } from "../src/widgets/layer_builder";
import type { LayerSpec } from "../src/wire/messages";
import { settle, show, type Shown } from "./fake_model";

export const kind = (id: string, name: string, group: string, help: string, more: object = {}) =>
  ({ kind: id, name, group, help, parameters: [], takes: [1, 1], open: false, ...more }) as unknown as LayerKind;
export const KINDS = [
  kind("linear", "Linear", "Dense", "Weighs all inputs."),
  kind("layer_norm", "Layer normalisation", "Normalisation", "Scales each row."),
  kind("concatenate", "Concatenate", "Combine", "Lays several inputs side by side.", { takes: [2, null] }),
  kind("torch", "Any class of torch.nn", "Other", "Named by its class.", { open: true }),
];
export const layer = (id: string, more: Partial<LayerSpec> = {}): LayerSpec => ({ kind: id, options: {}, ...more });
export function network(layers: LayerSpec[], more: object = {}): Network {
  const rows = layers.map(({ kind: id }) => ({
    kind: id, name: KINDS.find((k) => k.kind === id)?.name ?? id, input_shape: [8], output_shape: [8], parameters: 10, bytes: 40, error: "",
  }));
  return {
    layers, rows, head: { ...rows[0]!, name: "Classes", error: "" }, inputs: 4, outputs: 2, task: "classification",
    heads: [{ task: "classification" }], total_parameters: 100, total_bytes: 400, error: null, failing: null, ...more,
  };
}
export const SKIP = [layer("linear", { name: "enc" }), layer("linear"), layer("concatenate", { inputs: ["enc", "linear_2"], name: "join" })];

export let shown: Shown;
/** Draw a builder of these layers; by the id of a model that was shown before, or of a fresh one. */
export const start = (layers: LayerSpec[], more: object = {}, id?: string): Shown => {
  shown = show(LayerBuilder, {
    network: network(layers, more), kinds: KINDS, inits: ["", "orthogonal"], templates: [], uses_layers: true, algorithm: "Perceptron",
    pending: false, revision: 1, can_undo: true, can_redo: false,
  }, id);
  return shown;
};
export const find = <T extends HTMLElement = HTMLElement>(selector: string) => shown.root.querySelector<T>(selector)!;
export const all = (selector: string) => [...shown.root.querySelectorAll<HTMLElement>(selector)];
export const box = (index: number) => find(`[data-layer="${index}"]`);
export const button = (name: string) =>
  all("button").find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name || b.querySelector(".mw-menu-words")?.textContent === name)! as HTMLButtonElement;
export const press = async (key: string, more: KeyboardEventInit = {}) => {
  document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  await settle();
};
export const type = async (input: HTMLInputElement | HTMLTextAreaElement, text: string) => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
};
export const choose = async (select: HTMLSelectElement, value: string) => {
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
};
/** Effects run after a frame. */
export const frame = () => new Promise((resolve) => setTimeout(resolve, 120));

/** Take it away, and what it left in the browser's storage. */
export const tidy = (): void => {
  shown?.close();
  localStorage.clear();
};
