/** Learning curves of the latest run: loss and one metric, training and validation. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { keepStored } from "../state/local";
import { CurveChart } from "../ui/curve_chart";
import { HeadChoice, headOf, HeadNote, panelsOf, summary, TOTAL, whose, type CurveHead } from "../ui/curve_heads";
import { CurveStore } from "../ui/curve_store";
import type { Palette } from "../ui/palette";
import { watchPalette, type Figure } from "../ui/plotly_theme";
import type { Answer } from "../wire/client";
import type { Mark } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

export interface CurveRun {
  id: string;
  name: string;
  status: string;
  epochs: number;
  /** What the algorithm counts: "epoch", "tree", … */
  unit: string;
}

const SECONDS_BETWEEN_PAINTS = 0.05;
const SECONDS_BETWEEN_SUMMARIES = 5;
const NO_HEADS: CurveHead[] = [];
const ENDED = ["finished", "stopped", "failed"];

/**
 * Keep a store level with the kernel: the whole curve once, then only what is new. Calls `changed` after
 * every growth; returns the function that stops.
 */
export function followCurve(ctx: Context, store: CurveStore, changed: () => void): () => void {
  const run = ctx.trait<CurveRun | null>("run");
  const columns = ctx.trait<string[]>("columns");
  const abort = new AbortController();
  let asking = "";

  const begin = (id: string): void => {
    store.reset(id, columns.peek());
    changed();
  };

  const take = (answer: Answer, cursor: number): string => {
    const rows = answer.arrays["rows"];
    store.addMarks((answer.body.marks as Mark[] | undefined) ?? []);
    return rows ? store.append(cursor, rows.data as Float64Array, rows.shape[1] ?? 0) : "known";
  };

  /** Ask for what lacks, until the view is level; at most one question at a time. */
  const ask = async (): Promise<void> => {
    const id = store.run;
    if (!id || asking === id) return;
    asking = id;
    try {
      let more = true;
      while (more && !abort.signal.aborted && store.run === id) {
        const layout = columns.peek();
        const answer = await ctx.ask("curve.read", { run: id, cursor: store.length }, { signal: abort.signal });
        if (store.run !== id) return;
        // the rows that came may be of other columns than those that are told now
        if (columns.peek() !== layout) continue;
        take(answer, Number(answer.body.cursor));
        more = store.length < Number(answer.body.total);
        changed();
      }
    } catch {
      // the notice beside the widget says why; the next event asks again
    } finally {
      if (asking === id) asking = "";
    }
  };

  const stopEvents = ctx.client.on("curve.rows", (answer) => {
    if (answer.body.run !== store.run) begin(answer.body.run);
    const taken = take(answer, answer.body.cursor);
    if (taken === "behind") void ask();
    else changed();
  });
  const stopRun = run.subscribe((now) => {
    const id = now?.id ?? "";
    if (id !== store.run) begin(id);
    else changed();
    if (id && store.length === 0) void ask();
  });
  // the traits of one message change one after the other, the run perhaps before its columns
  let known = columns.peek();
  const stopColumns = columns.subscribe((now) => {
    if (now === known) return;
    known = now;
    if (!store.run) return;
    begin(store.run);
    void ask();
  });
  return () => {
    abort.abort();
    stopEvents();
    stopRun();
    stopColumns();
  };
}

