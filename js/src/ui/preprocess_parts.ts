/** What the kernel tells of a preparation; the Python side is `medilytica_widgets/widgets/preprocess_panel.py`. */
import type { Scalar } from "../wire/messages";

export interface Step {
  id: string;
  name: string;
  options: Record<string, Scalar>;
  columns: string[];
  kind: string;
}

export interface CatalogueEntry {
  id: string;
  name: string;
  category: string;
  summary: string;
  when: string;
  /** Whether it acts on the table's own columns, and so before every step on the matrix. */
  first: boolean;
}

export interface Column {
  name: string;
  kind: string;
  role: string;
}

export interface Way {
  id: string;
  label: string;
  help: string;
}

export interface Split {
  method: string;
  column: string;
  validation: number;
  test: number;
  folds: number;
  fold: number;
}

export interface SplitFacts {
  parts: number[];
  left_out: number;
  classes: { name: string; rows: number[] }[];
  others: number;
  groups: number[];
  means: number[];
  stratified: boolean;
  notes: string[];
}

export interface Facts {
  version: number;
  state: "busy" | "ready" | "failed" | "stopped";
  done: number;
  total: number;
  rows: number;
  of: number;
  split: SplitFacts | null;
  width: number | null;
  widths: (number | null)[];
  error: { step: number; message: string; parameter: string | null } | null;
}

/** The places of an error that belongs to no step. */
export const DEFAULT_STEP = -1;
export const SPLIT_STEP = -2;

/** What a step is for, in words. */
export function whereWords(step: Step): string {
  if (step.columns.length) return step.columns.length > 3 ? `${step.columns.length} columns` : step.columns.join(", ");
  return step.kind ? `all ${step.kind} columns` : "all that it can treat";
}

/** The entries by category, in order, of those that hold every word that was typed. */
export function byCategory(entries: CatalogueEntry[]): [string, CatalogueEntry[]][] {
  const groups = new Map<string, CatalogueEntry[]>();
  for (const entry of entries) groups.set(entry.category, [...(groups.get(entry.category) ?? []), entry]);
  return [...groups];
}

/** Whether a step on the table's own columns stands behind one on the matrix, before which it acts all the same. */
export function actsEarlier(index: number, steps: Step[], catalogue: CatalogueEntry[]): boolean {
  const first = (step: Step): boolean => catalogue.find((entry) => entry.id === step.id)?.first ?? false;
  return first(steps[index]!) && steps.slice(0, index).some((step) => !first(step));
}
