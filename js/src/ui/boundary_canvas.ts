/** The decision boundary's picture: scales, ticks, and what is painted on the canvas. */
import { formatNumber } from "./number";
import { css, dark, mix, ramp, seriesColour, symbolPath, type Palette, type Rgb } from "./palette";
import type { DecodedArray } from "../wire/buffers";

/** One state of the boundary as the kernel sends it; without `classes` and `confidence` only the points. */
export interface BoundaryFrame {
  frame: number;
  epoch: number | null;
  x: string;
  y: string;
  x_range: [number, number];
  y_range: [number, number];
  x_log: boolean;
  y_log: boolean;
  /** Regression: the values that confidence 0 and 255 stand for. */
  value_range: [number, number] | null;
  arrays: Record<string, DecodedArray>;
}

const FAINT = 0.14; // opacity of a region where the model is at its least sure …
const FULL = 0.62; // … and at its most

/** From a column's values to 0 … 1 and back, linear or logarithmic. */
export class AxisScale {
  private low: number;
  private high: number;

  constructor(
    range: readonly [number, number],
    readonly log: boolean,
  ) {
    [this.low, this.high] = log ? [Math.log10(range[0]), Math.log10(range[1])] : [range[0], range[1]];
    if (!(this.high > this.low)) this.high = this.low + 1;
  }

  share(value: number): number {
    return ((this.log ? Math.log10(value) : value) - this.low) / (this.high - this.low);
  }

  value(share: number): number {
    const at = this.low + share * (this.high - this.low);
    return this.log ? 10 ** at : at;
  }

  /** About `wanted` round values within the range. */
  ticks(wanted: number): number[] {
    return this.log ? this.logTicks(wanted) : this.linearTicks(wanted);
  }

  private linearTicks(wanted: number): number[] {
    const rough = (this.high - this.low) / Math.max(wanted, 1);
    const magnitude = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((m) => m * magnitude >= rough)! * magnitude;
    const ticks: number[] = [];
    for (let k = Math.ceil(this.low / step - 1e-9); k * step <= this.high + 1e-9 * step; k++) {
      ticks.push(Number((k * step).toPrecision(12)));
    }
    return ticks;
  }

  private logTicks(wanted: number): number[] {
    const decades = this.high - this.low;
    if (decades < 0.7) {
      const [a, b] = [this.value(0), this.value(1)];
      return new AxisScale([a, b], false).ticks(wanted).filter((t) => t > 0);
    }
    const steps = decades * 3 <= wanted ? [1, 2, 5] : [1];
    const every = steps.length > 1 ? 1 : Math.max(1, Math.ceil(decades / wanted));
    const ticks: number[] = [];
    for (let power = Math.floor(this.low); power <= this.high; power++) {
      if (power % every) continue;
      for (const m of steps) {
        const tick = Number((m * 10 ** power).toPrecision(12));
        const at = this.share(tick);
        if (at >= -1e-9 && at <= 1 + 1e-9) ticks.push(tick);
      }
    }
    return ticks;
  }
}

/** A tick's label: 0.02, 350, 20k, 1e-5. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  return size >= 1e4 && size < 1e6 ? `${formatNumber(value / 1e3, 4)}k` : formatNumber(value, 4);
}

/** A value for reading off: four digits. */
export const valueText = (value: number): string => formatNumber(value, 4);

/** Colours of all answers packed as ImageData wants them: index = class · 256 + confidence. */
export function answerColours(palette: Palette, classes: number): Uint32Array {
  const pack = ([r, g, b]: Rgb): number =>
    ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
  if (classes === 0) return Uint32Array.from(ramp(palette), pack);
  const table = new Uint32Array(classes * 256);
  const least = 1 / classes; // the least that the most likely class can have
  for (let k = 0; k < classes; k++) {
    const colour = seriesColour(palette, k);
    for (let c = 0; c < 256; c++) {
      const share = Math.min(Math.max((c / 255 - least) / (1 - least || 1), 0), 1);
      table[k * 256 + c] = pack(mix(colour, palette.bg, FAINT + (FULL - FAINT) * share));
    }
  }
  return table;
}

/** What the model answers at a place of the picture; shares count from the left and from the bottom. */
export function answerAt(
  frame: BoundaryFrame,
  xShare: number,
  yShare: number,
): { index: number; confidence: number } | null {
  const confidence = frame.arrays["confidence"];
  const classes = frame.arrays["classes"];
  if (!confidence || !classes) return null;
  const [h, w] = confidence.shape as [number, number];
  const column = Math.min(Math.max(Math.floor(xShare * w), 0), w - 1);
  const row = Math.min(Math.max(Math.floor((1 - yShare) * h), 0), h - 1);
  const at = row * w + column;
  return { index: Number(classes.data[at]), confidence: Number(confidence.data[at]) / 255 };
}

