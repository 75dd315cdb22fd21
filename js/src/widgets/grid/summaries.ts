/** What the headers show of their columns: asked for one after the other, so that rows never wait for many of them. */
import { signal } from "@preact/signals";
import type { View } from "../../ui/row_source";
import type { RequestBodies } from "../../wire/messages";

/** A column's distribution; `ColumnSummary` of `medilytica_widgets/data/column_summary.py`. */
export interface Summary {
  kind: "histogram" | "top" | "empty";
  edges: number[];
  values: (string | number | boolean | null)[];
  all: number[];
  here: number[];
  other_all: number;
  other_here: number;
  facts: { count: number; missing: number; min: number | null; max: number | null; mean: number | null; std: number | null; distinct: number };
}

const AFTER_SCROLLING_MS = 200;

type Ask = (body: RequestBodies["grid.summary"], signal: AbortSignal) => Promise<{ body: any }>;

export class Summaries {
  /** By column; those of an earlier view stay until the new ones are here. */
  readonly known = signal<ReadonlyMap<string, Summary>>(new Map());
  private fresh = new Set<string>();
  private wanted: string[] = [];
  private asked = "";
  private abort: AbortController | null = null;
  private state = 0;
  private held = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private ask: Ask,
    private view: View,
  ) {}

  /** Other rows are left: every column is asked for anew. */
  query(view: View): void {
    this.view = view;
    this.state++;
    this.fresh.clear();
    this.abort?.abort();
    this.abort = null;
  }

  /** Rows are waited for: the kernel answers one question at a time, so what was asked is withdrawn until `want`. */
  pause(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.abort) return;
    this.fresh.delete(this.asked);
    this.abort.abort();
    this.abort = null;
  }

  /** Rows are waited for that do not wait for what was asked: it may be answered, and nothing more is asked until `want`. */
  hold(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.held = true;
  }

  /** These columns are seen. */
  want(columns: string[]): void {
    this.wanted = columns;
    if (this.held) {
      // Who scrolls goes on scrolling: the kernel is left to the rows for a moment.
      this.held = false;
      this.timer = setTimeout(() => {
        this.timer = undefined;
        if (!this.abort) void this.next();
      }, AFTER_SCROLLING_MS);
    } else if (!this.abort && this.timer === undefined) void this.next();
  }

  close(): void {
    this.hold();
    this.wanted = [];
    this.query(this.view);
  }

  private async next(): Promise<void> {
    const column = this.wanted.find((name) => !this.fresh.has(name));
    if (column === undefined || this.held || this.timer !== undefined) return;
    const { state, view } = this;
    const abort = new AbortController();
    this.abort = abort;
    this.asked = column;
    this.fresh.add(column);
    const { search, filters, where } = view;
    try {
      const answer = await this.ask({ column, search, filters: filters as never, where }, abort.signal);
      if (state === this.state && !abort.signal.aborted) this.known.value = new Map(this.known.peek()).set(column, answer.body as Summary);
    } catch {
      // A header without its picture is still a header; the rows say what is wrong.
    }
    if (this.abort !== abort) return;
    this.abort = null;
    void this.next();
  }
}
