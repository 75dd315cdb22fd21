/** Rows of a table that lies in the kernel: pages fetched when they are seen, kept for a while, dropped when stale. */
import { batch, signal, type Signal } from "@preact/signals";
import { tableFromIPC, Type, type Column, type Table } from "@uwdata/flechette";
import { asBytes } from "../wire/buffers";
import type { RequestBodies } from "../wire/messages";

export type Sort = [string, boolean][];

/** What one column's cells must be like; the fields are those of `medilytica_widgets/data/filters.py`. */
export type Filter =
  | { column: string; kind: "range"; low: number | string | null; high: number | string | null; open_end?: boolean }
  | { column: string; kind: "set"; values: (string | number | boolean | null)[]; exclude?: boolean }
  | { column: string; kind: "contains" | "regex"; text: string; case?: boolean }
  | { column: string; kind: "null" | "not_null" };

/** In which order a table is looked at, and which of its rows. */
export interface View {
  sort: Sort;
  search: string;
  filters: Filter[];
  where: string;
}
export const PLAIN_VIEW: View = { sort: [], search: "", filters: [], where: "" };
export type Fetch = (body: RequestBodies["grid.rows"], signal: AbortSignal) => Promise<{ body: any; raw: (ArrayBufferView | ArrayBuffer)[] }>;

/** The original number of a row in the table; the kernel puts it in front. */
export const ROW_NUMBER = "__row__";
const PAGES_KEPT = 48;
/** Rows beyond what is seen that are fetched too. */
const AHEAD = 30;

export type ValueSort = "number" | "date" | "text";
const SORTS: Partial<Record<number, ValueSort>> = {
  [Type.Int]: "number",
  [Type.Float]: "number",
  [Type.Decimal]: "number",
  [Type.Date]: "date",
  [Type.Timestamp]: "date",
};

/** A page's columns by name. */
export class Page {
  readonly length: number;
  private columns = new Map<string, { values: Column<any>; sort: ValueSort }>();

  constructor(table: Table) {
    this.length = table.numRows;
    table.schema.fields.forEach((field, k) => {
      this.columns.set(field.name, { values: table.getChildAt(k), sort: SORTS[field.type.typeId] ?? "text" });
    });
  }

  value(row: number, name: string): unknown {
    return row < this.length ? this.columns.get(name)?.values.at(row) : undefined;
  }

  /** What a column holds, as Arrow says. */
  sort(name: string): ValueSort {
    return this.columns.get(name)?.sort ?? "text";
  }
}

export function decodePage(raw: ArrayBufferView | ArrayBuffer | undefined): Page {
  if (!raw) throw new Error("The kernel's answer holds no rows.");
  const bytes = asBytes(raw);
  // Arrow counts on offsets of 8 bytes, which a buffer inside a message need not have.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  // A whole number of 64 bits may have more digits than a float holds.
  return new Page(tableFromIPC(aligned, { useBigInt: true }));
}

export class RowSource {
  /** Rows of the sorted and searched table. */
  readonly total: Signal<number>;
  /** Grows whenever other cells can be drawn. */
  readonly version = signal(0);
  /** Why rows are missing; empty where none are. */
  readonly failure = signal("");
  /** True from a new sorting or search until its first rows are here; the old ones are shown meanwhile. */
  readonly busy = signal(false);
  /** True while rows that are seen are on their way. */
  readonly waiting = signal(false);
  private state = 0;
  private view: View = PLAIN_VIEW;
  private pages = new Map<number, Page>();
  private previous = new Map<number, Page>();
  private flying = new Map<number, AbortController>();
  private failed = new Set<number>();
  /** The pages that are seen, from the first to the last one. */
  private seen: [number, number] = [0, -1];

  constructor(
    private fetch: Fetch,
    total: number,
    readonly pageSize: number,
  ) {
    this.total = signal(total);
  }

  /** What is asked for the first rows of a view that `query` may be given the answer to. */
  firstOf(view: View): RequestBodies["grid.rows"] {
    return { start: 0, count: this.pageSize, ...view, filters: view.filters as never, state: this.state + 1 };
  }

