/** Which columns a person sees and in which order; it belongs to the browser. */
import type { ColumnInfo } from "../../ui/grid_header";

export interface Arrangement {
  /** Names in the person's order; columns that are not in it follow in the table's own. */
  order: readonly string[];
  hidden: ReadonlySet<string>;
  pinned: ReadonlySet<string>;
}

export const AS_IT_IS: Arrangement = { order: [], hidden: new Set(), pinned: new Set() };

/** The columns that are shown, the pinned ones first, and how many of them are pinned. */
export function arranged(columns: ColumnInfo[], { order, hidden, pinned }: Arrangement): { shown: ColumnInfo[]; pins: number } {
  const place = new Map(order.map((name, k) => [name, k]));
  const at = (column: ColumnInfo, k: number): number => place.get(column.name) ?? order.length + k;
  const sorted = columns.map((column, k) => ({ column, at: at(column, k) })).sort((a, b) => a.at - b.at);
  const seen = sorted.map(({ column }) => column).filter((column) => !hidden.has(column.name));
  const first = seen.filter((column) => pinned.has(column.name));
  return { shown: [...first, ...seen.filter((column) => !pinned.has(column.name))], pins: first.length };
}

/** The order of all columns after one was put before or behind another one. */
export function moved(columns: ColumnInfo[], now: Arrangement, name: string, to: string): string[] {
  const names = arranged(columns, { ...now, hidden: new Set() }).shown.map((column) => column.name);
  const [from, target] = [names.indexOf(name), names.indexOf(to)];
  if (from < 0 || target < 0 || from === target) return names;
  names.splice(from, 1);
  names.splice(target, 0, name);
  return names;
}

export const flipped = (set: ReadonlySet<string>, name: string): Set<string> => {
  const next = new Set(set);
  if (!next.delete(name)) next.add(name);
  return next;
};
