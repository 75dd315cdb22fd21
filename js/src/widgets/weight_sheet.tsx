/** How a network's weights look and how they got there; the Python side is `medilytica_widgets/widgets/weight_sheet.py`. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icons";
import { formatNumber, grouped, plural } from "../ui/number";
import { COURSE, sparkPath, SheetStore, type CourseColumn, type SheetColumn, type SheetRow } from "../ui/sheet_store";
import type { CellRemark, SheetNews } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

export interface SheetRun {
  id: string;
  name: string;
  status: string;
  /** Why there is no sheet; empty where there is one. */
  none: string;
}

interface Column {
  id: string;
  label: string;
  help: string;
}

/** The columns of which something can be remarked; they keep room for a mark. */
const MARKED = ["norm", "gradient_norm", "update_ratio", "stuck"];

/** The kernel sends sheets for a minute after a page asked, so one that is looked at asks again in time. */
const ASK_AGAIN_MS = 25_000;
const ROWS_SHOWN = 40;
const SPARK = { width: 48, height: 16 };

/**
 * Keep a store level with the kernel while somebody looks: the course once, then each new sheet. Returns what
 * says whether it is looked at, and what stops.
 */
export function followSheets(ctx: Context, store: SheetStore, changed: () => void) {
  const run = ctx.trait<SheetRun | null>("run");
  const abort = new AbortController();
  let asking = "";
  let seen = true;
  let dirty = false;

  const tell = (): void => {
    dirty = !seen;
    if (seen) changed();
  };
  const ask = async (): Promise<void> => {
    const id = store.run;
    if (!id || !seen || asking === id) return;
    asking = id;
    try {
      const cursor = store.rows.length ? store.count : 0;
      const { body, arrays } = await ctx.ask("sheet.read", { run: id, cursor }, { signal: abort.signal });
      if (store.run !== id || !arrays["values"]) return;
      store.begin(body.rows as SheetRow[], arrays["steps"]!.data as Float64Array, arrays["course"]!.data as Float32Array);
      store.take(body as SheetNews, arrays["values"].data as Float32Array);
      tell();
    } catch {
      // the notice beside the widget says why; the next sheet asks again
    } finally {
      if (asking === id) asking = "";
    }
  };
  const stopEvents = ctx.client.on("sheet.values", ({ body, arrays }) => {
    if (body.run !== store.run) return; // the trait says so first where it is a new run
    if (store.take(body, arrays["values"]!.data as Float32Array)) tell();
    else void ask();
  });
  const stopRun = run.subscribe((now) => {
    const id = now?.id ?? "";
    if (id === store.run) return;
    store.reset(id);
    tell();
    void ask();
  });
  const timer = setInterval(() => void ask(), ASK_AGAIN_MS);
  return {
    look(now: boolean): void {
      if (now === seen) return;
      seen = now;
      if (seen && dirty) tell();
      void ask();
    },
    stop(): void {
      abort.abort();
      clearInterval(timer);
      stopEvents();
      stopRun();
    },
  };
}

function Spark({ store, column, row }: { store: SheetStore; column: CourseColumn; row: number }) {
  const course = store.course(column, row);
  const path = sparkPath(course, SPARK.width, SPARK.height);
  if (!path) return <span class="mw-ws-spark" />;
  const first = course[0]!;
  const last = course[course.length - 1]!;
  const words = `from ${formatNumber(first.value)} at step ${grouped(first.step)} to ${formatNumber(last.value)} at step ${grouped(last.step)}`;
  return (
    <span class="mw-ws-spark" title={words}>
      <svg viewBox={`0 0 ${SPARK.width} ${SPARK.height}`} aria-hidden="true">
        <path d={path} />
      </svg>
      <span class="mw-sr">, {words}</span>
    </span>
  );
}

const percent = (share: number): string => `${formatNumber(100 * share, 2)} %`;

/** The share of stuck units, and how they are stuck; a dash where nothing can be. */
export function stuckWords(dead: number, saturated: number): string {
  const told = [Number.isFinite(dead) && `${percent(dead)} dead`, Number.isFinite(saturated) && `${percent(saturated)} saturated`];
  return told.filter(Boolean).join(", ") || "–";
}

