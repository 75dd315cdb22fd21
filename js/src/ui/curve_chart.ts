/** One panel of learning curves: draws what a `CurveStore` holds into a plotly chart. */
import { decimate, type CurveStore } from "./curve_store";
import { css, readable, seriesColour, type Palette, type Rgb } from "./palette";
import { PLOTLY_CONFIG, themedLayout, type Figure, type Layout } from "./plotly_theme";
import type { Mark, Scalar } from "../wire/messages";

/** What a chart needs to know of its run besides the rows. */
export interface CurveContext {
  /** How many epochs were ordered; 0 where that is unknown. */
  epochs: number;
  /** What the horizontal axis counts. */
  unit: string;
  ended: boolean;
  palette: Palette;
}

type Range = [number, number];

const LETTER = 5.8; // px that a letter of an 11 px label takes on average
const ROW = 13; // px between two rows of labels
const ROWS = 4; // rows of words at marks; the rest are a "+" that tells when pointed at
const FULL = 2000; // points up to which a line is drawn with all of them
const LEFT = 48;
const RIGHT = 72; // room for "validation" at a line's end
const NAMES = ["train", "validation"] as const;

const emptyRows = (): Range[][] => Array.from({ length: ROWS }, () => []);

const value = (v: Scalar): string =>
  v === null ? "off" : typeof v === "number" ? String(Number(v.toPrecision(6))) : String(v);

/** plotly reads a subset of HTML in labels: a user's markup is shown, not obeyed. */
const plain = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "% {");

/** The words at a mark: "learning rate 0.01 → 0.003 · you". */
export function markText(mark: Mark): string {
  const words = `${mark.name.replaceAll("_", " ")} ${value(mark.before)} → ${value(mark.after)}`;
  return mark.author ? `${words} · ${mark.author}` : words;
}

/**
 * The epochs that the axis spans: all that were ordered, so that nothing jumps while the curve grows;
 * while the curve would be a sliver of that, a round number that it fills by a quarter or more.
 */
export function epochSpan(first: number, last: number, epochs: number, ended: boolean): Range {
  const low = Math.min(first, 1);
  if (ended) return [low, Math.max(last, low + 1)];
  if (epochs <= 200 || last * 4 >= epochs) return [low, Math.max(epochs, last, low + 1)];
  const wanted = Math.max(last, 25) * 2;
  const magnitude = 10 ** Math.floor(Math.log10(wanted));
  const round = [1, 2, 5, 10].find((m) => m * magnitude >= wanted)! * magnitude;
  return [low, Math.min(round, epochs)];
}

/** The range of an axis around values, with room above and below. */
export function paddedRange(low: number, high: number): Range {
  if (!(low <= high)) return [0, 1];
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.05 || 0.5;
  return [low - pad, high + pad];
}

