/** The table itself: only the rows and columns that are seen are in the page, one cell is the active one. */
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatCell, type Cell } from "./cells";
import { Header, type ColumnInfo } from "./grid_header";
import { grouped } from "./number";
import { ROW_NUMBER, type RowSource, type Sort } from "./row_source";
import {
  columnOffsets,
  isProportional,
  lastTop,
  reveal,
  scrollFor,
  topAt,
  visibleColumns,
  visibleRows,
  type Extent,
} from "./scroller";

export const ROW_HEIGHT = 26;
export const HEADER_HEIGHT = 30;
/** Room for the horizontal scroll bar below a short table. */
const BAR = 14;
const LINE_ROWS = 3;

/** Row -1 is the header. */
export interface Place {
  row: number;
  column: number;
}

export interface GridTableProps {
  source: RowSource;
  columns: ColumnInfo[];
  widths: number[];
  sort: Sort;
  /** Rows of the whole table. */
  rows: number;
  height: number;
  label: string;
  active: Place;
  /** False until the person went to a cell: then none is marked. */
  touched: boolean;
  onActive: (place: Place) => void;
  onSort: (name: string, add: boolean) => void;
  onWidth: (column: number, width: number) => void;
  onCopied: (cell: Cell) => void;
}

/** The cell of a row and column; null while its page is on the way. */
export function cellAt(source: RowSource, row: number, column: string): Cell | null {
  const found = source.at(row);
  return found && formatCell(found.page.value(found.row, column), found.page.sort(column) === "date");
}

