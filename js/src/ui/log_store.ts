/** The lines of one run's log as far as this page has them. */
import type { LogLine } from "../wire/messages";
import type { Taken } from "./curve_store";

/** Lines that a page keeps; the kernel keeps as many. */
export const CAPACITY = 10_000;

export class LogStore {
  run = "";
  /** The line that comes next. */
  cursor = 0;
  lines: LogLine[] = [];

  constructor(private readonly capacity = CAPACITY) {}

  reset(run: string): void {
    this.run = run;
    this.cursor = 0;
    this.lines = [];
  }

  /**
   * Take the lines from `cursor` to `next`, of which some may be no longer kept. What is here already is
   * passed over; lines after a gap are refused and the caller asks for what lacks.
   */
  take(cursor: number, next: number, entries: readonly LogLine[]): Taken {
    if (cursor > this.cursor) return "behind";
    if (next <= this.cursor) return "known";
    for (const line of entries) if (line.number >= this.cursor) this.lines.push(line);
    this.cursor = next;
    if (this.lines.length > this.capacity) this.thin();
    return "taken";
  }

  /** Lines of the run that are not here: progress goes first when there are too many. */
  get missing(): number {
    return this.cursor - this.lines.length;
  }

  get last(): LogLine | undefined {
    return this.lines[this.lines.length - 1];
  }

  /** Take out a quarter: every second line of progress, then the oldest of whatever there is. */
  private thin(): void {
    let surplus = Math.ceil(this.capacity / 4);
    let nth = 0;
    const kept = this.lines.filter((line) => {
      const goes = surplus > 0 && line.level === "training" && nth++ % 2 === 1;
      if (goes) surplus--;
      return !goes;
    });
    this.lines = kept.length > this.capacity ? kept.slice(kept.length - this.capacity) : kept;
  }
}

const two = (n: number): string => String(n).padStart(2, "0");

/** 14:03:27, where the reader is. */
export function clock(seconds: number): string {
  const date = new Date(1000 * seconds);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** What a line is called. */
export const LEVEL_WORDS = { training: "Progress", info: "Info", warning: "Warning", error: "Error" } as const;

/** Epoch 12, epoch 12.4: where a line stands. */
export const place = (line: LogLine, unit: string): string => `${unit} ${Number(line.epoch.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 1, useGrouping: false })}`;

/** The lines as text, to copy or to save. */
export function asText(lines: readonly LogLine[], unit: string): string {
  return lines
    .map((line) => {
      const head = [clock(line.time), place(line, unit), LEVEL_WORDS[line.level].toLowerCase()].join("  ");
      return `${head}  ${[line.message, line.advice].filter(Boolean).join(" ").replaceAll("\n", " ")}\n`;
    })
    .join("");
}
