/** A table of any length, page by page; the twin of `medilytica_widgets/widgets/data_grid.py`. */
import { effect, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { destination } from "../state/views";
import { formatCell } from "../ui/cells";
import { fittingWidth, NARROWEST, WIDEST, type ColumnInfo } from "../ui/grid_header";
import { GridTable, type Place } from "../ui/grid_table";
import { Icon } from "../ui/icons";
import { grouped } from "../ui/number";
import { Menu } from "../ui/popover";
import { ROW_NUMBER, type Filter } from "../ui/row_source";
import type { Answer } from "../wire/client";
import type { WidgetProps } from "./_base";
import { arranged, flipped, moved } from "./grid/arrange";
import { ColumnMenu } from "./grid/column_menu";
import { blockText, fetchText } from "./grid/copying";
import { ExportButton } from "./grid/export_button";
import { Footer, PAGE_SIZES, type LastEdit } from "./grid/footer";
import { HeaderChart } from "./grid/header_chart";
import { FIRST_LOOK, inWords, narrows, nextSort, rowSource, viewOf, withFilter, type Look } from "./grid/look";
import { counted, holds, joined, toggledRow, type Range } from "./grid/ranges";
import { Search } from "./grid/search_field";
import { ActiveCell, Nothing } from "./grid/small_parts";
import { Summaries } from "./grid/summaries";
import { WhereBox } from "./grid/where_box";

export { nextSort } from "./grid/look";

const SELECT_DELAY = 120;

export function DataGrid({ ctx }: WidgetProps) {
  const columns = ctx.trait<ColumnInfo[]>("columns").value;
  const rows = ctx.trait<number>("total").value;
  const title = ctx.trait<string>("title").value;
  const height = ctx.trait<number>("height").value;
  const editable = Boolean(ctx.trait<boolean>("editable").value) && !ctx.readOnly;
  const revision = ctx.trait<number>("revision").value ?? 0;
  const look = keep<Look>(`${ctx.id}:grid`, FIRST_LOOK);
  const { sort, filters, where, search, widths: chosen, perPage } = look.value;
  const active = useSignal<Place>({ row: 0, column: 0 });
  const anchor = useSignal<Place>({ row: 0, column: 0 });
  const touched = useSignal(false);
  const said = useSignal("");
  const editing = useSignal<Place | null>(null);
  const selected = useSignal<Range[]>([]);
  // Whether `grid.selection` in Python is what is seen.
  const selectionTold = useSignal(true);
  const whereOpen = useSignal(Boolean(where));
  const [menu, setMenu] = useState<{ name: string; anchor: HTMLElement } | null>(null);
  const [listOpen, setListOpen] = useState(false);
  const listButton = useRef<HTMLButtonElement>(null);
  const card = useRef<HTMLElement>(null);
  const selectTimer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const source = useMemo(() => rowSource(ctx, rows, columns.length, look.peek()), [ctx, rows, columns]);
  const summaries = useMemo(
    () => new Summaries((body, signal) => ctx.ask("grid.summary", body, { quiet: true, signal }), viewOf(look.peek())),
    [ctx, columns],
  );
  const seenColumns = useRef<string[]>([]);
  const { shown, pins } = useMemo(() => arranged(columns, look.value), [columns, look.value]);
  const widths = useMemo(() => shown.map((column) => chosen.get(column.name) ?? fittingWidth(column)), [shown, chosen]);
  const byColumn = new Map(filters.map((filter) => [filter.column, filter]));
  const total = source.total.value;
  const busy = source.busy.value;
  const page = perPage ? Math.max(0, Math.floor(Math.max(0, Math.min(active.value.row, total - 1)) / perPage)) : 0;
  const [from, to] = perPage ? [page * perPage, Math.min(total, (page + 1) * perPage)] : [0, total];

  useEffect(() => () => source.close(), [source]);
  useEffect(() => () => summaries.close(), [summaries]);
  useEffect(() => () => clearTimeout(selectTimer.current), []);

  // What failed while the kernel was away is asked for again when it is back.
  const live = ctx.connection.value === "live";
  useEffect(() => {
    if (live && source.failure.peek()) source.retry();
  }, [live]);

  // Somebody edited a cell.
  const before = useRef(revision);
  useEffect(() => {
    if (before.current === revision) return;
    before.current = revision;
    source.refresh();
    summaries.query(viewOf(look.peek()));
  }, [revision]);

  // The headers' pictures come after the rows that are seen: the kernel answers one question at a time.
  useEffect(
    () =>
      effect(() => {
        void source.version.value;
        const here = source.total.value === 0 || source.has();
        if (source.busy.value || !here || !live) summaries.pause();
        else if (source.waiting.value) summaries.hold();
        else summaries.want(seenColumns.current);
      }),
    [source, live, summaries],
  );
  const onSeen = useMemo(
    () => (names: string[]) => {
      seenColumns.current = names;
      if (!source.waiting.peek() && source.has()) summaries.want(names);
    },
    [source, summaries],
  );

  function show(change: Partial<Look>, first?: Answer): void {
    look.value = { ...look.value, ...change };
    const place = { row: active.peek().row < 0 ? -1 : 0, column: active.peek().column };
    active.value = anchor.value = place;
    select([]);
    source.query(viewOf(look.value), first);
    if (!("sort" in change)) summaries.query(viewOf(look.value));
    said.value = inWords(look.value);
  }

  // somebody was sent to a row by a link: it is numbered in the table's own order
  const sent = destination.value;
  const subject = ctx.trait<string | undefined>("subject").value;
  useEffect(() => {
    if (!sent || sent.subject !== subject || sent.row >= rows) return;
    if (sort.length || filters.length || where || search) show({ sort: [], filters: [], where: "", search: "" });
    touched.value = true;
    active.value = anchor.value = { row: sent.row, column: Math.max(0, active.peek().column) };
  }, [sent, subject]);

  const setFilter = (column: string) => (filter: Filter | null) => show({ filters: withFilter(look.peek().filters, column, filter) });

  function select(ranges: Range[]): void {
    if (!ranges.length && !selected.peek().length) return;
    selected.value = ranges;
    selectionTold.value = false;
    clearTimeout(selectTimer.current);
    selectTimer.current = setTimeout(async () => {
      const view = viewOf(look.peek());
      // a viewer's selection is their own: that Python can't have it is no news at every click
      const quiet = Boolean(ctx.readOnly);
      await ctx.ask("grid.select", { ranges, ...view, filters: view.filters as never }, { quiet }).catch(() => undefined);
      if (selected.peek() === ranges) selectionTold.value = true;
    }, SELECT_DELAY);
  }

  function onSelect(row: number, how: "only" | "more" | "upTo" | "all"): void {
    if (row < 0) return;
    touched.value = true;
    const start = anchor.peek().row;
    if (how === "all") select(counted(selected.peek()) === total ? [] : [[0, total]]);
    else if (how === "more") select(toggledRow(selected.peek(), row));
    else if (how === "upTo") select(joined([], [Math.max(0, Math.min(start, row)), Math.max(start, row) + 1]));
    else select(counted(selected.peek()) === 1 && holds(selected.peek(), row) ? [] : [[row, row + 1]]);
    if (how !== "upTo" && how !== "all") anchor.value = { row, column: anchor.peek().column };
    said.value = `${grouped(counted(selected.value))} rows selected`;
  }

  function onCopy(event: ClipboardEvent): void {
    // What was marked with the mouse is what the person wants.
    if (!shown.length || !getSelection()?.isCollapsed) return;
    const [a, b] = [active.peek(), anchor.peek()];
    const block = shown.slice(Math.min(a.column, b.column), Math.max(a.column, b.column) + 1);
    const [first, end] = [Math.min(a.row, b.row), Math.max(a.row, b.row) + 1];
    const text = a.row < 0 ? formatCell(shown[a.column]!.name).full : blockText(source, block, first, end);
    const cells = (end - first) * block.length;
    event.preventDefault();
    const done = `Copied${cells > 1 ? ` ${grouped(cells)} cells` : ""}`;
    if (text !== null) {
      event.clipboardData?.setData("text/plain", text);
      said.value = text === "" && cells === 1 ? "Copied an empty cell" : done;
      return;
    }
    said.value = "Copying…";
    fetchText(ctx, viewOf(look.peek()), columns.length, block, first, end)
      .then((all) => navigator.clipboard.writeText(all))
      .then(() => (said.value = done))
      .catch((error: Error) => (ctx.notice.value = { level: "error", message: `Nothing was copied. ${error.message}` }));
  }

  function edit(place: Place, text: string | null): void {
    const found = source.at(place.row);
    const column = shown[place.column];
    if (!found || !column) return;
    const row = Number(found.page.value(found.row, ROW_NUMBER));
    ctx.tell("grid.edit", { row, column: column.name, value: text === "" ? null : text });
  }

  function openMenu(column: number): void {
    const button = [...(card.current?.querySelectorAll<HTMLElement>("[data-column-menu]") ?? [])].find(
      (one) => Number(one.dataset.columnMenu) === column,
    );
    if (button) setMenu({ name: shown[column]!.name, anchor: button });
  }

  const menuColumn = menu && shown.find((column) => column.name === menu.name);
  const aside = columns.filter((column) => column.role === "set_aside").length;
  const known = summaries.known.value;
  return (
    <section ref={card} class="mw-card mw-grid-card" aria-label={`Rows of ${title}`}>
      <div class="mw-title mw-grid-tools">
        <h3 class="mw-grid-title" title={title}>
          {title}
        </h3>
        <span class="mw-spread" />
        <span class="mw-muted mw-grid-found" role="status">
          {narrows(look.value) && !busy && total > 0 && `${grouped(total)} of ${grouped(rows)} rows`}
        </span>
        {busy && <span class="mw-grid-working" role="status">Working…</span>}
        {sort.length > 0 && (
          <button class="mw-link" onClick={() => show({ sort: [] })} title="Show the rows in the table's own order again">
            Unsort
          </button>
        )}
        {(filters.length > 0 || where) && (
          <button class="mw-link" onClick={() => show({ filters: [], where: "" })} title="Show all rows again">
            Clear filters
          </button>
        )}
        <button ref={listButton} aria-haspopup="menu" aria-expanded={listOpen} onClick={() => setListOpen(!listOpen)}>
          Columns
        </button>
        <button aria-expanded={whereOpen.value} onClick={() => (whereOpen.value = !whereOpen.value)} title="A condition in SQL">
          SQL
        </button>
        <ExportButton
          ctx={ctx}
          title={title}
          view={viewOf(look.value)}
          columns={shown.map((column) => column.name)}
          excel={Boolean(ctx.trait<boolean>("excel").value)}
        />
        <Search value={search} disabled={ctx.away} onSearch={(text) => show({ search: text })} />
      </div>
      {whereOpen.value && (
        <WhereBox
          value={where}
          disabled={ctx.away}
          attempt={async (text) => {
            const before = look.peek();
            if (text === before.where) return;
            // The rows that answer a good condition are those to show: it crosses the wire once.
            summaries.pause();
            const asked = source.firstOf({ ...viewOf(before), where: text });
            const first = text ? await ctx.ask("grid.rows", asked, { quiet: true }) : undefined;
            const still = look.peek() === before && Number(first?.body.state) === source.firstOf(viewOf(before)).state;
            show({ where: text }, still ? first : undefined);
          }}
        />
      )}
      <div class="mw-grid-body">
        <GridTable
          source={source}
          columns={shown}
          pins={pins}
          widths={widths}
          sort={sort}
          filtered={new Set(byColumn.keys())}
          rows={rows}
          from={from}
          to={to}
          height={height}
          label={title}
          active={active.value}
          anchor={anchor.value}
          touched={touched.value}
          editable={editable}
          editing={editing.value}
          isSelected={(row) => holds(selected.value, row)}
          head={(column, index) => ({
            menu: (
              <button
                class={`mw-icon mw-grid-menu-button${byColumn.has(column.name) ? " mw-grid-on" : ""}`}
                data-column-menu={index}
                tabIndex={-1}
                aria-label={`Filter and arrange ${column.name}`}
                aria-haspopup="dialog"
                onClick={(event) => {
                  event.stopPropagation();
                  setMenu(menu?.name === column.name ? null : { name: column.name, anchor: event.currentTarget });
                }}
              >
                <Icon name="menu" />
              </button>
            ),
            below: (
              <HeaderChart
                column={column.name}
                storage={column.storage}
                summary={known.get(column.name)}
                filter={byColumn.get(column.name)}
                onFilter={setFilter(column.name)}
              />
            ),
          })}
          onSeen={onSeen}
          onActive={(place, extend) => {
            active.value = place;
            if (!extend) anchor.value = place;
            touched.value = true;
            said.value = "";
          }}
          onSort={(name, add) => show({ sort: nextSort(sort, name, add) })}
          onWidth={(column, width) => {
            const fitting = Math.round(Math.max(NARROWEST, Math.min(WIDEST, width)));
            look.value = { ...look.value, widths: new Map(chosen).set(shown[column]!.name, fitting) };
          }}
          onDrop={(name, before_) => (look.value = { ...look.value, order: moved(columns, look.peek(), name, before_) })}
          onMenu={openMenu}
          onSelect={onSelect}
          onEdit={(place) => (editing.value = shown[place.column]?.role === "result" ? null : place)}
          onCommit={(text) => {
            const place = editing.peek();
            editing.value = null;
            if (place && text !== null) edit(place, text);
          }}
          onClear={() => edit(active.peek(), null)}
          onUndo={() => ctx.tell("grid.undo", {})}
          onCopy={onCopy}
        />
        {total === 0 && !busy && <Nothing search={search} rows={rows} onClear={() => show({ search: "", filters: [], where: "" })} />}
      </div>
      {source.failure.value && (
        <div class="mw-notice" role="alert">
          <span class="mw-notice-text">Some rows could not be loaded. {source.failure.value}</span>
          <button onClick={() => source.retry()}>Try again</button>
        </div>
      )}
      <Footer
        rows={rows}
        columns={columns.length}
        aside={aside}
        hidden={columns.length - shown.length}
        selected={counted(selected.value)}
        told={selectionTold.value}
        said={said.value}
        total={total}
        perPage={perPage}
        page={page}
        onPerPage={(size) => (look.value = { ...look.value, perPage: PAGE_SIZES.includes(size) ? size : 0 })}
        onPage={(next) => {
          active.value = anchor.value = { row: next * perPage, column: active.peek().column };
        }}
        undoable={editable ? (ctx.trait<number>("undoable").value ?? 0) : 0}
        last={ctx.trait<LastEdit | null>("last_edit").value}
        onUndo={() => ctx.tell("grid.undo", {})}
      >
        {touched.value && <ActiveCell source={source} columns={shown} place={active.value} />}
      </Footer>
      {menu && menuColumn && (
        <ColumnMenu
          key={menuColumn.name}
          anchor={menu.anchor}
          column={menuColumn}
          pinned={look.value.pinned.has(menuColumn.name)}
          summary={known.get(menuColumn.name)}
          filter={byColumn.get(menuColumn.name)}
          onFilter={setFilter(menuColumn.name)}
          close={() => {
            setMenu(null);
            card.current?.querySelector<HTMLElement>("[role=grid]")?.focus({ preventScroll: true });
          }}
          acts={{
            sort: (down) => show({ sort: [[menuColumn.name, down]] }),
            pin: () => (look.value = { ...look.value, pinned: flipped(look.peek().pinned, menuColumn.name) }),
            hide: () => (look.value = { ...look.value, hidden: flipped(look.peek().hidden, menuColumn.name) }),
            move: (by) => {
              const to_ = shown[shown.indexOf(menuColumn) + by];
              if (to_) look.value = { ...look.value, order: moved(columns, look.peek(), menuColumn.name, to_.name) };
            },
          }}
        />
      )}
      {listOpen && listButton.current && (
        <Menu
          anchor={listButton.current}
          label="Columns that are shown"
          close={() => setListOpen(false)}
          entries={columns.map((column) => ({
            label: column.name,
            checked: !look.value.hidden.has(column.name),
            stays: true,
            act: () => (look.value = { ...look.value, hidden: flipped(look.peek().hidden, column.name) }),
          }))}
        />
      )}
    </section>
  );
}
