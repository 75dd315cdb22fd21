/** What stands around the table's rows: the active cell in full, and an empty table's words. */
import type { ColumnInfo } from "../../ui/grid_header";
import { cellAt } from "../../ui/grid_row";
import type { Place } from "../../ui/grid_table";
import type { RowSource } from "../../ui/row_source";

/** What stands where no row does, and the way back. */
export function Nothing({ search, rows, onClear }: { search: string; rows: number; onClear: () => void }) {
  return (
    <div class="mw-empty mw-grid-nothing">
      {rows > 0 ? (
        <div>
          <p>{search ? <>No row contains “<bdi>{search}</bdi>”.</> : "No row passes the filters."}</p>
          <button onClick={onClear}>{search ? "Clear the search" : "Clear the filters"}</button>
        </div>
      ) : (
        <p>The table has no rows.</p>
      )}
    </div>
  );
}

/** The active cell in full: in the table it may be cut. */
export function ActiveCell({ source, columns, place }: { source: RowSource; columns: ColumnInfo[]; place: Place }) {
  const column = columns[place.column];
  void source.version.value;
  const cell = column && place.row >= 0 ? cellAt(source, place.row, column.name) : null;
  if (!column || !cell) return null;
  return (
    <span class="mw-grid-now" title={cell.full.slice(0, 2000)}>
      <bdi>{column.name}</bdi> <b>{cell.missing ? "missing" : <bdi>{cell.full.slice(0, 300)}</bdi>}</b>
    </span>
  );
}

