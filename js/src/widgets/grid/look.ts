/** What this browser looks at; another view of the table has its own. It is kept while the page is. */
import { RowSource, type Filter, type Sort, type View } from "../../ui/row_source";
import type { Context } from "../_base";
import { AS_IT_IS, type Arrangement } from "./arrange";

/** Cells of a page at most, and its rows at least: the kernel refuses larger ones. */
const PAGE_CELLS = 6_000;
const PAGE_ROWS = [40, 200] as const;

export interface Look extends View, Arrangement {
  /** Of columns whose edge was dragged; a map, because a column may be called "constructor". */
  widths: ReadonlyMap<string, number>;
  /** Rows of a page; 0 scrolls through everything. */
  perPage: number;
}

export const FIRST_LOOK: Look = { sort: [], search: "", filters: [], where: "", widths: new Map(), perPage: 0, ...AS_IT_IS };

export const viewOf = ({ sort, search, filters, where }: View): View => ({ sort, search, filters, where });

export const isPlain = ({ sort, search, filters, where }: View): boolean => !sort.length && !search && !filters.length && !where;

export const narrows = ({ search, filters, where }: View): boolean => Boolean(search || filters.length || where);

export function rowSource(ctx: Context, total: number, columns: number, view: View): RowSource {
  const size = Math.max(PAGE_ROWS[0], Math.min(PAGE_ROWS[1], Math.round(PAGE_CELLS / Math.max(1, columns))));
  const source = new RowSource(
    (body, signal) => ctx.ask("grid.rows", body, { quiet: true, signal }),
    total,
    size,
  );
  if (!isPlain(view)) source.query(viewOf(view));
  return source;
}

/** The next sorting when a column is chosen: ascending, descending, none; `add` keeps the other columns. */
export function nextSort(sort: Sort, name: string, add: boolean): Sort {
  const now = sort.find(([known]) => known === name);
  const next: Sort = !now ? [[name, false]] : now[1] ? [] : [[name, true]];
  if (!add) return next;
  return now ? sort.flatMap((one) => (one === now ? next : [one])) : [...sort, ...next];
}

/** The filters with another one for a column; null takes it away. */
export const withFilter = (filters: Filter[], column: string, filter: Filter | null): Filter[] => [
  ...filters.filter((one) => one.column !== column),
  ...(filter ? [filter] : []),
];

/** How a view is told to a screen reader. */
export function inWords({ sort, filters, where }: View): string {
  const sorted = sort.map(([name, down]) => `${name} ${down ? "descending" : "ascending"}`).join(", then ");
  const filtered = filters.map((one) => one.column).join(", ");
  return [sorted && `Sorted by ${sorted}.`, filtered && `Filtered by ${filtered}.`, where && "A condition holds."].filter(Boolean).join(" ");
}
