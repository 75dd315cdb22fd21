/** A stack of layers as the builder shows it; the Python side is `Analysis` with the layers' own specs. */
import type { LayerSpec, Scalar } from "../wire/messages";
import { grouped, type Parameter } from "./number";

export interface LayerKind {
  kind: string;
  name: string;
  help: string;
  parameters: Parameter[];
  /** The heading it stands under in the menu. */
  group?: string;
  /** The least and the most inputs; null for any number. */
  takes?: [number, number | null];
  /** Stands for any class of torch.nn, with `class_` and `arguments` as options. */
  open?: boolean;
}

export interface Row {
  kind: string;
  name: string;
  output_shape: number[] | null;
  input_shape: unknown;
  parameters: number;
  bytes?: number;
  error: string;
}

export interface HeadSpec {
  task: string;
  name?: string;
  target?: string;
  at?: string;
  loss?: string;
  weight?: number | "uncertainty";
  options?: Record<string, Scalar>;
}

export interface Network {
  layers: LayerSpec[];
  heads?: HeadSpec[];
  head_rows?: Row[];
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

/** One layer: its own spec, and what the analysis says of it. */
export interface LayerState {
  kind: string;
  /** The kind's name for a person. */
  title: string;
  /** Its own name; empty where it has none. */
  name: string;
  options: Record<string, unknown>;
  inputs: string[];
  init: string;
  frozen: boolean;
  shape: number[] | null;
  parameters: number;
  bytes: number;
  error: string;
}

/** The place of the network's own input among the sources of a layer. */
export const INPUT = -1;

export const states = (network: Network): LayerState[] =>
  network.layers.map((layer, k) => {
    const row = network.rows[k];
    return {
      kind: layer.kind,
      title: row?.name ?? layer.kind,
      name: layer.name ?? "",
      options: layer.options ?? {},
      inputs: layer.inputs ?? [],
      init: layer.init ?? "",
      frozen: layer.frozen === true,
      shape: Array.isArray(row?.output_shape) ? row.output_shape : null,
      parameters: row?.parameters ?? 0,
      bytes: row?.bytes ?? 0,
      error: row?.error ?? "",
    };
  });

/** What a layer is called where it is referred to. */
export const called = (layer: LayerState, index: number): string => layer.name || `layer ${index + 1}, ${layer.title}`;

/** Where a layer takes its input from: places of earlier layers, -1 for the input, null for a name that nobody has. */
export function sources(layers: readonly LayerState[], index: number): { name: string; at: number | null }[] {
  const own = layers[index]?.inputs ?? [];
  if (own.length === 0) return [{ name: index > 0 ? (layers[index - 1]?.name ?? "") : "input", at: index - 1 }];
  return own.map((name) => {
    if (name === "input") return { name, at: INPUT };
    const at = layers.findIndex((layer) => layer.name === name);
    return { name, at: at >= 0 && at < index ? at : null };
  });
}

/** 64, or 32 × 10; a question mark where it is not known. */
export const shapeText = (shape: readonly number[] | null | undefined): string =>
  shape ? shape.map(grouped).join(" × ") || "1" : "?";

export const shapeAt = (network: Network, layers: readonly LayerState[], at: number | null): string =>
  at === null ? "?" : at === INPUT ? grouped(network.inputs) : shapeText(layers[at]?.shape);

export interface Arc {
  from: number;
  to: number;
  shape: string;
}

/** The connections that are no straight line to the next box; the head stands behind the last layer. */
export function arcs(network: Network, layers: readonly LayerState[]): Arc[] {
  const found: Arc[] = [];
  layers.forEach((_, to) => {
    for (const { at } of sources(layers, to)) {
      if (at !== null && at !== to - 1) found.push({ from: at, to, shape: shapeAt(network, layers, at) });
    }
  });
  for (const head of network.heads ?? []) {
    if (!head.at) continue;
    const at = head.at === "input" ? INPUT : layers.findIndex((layer) => layer.name === head.at);
    const there = at >= 0 || head.at === "input";
    if (there && at < layers.length - 1) found.push({ from: at, to: layers.length, shape: shapeAt(network, layers, at) });
  }
  return found;
}

/** Whether anything flows along the straight line into the box at `to`. */
export function straight(network: Network, layers: readonly LayerState[], to: number): boolean {
  if (to < layers.length) return sources(layers, to).some(({ at }) => at === to - 1);
  const heads = network.heads ?? [];
  const last = layers[layers.length - 1];
  return heads.length === 0 || heads.some((head) => !head.at || head.at === last?.name);
}

/** A layer's plain form, as it stands in the spec. */
export function plainLayer(layer: LayerState): LayerSpec {
  return {
    kind: layer.kind,
    options: layer.options,
    ...(layer.name ? { name: layer.name } : {}),
    ...(layer.inputs.length ? { inputs: layer.inputs } : {}),
    ...(layer.init ? { init: layer.init } : {}),
    ...(layer.frozen ? { frozen: true } : {}),
  };
}

/** The value of an option, its default where it was not given. */
export const optionOf = (layer: LayerState, p: Parameter): Scalar => {
  const value = layer.options[p.id];
  return value === undefined || (typeof value === "object" && value !== null) ? p.default : (value as Scalar);
};