  /** Sort and search anew; answers to what was asked before are dropped from now on. */
  query(view: View, first?: Awaited<ReturnType<Fetch>>): void {
    this.state++;
    this.view = view;
    this.withdraw(() => true);
    if (this.pages.size) this.previous = this.pages;
    this.pages = new Map();
    this.failed.clear();
    this.failure.value = "";
    if (first) return this.take(0, first);
    this.busy.value = true;
    this.look();
    void this.load(0);
  }

  /** Say which rows are seen: their pages are fetched, those scrolled past are withdrawn. */
  want(first: number, count: number): void {
    if (this.busy.peek() || count <= 0) return;
    const last = Math.min(this.total.peek(), first + count + AHEAD) - 1;
    const low = Math.floor(Math.max(0, first - AHEAD) / this.pageSize);
    const high = Math.floor(last / this.pageSize);
    this.withdraw((index) => index < low || index > high);
    // What is seen before what lies ahead of it.
    const seen = Math.floor(first / this.pageSize);
    this.seen = [seen, Math.floor((Math.min(this.total.peek(), first + count) - 1) / this.pageSize)];
    this.look();
    const order = Array.from({ length: Math.max(0, high - low + 1) }, (_, k) => low + k);
    order.sort((a, b) => Math.abs(a - seen) - Math.abs(b - seen));
    for (const index of order) {
      const page = this.pages.get(index);
      const ahead = index < this.seen[0] || index > this.seen[1];
      if (page) {
        // To the end of the map: the first in it is the one not seen for longest.
        this.pages.delete(index);
        this.pages.set(index, page);
      } else if (!this.flying.has(index) && !this.failed.has(index) && !(ahead && this.waiting.peek())) {
        // What lies ahead is asked for once what is seen is here: it would come between.
        void this.load(index);
      }
    }
  }

  /** A row's page and its place there, or null while it is on its way. */
  at(row: number): { page: Page; row: number } | null {
    const index = Math.floor(row / this.pageSize);
    const page = this.pages.get(index) ?? this.previous.get(index);
    const inside = row - index * this.pageSize;
    return page && inside < page.length ? { page, row: inside } : null;
  }

  /** Whether any rows are here. */
  has(): boolean {
    return this.pages.size > 0;
  }

  /** The table itself changed: what is seen is fetched again, and shown as it was until then. */
  refresh(): void {
    this.state++;
    this.withdraw(() => true);
    this.previous = this.pages;
    this.pages = new Map();
    this.failed.clear();
    this.busy.value = false;
    this.look();
    this.version.value++;
  }

  /** Ask again for what failed. */
  retry(): void {
    this.failure.value = "";
    this.failed.clear();
    if (this.busy.value) void this.load(0);
    this.version.value++;
  }

  close(): void {
    this.state++;
    this.withdraw(() => true);
    this.pages.clear();
    this.previous.clear();
  }

  private withdraw(which: (index: number) => boolean): void {
    for (const [index, abort] of this.flying) {
      if (!which(index)) continue;
      this.flying.delete(index);
      abort.abort();
    }
  }

  private async load(index: number): Promise<void> {
    const { state, view, pageSize } = this;
    const abort = new AbortController();
    this.flying.set(index, abort);
    try {
      const answer = await this.fetch({ start: index * pageSize, count: pageSize, ...view, state }, abort.signal);
      if (answer.body.state === this.state) this.take(index, answer);
    } catch (error) {
      if (state !== this.state || (error as Error).name === "AbortError") return;
      this.failed.add(index);
      this.failure.value = (error as Error).message;
    } finally {
      if (this.flying.get(index) === abort) this.flying.delete(index);
      this.look();
    }
  }

  private take(index: number, answer: Awaited<ReturnType<Fetch>>): void {
    const page = decodePage(answer.raw[0]);
    batch(() => {
      this.pages.set(index, page);
      for (const oldest of this.pages.keys()) {
        if (this.pages.size <= PAGES_KEPT) break;
        this.pages.delete(oldest);
      }
      this.previous.clear();
      this.total.value = Number(answer.body.total);
      this.busy.value = false;
      this.version.value++;
      this.look();
    });
  }

  private look(): void {
    const [first, last] = this.seen;
    let waits = this.busy.peek();
    for (let index = first; index <= last && !waits; index++) waits = !this.pages.has(index) && !this.failed.has(index);
    this.waiting.value = waits;
  }
}
