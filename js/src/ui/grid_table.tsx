/** The table itself: only the rows and columns that are seen are in the page, one cell is the active one. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Header, type ColumnInfo } from "./grid_header";
import { gridKeys } from "./grid_keys";
import { Row } from "./grid_row";
import type { RowSource, Sort } from "./row_source";
import { columnOffsets, isProportional, lastTop, reveal, scrollFor, topAt, visibleColumns, visibleRows, type Extent } from "./scroller";

export const ROW_HEIGHT = 26;
export const HEADER_HEIGHT = 84;
/** Room for the horizontal scroll bar below a short table. */
const BAR = 14;
const LINE_ROWS = 3;
/** More than are ever drawn of a usual height. */
const SLOTS = 128;

/** Row -1 is the header. */
export interface Place {
  row: number;
  column: number;
}

export interface GridTableProps {
  source: RowSource;
  /** The columns that are shown, the pinned ones first. */
  columns: ColumnInfo[];
  pins: number;
  widths: number[];
  sort: Sort;
  filtered: ReadonlySet<string>;
  /** Rows of the whole table, for the room that its numbers need. */
  rows: number;
  /** The rows that can be scrolled through: all of the view, or one page of it. */
  from: number;
  to: number;
  height: number;
  label: string;
  active: Place;
  /** The other corner of the marked block. */
  anchor: Place;
  /** False until the person went to a cell: then none is marked. */
  touched: boolean;
  editable: boolean;
  editing: Place | null;
  isSelected: (row: number) => boolean;
  head: (column: ColumnInfo, index: number) => { menu: ComponentChildren; below: ComponentChildren };
  onSeen: (columns: string[]) => void;
  onActive: (place: Place, extend: boolean) => void;
  onSort: (name: string, add: boolean) => void;
  onWidth: (column: number, width: number) => void;
  onDrop: (name: string, to: string) => void;
  onMenu: (column: number) => void;
  onSelect: (row: number, how: "only" | "more" | "upTo" | "all") => void;
  onEdit: (place: Place) => void;
  onCommit: (text: string | null) => void;
  onClear: () => void;
  onUndo: () => void;
  onCopy: (event: ClipboardEvent) => void;
}

