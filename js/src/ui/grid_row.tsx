/** One row of the table, and a cell that is being edited. */
import { useEffect, useRef } from "preact/hooks";
import { formatCell, type Cell } from "./cells";
import type { ColumnInfo } from "./grid_header";
import { grouped } from "./number";
import { ROW_NUMBER, type RowSource } from "./row_source";

/** The cell of a row and column; null while its page is on the way. */
export function cellAt(source: RowSource, row: number, column: string): Cell | null {
  const found = source.at(row);
  return found && formatCell(found.page.value(found.row, column), found.page.sort(column) === "date");
}

/** The whole value, or nothing where it is short enough to be seen. */
function tooltip({ missing, full, text }: Cell): string | undefined {
  if (missing) return "missing";
  return full === text && text.length < 8 ? undefined : full.slice(0, 2000);
}

export interface RowProps {
  source: RowSource;
  row: number;
  /** Position of the row on the screen's page, from 1 on, for screen readers. */
  columns: { column: ColumnInfo; index: number; left: number | null }[];
  gapAfter: number;
  active: number;
  /** Columns of the block that is marked; none where the row is not in it. */
  block: [number, number] | null;
  selected: boolean;
  editing: number;
  cellId: (row: number, column: number) => string;
  onFocus: (row: number, column: number, extend: boolean) => void;
  onSelect: (row: number, event: MouseEvent) => void;
  onEdit: (row: number, column: number) => void;
  onCommit: (text: string | null, back: boolean) => void;
}

export function Row(props: RowProps) {
  const { source, row, columns, gapAfter, active, block, selected, editing, cellId } = props;
  const found = source.at(row);
  const classes = [active >= 0 && "mw-grid-row-active", selected && "mw-grid-row-selected"].filter(Boolean).join(" ");
  return (
    <tr
      role="row"
      aria-rowindex={row + 2}
      aria-selected={selected}
      class={classes || undefined}
      data-at={found ? `row:${found.page.value(found.row, ROW_NUMBER)}` : undefined}
    >
      <th
        role="rowheader"
        scope="row"
        class="mw-grid-number"
        aria-colindex={1}
        title="Click to select the row, Shift+click for all up to it, Ctrl+click for one more"
        onClick={(event) => props.onSelect(row, event)}
      >
        {found ? grouped(Number(found.page.value(found.row, ROW_NUMBER))) : <span class="mw-grid-ghost" />}
      </th>
      {columns.map(({ column, index, left }, k) => {
        const cell = cellAt(source, row, column.name);
        const isNumber = found ? found.page.sort(column.name) === "number" : column.kind === "numeric";
        const wrong = column.name === "correct" && column.role === "result" && cell?.full === "false";
        const cellClasses = [
          isNumber && "mw-grid-right",
          column.role === "set_aside" && "mw-grid-aside",
          cell?.missing && "mw-grid-missing",
          left !== null && "mw-grid-pinned",
          wrong && "mw-grid-wrong",
          block && index >= block[0] && index <= block[1] && "mw-grid-block",
          active === index && "mw-grid-active",
        ];
        return [
          k === gapAfter && <td key="gap" class="mw-grid-gap" aria-hidden="true" />,
          <td
            key={column.name}
            id={cellId(row, index)}
            role="gridcell"
            aria-colindex={index + 2}
            aria-selected={block ? index >= block[0] && index <= block[1] : undefined}
            class={cellClasses.filter(Boolean).join(" ") || undefined}
            style={left === null ? undefined : { left: `${left}px` }}
            title={cell ? tooltip(cell) : undefined}
            onClick={(event) => props.onFocus(row, index, event.shiftKey)}
            onDblClick={() => props.onEdit(row, index)}
          >
            {editing === index ? (
              <CellInput cell={cell} label={column.name} onCommit={props.onCommit} />
            ) : cell ? (
              cell.missing ? cell.text : <bdi>{cell.text}</bdi>
            ) : (
              <span class="mw-grid-ghost" />
            )}
          </td>,
        ];
      })}
      {gapAfter >= columns.length && <td class="mw-grid-gap" aria-hidden="true" />}
      <td class="mw-grid-gap" aria-hidden="true" />
    </tr>
  );
}

function CellInput({ cell, label, onCommit }: { cell: Cell | null; label: string; onCommit: RowProps["onCommit"] }) {
  const box = useRef<HTMLInputElement>(null);
  const done = useRef(false);
  useEffect(() => {
    box.current?.focus();
    box.current?.select();
  }, []);
  const end = (text: string | null, back: boolean): void => {
    if (done.current) return;
    done.current = true;
    onCommit(text, back);
  };
  const before = cell?.full ?? "";
  return (
    <input
      ref={box}
      class="mw-grid-input"
      aria-label={`New value of ${label}; Enter keeps it, Escape leaves the old one`}
      defaultValue={before}
      onClick={(event) => event.stopPropagation()}
      onDblClick={(event) => event.stopPropagation()}
      onBlur={(event) => end(event.currentTarget.value === before ? null : event.currentTarget.value, false)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Escape") end(null, true);
        else if (event.key === "Enter" || event.key === "Tab") end(event.currentTarget.value === before ? null : event.currentTarget.value, true);
        else return;
        event.preventDefault();
      }}
    />
  );
}
