/** What the model answers over two columns, under test rows; it moves while the model learns. */
import { useEffect, useRef, useState } from "preact/hooks";
import {
  answerAt,
  AxisScale,
  BoundaryPainter,
  tickText,
  valueText,
  type BoundaryFrame,
} from "../ui/boundary_canvas";
import { Axes, BOTTOM, LEFT, RIGHT, TOP } from "../ui/boundary_axes";
import { css, dark, ramp, seriesColour, symbolPath, type Palette } from "../ui/palette";
import { watchPalette } from "../ui/plotly_theme";
import type { Answer } from "../wire/client";
import type { Context, WidgetProps } from "./_base";

export interface BoundaryAxes {
  x: string;
  y: string;
  columns: string[];
  /** Why nothing can be drawn; empty where it can. */
  reason: string;
}

interface BoundaryRun {
  name: string;
  status: string;
  unit: string;
}

interface Place {
  /** Shares of the plot's width from the left and of its height from the bottom. */
  u: number;
  v: number;
}


/**
 * Keep the latest frame: asks for it once, then each frame is acknowledged when it was painted, so that
 * the kernel computes no more than somebody sees. Returns the function that stops.
 */
export function followFrames(ctx: Context, show: (frame: BoundaryFrame) => void): () => void {
  const abort = new AbortController();
  const take = (answer: Answer): void => {
    if (Number(answer.body.frame) < 0) return;
    show({ ...answer.body, arrays: answer.arrays } as BoundaryFrame);
  };
  const begin = (): void => {
    ctx
      .ask("boundary.ready", { frame: -1 }, { quiet: true, signal: abort.signal })
      .then(take)
      .catch(() => undefined);
  };
  const stopEvents = ctx.client.on("boundary.frame", take);
  // after a lost connection frames may have been missed, and the kernel may wait for an answer that never came
  const stopConnection = ctx.connection.subscribe((now) => {
    if (now === "live") begin();
  });
  return () => {
    abort.abort();
    stopEvents();
    stopConnection();
  };
}

