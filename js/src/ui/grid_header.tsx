/** The header of a table: name, kind, role, sorting, and an edge to drag. */
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { KIND_BADGES } from "./cells";
import { grouped } from "./number";
import type { Sort } from "./row_source";

/** A column as `medilytica_widgets/widgets/data_grid.py` tells of it. */
export interface ColumnInfo {
  name: string;
  kind: string;
  /** "result" is what a run says of the rows. */
  role: "feature" | "target" | "set_aside" | "result";
  reason: string;
  evidence: string;
  /** Null where nobody counted. */
  missing: number | null;
  /** The longest sampled cell, in characters. */
  chars: number;
  storage: "number" | "datetime" | "bool" | "text";
}

export const NARROWEST = 48;
export const WIDEST = 1200;

/** Pixels of a column whose header and cells take so many characters, within sense. */
export function fittingWidth({ name, chars, kind, role }: ColumnInfo): number {
  const badge = 7 * (KIND_BADGES[kind] ?? kind).length + 10 + (role === "target" ? 16 : 0);
  const header = Math.min(name.length, 24) * 7.2 + badge + 62;
  const cells = chars * 7.4 + 22;
  return Math.round(Math.max(64, Math.min(320, Math.max(header, cells))));
}

export function describe(column: ColumnInfo, rows: number): string {
  return [
    column.name,
    `${column.kind}${column.role === "target" ? ", the target" : ""}`,
    column.role === "set_aside" ? `set aside: ${column.reason}` : column.evidence,
    column.missing === null ? "" : column.missing ? `${grouped(column.missing)} of ${grouped(rows)} values missing` : "no value missing",
  ]
    .filter(Boolean)
    .join("\n");
}

interface HeaderProps {
  id: string;
  column: ColumnInfo;
  index: number;
  rows: number;
  sort: Sort;
  active: boolean;
  width: number;
  /** Pixels from the left edge where it is pinned, else null. */
  left: number | null;
  /** Stands below the name: the chart, the button of the menu. */
  children?: ComponentChildren;
  menu?: ComponentChildren;
  filtered: boolean;
  onDrop: (name: string) => void;
  onSort: (add: boolean) => void;
  onFocus: () => void;
  onWidth: (width: number) => void;
}

const DRAGGED = "application/x-medilytica-column";

export function Header(props: HeaderProps) {
  const { id, column, index, rows, sort, active, width, left, onSort, onFocus, onWidth } = props;
  const place = sort.findIndex(([name]) => name === column.name);
  const order = place < 0 ? "none" : sort[place]![1] ? "descending" : "ascending";
  const badge = KIND_BADGES[column.kind] ?? column.kind;
  const classes = ["mw-grid-head", `mw-grid-${column.role}`, active && "mw-grid-active", left !== null && "mw-grid-pinned"].filter(Boolean).join(" ");
  return (
    <th
      id={id}
      role="columnheader"
      scope="col"
      class={classes}
      aria-colindex={index + 2}
      aria-sort={order}
      style={left === null ? undefined : { left: `${left}px` }}
      title={`${describe(column, rows)}\n\nClick to sort, Shift+click to sort by one more column. Drag the name to move the column.`}
      onClick={(event) => {
        onFocus();
        onSort(event.shiftKey);
      }}
      onDragOver={(event) => {
        if (event.dataTransfer?.types.includes(DRAGGED)) event.preventDefault();
      }}
      onDrop={(event) => {
        const name = event.dataTransfer?.getData(DRAGGED);
        if (!name) return;
        event.preventDefault();
        props.onDrop(name);
      }}
    >
      <div
        class="mw-grid-head-line"
        draggable
        onDragStart={(event) => {
          event.dataTransfer?.setData(DRAGGED, column.name);
          event.stopPropagation();
        }}
      >
        <span class="mw-grid-badge" aria-label={`${column.kind}, `}>
          {badge}
        </span>
        {column.role === "target" && (
          <span class="mw-grid-mark" role="img" aria-label="the target, ">
            ◎
          </span>
        )}
        <span class="mw-grid-name">
          <bdi>{column.name}</bdi>
        </span>
        {column.role === "set_aside" && <span class="mw-sr">, set aside</span>}
        {props.filtered && <span class="mw-sr">, filtered</span>}
        {place >= 0 && (
          <span class="mw-grid-order" aria-hidden="true">
            {order === "ascending" ? "▲" : "▼"}
            {sort.length > 1 && <small>{place + 1}</small>}
          </span>
        )}
        {props.menu}
      </div>
      {props.children}
      <Edge width={width} onWidth={onWidth} onFit={() => onWidth(fittingWidth(column))} />
    </th>
  );
}

/** The edge of a column: drag it to change the width, double-click for the fitting one. */
function Edge({ width, onWidth, onFit }: { width: number; onWidth: (width: number) => void; onFit: () => void }) {
  const from = useRef<{ x: number; width: number } | null>(null);
  return (
    <span
      class="mw-grid-edge"
      title="Drag to change the width, double-click to fit. By keyboard: Shift+← and Shift+→ in the header."
      aria-hidden="true"
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture?.(event.pointerId);
        from.current = { x: event.clientX, width };
      }}
      onPointerMove={(event) => {
        if (from.current) onWidth(from.current.width + event.clientX - from.current.x);
      }}
      onPointerUp={() => (from.current = null)}
      onPointerCancel={() => (from.current = null)}
      onDblClick={onFit}
      onClick={(event) => event.stopPropagation()}
    />
  );
}