/** Paints frames on a canvas of its element's size, at the device's resolution. */
export class BoundaryPainter {
  private small = document.createElement("canvas");
  private image: ImageData | null = null;
  private colours: Uint32Array | null = null;
  private coloursFor: { palette: Palette; classes: number } | null = null;
  private marks = new Map<string, Path2D>();

  constructor(private canvas: HTMLCanvasElement) {}

  paint(frame: BoundaryFrame, palette: Palette, classes: number, width: number, height: number): void {
    const density = globalThis.devicePixelRatio || 1;
    const { canvas } = this;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = css(mix(palette.ink, palette.bg, 0.035));
    pen.fillRect(0, 0, canvas.width, canvas.height);
    this.paintAnswers(pen, frame, palette, classes);
    pen.setTransform(density, 0, 0, density, 0, 0);
    this.paintPoints(pen, frame, palette, classes, width, height);
  }

  private paintAnswers(pen: CanvasRenderingContext2D, frame: BoundaryFrame, palette: Palette, classes: number): void {
    const confidence = frame.arrays["confidence"];
    const answers = frame.arrays["classes"];
    if (!confidence || !answers) return;
    const [h, w] = confidence.shape as [number, number];
    if (this.coloursFor?.palette !== palette || this.coloursFor.classes !== classes) {
      this.colours = answerColours(palette, classes);
      this.coloursFor = { palette, classes };
    }
    const small = this.small.getContext("2d")!;
    if (!this.image || this.image.width !== w || this.image.height !== h) {
      this.small.width = w;
      this.small.height = h;
      this.image = small.createImageData(w, h);
    }
    const pixels = new Uint32Array(this.image.data.buffer);
    const table = this.colours!;
    const [c, a] = [confidence.data as Uint8Array, answers.data as Uint8Array];
    for (let k = 0; k < pixels.length; k++) {
      pixels[k] = table[(classes === 0 ? 0 : a[k]! * 256) + c[k]!]!;
    }
    small.putImageData(this.image, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.small, 0, 0, this.canvas.width, this.canvas.height);
  }

  private paintPoints(
    pen: CanvasRenderingContext2D,
    frame: BoundaryFrame,
    palette: Palette,
    classes: number,
    width: number,
    height: number,
  ): void {
    const { px, py, label, wrong, value } = frame.arrays as Record<string, DecodedArray | undefined>;
    if (!px || !py) return;
    const x = new AxisScale(frame.x_range, frame.x_log);
    const y = new AxisScale(frame.y_range, frame.y_log);
    const shades = classes === 0 ? ramp(palette) : [];
    const [low, high] = frame.value_range ?? [0, 1];
    // the wrong ones last, so that none hides below a right one
    for (const pass of [0, 1]) {
      for (let k = 0; k < px.data.length; k++) {
        const isWrong = Boolean(wrong?.data[k]);
        if (Number(isWrong) !== pass) continue;
        const [u, v] = [x.share(Number(px.data[k])), y.share(Number(py.data[k]))];
        if (!(u >= 0 && u <= 1 && v >= 0 && v <= 1)) continue;
        const index = classes === 0 ? 0 : Number(label?.data[k] ?? 0);
        const shade = Math.round((255 * (Number(value?.data[k] ?? low) - low)) / (high - low || 1));
        pen.save();
        pen.translate(u * width, (1 - v) * height);
        const mark = this.mark(index, isWrong ? 3.6 : 3.1);
        pen.fillStyle = css(
          classes === 0 ? shades[Math.min(Math.max(shade, 0), 255)]! : seriesColour(palette, index),
        );
        pen.fill(mark);
        pen.lineWidth = isWrong ? 1.7 : 0.9;
        pen.strokeStyle = css(isWrong || classes === 0 ? palette.ink : palette.bg);
        pen.stroke(mark);
        if (isWrong) {
          pen.fillStyle = css(dark(palette));
          pen.fill(this.mark(0, 1.1));
        }
        pen.restore();
      }
    }
  }

  private mark(index: number, radius: number): Path2D {
    const key = `${index}:${radius}`;
    let path = this.marks.get(key);
    if (!path) {
      path = new Path2D(symbolPath(index, radius));
      this.marks.set(key, path);
    }
    return path;
  }
}
