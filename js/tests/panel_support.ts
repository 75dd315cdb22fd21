/** A form to try things on, and the hands to do it with. */
import { vi } from "vitest";
import type { Parameter } from "../src/ui/number";
import type { Preset } from "../src/ui/presets";
import { HyperparameterPanel } from "../src/widgets/hyperparameter_panel";
import { show, type Shown } from "./fake_model";

export const base: Parameter = {
  id: "",
  kind: "float",
  default: 0,
  low: null,
  high: null,
  scale: "linear",
  smallest: 1e-6,
  choices: [],
  unit: "",
  help: "",
  label: "",
  live: false,
  optional: false,
};
export const FORM: Parameter[] = [
  { ...base, id: "learning_rate", label: "learning rate", default: 0.003, low: 1e-6, high: 10, scale: "log", live: true, help: "The length of each step." },
  { ...base, id: "epochs", label: "epochs", kind: "int", default: 50, low: 1, high: 1000, scale: "log", unit: "epochs" },
  { ...base, id: "optimizer", label: "optimizer", kind: "choice", default: "adam", choices: ["adam", "sgd"] },
  { ...base, id: "shuffle", label: "shuffle", kind: "bool", default: true },
  { ...base, id: "patience", label: "patience", kind: "int", default: null, low: 1, high: 1000, scale: "log", optional: true },
];
export const VALUES = { learning_rate: 0.003, epochs: 50, optimizer: "adam", shuffle: true, patience: null };

export let shown: Shown;
export const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);
export const find = <T extends HTMLElement = HTMLInputElement>(selector: string): T => {
  const found = shown.root.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
export const box = (label: string) => find(`input.mw-number[aria-label="${label}"]`);
export const slider = (label: string) => find(`input[type=range][aria-label="adjust ${label}"]`);
export const button = (name: string) =>
  [...shown.root.querySelectorAll("button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name);
export const type = (input: HTMLInputElement, text: string): void => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
export const key = (target: HTMLElement, name: string, more: KeyboardEventInit = {}): void => {
  target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
};
export const sentence = () => shown.root.querySelector(".mw-field-note[role=alert]")?.textContent ?? "";
export const setValues = (values: object) => shown.model.set({ values: { ...(shown.model.traits.values as object), ...values } });

/** Draw the panel for a fresh kernel, with other traits than the usual ones where they are given. */
export async function open(traits: object = {}): Promise<void> {
  vi.useFakeTimers();
  shown = show(HyperparameterPanel, {
    form: FORM,
    values: VALUES,
    task: "classification",
    pending: [],
    presets: [],
    training: false,
    algorithm: { id: "mlp", name: "Multilayer perceptron" },
    can_undo: true,
    can_redo: false,
    ...traits,
  });
  await wait(50);
}

export function close(): void {
  shown.close();
  vi.useRealTimers();
}

/** The parameters whose fields are drawn, in order. */
export const fields = (): (string | null)[] =>
  [...shown.root.querySelectorAll("[data-parameter]")].map((f) => f.getAttribute("data-parameter"));

export const preset = (name: string, values: Preset["values"], more: Partial<Preset> = {}): Preset => ({
  name,
  values,
  own: false,
  about: "",
  problem: "",
  ...more,
});
