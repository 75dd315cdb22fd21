/** A fake kernel for the grid, which answers with real Arrow bytes, and a page that shows it. */
import { float64, int64, tableFromArrays, tableToIPC, timestamp, utf8 } from "@uwdata/flechette";
import type { PlainModel } from "../src/types";
import { Context, mountComponent } from "../src/widgets/_base";
import { DataGrid } from "../src/widgets/data_grid";
import type { Envelope } from "../src/wire/messages";

type Cells = Record<string, unknown[]>;

function arrowType(value: unknown) {
  if (typeof value === "string") return utf8();
  if (typeof value === "bigint") return int64();
  return value instanceof Date ? timestamp() : float64();
}

/** An Arrow stream at an odd offset, as it may lie in a message. */
export function ipc(columns: Cells): DataView {
  const types = Object.entries(columns).map(([name, values]) => [name, arrowType(values.find((value) => value !== null))]);
  const table = tableFromArrays(Object.entries(columns) as never, { types: Object.fromEntries(types), useBigInt: true });
  const bytes = tableToIPC(table, { format: "stream" }) as Uint8Array;
  const padded = new Uint8Array(bytes.length + 3);
  padded.set(bytes, 3);
  return new DataView(padded.buffer, 3);
}

export const HOSTILE = "<img src=x onerror=alert(1)>";
export const LONG = "x".repeat(5000);

/** The kernel's end: it holds a table and sorts and searches it. */
export class FakeKernel {
  rows: Record<string, unknown>[];
  sent: Envelope[] = [];
  /** Requests that are held back until `release`. */
  held: Envelope[] | null = null;
  failing = "";
  private handlers = new Map<string, Set<(...values: any[]) => void>>();
  widget_manager = { kernel: null };
  traits: Record<string, unknown>;

  constructor(count: number, columns = ["id", "x", HOSTILE, "constructor"], traits: Record<string, unknown> = {}) {
    const values = {
      id: (k: number) => k,
      x: (k: number) => (k % 5 === 3 ? null : ((k * 7919) % 1000) / 8),
      [HOSTILE]: (k: number) => [HOSTILE, "naïve ☃ 👩‍🚀", LONG][k % 3],
      constructor: (k: number) => k % 2,
    } as Record<string, (k: number) => unknown>;
    this.rows = Array.from({ length: count }, (_, k) => ({
      __row__: k,
      ...Object.fromEntries(columns.map((name) => [name, (values[name] ?? ((n: number) => n))(k)])),
    }));
    const about = (name: string) => ({
      name,
      kind: name === "id" ? "identifier" : name === "constructor" ? "binary" : name === HOSTILE ? "text" : "numeric",
      role: name === "id" ? "set_aside" : name === "constructor" ? "target" : "feature",
      reason: name === "id" ? "identifier: all different" : "",
      evidence: `as ${name} says`,
      missing: name === "x" ? count / 5 : 0,
      chars: 8,
      storage: name === HOSTILE ? "text" : "number",
    });
    this.traits = { title: "a <b>table</b>", total: count, columns: columns.map(about), height: 360, failure: null, editable: false, excel: false, revision: 0, undoable: 0, last_edit: null, ...traits };
  }
  get(name: string): unknown {
    return this.traits[name] ?? null;
  }
  on(event: string, handler: (...values: any[]) => void): void {
    if (!this.handlers.has(event)) this.handlers.set(event, new Set());
    this.handlers.get(event)!.add(handler);
  }
  off(event: string, handler: (...values: any[]) => void): void {
    this.handlers.get(event)?.delete(handler);
  }
  send(content: unknown): void {
    const message = content as Envelope;
    this.sent.push(message);
    if (message.kind === "cancel") return;
    if (this.held) this.held.push(message);
    else queueMicrotask(() => this.answer(message));
  }
  hold(): void {
    this.held = [];
  }
  release(): void {
    const waiting = this.held ?? [];
    this.held = null;
    waiting.forEach((message) => this.answer(message));
  }
  asked(): Record<string, any>[] {
    return this.sent.filter((message) => message.kind === "grid.rows").map((message) => message.body);
  }
  /** Requests of another kind. */
  told(kind: string): Record<string, any>[] {
    return this.sent.filter((message) => message.kind === kind).map((message) => message.body);
  }
  /** The kernel changed traits. */
  set(traits: Record<string, unknown>): void {
    Object.assign(this.traits, traits);
    for (const name of Object.keys(traits)) this.handlers.get(`change:${name}`)?.forEach((handler) => handler());
  }
  found(body: Record<string, any>): Record<string, unknown>[] {
    const words = String(body.search).toLowerCase();
    const passes = (row: Record<string, unknown>): boolean =>
      ((body.filters ?? []) as any[]).every((filter) => {
        const value = row[filter.column] as any;
        if (filter.kind === "null") return value === null;
        if (filter.kind === "set") return filter.values.includes(value);
        if (filter.kind === "contains") return String(value).includes(filter.text);
        if (value === null) return false;
        return (filter.low === null || value >= filter.low) && (filter.high === null || (filter.open_end ? value < filter.high : value <= filter.high));
      });
    const found = this.rows.filter((row) => passes(row) && Object.values(row).some((value) => String(value).toLowerCase().includes(words)));
    for (const [name, down] of [...body.sort].reverse() as [string, boolean][]) {
      found.sort((a, b) => {
        const [p, q] = [a[name], b[name]] as [any, any];
        if (p === null || q === null) return Number(p === null) - Number(q === null);
        return (p < q ? -1 : p > q ? 1 : 0) * (down ? -1 : 1);
      });
    }
    return found;
  }
  /** What other requests are answered with; a test may give its own. */
  other: (kind: string, body: Record<string, any>) => Record<string, unknown> = () => ({ changed: true, count: 1 });
  bytes: (kind: string) => DataView[] = () => [];
  summary(body: Record<string, any>): Record<string, unknown> {
    const cells = this.rows.map((row) => row[body.column]);
    const left = this.found({ ...body, sort: [], filters: body.filters.filter((one: any) => one.column !== body.column) });
    const here = left.map((row) => row[body.column]);
    const facts = { count: cells.filter((v) => v !== null).length, missing: cells.filter((v) => v === null).length, min: 0, max: 125, mean: 1.5, std: 2, distinct: 9 };
    if (body.column === "x") {
      const edges = Array.from({ length: 21 }, (_, k) => k * 6.25);
      const bars = (values: any[]): number[] => edges.slice(1).map((end, k) => values.filter((v) => v !== null && v >= edges[k]! && v < end).length);
      return { kind: "histogram", edges, values: [], all: bars(cells), here: bars(here), other_all: 0, other_here: 0, facts };
    }
    const values = [...new Set(cells)].slice(0, 6);
    const count = (of: unknown[]): number[] => values.map((value) => of.filter((one) => one === value).length);
    return { kind: "top", edges: [], values, all: count(cells), here: count(here), other_all: 0, other_here: 0, facts: { ...facts, min: null, max: null, mean: null } };
  }
  answer(message: Envelope): void {
    const body = message.body as Record<string, any>;
    const reply = (kind: string, told: object, payload: DataView[] = []): void =>
      this.handlers
        .get("msg:custom")
        ?.forEach((handler) => handler({ v: 1, client: message.client, id: message.id, kind: `${message.kind}.${kind}`, body: told }, payload));
    if (message.kind === "grid.summary") return reply("result", this.summary(body));
    if (message.kind !== "grid.rows") return reply("result", this.other(message.kind, body), this.bytes(message.kind));
    if (body.where.includes("wrong")) return reply("error", { message: "The table has no column 'wrong'.", type: "InputError" });
    if (this.failing) return reply("error", { message: this.failing, type: "DataError" });
    const found = this.found(body);
    const page = found.slice(body.start, body.start + body.count);
    const names = ["__row__", ...(this.traits.columns as { name: string }[]).map((column) => column.name)];
    const columns = Object.fromEntries(names.map((name) => [name, page.map((row) => row[name])]));
    reply("result", { start: body.start, total: found.length, state: body.state }, [ipc(columns)]);
  }
}