export function WeightSheet({ ctx }: WidgetProps) {
  const run = ctx.trait<SheetRun | null>("run").value;
  const columns = ctx.trait<Column[]>("columns").value;
  const store = useMemo(() => new SheetStore(), [ctx]);
  const [, redraw] = useState(0);
  // what the line above the table says: of a heading, of a cell, or of all cells that are worth a look
  const [help, setHelp] = useState<string[]>([]);
  const [all, setAll] = useState(false);
  const root = useRef<HTMLElement>(null);

  useEffect(() => {
    const following = followSheets(ctx, store, () => redraw((n) => n + 1));
    let visible = true;
    const look = (): void => following.look(visible && !document.hidden);
    const observer = new IntersectionObserver((entries) => {
      visible = entries.some((entry) => entry.isIntersecting);
      look();
    });
    if (root.current) observer.observe(root.current);
    document.addEventListener("visibilitychange", look);
    return () => {
      following.stop();
      observer.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [ctx]);

  const said = new Map<string, CellRemark[]>();
  for (const remark of store.remarks) {
    const column = remark.column === "dead" || remark.column === "saturated" ? "stuck" : remark.column;
    const key = `${remark.row}/${column}`;
    said.set(key, [...(said.get(key) ?? []), remark]);
  }
  const alarms = store.remarks
    .filter((remark) => remark.level === "warning")
    .map(({ row, words }) => `${store.rows[row]?.label ?? ""}: ${words}`);
  const warnings = alarms.length;
  const rows = all ? store.rows : store.rows.slice(0, ROWS_SHOWN);
  const drawn = store.rows.length > 0;
  return (
    <section class="mw-card mw-ws" aria-label="Weights" ref={root}>
      <h3 class="mw-title">
        Weights
        {run && <span class="mw-pill">{run.name}</span>}
        {drawn && (
          <span class="mw-tiny mw-ws-at">
            step {grouped(store.step)} · epoch {store.epoch < 100 ? formatNumber(store.epoch) : grouped(store.epoch)}
          </span>
        )}
        <span class="mw-spread" />
        {drawn && warnings === 0 && <span class="mw-pill">nothing alarming</span>}
        {drawn && warnings > 0 && (
          <button class="mw-pill mw-ws-alarm" title="Tell what is alarming" onClick={() => setHelp(alarms)}>
            <Icon name="warning" /> {warnings} to look at
          </button>
        )}
      </h3>
      {!drawn ? (
        <div class="mw-empty">
          <span>{run ? run.none || "The sheet is on its way…" : "Press Train, and what becomes of the network's weights stands here."}</span>
        </div>
      ) : (
        <>
          <div class="mw-ws-help mw-tiny" role="status">
            {(help.length ? help : ["Press a heading, or a mark in a cell, to read what it means."]).map((words) => (
              <p key={words}>{words}</p>
            ))}
          </div>
          <div class="mw-ws-scroll" role="region" aria-label="Table of parameters" tabIndex={0}>
            <table class="mw-ws-table">
              <thead>
                <tr>
                  <th scope="col">parameter</th>
                  <th scope="col" class="mw-ws-shape">
                    shape
                  </th>
                  {columns.map((column) => (
                    <th scope="col" key={column.id} class={MARKED.includes(column.id) ? "mw-ws-marked" : undefined}>
                      <button
                        class="mw-ws-head"
                        title={column.help}
                        aria-pressed={help[0] === column.help}
                        onClick={() => setHelp(help[0] === column.help ? [] : [column.help])}
                      >
                        {column.label}
                      </button>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row, k) => (
                  <tr key={row.name}>
                    <th scope="row" title={row.title}>
                      {row.label}
                      <span class="mw-ws-under">{row.shape.join(" × ")}</span>
                    </th>
                    <td class="mw-ws-shape">{row.shape.join(" × ")}</td>
                    {columns.map(({ id }) => (
                      <td key={id} class={MARKED.includes(id) ? "mw-ws-marked" : undefined}>
                        <Value store={store} column={id} row={k} />
                        <Flag remarks={said.get(`${k}/${id}`)} tell={(words) => setHelp([`${row.label}: ${words}`])} />
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {store.rows.length > ROWS_SHOWN && (
            <button class="mw-link mw-tiny" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? "show fewer" : `show all ${plural(store.rows.length, "parameter")}`}
            </button>
          )}
        </>
      )}
    </section>
  );
}

/** The mark of a cell that is worth a look; what is to be said of it is its name, and is shown when pressed. */
function Flag({ remarks, tell }: { remarks?: CellRemark[]; tell: (words: string) => void }) {
  if (!remarks?.length) return null;
  const warns = remarks.some((remark) => remark.level === "warning");
  const words = remarks.map((remark) => remark.words).join(" ");
  return (
    <button
      class={`mw-ws-flag mw-ws-flag-${warns ? "warning" : "note"}`}
      title={words}
      aria-label={`${warns ? "Warning" : "Note"}: ${words}`}
      onClick={() => tell(words)}
    >
      <Icon name={warns ? "warning" : "info"} />
    </button>
  );
}

function Value({ store, column, row }: { store: SheetStore; column: string; row: number }) {
  if (column === "stuck") return <>{stuckWords(store.value("dead", row), store.value("saturated", row))}</>;
  const value = store.value(column as SheetColumn, row);
  const text = Number.isNaN(value) ? "–" : Number.isFinite(value) ? formatNumber(value) : value > 0 ? "∞" : "−∞";
  return (
    <>
      {(COURSE as readonly string[]).includes(column) && <Spark store={store} column={column as CourseColumn} row={row} />}
      <span class="mw-ws-value">{text}</span>
    </>
  );
}