/** The first index at which sorted `values` reach `wanted`. */
function reach(values: Float64Array, wanted: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class CurveChart {
  /** The ranges a person zoomed to; null while the chart follows the run. */
  private zoom: { x?: Range; y?: Range } | null = null;
  private made = false;
  private held = false;
  private lowHigh: Range = [NaN, NaN];

  constructor(
    private plotly: any,
    private el: HTMLElement,
    private figure: Figure,
    private metric: string,
    private repaint: () => void,
  ) {
    el.addEventListener("pointerdown", this.hold);
    window.addEventListener("pointerup", this.release);
  }

  /** Draw. Left out while a person drags in the chart: redrawing would take the drag away. */
  paint(store: CurveStore, context: CurveContext): void {
    const width = this.el.clientWidth;
    if (this.held || width === 0) return;
    const figure = this.build(store, context, width);
    if (this.made) {
      void this.plotly.react(this.el, figure.data, figure.layout, PLOTLY_CONFIG);
      return;
    }
    this.made = true;
    void this.plotly.newPlot(this.el, figure.data, figure.layout, PLOTLY_CONFIG);
    const chart = this.el as unknown as { on(event: string, handler: (change: any) => void): void };
    chart.on("plotly_relayout", this.onRelayout);
    chart.on("plotly_doubleclick", () => {
      this.zoom = null;
      this.repaint();
    });
  }

  /** Show another curve of the same run in this place. */
  show(figure: Figure, metric: string): void {
    if (metric === this.metric && figure === this.figure) return;
    // what was zoomed to is of the old curve's values
    if (metric !== this.metric) this.zoom = null;
    this.figure = figure;
    this.metric = metric;
  }

  close(): void {
    this.el.removeEventListener("pointerdown", this.hold);
    window.removeEventListener("pointerup", this.release);
    if (this.made) this.plotly.purge(this.el);
    this.made = false;
  }

  private hold = (): void => {
    this.held = true;
  };

  private release = (): void => {
    if (!this.held) return;
    this.held = false;
    this.repaint();
  };

  private onRelayout = (change: Record<string, unknown>): void => {
    const range = (axis: string): Range | undefined => {
      const [a, b] = [change[`${axis}.range[0]`], change[`${axis}.range[1]`]];
      return typeof a === "number" && typeof b === "number" ? [a, b] : undefined;
    };
    const [x, y] = [range("xaxis"), range("yaxis")];
    if (x || y) this.zoom = { ...this.zoom, ...(x && { x }), ...(y && { y }) };
    else if (change["xaxis.autorange"] || change["yaxis.autorange"] || change["xaxis.showspikes"] !== undefined)
      this.zoom = null;
    else return;
    this.repaint();
  };

  private build(store: CurveStore, context: CurveContext, width: number): Figure {
    const { palette } = context;
    const epoch = store.column("epoch");
    const last = epoch[epoch.length - 1] ?? 1;
    const span = this.zoom?.x ?? epochSpan(epoch[0] ?? 1, last, context.epochs, context.ended);
    // One row either side, so that a line leaves the picture instead of ending at its edge.
    const from = Math.max(reach(epoch, span[0]) - 1, 0);
    const to = Math.min(reach(epoch, span[1]) + 1, epoch.length);
    const inner = Math.max(width - LEFT - RIGHT, 50);
    this.lowHigh = [Infinity, -Infinity];
    const lines = NAMES.map((name, k) => this.line(store, name, k, from, to, inner, palette));
    const yRange = this.zoom?.y ?? paddedRange(...this.lowHigh);
    const layout = themedLayout(this.figure.layout, palette);
    const height = Number(layout.height ?? 240);
    const marks = this.marks(store, span, yRange, inner, palette);
    return {
      data: [...lines, this.best(store, span, inner, palette)],
      layout: {
        ...layout,
        width,
        height,
        autosize: false,
        uirevision: undefined,
        margin: { ...layout.margin, l: LEFT, r: RIGHT },
        xaxis: {
          ...layout.xaxis,
          title: { ...layout.xaxis.title, text: context.unit },
          range: span,
          autorange: false,
        },
        yaxis: { ...layout.yaxis, range: yRange, autorange: false },
        shapes: marks.shapes,
        annotations: [...marks.words, ...this.ends(store, yRange, height - 72, palette)],
      },
    };
  }

  private colour = (palette: Palette, k: number): Rgb => readable(seriesColour(palette, k), palette, 3);

  private columnOf = (k: number): string => (k === 0 ? `train_${this.metric}` : `val_${this.metric}`);

  private line(
    store: CurveStore,
    name: string,
    k: number,
    from: number,
    to: number,
    inner: number,
    palette: Palette,
  ): Record<string, unknown> {
    const epoch = store.column("epoch");
    const values = store.column(this.columnOf(k));
    for (let i = from; i < Math.min(to, values.length); i++) {
      const v = values[i]!;
      if (!Number.isFinite(v)) continue;
      if (v < this.lowHigh[0]) this.lowHigh[0] = v;
      if (v > this.lowHigh[1]) this.lowHigh[1] = v;
    }
    const all = values.length === 0 ? 0 : to;
    const rows = decimate(values, from, all, all - from <= FULL ? FULL : 2 * Math.ceil(inner));
    const colour = css(this.colour(palette, k));
    const skeleton = this.figure.data[k] ?? { type: "scatter" };
    return {
      ...skeleton,
      name,
      // a line of one point would not show
      mode: rows.length === 1 ? "markers" : "lines",
      x: rows.map((i) => epoch[i]),
      y: rows.map((i) => (Number.isFinite(values[i]) ? values[i] : null)),
      line: { ...skeleton.line, color: colour, width: 2 },
      marker: { ...skeleton.marker, color: colour, size: 6 },
    };
  }

  private best(store: CurveStore, span: Range, inner: number, palette: Palette): Record<string, unknown> {
    const skeleton = this.figure.data[2] ?? { type: "scatter" };
    const at = store.length > 1 ? store.bestEpoch("val_loss") : null;
    const values = store.column("val_" + this.metric);
    const row = at === null ? -1 : reach(store.column("epoch"), at);
    const y = row >= 0 ? values[row] : undefined;
    const drawn = y !== undefined && Number.isFinite(y);
    // the word stands on the side where the other line is not, and clear of the names at the ends
    const other = store.column("train_" + this.metric)[row];
    const above = other === undefined || !(other > y!);
    const pixels = ((store.last("epoch")! - (at ?? 0)) * inner) / (span[1] - span[0] || 1);
    return {
      ...skeleton,
      x: drawn ? [at] : [],
      y: drawn ? [y] : [],
      text: drawn ? ["best"] : [],
      textposition: `${above ? "top" : "bottom"} ${pixels < 24 ? "left" : "center"}`,
      textfont: { size: 11, color: css(palette.ink2) },
      marker: {
        color: css(palette.bg),
        size: 8,
        line: { color: css(this.colour(palette, 1)), width: 2 },
      },
    };
  }

  /** The names at the line ends, pushed apart where the ends nearly touch. */
  private ends(store: CurveStore, range: Range, pixels: number, palette: Palette): Layout[] {
    const epoch = store.column("epoch");
    const ends = NAMES.map((name, k) => {
      const values = store.column(this.columnOf(k));
      let at = values.length - 1;
      while (at >= 0 && !Number.isFinite(values[at])) at--;
      return { name, k, x: epoch[at], y: values[at], shift: 0 };
    }).filter((end) => end.y !== undefined);
    if (ends.length === 2) {
      const gap = ((ends[0]!.y! - ends[1]!.y!) * pixels) / (range[1] - range[0] || 1);
      if (Math.abs(gap) < ROW) {
        const push = ((ROW - Math.abs(gap)) / 2) * (gap >= 0 ? 1 : -1);
        ends[0]!.shift = push;
        ends[1]!.shift = -push;
      }
    }
    return ends.map(({ name, k, x, y, shift }) => ({
      text: name,
      x,
      y,
      xanchor: "left",
      yanchor: "middle",
      xshift: 6,
      yshift: shift,
      showarrow: false,
      font: { size: 11, color: css(readable(seriesColour(palette, k), palette)) },
    }));
  }

  /** How high the lines run over these epochs, as a share of the chart: 0 at the foot, 1 at the top. */
  private height(store: CurveStore, epochs: Range, yRange: Range): number {
    const epoch = store.column("epoch");
    const [from, to] = [reach(epoch, epochs[0]), reach(epoch, epochs[1])];
    const stride = Math.max(1, Math.floor((to - from) / 50));
    let [sum, count] = [0, 0];
    for (const k of NAMES.keys()) {
      const values = store.column(this.columnOf(k));
      for (let i = from; i < Math.min(to, values.length); i += stride) {
        if (!Number.isFinite(values[i])) continue;
        sum += (values[i]! - yRange[0]) / (yRange[1] - yRange[0] || 1);
        count++;
      }
    }
    return count ? sum / count : 1;
  }

  /**
   * Dashed lines where people changed something. Their words stand at the top or at the foot, where the
   * curve is not, each in the first row that is free.
   */
  private marks(
    store: CurveStore,
    span: Range,
    yRange: Range,
    inner: number,
    palette: Palette,
  ): { shapes: Layout[]; words: Layout[] } {
    const scale = inner / (span[1] - span[0] || 1);
    const rows = { top: emptyRows(), bottom: emptyRows() };
    const ink = css(palette.ink3);
    const shapes: Layout[] = [];
    const words: Layout[] = [];
    for (const mark of store.marks) {
      if (mark.epoch < span[0] || mark.epoch > span[1]) continue;
      shapes.push({
        type: "line",
        x0: mark.epoch,
        x1: mark.epoch,
        y0: 0,
        y1: 1,
        yref: "paper",
        layer: "below",
        line: { color: ink, width: 1, dash: "dash" },
      });
      const text = markText(mark);
      const place = (mark.epoch - span[0]) * scale;
      const length = 8 + LETTER * text.length;
      const leftward = place + length > inner + RIGHT && place - length >= 0;
      const taken: Range = leftward ? [place - length, place] : [place, place + length];
      const epochs: Range = [span[0] + taken[0] / scale, span[0] + taken[1] / scale];
      const side = this.height(store, epochs, yRange) < 0.5 ? "top" : "bottom";
      const free = (row: Range[]): boolean => row.every(([a, b]) => taken[1] <= a || taken[0] >= b);
      const level = rows[side].findIndex(free);
      if (level >= 0) rows[side][level]!.push(taken);
      const shift = 2 + ROW * (level >= 0 ? level : ROWS);
      words.push({
        text: plain(level >= 0 ? text : "+"),
        hovertext: plain(text),
        x: mark.epoch,
        y: side === "top" ? 1 : 0,
        yref: "paper",
        xanchor: leftward ? "right" : "left",
        yanchor: side,
        xshift: leftward ? -4 : 4,
        yshift: side === "top" ? -shift : shift,
        showarrow: false,
        font: { size: 11, color: ink },
      });
    }
    return { shapes, words };
  }
}
