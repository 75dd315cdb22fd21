/** Below the table: its size, the page, what was done last. */
import type { ComponentChildren } from "preact";
import { grouped } from "../../ui/number";

export const PAGE_SIZES = [50, 100, 200];

/** The latest edit of anyone. */
export interface LastEdit {
  row: number;
  column: string;
  before: string;
  after: string;
  undo: boolean;
  who: string;
  when: number;
}

interface FooterProps {
  rows: number;
  columns: number;
  aside: number;
  hidden: number;
  selected: number;
  /** Whether the kernel knows what is selected. */
  told: boolean;
  said: string;
  total: number;
  perPage: number;
  page: number;
  onPerPage: (size: number) => void;
  onPage: (page: number) => void;
  undoable: number;
  last: LastEdit | null;
  onUndo: () => void;
  children: ComponentChildren;
}

export function Footer(props: FooterProps) {
  const { rows, columns, aside, hidden, selected, total, perPage, page, last, undoable } = props;
  const pages = perPage ? Math.max(1, Math.ceil(total / perPage)) : 1;
  return (
    <div class="mw-grid-foot mw-muted">
      <span class="mw-grid-size">
        {grouped(rows)} rows × {grouped(columns)} columns
        {aside > 0 && ` · ${grouped(aside)} set aside`}
        {hidden > 0 && ` · ${grouped(hidden)} hidden`}
        {selected > 0 && ` · ${grouped(selected)} selected${props.told ? "" : " …"}`}
      </span>
      <select
        aria-label="Rows at a time"
        value={perPage}
        onChange={(event) => props.onPerPage(Number(event.currentTarget.value))}
        title="Scroll through everything, or turn pages"
      >
        <option value={0}>Scroll</option>
        {PAGE_SIZES.map((size) => (
          <option key={size} value={size}>{`${size} a page`}</option>
        ))}
      </select>
      {perPage > 0 && (
        <span class="mw-grid-pages">
          <button class="mw-icon" aria-label="First page" disabled={page === 0} onClick={() => props.onPage(0)}>«</button>
          <button class="mw-icon" aria-label="Page before" disabled={page === 0} onClick={() => props.onPage(page - 1)}>‹</button>
          <span role="status">{`Page ${grouped(page + 1)} of ${grouped(pages)}`}</span>
          <button class="mw-icon" aria-label="Next page" disabled={page >= pages - 1} onClick={() => props.onPage(page + 1)}>›</button>
          <button class="mw-icon" aria-label="Last page" disabled={page >= pages - 1} onClick={() => props.onPage(pages - 1)}>»</button>
        </span>
      )}
      <span class="mw-spread" />
      {last && (
        <span class="mw-grid-edit" role="status">
          {last.undo ? "Taken back: row " : "Row "}
          {grouped(last.row)}, <bdi>{last.column}</bdi>: <bdi>{last.before || "missing"}</bdi> → <bdi>{last.after || "missing"}</bdi>
        </span>
      )}
      {undoable > 0 && (
        <button class="mw-link" onClick={props.onUndo}>
          Undo
        </button>
      )}
      <span role="status">{props.said}</span>
      {props.children}
    </div>
  );
}