export function GridTable(props: GridTableProps) {
  const { source, columns, pins, widths, sort, rows, active, anchor, from, to } = props;
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
  const height = Math.min(props.height, HEADER_HEIGHT + Math.max(3, Math.min(rows, Math.max(to - from, 3))) * ROW_HEIGHT + BAR);
  const extent: Extent = { rows: to - from, rowHeight: ROW_HEIGHT, viewport: Math.max(ROW_HEIGHT, size.height - HEADER_HEIGHT) };
  const top = Math.min(view.top, lastTop(extent));
  const seen = visibleRows(top, view.scrollTop, extent);
  const pinOffsets = columnOffsets(widths.slice(0, pins));
  const pinned = pinOffsets[pins]!;
  const offsets = columnOffsets(widths.slice(pins));
  const free = Math.max(0, size.width - numbers - pinned);
  const across = visibleColumns(offsets, view.left, free);
  const rest = Math.max(0, free - offsets[columns.length - pins]!);

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

  useEffect(() => source.want(from + seen.first, seen.count), [source, from, seen.first, seen.count, version, busy]);

  // A new sorting or search, or another page, begins at its first row.
  useEffect(() => {
    if (busy) scrollTo(0);
  }, [source, busy]);
  const page = useRef(from);
  useEffect(() => {
    if (page.current === from) return;
    page.current = from;
    scrollTo(Math.max(0, active.row - from - Math.floor(extent.viewport / ROW_HEIGHT) + 1));
  }, [from]);

  const drawn = [
    ...columns.slice(0, pins).map((column, index) => ({ column, index, left: numbers + pinOffsets[index]! as number | null })),
    ...columns.slice(pins + across.first, pins + across.first + across.count).map((column, k) => ({ column, index: pins + across.first + k, left: null })),
  ];
  const names = drawn.map(({ column }) => column.name).join("\0");
  useEffect(() => props.onSeen(drawn.map(({ column }) => column.name)), [names, props.onSeen]);

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
    const top = kept ? placed.current.top : topAt(scrollTop, extent);
    // Asked for before it is drawn: the wire takes longer than the drawing.
    const next = visibleRows(Math.min(top, lastTop(extent)), scrollTop, extent);
    source.want(from + next.first, next.count);
    setView({ top, scrollTop, left });
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

  function go(row: number, column: number, extend = false): void {
    const last = source.total.peek() - 1;
    const place = { row: Math.max(-1, Math.min(last, row)), column: Math.max(0, Math.min(columns.length - 1, column)) };
    props.onActive(place, extend);
    if (place.row >= 0 && (place.row < from || place.row >= to)) return;
    const element = area.current!;
    const k = place.column - pins;
    const left = k < 0 ? element.scrollLeft : reveal(element.scrollLeft, free, offsets[k]!, offsets[k + 1]!);
    const screen = extent.viewport / ROW_HEIGHT;
    const next = place.row < 0 ? top : reveal(top, screen, place.row - from, place.row - from + 1);
    scrollTo(isProportional(extent) ? Math.ceil(next) : next, left);
  }

  /** Make a cell the active one without moving what is seen. */
  function focus(row: number, column: number, extend = false): void {
    props.onActive({ row, column }, extend);
    grid.current!.focus({ preventScroll: true });
  }

  const onKeyDown = gridKeys(props, Math.max(1, Math.floor(extent.viewport / ROW_HEIGHT) - 1), go);
  const cellId = (row: number, column: number): string => `${id}-${row}-${column}`;
  const [first, end] = [Math.min(active.row, anchor.row), Math.max(active.row, anchor.row)];
  const marked: [number, number] = [Math.min(active.column, anchor.column), Math.max(active.column, anchor.column)];
  const isBlock = first !== end || marked[0] !== marked[1];
  // Other rows leave the header with its pictures as it is.
  const header = useMemo(
    () => (
      <tr role="row" aria-rowindex={1}>
        <th
          role="columnheader"
          scope="col"
          class="mw-grid-corner"
          aria-colindex={1}
          title="Number of the row in the table, from 0 on. Click to select all rows."
          onClick={() => props.onSelect(0, "all")}
        >
          <span class="mw-sr">row</span>
        </th>
        {drawn.map(({ column, index, left }, k) => {
          const { menu, below } = props.head(column, index);
          return [
            k === pins && <td key="gap" class="mw-grid-gap" aria-hidden="true" />,
            <Header
              key={column.name}
              id={cellId(-1, index)}
              column={column}
              index={index}
              rows={rows}
              sort={sort}
              active={active.row === -1 && active.column === index}
              width={widths[index]!}
              left={left}
              filtered={props.filtered.has(column.name)}
              menu={menu}
              onDrop={(name) => props.onDrop(name, column.name)}
              onFocus={() => focus(-1, index)}
              onSort={(add) => props.onSort(column.name, add)}
              onWidth={(width) => props.onWidth(index, width)}
            >
              {below}
            </Header>,
          ];
        })}
        {drawn.length <= pins && <td class="mw-grid-gap" aria-hidden="true" />}
        <td class="mw-grid-gap" aria-hidden="true" />
      </tr>
    ),
    [props, id, across.first, across.count],
  );
  return (
    <div class="mw-grid-area" ref={area} style={{ height: `${height}px` }} onScroll={onScroll} onWheel={onWheel}>
      <table
        ref={grid}
        role="grid"
        tabIndex={0}
        class={["mw-grid", busy && "mw-grid-busy", props.touched && "mw-grid-touched"].filter(Boolean).join(" ")}
        aria-label={label(props.label, props.editable)}
        aria-rowcount={source.total.value + 1}
        aria-colcount={columns.length + 1}
        aria-multiselectable="true"
        aria-readonly={!props.editable}
        aria-busy={busy}
        aria-activedescendant={columns.length ? cellId(active.row, active.column) : undefined}
        onKeyDown={onKeyDown}
        onCopy={props.onCopy}
        style={{ width: `${numbers + pinned + offsets[columns.length - pins]! + rest}px`, "--mw-grid-numbers": `${numbers}px` }}
      >
        <colgroup>
          <col style={{ width: `${numbers}px` }} />
          {drawn.flatMap(({ column, index }, k) => [
            k === pins && <col key="gap" style={{ width: `${across.before}px` }} />,
            <col key={column.name} style={{ width: `${widths[index]}px` }} />,
          ])}
          {drawn.length <= pins && <col style={{ width: `${across.before}px` }} />}
          <col style={{ width: `${across.after + rest}px` }} />
        </colgroup>
        <thead>
          {header}
        </thead>
        <tbody>
          {seen.before > 0 && <tr aria-hidden="true" style={{ height: `${seen.before}px` }} />}
          {Array.from({ length: seen.count }, (_, k) => {
            const row = from + seen.first + k;
            return (
              <Row
                // A jump draws other values into the rows that there are.
                key={row % Math.max(SLOTS, seen.count)}
                source={source}
                row={row}
                columns={drawn}
                gapAfter={pins}
                active={active.row === row ? active.column : -1}
                block={isBlock && row >= first && row <= end ? marked : null}
                selected={props.isSelected(row)}
                editing={props.editing?.row === row ? props.editing.column : -1}
                cellId={cellId}
                onFocus={focus}
                onSelect={(at, event) => {
                  focus(at, active.column, event.shiftKey);
                  props.onSelect(at, event.shiftKey ? "upTo" : event.ctrlKey || event.metaKey ? "more" : "only");
                }}
                onEdit={(at, column) => props.editable && props.onEdit({ row: at, column })}
                onCommit={(text, back) => {
                  props.onCommit(text);
                  if (back) grid.current?.focus({ preventScroll: true });
                }}
              />
            );
          })}
          {seen.after > 0 && <tr aria-hidden="true" style={{ height: `${seen.after}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

const label = (name: string, editable: boolean): string =>
  `${name}: rows. Arrows move, with Shift they mark cells, Ctrl+C copies them. In a column's header Enter sorts and Alt+↓ opens its menu. ` +
  `Shift+Space selects the row.${editable ? " F2 edits the cell, Ctrl+Z takes the last edit back." : ""}`;