export function DecisionBoundary({ ctx }: WidgetProps) {
  const axes = ctx.trait<BoundaryAxes>("axes").value;
  const classes = ctx.trait<string[]>("classes").value;
  const target = ctx.trait<string>("target").value;
  const held = ctx.trait<string>("held").value;
  const about = ctx.trait<string | null>("about").value;
  const run = ctx.trait<BoundaryRun | null>("run").value;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [frame, setFrame] = useState<BoundaryFrame | null>(null);
  const [palette, setPalette] = useState<Palette | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [at, setAt] = useState<Place | null>(null);
  const scene = useRef<() => void>(() => undefined);

  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const painter = canvas.current ? new BoundaryPainter(canvas.current) : null;
    let latest: BoundaryFrame | null = null;
    let colours: Palette | null = null;
    let acknowledged = -1;
    let visible = true;
    let pending = 0;
    let plot = { width: 0, height: 0 };

    const paint = (): void => {
      pending = 0;
      if (!latest || !colours || !painter || plot.width <= 0) return;
      painter.paint(latest, colours, ctx.trait<string[]>("classes").peek().length, plot.width, plot.height);
      setFrame(latest);
      if (latest.frame > acknowledged) {
        acknowledged = latest.frame;
        ctx.ask("boundary.ready", { frame: latest.frame }, { quiet: true }).catch(() => undefined);
      }
    };
    // What nobody sees is neither painted nor acknowledged, so the kernel stops computing it.
    const schedule = (): void => {
      if (!pending && visible && !document.hidden) pending = requestAnimationFrame(paint);
    };
    scene.current = schedule;
    const measure = (): void => {
      const width = el.clientWidth;
      const height = Math.round(Math.min(Math.max(width * 0.92, 220), 430));
      plot = { width: Math.max(width - LEFT - RIGHT, 0), height: height - TOP - BOTTOM };
      setSize({ width, height });
      schedule();
    };
    const stops = [
      watchPalette(el, (read) => {
        colours = read;
        setPalette(read);
        schedule();
      }),
      followFrames(ctx, (next) => {
        // a kernel that was restarted counts from the beginning again
        if (latest && next.frame < latest.frame) acknowledged = -1;
        latest = next;
        schedule();
      }),
    ];
    const sized = new ResizeObserver(measure);
    sized.observe(el);
    const seen = new IntersectionObserver((entries) => {
      visible = entries.some((entry) => entry.isIntersecting);
      schedule();
    });
    seen.observe(el);
    document.addEventListener("visibilitychange", schedule);
    measure();
    return () => {
      cancelAnimationFrame(pending);
      stops.forEach((stop) => stop());
      sized.disconnect();
      seen.disconnect();
      document.removeEventListener("visibilitychange", schedule);
    };
  }, [ctx, axes.reason === ""]);

  const choose = (side: "x" | "y", name: string): void => {
    const now = { x: axes.x, y: axes.y };
    const other = side === "x" ? "y" : "x";
    // choosing the other axis's column swaps the two
    if (now[other] === name) now[other] = now[side];
    now[side] = name;
    ctx.tell("boundary.axes", now);
  };
  const selects = (["x", "y"] as const).map((side) => (
    <select
      aria-label={`Column on the ${side === "x" ? "horizontal" : "vertical"} axis`}
      value={axes[side]}
      disabled={Boolean(ctx.readOnly)}
      title={ctx.readOnly || (side === "x" ? "horizontal axis" : "vertical axis")}
      onChange={(event) => choose(side, event.currentTarget.value)}
    >
      {axes.columns.map((name) => {
        const log = frame && frame[side] === name && (side === "x" ? frame.x_log : frame.y_log);
        return <option value={name}>{log ? `${name} (log)` : name}</option>;
      })}
    </select>
  ));

  if (axes.reason) {
    return (
      <section class="mw-card mw-boundary" aria-label="Decision boundary" data-at="chart:boundary">
        <h3 class="mw-title">Boundary</h3>
        <div class="mw-empty">{axes.reason}</div>
      </section>
    );
  }

  const learned = Boolean(frame?.arrays["confidence"]);
  const stale = frame !== null && (frame.x !== axes.x || frame.y !== axes.y);
  const wrong = frame?.arrays["wrong"];
  const anyWrong = learned && wrong ? (wrong.data as Uint8Array).some((w) => w) : false;
  const move = (next: Place): void =>
    setAt({ u: Math.min(Math.max(next.u, 0), 1), v: Math.min(Math.max(next.v, 0), 1) });
  const onKey = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const from = at ?? { u: 0.5, v: 0.5 };
    const moves: Record<string, Place> = {
      ArrowLeft: { u: from.u - step, v: from.v },
      ArrowRight: { u: from.u + step, v: from.v },
      ArrowUp: { u: from.u, v: from.v + step },
      ArrowDown: { u: from.u, v: from.v - step },
    };
    const next = moves[event.key];
    if (event.key === "Escape") setAt(null);
    else if (next && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      move(next);
    }
  };

  return (
    <section class="mw-card mw-boundary" aria-label="Decision boundary" data-at="chart:boundary" data-frame={frame?.frame ?? -1}>
      <h3 class="mw-title mw-boundary-title">
        Boundary
        <span class="mw-spread" />
        <span class="mw-boundary-selects">{selects}</span>
      </h3>
      <div
        class={`mw-boundary-box${stale ? " mw-boundary-stale" : ""}`}
        ref={box}
        style={{ height: `${size.height || 300}px` }}
      >
        <canvas
          ref={canvas}
          class="mw-boundary-canvas"
          aria-hidden="true"
          style={{
            left: `${LEFT}px`,
            top: `${TOP}px`,
            width: `${Math.max(size.width - LEFT - RIGHT, 0)}px`,
            height: `${Math.max(size.height - TOP - BOTTOM, 0)}px`,
          }}
        />
        {frame && size.width > 0 && <Axes frame={frame} width={size.width} height={size.height} />}
        {!frame && <div class="mw-skeleton mw-boundary-skeleton" />}
        {frame && (
          <div
            class="mw-boundary-plot"
            style={{ left: `${LEFT}px`, top: `${TOP}px`, right: `${RIGHT}px`, bottom: `${BOTTOM}px` }}
            role="img"
            tabIndex={0}
            aria-label={describe(frame, classes, target, run)}
            aria-describedby={`${ctx.id}-readout`}
            onKeyDown={onKey}
            onBlur={() => setAt(null)}
            onPointerMove={(event) => {
              const rect = event.currentTarget.getBoundingClientRect();
              move({
                u: (event.clientX - rect.left) / rect.width,
                v: 1 - (event.clientY - rect.top) / rect.height,
              });
            }}
            onPointerLeave={() => setAt(null)}
          >
            {at && <Readout frame={frame} classes={classes} target={target} at={at} id={`${ctx.id}-readout`} />}
          </div>
        )}
        {frame && !learned && (
          <div class="mw-boundary-hint">
            <span class="mw-pill">Train to see the boundary</span>
          </div>
        )}
      </div>
      <div class="mw-boundary-legend mw-tiny">
        {classes.length > 0
          ? palette && <ClassLegend classes={classes} palette={palette} ring={anyWrong} />
          : palette && frame && <ValueLegend frame={frame} target={target} palette={palette} />}
        <span class="mw-spread" />
        {learned && frame?.epoch != null && (
          <span class="mw-boundary-epoch">
            {run?.unit ?? "epoch"} {Math.round(frame.epoch)}
          </span>
        )}
      </div>
      <p class="mw-boundary-held mw-tiny">{about ? `${about} ${held}` : held}</p>
    </section>
  );
}