export function GridTable(props: GridTableProps) {
  const { source, columns, widths, sort, rows, active } = props;
  const total = source.total.value;
  const busy = source.busy.value;
  const version = source.version.value;
  const area = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLTableElement>(null);
  const id = useId();
  const [size, setSize] = useState({ width: 800, height: props.height });
  const [view, setView] = useState({ top: 0, scrollTop: 0, left: 0 });
  // Where the area was put by us: its scroll event must not round the row away in proportional scrolling.
  const placed = useRef({ scrollTop: 0, top: 0 });

  const numbers = Math.max(40, 14 + 8 * String(Math.max(0, rows - 1)).length);
  const height = Math.min(props.height, HEADER_HEIGHT + Math.max(3, rows) * ROW_HEIGHT + BAR);
  const extent: Extent = { rows: total, rowHeight: ROW_HEIGHT, viewport: Math.max(ROW_HEIGHT, size.height - HEADER_HEIGHT) };
  const top = Math.min(view.top, lastTop(extent));
  const seen = visibleRows(top, view.scrollTop, extent);
  const offsets = columnOffsets(widths);
  const across = visibleColumns(offsets, view.left, Math.max(0, size.width - numbers));
  const rest = Math.max(0, size.width - numbers - offsets[columns.length]!);

  useLayoutEffect(() => {
    const element = area.current!;
    const measure = (): void => {
      if (element.clientWidth) setSize({ width: element.clientWidth, height: element.clientHeight });
    };
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => source.want(seen.first, seen.count), [source, seen.first, seen.count, version, busy]);

  // A new sorting or search begins at its first row.
  useEffect(() => {
    if (busy) scrollTo(0);
  }, [source, busy]);

  function scrollTo(next: number, left = area.current!.scrollLeft): void {
    const element = area.current!;
    const inside = Math.max(0, Math.min(next, lastTop(extent)));
    element.scrollTop = scrollFor(inside, extent);
    if (left !== element.scrollLeft) element.scrollLeft = left;
    placed.current = { scrollTop: element.scrollTop, top: inside };
    setView({ top: inside, scrollTop: element.scrollTop, left: element.scrollLeft });
  }

  function onScroll(): void {
    const { scrollTop, scrollLeft: left } = area.current!;
    const kept = placed.current.scrollTop === scrollTop;
    setView({ top: kept ? placed.current.top : topAt(scrollTop, extent), scrollTop, left });
  }

  function onWheel(event: WheelEvent): void {
    if (!isProportional(extent) || event.ctrlKey || event.shiftKey || !event.deltaY) return;
    const unit = [1 / ROW_HEIGHT, LINE_ROWS, extent.viewport / ROW_HEIGHT][event.deltaMode] ?? 1;
    const steps = event.deltaY * unit;
    const next = Math.max(0, Math.min(lastTop(extent), top + (Math.trunc(steps) || Math.sign(steps))));
    if (next === top) return;
    event.preventDefault();
    scrollTo(next);
  }

  function go(row: number, column: number): void {
    const place = { row: Math.max(-1, Math.min(total - 1, row)), column: Math.max(0, Math.min(columns.length - 1, column)) };
    props.onActive(place);
    const element = area.current!;
    const left = reveal(element.scrollLeft, size.width - numbers, offsets[place.column]!, offsets[place.column + 1]!);
    const screen = extent.viewport / ROW_HEIGHT;
    const next = place.row < 0 ? top : reveal(top, screen, place.row, place.row + 1);
    scrollTo(isProportional(extent) ? Math.ceil(next) : next, left);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const { row, column } = active;
    const far = event.ctrlKey || event.metaKey;
    const page = Math.max(1, Math.floor(extent.viewport / ROW_HEIGHT) - 1);
    const inHeader = row < 0;
    if (event.altKey || (far && !["Home", "End"].includes(event.key))) return;
    if (inHeader && event.shiftKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      props.onWidth(column, widths[column]! + (event.key === "ArrowRight" ? 16 : -16));
    } else if (inHeader && (event.key === "Enter" || event.key === " ")) {
      props.onSort(columns[column]!.name, event.shiftKey);
    } else {
      const target: Record<string, [number, number]> = {
        ArrowUp: [row - 1, column],
        ArrowDown: [row + 1, column],
        ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1],
        PageUp: [inHeader ? row : Math.max(0, row - page), column],
        PageDown: [row + page, column],
        Home: far ? [0, 0] : [row, 0],
        End: far ? [total - 1, columns.length - 1] : [row, columns.length - 1],
      };
      const place = target[event.key];
      if (!place) return;
      go(...place);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  function onCopy(event: ClipboardEvent): void {
    const name = columns[active.column]?.name;
    // What was marked with the mouse is what the person wants.
    if (name === undefined || !getSelection()?.isCollapsed) return;
    const cell = active.row < 0 ? formatCell(name) : cellAt(source, active.row, name);
    if (!cell) return;
    event.clipboardData?.setData("text/plain", cell.full);
    event.preventDefault();
    props.onCopied(cell);
  }

  /** Make a cell the active one without moving what is seen. */
  function focus(row: number, column: number): void {
    props.onActive({ row, column });
    grid.current!.focus({ preventScroll: true });
  }

  const cellId = (row: number, column: number): string => `${id}-${row}-${column}`;
  const shown = columns.slice(across.first, across.first + across.count);
  return (
    <div class="mw-grid-area" ref={area} style={{ height: `${height}px` }} onScroll={onScroll} onWheel={onWheel}>
      <table
        ref={grid}
        role="grid"
        tabIndex={0}
        class={["mw-grid", busy && "mw-grid-busy", props.touched && "mw-grid-touched"].filter(Boolean).join(" ")}
        aria-label={label(props.label)}
        aria-rowcount={total + 1}
        aria-colcount={columns.length + 1}
        aria-readonly="true"
        aria-busy={busy}
        aria-activedescendant={columns.length ? cellId(active.row, active.column) : undefined}
        onKeyDown={onKeyDown}
        onCopy={onCopy}
        style={{ width: `${numbers + offsets[columns.length]! + rest}px`, "--mw-grid-numbers": `${numbers}px` }}
      >
        <colgroup>
          <col style={{ width: `${numbers}px` }} />
          <col style={{ width: `${across.before}px` }} />
          {shown.map((column, k) => (
            <col key={column.name} style={{ width: `${widths[across.first + k]}px` }} />
          ))}
          <col style={{ width: `${across.after + rest}px` }} />
        </colgroup>
        <thead>
          <tr role="row" aria-rowindex={1}>
            <th role="columnheader" scope="col" class="mw-grid-corner" aria-colindex={1} title="Number of the row in the table, from 0 on">
              <span class="mw-sr">row</span>
            </th>
            <td class="mw-grid-gap" aria-hidden="true" />
            {shown.map((column, k) => {
              const index = across.first + k;
              return (
                <Header
                  key={column.name}
                  id={cellId(-1, index)}
                  column={column}
                  index={index}
                  rows={rows}
                  sort={sort}
                  active={active.row === -1 && active.column === index}
                  width={widths[index]!}
                  onFocus={() => focus(-1, index)}
                  onSort={(add) => props.onSort(column.name, add)}
                  onWidth={(width) => props.onWidth(index, width)}
                />
              );
            })}
            <td class="mw-grid-gap" aria-hidden="true" />
          </tr>
        </thead>
        <tbody>
          {seen.before > 0 && <tr aria-hidden="true" style={{ height: `${seen.before}px` }} />}
          {Array.from({ length: seen.count }, (_, k) => {
            const row = seen.first + k;
            return (
              <Row
                key={row}
                source={source}
                row={row}
                columns={shown}
                first={across.first}
                active={active.row === row ? active.column : -1}
                cellId={cellId}
                onFocus={focus}
              />
            );
          })}
          {seen.after > 0 && <tr aria-hidden="true" style={{ height: `${seen.after}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

const label = (name: string): string => `${name}: rows. Arrows move, Enter on a column's name sorts, Ctrl+C copies the cell.`;

/** The whole value, or nothing where it is short enough to be seen. */
function tooltip({ missing, full, text }: Cell): string | undefined {
  if (missing) return "missing";
  return full === text && text.length < 8 ? undefined : full.slice(0, 2000);
}

interface RowProps {
  source: RowSource;
  row: number;
  columns: ColumnInfo[];
  first: number;
  active: number;
  cellId: (row: number, column: number) => string;
  onFocus: (row: number, column: number) => void;
}

function Row({ source, row, columns, first, active, cellId, onFocus }: RowProps) {
  const found = source.at(row);
  return (
    <tr role="row" aria-rowindex={row + 2} class={active >= 0 ? "mw-grid-row-active" : undefined}>
      <th role="rowheader" scope="row" class="mw-grid-number" aria-colindex={1} onClick={() => onFocus(row, 0)}>
        {found ? grouped(Number(found.page.value(found.row, ROW_NUMBER))) : <span class="mw-grid-ghost" />}
      </th>
      <td class="mw-grid-gap" aria-hidden="true" />
      {columns.map((column, k) => {
        const index = first + k;
        const cell = cellAt(source, row, column.name);
        const isNumber = found ? found.page.sort(column.name) === "number" : column.kind === "numeric";
        const classes = [
          isNumber && "mw-grid-right",
          column.role === "set_aside" && "mw-grid-aside",
          cell?.missing && "mw-grid-missing",
          active === index && "mw-grid-active",
        ];
        return (
          <td
            key={column.name}
            id={cellId(row, index)}
            role="gridcell"
            aria-colindex={index + 2}
            class={classes.filter(Boolean).join(" ") || undefined}
            title={cell ? tooltip(cell) : undefined}
            onClick={() => onFocus(row, index)}
          >
            {cell ? cell.missing ? cell.text : <bdi>{cell.text}</bdi> : <span class="mw-grid-ghost" />}
          </td>
        );
      })}
      <td class="mw-grid-gap" aria-hidden="true" />
    </tr>
  );
}
