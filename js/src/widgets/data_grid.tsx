/** A table of any length, page by page; the twin of `medilytica_widgets/widgets/data_grid.py`. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import { keep } from "../state/local";
import { fittingWidth, NARROWEST, WIDEST, type ColumnInfo } from "../ui/grid_header";
import { cellAt, GridTable, type Place } from "../ui/grid_table";
import { grouped } from "../ui/number";
import { RowSource, type Sort } from "../ui/row_source";
import type { Context, WidgetProps } from "./_base";

/** Cells of a page at most, and its rows at least: the kernel refuses larger ones. */
const PAGE_CELLS = 6_000;
const PAGE_ROWS = [40, 200] as const;
const SEARCH_DELAY = 200;
const LONGEST_SEARCH = 500;

/** What this browser looks at; another view of the table has its own. */
interface Look {
  sort: Sort;
  search: string;
  /** Of columns whose edge was dragged; a map, because a column may be called "constructor". */
  widths: ReadonlyMap<string, number>;
}

function rowSource(ctx: Context, total: number, columns: number, { sort, search }: Look): RowSource {
  const size = Math.max(PAGE_ROWS[0], Math.min(PAGE_ROWS[1], Math.round(PAGE_CELLS / Math.max(1, columns))));
  const source = new RowSource((body, signal) => ctx.ask("grid.rows", body, { quiet: true, signal }), total, size);
  if (sort.length || search) source.query(sort, search);
  return source;
}

/** The next sorting when a column is chosen: ascending, descending, none; `add` keeps the other columns. */
export function nextSort(sort: Sort, name: string, add: boolean): Sort {
  const now = sort.find(([known]) => known === name);
  const next: Sort = !now ? [[name, false]] : now[1] ? [] : [[name, true]];
  if (!add) return next;
  return now ? sort.flatMap((one) => (one === now ? next : [one])) : [...sort, ...next];
}

export function DataGrid({ ctx }: WidgetProps) {
  const columns = ctx.trait<ColumnInfo[]>("columns").value;
  const rows = ctx.trait<number>("total").value;
  const title = ctx.trait<string>("title").value;
  const height = ctx.trait<number>("height").value;
  const look = keep<Look>(`${ctx.id}:grid`, { sort: [], search: "", widths: new Map() });
  const { sort, search, widths: chosen } = look.value;
  const active = useSignal<Place>({ row: 0, column: 0 });
  const touched = useSignal(false);
  const said = useSignal("");
  const source = useMemo(() => rowSource(ctx, rows, columns.length, look.peek()), [ctx, rows, columns]);
  const widths = useMemo(() => columns.map((column) => chosen.get(column.name) ?? fittingWidth(column)), [columns, chosen]);

  useEffect(() => () => source.close(), [source]);

  // What failed while the kernel was away is asked for again when it is back.
  const live = ctx.connection.value === "live";
  useEffect(() => {
    if (live && source.failure.peek()) source.retry();
  }, [live]);

  function show(change: Partial<Look>): void {
    look.value = { ...look.value, ...change };
    active.value = { row: active.peek().row < 0 ? -1 : 0, column: active.peek().column };
    source.query(look.value.sort, look.value.search);
  }

  const total = source.total.value;
  const aside = columns.filter((column) => column.role === "set_aside").length;
  return (
    <section class="mw-card mw-grid-card" aria-label={`Rows of ${title}`}>
      <div class="mw-title mw-grid-tools">
        <h3 class="mw-grid-title" title={title}>
          {title}
        </h3>
        <span class="mw-spread" />
        <span class="mw-muted mw-grid-found" role="status">
          {search && !source.busy.value && total > 0 && `${grouped(total)} of ${grouped(rows)} rows`}
        </span>
        {sort.length > 0 && (
          <button class="mw-link" onClick={() => show({ sort: [] })} title="Show the rows in the table's own order again">
            Unsort
          </button>
        )}
        <Search value={search} disabled={ctx.readOnly} onSearch={(text) => show({ search: text })} />
      </div>
      <div class="mw-grid-body">
        <GridTable
          source={source}
          columns={columns}
          widths={widths}
          sort={sort}
          rows={rows}
          height={height}
          label={title}
          active={active.value}
          touched={touched.value}
          onActive={(place) => {
            active.value = place;
            touched.value = true;
            said.value = "";
          }}
          onSort={(name, add) => show({ sort: nextSort(sort, name, add) })}
          onWidth={(column, width) => {
            const fitting = Math.round(Math.max(NARROWEST, Math.min(WIDEST, width)));
            look.value = { ...look.value, widths: new Map(chosen).set(columns[column]!.name, fitting) };
          }}
          onCopied={(cell) => (said.value = cell.missing ? "Copied an empty cell" : "Copied")}
        />
        {total === 0 && !source.busy.value && (
          <div class="mw-empty mw-grid-nothing">
            {search ? (
              <div>
                <p>
                  No row contains “<bdi>{search}</bdi>”.
                </p>
                <button onClick={() => show({ search: "" })}>Clear the search</button>
              </div>
            ) : (
              <p>The table has no rows.</p>
            )}
          </div>
        )}
      </div>
      {source.failure.value && (
        <div class="mw-notice" role="alert">
          <span class="mw-notice-text">Some rows could not be loaded. {source.failure.value}</span>
          <button onClick={() => source.retry()}>Try again</button>
        </div>
      )}
      <div class="mw-grid-foot mw-muted">
        <span>
          {grouped(rows)} rows × {grouped(columns.length)} columns
          {aside > 0 && ` · ${grouped(aside)} set aside`}
        </span>
        <span class="mw-spread" />
        <span role="status">{said.value}</span>
        {touched.value && <ActiveCell source={source} columns={columns} place={active.value} />}
      </div>
    </section>
  );
}

/** The active cell in full: in the table it may be cut. */
function ActiveCell({ source, columns, place }: { source: RowSource; columns: ColumnInfo[]; place: Place }) {
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

/** The search field; it waits for a pause in the typing. */
function Search({ value, disabled, onSearch }: { value: string; disabled: string; onSearch: (text: string) => void }) {
  const id = useId();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const box = useRef<HTMLInputElement>(null);
  const asked = useRef(value);
  useEffect(() => () => clearTimeout(timer.current), []);
  // Cleared by a button elsewhere; what is being typed here stays.
  useEffect(() => {
    if (value !== asked.current && box.current) box.current.value = value;
    asked.current = value;
  }, [value]);

  function send(): void {
    clearTimeout(timer.current);
    const text = box.current?.value.trim() ?? "";
    if (text === asked.current) return;
    asked.current = text;
    onSearch(text);
  }

  return (
    <>
      <label class="mw-sr" for={id}>
        Search all columns
      </label>
      <input
        id={id}
        ref={box}
        type="search"
        class="mw-grid-search"
        placeholder="Search all columns"
        maxLength={LONGEST_SEARCH}
        defaultValue={value}
        disabled={Boolean(disabled)}
        title={disabled || "Rows of which any cell contains these words, whatever their case"}
        onInput={() => {
          clearTimeout(timer.current);
          timer.current = setTimeout(send, SEARCH_DELAY);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") send();
          if (event.key === "Escape" && box.current?.value) {
            box.current.value = "";
            send();
            event.preventDefault();
            event.stopPropagation();
          }
        }}
      />
    </>
  );
}
