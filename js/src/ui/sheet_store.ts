/** The latest weight sheet of one run and the course of some of its columns. */
import type { CellRemark, SheetNews } from "../wire/messages";

/** The columns of a sheet's values, in order; `COLUMNS` of `medilytica_widgets/engine/weight_sheet.py`. */
export const COLUMNS = ["mean", "std", "min", "max", "norm", "gradient_norm", "update_ratio", "dead", "saturated"] as const;
export type SheetColumn = (typeof COLUMNS)[number];
/** Those whose course is drawn, as `sheet.read` gives them. */
export const COURSE = ["norm", "gradient_norm", "update_ratio"] as const satisfies SheetColumn[];
export type CourseColumn = (typeof COURSE)[number];

/** Points of a course that are kept; then every second goes. */
const MOST_POINTS = 192;

export interface SheetRow {
  name: string;
  label: string;
  title: string;
  shape: number[];
}

interface Point {
  step: number;
  /** Of every course column and row, columns first. */
  values: Float32Array;
}

export class SheetStore {
  run = "";
  count = 0;
  epoch = 0;
  step = 0;
  rows: SheetRow[] = [];
  remarks: CellRemark[] = [];
  private values: Float32Array = new Float32Array(0);
  private points: Point[] = [];

  reset(run: string): void {
    this.run = run;
    this.count = this.epoch = this.step = 0;
    this.rows = [];
    this.remarks = [];
    this.values = new Float32Array(0);
    this.points = [];
  }

  /** Take what `sheet.read` gave: names, and the course since the sheet that was asked from. */
  begin(rows: SheetRow[], steps: ArrayLike<number>, course: Float32Array): void {
    this.rows = rows;
    const width = COURSE.length * rows.length;
    const given = Array.from({ length: steps.length }, (_, k) => ({
      step: steps[k]!,
      values: course.slice(k * width, (k + 1) * width),
    }));
    const known = this.points.filter((point) => point.values.length === width);
    const all = new Map([...known, ...given].map((point) => [point.step, point]));
    this.points = [...all.values()].sort((a, b) => a.step - b.step);
    this.thin();
  }

  /** Take a sheet's values; false where its rows are not known yet and must be asked for. */
  take(news: SheetNews, values: Float32Array): boolean {
    const rows = values.length / COLUMNS.length;
    if (news.run !== this.run || rows !== this.rows.length) return false;
    if (news.count < this.count) return true;
    this.count = news.count;
    this.epoch = news.epoch;
    this.step = news.step;
    this.remarks = news.remarks;
    this.values = values.slice();
    const last = this.points[this.points.length - 1];
    if (!last || news.step > last.step) {
      const point = new Float32Array(COURSE.length * rows);
      COURSE.forEach((name, k) => point.set(this.column(name), k * rows));
      this.points.push({ step: news.step, values: point });
      this.thin();
    }
    return true;
  }

  /** A column's values, a view. */
  column(name: SheetColumn): Float32Array {
    const at = COLUMNS.indexOf(name) * this.rows.length;
    return this.values.subarray(at, at + this.rows.length);
  }

  value(name: SheetColumn, row: number): number {
    return this.column(name)[row] ?? NaN;
  }

  /** Steps and values of one row's course; what is not finite is left out. */
  course(name: CourseColumn, row: number): { step: number; value: number }[] {
    const at = COURSE.indexOf(name) * this.rows.length + row;
    return this.points
      .map((point) => ({ step: point.step, value: point.values[at]! }))
      .filter(({ value }) => Number.isFinite(value));
  }

  private thin(): void {
    if (this.points.length <= MOST_POINTS) return;
    const last = this.points.length - 1;
    this.points = this.points.filter((_, k) => k % 2 === 0 || k === last);
  }
}

/** A course as an SVG path in a box; a level line where it hardly changes, nothing for less than two points. */
export function sparkPath(course: readonly { step: number; value: number }[], width: number, height: number): string {
  if (course.length < 2) return "";
  const first = course[0]!.step;
  const span = course[course.length - 1]!.step - first || 1;
  let [low, high] = [Infinity, -Infinity];
  for (const { value } of course) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const level = high - low <= 1e-3 * Math.max(Math.abs(low), Math.abs(high));
  const y = (value: number): number => (level ? height / 2 : 1 + (height - 2) * (1 - (value - low) / (high - low)));
  return course
    .map(({ step, value }, k) => `${k ? "L" : "M"}${((width * (step - first)) / span).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
}
