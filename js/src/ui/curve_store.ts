/** All history rows of one run, as columns; it grows and never forgets. */
import type { Mark } from "../wire/messages";

/** How rows that came fit to what is here: taken, known already, or a gap before them. */
export type Taken = "taken" | "known" | "behind";

export class CurveStore {
  run = "";
  length = 0;
  marks: Mark[] = [];
  private names: readonly string[] = [];
  private columns: Float64Array[] = [];

  /** Begin another run, empty. */
  reset(run: string, names: readonly string[]): void {
    this.run = run;
    this.names = names;
    this.length = 0;
    this.marks = [];
    this.columns = names.map(() => new Float64Array(256));
  }

  /**
   * Take rows of which the first is row `cursor` of the run. What is here already is passed over, so that
   * an answer and an event may overlap; rows after a gap are refused and the caller asks for what lacks.
   */
  append(cursor: number, rows: ArrayLike<number>, width: number): Taken {
    const count = width > 0 ? Math.floor(rows.length / width) : 0;
    if (cursor > this.length) return "behind";
    const skip = this.length - cursor;
    if (skip >= count) return "known";
    const fresh = count - skip;
    this.reserve(this.length + fresh);
    for (let c = 0; c < Math.min(width, this.columns.length); c++) {
      const column = this.columns[c]!;
      for (let k = 0; k < fresh; k++) column[this.length + k] = rows[(skip + k) * width + c]!;
    }
    this.length += fresh;
    return "taken";
  }

  /** Add the marks that are not here yet. */
  addMarks(marks: readonly Mark[]): void {
    const key = (m: Mark): string => JSON.stringify([m.epoch, m.name, m.before, m.after, m.author]);
    const known = new Set(this.marks.map(key));
    const fresh = marks.filter((m) => !known.has(key(m)));
    if (fresh.length) this.marks = [...this.marks, ...fresh].sort((a, b) => a.epoch - b.epoch);
  }

  /** A column's values so far (a view, not a copy); empty where the run has no such column. */
  column(name: string): Float64Array {
    const at = this.names.indexOf(name);
    return at < 0 ? new Float64Array(0) : this.columns[at]!.subarray(0, this.length);
  }

  last(name: string): number | null {
    const values = this.column(name);
    const value = values[values.length - 1];
    return value === undefined || !Number.isFinite(value) ? null : value;
  }

  /** The epoch of the smallest value of a column; the first of equals. Null where there is none. */
  bestEpoch(name: string): number | null {
    const values = this.column(name);
    let best = -1;
    for (let k = 0; k < values.length; k++) {
      if (Number.isFinite(values[k]) && (best < 0 || values[k]! < values[best]!)) best = k;
    }
    return best < 0 ? null : this.column("epoch")[best]!;
  }

  private reserve(rows: number): void {
    const capacity = this.columns[0]?.length ?? 0;
    if (rows <= capacity) return;
    this.columns = this.columns.map((old) => {
      const larger = new Float64Array(Math.max(rows, 2 * capacity));
      larger.set(old.subarray(0, this.length));
      return larger;
    });
  }
}

/**
 * Indices of at most about `points` rows from `from` to `to` that look like all of them: the smallest and
 * the largest value of every stretch, in order, and both ends.
 */
export function decimate(y: Float64Array, from: number, to: number, points: number): number[] {
  const count = to - from;
  if (count <= points) return Array.from({ length: Math.max(count, 0) }, (_, k) => from + k);
  const stretches = Math.max(Math.floor(points / 2) - 1, 1);
  const keep: number[] = [from];
  const push = (k: number): void => {
    if (k > keep[keep.length - 1]!) keep.push(k);
  };
  for (let s = 0; s < stretches; s++) {
    const start = from + Math.floor((s * count) / stretches);
    const stop = from + Math.floor(((s + 1) * count) / stretches);
    let low = -1;
    let high = -1;
    for (let k = start; k < stop; k++) {
      const value = y[k]!;
      if (Number.isNaN(value)) continue;
      if (low < 0 || value < y[low]!) low = k;
      if (high < 0 || value > y[high]!) high = k;
    }
    if (low < 0) {
      push(start);
    } else {
      push(Math.min(low, high));
      push(Math.max(low, high));
    }
  }
  push(to - 1);
  return keep;
}