export const stops: (() => void)[] = [];
let views = 0;

export async function settled(): Promise<void> {
  for (let k = 0; k < 6; k++) await new Promise((done) => setTimeout(done, 0));
}

export async function shown(kernel: FakeKernel, id = `model-${views++}`) {
  const el = document.createElement("div");
  document.body.append(el);
  const assets = { on: () => undefined, off: () => undefined, get: () => null } as unknown as PlainModel;
  const ctx = new Context(kernel as unknown as PlainModel, { assets, importAsset: async () => null }, id);
  const unmount = mountComponent(DataGrid, ctx, el);
  stops.push(() => {
    unmount();
    ctx.close();
    el.remove();
  });
  await settled();
  const one = <E extends Element = HTMLElement>(selector: string): E => el.querySelector<E>(selector)!;
  const row = (index: number): string[] =>
    [...one(`tr[aria-rowindex="${index + 2}"]`).querySelectorAll("[role=rowheader], [role=gridcell]")].map((cell) => cell.textContent ?? "");
  const press = async (key: string, options: object = {}): Promise<Event> => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
    one("[role=grid]").dispatchEvent(event);
    await settled();
    return event;
  };
  const click = async (target: Element, options: object = {}): Promise<void> => {
    target.dispatchEvent(new MouseEvent("click", { bubbles: true, ...options }));
    await settled();
  };
  const header = (name: string): HTMLElement =>
    [...el.querySelectorAll<HTMLElement>("[role=columnheader]")].find((cell) => cell.querySelector(".mw-grid-name")?.textContent === name)!;
  const scroll = async (top: number): Promise<void> => {
    const area = one(".mw-grid-area");
    area.scrollTop = top;
    area.dispatchEvent(new Event("scroll"));
    await settled();
  };
  const search = (text: string): void => {
    const box = one<HTMLInputElement>("input[type=search]");
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  /** Row and column of the cell that a screen reader is at. */
  const active = (): [number, number] | null => {
    const cell = document.getElementById(one("[role=grid]").getAttribute("aria-activedescendant") ?? "");
    if (!cell || !cell.classList.contains("mw-grid-active")) return null;
    return [Number(cell.closest("tr")!.getAttribute("aria-rowindex")) - 2, Number(cell.getAttribute("aria-colindex")) - 2];
  };
  return { el, ctx, one, row, press, click, header, scroll, search, active, unmount: stops[stops.length - 1]! };
}

export function begin(): void {
  document.body.setAttribute("data-jp-theme-light", "true");
}

export function end(): void {
  stops.splice(0).forEach((stop) => stop());
}