function describe(frame: BoundaryFrame, classes: string[], target: string, run: BoundaryRun | null): string {
  const over = `over ${frame.x} and ${frame.y}`;
  const points = frame.arrays["px"]?.data.length ?? 0;
  if (!frame.arrays["confidence"]) {
    return `${points} test rows ${over}. Nothing is trained yet.`;
  }
  const when = frame.epoch != null ? ` after ${run?.unit ?? "epoch"} ${Math.round(frame.epoch)}` : "";
  if (classes.length === 0) return `Predicted ${target} ${over}${when}. Arrow keys read off values.`;
  const wrong = frame.arrays["wrong"];
  const count = wrong ? Array.from(wrong.data as Uint8Array).filter(Boolean).length : 0;
  return `Decision regions of ${classes.join(", ")} ${over}${when}; ${count} of ${points} test rows shown are wrong. Arrow keys read off values.`;
}

/** What the model answers where the pointer or the keyboard's cross stands. */
function Readout(props: { frame: BoundaryFrame; classes: string[]; target: string; at: Place; id: string }) {
  const { frame, classes, target, at, id } = props;
  const x = new AxisScale(frame.x_range, frame.x_log).value(at.u);
  const y = new AxisScale(frame.y_range, frame.y_log).value(at.v);
  const answer = answerAt(frame, at.u, at.v);
  let words = "";
  if (answer && classes.length > 0) {
    words = `${classes[answer.index] ?? "?"} · ${Math.round(100 * answer.confidence)} %`;
  } else if (answer && frame.value_range) {
    const [low, high] = frame.value_range;
    words = `${target} ≈ ${valueText(low + answer.confidence * (high - low))}`;
  }
  return (
    <>
      <i class="mw-boundary-cross" style={{ left: `${100 * at.u}%`, top: `${100 * (1 - at.v)}%` }} />
      <div
        id={id}
        role="status"
        class={`mw-boundary-readout${at.u > 0.55 ? " mw-boundary-flip" : ""}${at.v > 0.7 ? " mw-boundary-below" : ""}`}
        style={{ left: `${100 * at.u}%`, top: `${100 * (1 - at.v)}%` }}
      >
        {words && <b>{words}</b>}
        <span>
          {frame.x} {valueText(x)}
        </span>
        <span>
          {frame.y} {valueText(y)}
        </span>
      </div>
    </>
  );
}

function Glyph({ index, fill, stroke, dot }: { index: number; fill: string; stroke: string; dot?: string }) {
  return (
    <svg class="mw-boundary-glyph" viewBox="-7 -7 14 14" aria-hidden="true">
      <path d={symbolPath(index, 4.4)} fill={fill} stroke={stroke} stroke-width={dot ? 2 : 0} />
      {dot && <circle r="1.5" fill={dot} />}
    </svg>
  );
}

function ClassLegend({ classes, palette, ring }: { classes: string[]; palette: Palette; ring: boolean }) {
  return (
    <>
      {classes.map((name, k) => (
        <span class="mw-boundary-class">
          <Glyph index={k} fill={css(seriesColour(palette, k))} stroke="none" /> {name}
        </span>
      ))}
      {ring && (
        <span class="mw-boundary-class">
          <Glyph index={0} fill={css(palette.grid)} stroke={css(palette.ink)} dot={css(dark(palette))} /> ringed: wrong
        </span>
      )}
    </>
  );
}

function ValueLegend({ frame, target, palette }: { frame: BoundaryFrame; target: string; palette: Palette }) {
  if (!frame.value_range) return null;
  const stops = ramp(palette);
  const shown = [0, 51, 102, 153, 204, 255].map((k) => css(stops[k]!)).join(", ");
  return (
    <span class="mw-boundary-values">
      {target} {tickText(frame.value_range[0])}
      <i style={{ background: `linear-gradient(to right, ${shown})` }} />
      {tickText(frame.value_range[1])}
    </span>
  );
}
