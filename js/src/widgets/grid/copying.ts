/** Cells as text for a spreadsheet: tabs between them, a line a row, quotes where a cell holds either. */
import { cellAt } from "../../ui/grid_row";
import type { ColumnInfo } from "../../ui/grid_header";
import { decodePage, type RowSource, type View } from "../../ui/row_source";
import { formatCell } from "../../ui/cells";
import type { Context } from "../_base";

export const MOST_COPIED = 200_000;
const PIECE_CELLS = 50_000;

const quoted = (text: string): string => (/[\t\n\r"]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);

export const asLines = (rows: string[][]): string => rows.map((row) => row.map(quoted).join("\t")).join("\n");

/** The cells of a block as far as they are in the page; null where some are not. */
export function blockText(source: RowSource, columns: ColumnInfo[], first: number, end: number): string | null {
  const rows: string[][] = [];
  for (let row = first; row < end; row++) {
    const cells = columns.map((column) => cellAt(source, row, column.name));
    if (cells.some((cell) => cell === null)) return null;
    rows.push(cells.map((cell) => cell!.full));
  }
  // one cell stays as it is
  return rows.length === 1 && rows[0]!.length === 1 ? rows[0]![0]! : asLines(rows);
}

/** The same, fetched from the kernel. */
export async function fetchText(ctx: Context, view: View, all: number, columns: ColumnInfo[], first: number, end: number): Promise<string> {
  if ((end - first) * columns.length > MOST_COPIED) throw new Error("These are more cells than a clipboard should hold. Export them instead.");
  const rows: string[][] = [];
  const size = Math.max(40, Math.floor(PIECE_CELLS / Math.max(1, all)));
  for (let start = first; start < end; start += size) {
    const body = { start, count: Math.min(size, end - start), ...view, filters: view.filters as never, state: 0 };
    const { raw } = await ctx.ask("grid.rows", body, { quiet: true });
    const page = decodePage(raw[0]);
    for (let row = 0; row < page.length; row++) {
      rows.push(columns.map((column) => formatCell(page.value(row, column.name), page.sort(column.name) === "date").full));
    }
  }
  return asLines(rows);
}