export function MetricPlots({ ctx }: WidgetProps) {
  const run = ctx.trait<CurveRun | null>("run").value;
  const metric = ctx.trait<string>("metric").value;
  const figures = ctx.trait<Figure[]>("figures").value;
  const heads = ctx.trait<CurveHead[] | null>("heads").value ?? NO_HEADS;
  const choice = keepStored(`${ctx.id}:head`, TOTAL, (found) => typeof found === "string");
  const head = headOf(heads, choice.value);
  const panels = panelsOf(figures, metric, head);
  // what the paintings, which come between two drawings of the component, go by
  const now = useRef({ panels, heads, head });
  const places = useRef<(HTMLDivElement | null)[]>([]);
  const root = useRef<HTMLElement>(null);
  const store = useMemo(() => new CurveStore(), [ctx]);
  const [drawn, setDrawn] = useState(false);
  const [hasRows, setHasRows] = useState(false);
  const [spoken, setSpoken] = useState("");
  const [, setWeighed] = useState(0);
  const redraw = useRef<() => void>(() => undefined);

  useLayoutEffect(() => {
    now.current = { panels, heads, head };
    redraw.current();
  }, [figures, metric, heads, head]);

  useEffect(() => {
    const el = root.current;
    if (!el) return;
    let closed = false;
    let palette: Palette | null = null;
    let charts: CurveChart[] = [];
    let visible = true;
    let dirty = false;
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let paintedAt = 0;
    let took = 0;
    let spokenAt = -Infinity;

    const paint = (): void => {
      frame = 0;
      if (closed || !palette || charts.length === 0) return;
      dirty = false;
      paintedAt = performance.now();
      const shown = ctx.trait<CurveRun | null>("run").peek();
      const ended = ENDED.includes(shown?.status ?? "");
      const unit = shown?.unit ?? "epoch";
      const { panels, heads, head } = now.current;
      if (store.length > 0) {
        const context = { epochs: shown?.epochs ?? 0, unit, ended, palette };
        charts.forEach((chart) => chart.paint(store, context));
        took = performance.now() - paintedAt;
      }
      setHasRows(store.length > 0);
      el.dataset["rows"] = String(store.length);
      if (store.length > 0 && (ended || paintedAt - spokenAt > 1000 * SECONDS_BETWEEN_SUMMARIES)) {
        spokenAt = paintedAt;
        setSpoken(summary(store, panels, unit, heads, head));
      }
      // the head's learned weight stands in words
      if (head?.weight === null) setWeighed(store.length);
    };
    // However fast rows come, at most 20 paintings a second, a third of a slow page's time, and none while
    // nobody can see them.
    const schedule = (): void => {
      dirty = true;
      if (closed || !visible || document.hidden || frame || timer) return;
      const wait = paintedAt + Math.max(1000 * SECONDS_BETWEEN_PAINTS, 3 * took) - performance.now();
      const next = (): void => {
        timer = undefined;
        frame = requestAnimationFrame(paint);
      };
      if (wait <= 0) next();
      else timer = setTimeout(next, wait);
    };
    const whenSeen = (): void => {
      if (dirty) schedule();
    };

    const stops = [
      followCurve(ctx, store, schedule),
      watchPalette(el, (read) => {
        palette = read;
        schedule();
      }),
    ];
    redraw.current = () => {
      const { panels } = now.current;
      charts.forEach((chart, k) => panels[k] && chart.show(panels[k].figure, panels[k].curve));
      // another choice is told at once
      spokenAt = -Infinity;
      schedule();
    };
    document.addEventListener("visibilitychange", whenSeen);
    const seen = new IntersectionObserver((entries) => {
      visible = entries.some((entry) => entry.isIntersecting);
      whenSeen();
    });
    seen.observe(el);
    const sized = new ResizeObserver(schedule);
    sized.observe(el);
    ctx
      .plotly()
      .then((plotly) => {
        if (closed) return;
        charts = now.current.panels.map(
          ({ figure, curve }, k) => new CurveChart(plotly, places.current[k]!, figure, curve, schedule),
        );
        setDrawn(true);
        schedule();
      })
      .catch((error: Error) => {
        ctx.notice.value = { level: "error", message: `The charts could not be loaded: ${error.message}` };
      });
    return () => {
      closed = true;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      stops.forEach((stop) => stop());
      document.removeEventListener("visibilitychange", whenSeen);
      seen.disconnect();
      sized.disconnect();
      charts.forEach((chart) => chart.close());
    };
  }, [ctx]);

  const state = !run ? "empty" : !hasRows ? "waiting" : drawn ? "drawn" : "loading";
  return (
    <section class="mw-card mw-curves" aria-label="Learning curves" data-at="chart:curves" ref={root}>
      <h3 class="mw-title">
        Curves
        {run && <span class="mw-pill">{run.name}</span>}
      </h3>
      {heads.length > 1 && (
        <>
          <HeadChoice heads={heads} chosen={head?.name ?? TOTAL} choose={(name) => (choice.value = name)} id={ctx.id} />
          <HeadNote heads={heads} head={head} store={store} />
        </>
      )}
      <div class="mw-curves-panels">
        {panels.map(({ figure, words }, k) => {
          // beside the total loss stands the main head's metric
          const of = whose(heads, head ?? (k ? heads[0] : undefined));
          const owned = heads.length > 1 && of ? ` of ${of}` : "";
          const label = `Chart of ${words}${owned} over epochs, training and validation`;
          return (
            <div class="mw-curves-panel" style={{ height: `${figure.layout.height ?? 240}px` }}>
              <div
                class="mw-curves-chart"
                role="img"
                aria-label={label}
                ref={(el) => {
                  places.current[k] = el;
                }}
                style={{ visibility: state === "drawn" ? "visible" : "hidden" }}
              />
              {state !== "drawn" && <Placeholder words={words} state={state} status={run?.status ?? ""} />}
            </div>
          );
        })}
      </div>
      <p class="mw-sr" aria-live="polite">
        {spoken}
      </p>
    </section>
  );
}

/** What stands in a chart's place, of the same size, until there is something to draw. */
function Placeholder({ words, state, status }: { words: string; state: string; status: string }) {
  if (state === "loading") return <div class="mw-skeleton mw-curves-placeholder" aria-label="loading" />;
  const sentence =
    state === "empty"
      ? `Press Train or call exp.train(), and the ${words} of every epoch is drawn here.`
      : ENDED.includes(status)
        ? "This run ended before its first epoch was over."
        : "The first epoch is on its way…";
  return (
    <div class="mw-curves-placeholder mw-empty">
      <span>{sentence}</span>
    </div>
  );
}
