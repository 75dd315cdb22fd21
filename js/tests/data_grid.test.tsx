/** The grid against a fake kernel that answers with real Arrow bytes. */
import { float64, int64, tableFromArrays, tableToIPC, timestamp, utf8 } from "@uwdata/flechette";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatCell, formatDate, formatShort } from "../src/ui/cells";
import { RowSource } from "../src/ui/row_source";
import { columnOffsets, contentHeight, lastTop, MAX_PIXELS, reveal, scrollFor, topAt, visibleColumns, visibleRows } from "../src/ui/scroller";
import type { PlainModel } from "../src/types";
import { Context, mountComponent } from "../src/widgets/_base";
import { DataGrid, nextSort } from "../src/widgets/data_grid";
import type { Envelope } from "../src/wire/messages";

type Cells = Record<string, unknown[]>;

function arrowType(value: unknown) {
  if (typeof value === "string") return utf8();
  if (typeof value === "bigint") return int64();
  return value instanceof Date ? timestamp() : float64();
}

/** An Arrow stream at an odd offset, as it may lie in a message. */
function ipc(columns: Cells): DataView {
  const types = Object.entries(columns).map(([name, values]) => [name, arrowType(values.find((value) => value !== null))]);
  const table = tableFromArrays(Object.entries(columns) as never, { types: Object.fromEntries(types), useBigInt: true });
  const bytes = tableToIPC(table, { format: "stream" }) as Uint8Array;
  const padded = new Uint8Array(bytes.length + 3);
  padded.set(bytes, 3);
  return new DataView(padded.buffer, 3);
}

const HOSTILE = "<img src=x onerror=alert(1)>";
const LONG = "x".repeat(5000);

/** The kernel's end: it holds a table and sorts and searches it. */
class FakeKernel {
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
    });
    this.traits = { title: "a <b>table</b>", total: count, columns: columns.map(about), height: 360, failure: null, ...traits };
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
  found(body: Record<string, any>): Record<string, unknown>[] {
    const words = String(body.search).toLowerCase();
    const found = this.rows.filter((row) => Object.values(row).some((value) => String(value).toLowerCase().includes(words)));
    for (const [name, down] of [...body.sort].reverse() as [string, boolean][]) {
      found.sort((a, b) => {
        const [p, q] = [a[name], b[name]] as [any, any];
        if (p === null || q === null) return Number(p === null) - Number(q === null);
        return (p < q ? -1 : p > q ? 1 : 0) * (down ? -1 : 1);
      });
    }
    return found;
  }
  answer(message: Envelope): void {
    const body = message.body as Record<string, any>;
    const reply = (kind: string, told: object, payload: DataView[] = []): void =>
      this.handlers
        .get("msg:custom")
        ?.forEach((handler) => handler({ v: 1, client: message.client, id: message.id, kind: `grid.rows.${kind}`, body: told }, payload));
    if (this.failing) return reply("error", { message: this.failing, type: "DataError" });
    const found = this.found(body);
    const page = found.slice(body.start, body.start + body.count);
    const names = ["__row__", ...(this.traits.columns as { name: string }[]).map((column) => column.name)];
    const columns = Object.fromEntries(names.map((name) => [name, page.map((row) => row[name])]));
    reply("result", { start: body.start, total: found.length, state: body.state }, [ipc(columns)]);
  }
}

const stops: (() => void)[] = [];
let views = 0;

async function settled(): Promise<void> {
  for (let k = 0; k < 6; k++) await new Promise((done) => setTimeout(done, 0));
}

async function shown(kernel: FakeKernel, id = `model-${views++}`) {
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

beforeEach(() => document.body.setAttribute("data-jp-theme-light", "true"));
afterEach(() => {
  stops.splice(0).forEach((stop) => stop());
  vi.useRealTimers();
});

describe("what is drawn", () => {
  test("a real grid that says its size, with the visible rows only", async () => {
    const { one, el, row } = await shown(new FakeKernel(9564));
    const grid = one("table[role=grid]");
    expect(grid.getAttribute("aria-rowcount")).toBe("9565");
    expect(grid.getAttribute("aria-colcount")).toBe("5");
    expect(el.querySelectorAll("tbody tr[aria-rowindex]").length).toBeLessThan(30);
    expect(row(0)).toEqual(["0", "0", "0", HOSTILE, "0"]);
    expect(row(3)).toEqual(["3", "3", "–", HOSTILE, "1"]);
    expect(one("tr[aria-rowindex='2'] td[role=gridcell]").getAttribute("aria-colindex")).toBe("2");
  });

  test("a user's strings are text and nothing else", async () => {
    const { el, header } = await shown(new FakeKernel(30));
    expect(el.querySelectorAll("img, script, b:not(.mw-grid-now b)")).toHaveLength(0);
    expect(header(HOSTILE)).toBeTruthy();
    const long = [...el.querySelectorAll("td")].find((cell) => cell.textContent?.startsWith("xxx"))!;
    expect(long.textContent!.length).toBeLessThan(200);
    expect(long.title.length).toBe(2000);
  });

  test("headers say kind, target and what was set aside with its reason", async () => {
    const { header } = await shown(new FakeKernel(30));
    expect(header("id").textContent).toContain("id");
    expect(header("id").className).toContain("mw-grid-set_aside");
    expect(header("id").title).toContain("set aside: identifier: all different");
    expect(header("x").querySelector(".mw-grid-badge")!.textContent).toBe("123");
    expect(header("x").title).toContain("6 of 30 values missing");
    expect(header("constructor").querySelector(".mw-grid-mark")!.textContent).toBe("◎");
    expect(header("constructor").querySelector(".mw-grid-badge")!.textContent).toBe("0-1");
  });

  test("the footer says the size and how much was set aside", async () => {
    const { one } = await shown(new FakeKernel(9564));
    expect(one(".mw-grid-foot").textContent).toBe("9\u202f564 rows × 4 columns · 1 set aside");
  });

  test("numbers stand right and missing cells are dim", async () => {
    const { one } = await shown(new FakeKernel(30));
    const cells = one("tr[aria-rowindex='5']").querySelectorAll("[role=gridcell]");
    expect([...cells].map((cell) => cell.className)).toEqual([
      "mw-grid-right mw-grid-aside",
      "mw-grid-right mw-grid-missing",
      "",
      "mw-grid-right",
    ]);
    expect((cells[1] as HTMLElement).title).toBe("missing");
  });

  test("a wide table has only the columns that are seen in the page", async () => {
    const names = Array.from({ length: 3000 }, (_, k) => `c${k}`);
    const { el, one, press } = await shown(new FakeKernel(20, names));
    expect(one("[role=grid]").getAttribute("aria-colcount")).toBe("3001");
    expect(el.querySelectorAll("[role=columnheader]").length).toBeLessThan(30);
    await press("End");
    expect([...el.querySelectorAll(".mw-grid-name")].at(-1)!.textContent).toBe("c2999");
  });

  test("skeleton rows stand where a page is on its way", async () => {
    const kernel = new FakeKernel(1000);
    kernel.hold();
    const { el, row } = await shown(kernel);
    expect(el.querySelectorAll(".mw-grid-ghost").length).toBeGreaterThan(20);
    expect(row(0)).toEqual(["", "", "", "", ""]);
    kernel.release();
    await settled();
    expect(el.querySelectorAll(".mw-grid-ghost")).toHaveLength(0);
  });
});

describe("pages", () => {
  test("scrolling fetches what is seen and keeps it", async () => {
    const kernel = new FakeKernel(9564);
    const { scroll, row } = await shown(kernel);
    await scroll(26 * 5000);
    expect(row(5000)[0]).toBe("5\u202f000");
    const asked = kernel.asked().length;
    await scroll(0);
    await scroll(26 * 5000);
    expect(kernel.asked()).toHaveLength(asked);
  });

  test("a page in flight is asked for once, and withdrawn when it is scrolled past", async () => {
    const kernel = new FakeKernel(9564);
    const { scroll, row } = await shown(kernel);
    kernel.hold();
    await scroll(26 * 3100);
    await scroll(26 * 3101);
    await scroll(26 * 3102);
    const starts = kernel.asked().map((body) => body.start);
    expect(new Set(starts).size).toBe(starts.length);
    await scroll(26 * 8100);
    const withdrawn = kernel.sent.filter((message) => message.kind === "cancel").map((message) => message.body.id);
    const passed = kernel.sent.filter((message) => message.body.start === 3000).map((message) => message.id);
    expect(passed).toHaveLength(1);
    expect(withdrawn).toContain(passed[0]);
    kernel.release();
    await settled();
    expect(row(8100)[0]).toBe("8\u202f100");
  });

  test("a page of an earlier sorting is dropped, whatever its answer says", async () => {
    const asked: { state: number; resolve: (answer: any) => void }[] = [];
    const source = new RowSource((body) => new Promise((resolve) => asked.push({ state: body.state, resolve })), 100, 50);
    const page = (name: string, state: number) => ({ body: { start: 0, total: 100, state }, raw: [ipc({ __row__: [0], a: [name] })] });
    source.want(0, 10);
    source.query([["a", true]], "");
    asked[1]!.resolve(page("new", asked[1]!.state));
    await settled();
    asked[0]!.resolve(page("old", asked[0]!.state));
    await settled();
    expect(source.at(0)!.page.value(0, "a")).toBe("new");
  });

  test("the pages not seen for longest are let go", async () => {
    const starts: number[] = [];
    const source = new RowSource(
      async (body) => {
        starts.push(body.start);
        return { body: { start: body.start, total: 100_000, state: body.state }, raw: [ipc({ __row__: [body.start] })] };
      },
      100_000,
      100,
    );
    for (let page = 0; page < 60; page++) {
      source.want(page * 100 + 40, 10);
      await settled();
    }
    expect(source.at(0)).toBeNull();
    expect(source.at(5900)).not.toBeNull();
  });

  test("numbers of 64 bits keep their digits, dates are days", async () => {
    const source = new RowSource(
      async (body) => ({
        body: { start: 0, total: 1, state: body.state },
        raw: [ipc({ __row__: [0], big: [2n ** 60n + 1n], when: [new Date(Date.UTC(2009, 4, 13))] })],
      }),
      1,
      100,
    );
    source.want(0, 1);
    await settled();
    const { page } = source.at(0)!;
    expect(formatCell(page.value(0, "big")).text).toBe("1152921504606846977");
    expect(page.sort("when")).toBe("date");
    expect(formatCell(page.value(0, "when"), true).text).toBe("2009-05-13");
  });

  test("an error stands beside the grid, and trying again helps", async () => {
    const kernel = new FakeKernel(100);
    kernel.failing = "The table could not be read.";
    const { one, click, row } = await shown(kernel);
    expect(one("[role=alert]").textContent).toContain("Some rows could not be loaded. The table could not be read.");
    const before = kernel.asked().length;
    await settled();
    expect(kernel.asked()).toHaveLength(before);
    kernel.failing = "";
    await click(one("[role=alert] button"));
    expect(one("[role=alert]")).toBeNull();
    expect(row(0)[0]).toBe("0");
  });
});

describe("sorting", () => {
  test("a click sorts up, then down, then not at all", async () => {
    const kernel = new FakeKernel(300);
    const { header, click, row, one } = await shown(kernel);
    const firsts: string[] = [];
    const orders: (string | null)[] = [];
    for (let k = 0; k < 3; k++) {
      await click(header("x"));
      firsts.push(row(0)[2]!);
      orders.push(header("x").getAttribute("aria-sort"));
    }
    expect(orders).toEqual(["ascending", "descending", "none"]);
    const numbers = kernel.rows.map((each) => each.x).filter((value) => value !== null) as number[];
    expect(firsts).toEqual([String(Math.min(...numbers)), String(Math.max(...numbers)), "0"]);
    expect(one("[role=grid]").getAttribute("aria-busy")).toBe("false");
  });

  test("Shift+click sorts by one more column", async () => {
    const kernel = new FakeKernel(300);
    const { header, click, row } = await shown(kernel);
    await click(header("constructor"));
    await click(header("x"), { shiftKey: true });
    await click(header("x"), { shiftKey: true });
    const sort = [["constructor", false], ["x", true]];
    expect(kernel.asked().at(-1)!.sort).toEqual(sort);
    const expected = kernel.found({ search: "", sort })[0]!;
    expect(row(0)[0]).toBe(String(expected.__row__));
    expect(header("x").textContent).toContain("2");
  });

  test.each([
    [[], "a", false, [["a", false]]],
    [[["a", false]], "a", false, [["a", true]]],
    [[["a", true]], "a", false, []],
    [[["a", false], ["b", true]], "b", false, []],
    [[["a", false]], "b", true, [["a", false], ["b", false]]],
    [[["a", true], ["b", false]], "a", true, [["b", false]]],
  ] as [any, string, boolean, any][])("%j and %s (add: %s) gives %j", (sort, name, add, next) => {
    expect(nextSort(sort, name, add)).toEqual(next);
  });

  test("the rows of before stay until the new ones are here", async () => {
    const kernel = new FakeKernel(300);
    const { header, click, row, one } = await shown(kernel);
    kernel.hold();
    await click(header("id"));
    await click(header("id"));
    expect(row(0)[0]).toBe("0");
    expect(one("[role=grid]").getAttribute("aria-busy")).toBe("true");
    kernel.release();
    await settled();
    expect(row(0)[0]).toBe("299");
  });

  test("sorting, search and widths outlive the view", async () => {
    const kernel = new FakeKernel(300);
    const first = await shown(kernel, "kept");
    await first.click(first.header("id"));
    await first.click(first.header("id"));
    first.unmount();
    const again = await shown(kernel, "kept");
    expect(again.header("id").getAttribute("aria-sort")).toBe("descending");
    expect(again.row(0)[0]).toBe("299");
  });
});

describe("searching", () => {
  test("waits for a pause, then shows how many rows were found", async () => {
    const kernel = new FakeKernel(300);
    const { search, one, row } = await shown(kernel);
    const before = kernel.asked().length;
    for (const text of ["n", "na", "naï"]) search(text);
    await vi.waitFor(() => expect(one(".mw-grid-found").textContent).toBe("100 of 300 rows"));
    expect(kernel.asked().slice(before).map((body) => body.search)).toEqual(["naï"]);
    expect(row(0)[0]).toBe("1");
  });

  test("nothing found says so, and the search can be cleared there", async () => {
    const { search, one, click, row } = await shown(new FakeKernel(300));
    search("<b>nowhere</b>");
    await vi.waitFor(() => expect(one(".mw-grid-nothing")?.textContent).toContain("No row contains “<b>nowhere</b>”."));
    await click(one(".mw-grid-nothing button"));
    expect(one(".mw-grid-nothing")).toBeNull();
    expect(one<HTMLInputElement>("input[type=search]").value).toBe("");
    expect(row(0)[0]).toBe("0");
  });

  test("Enter searches at once, Escape clears", async () => {
    const kernel = new FakeKernel(300);
    const { search, one } = await shown(kernel);
    const box = one("input[type=search]");
    search("naï");
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    expect(kernel.asked().at(-1)!.search).toBe("naï");
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(kernel.asked().at(-1)!.search).toBe("");
  });

  test("the field has a label and is off while the kernel is away, with the reason", async () => {
    const { one, ctx, el } = await shown(new FakeKernel(30));
    const box = one<HTMLInputElement>("input[type=search]");
    expect(el.querySelector(`label[for="${box.id}"]`)!.textContent).toBe("Search all columns");
    ctx.connection.value = "gone";
    await settled();
    expect(box.disabled).toBe(true);
    expect(box.title).toContain("The kernel is gone");
  });
});

describe("keyboard", () => {
  test("arrows, pages and ends move the active cell and what is seen", async () => {
    const kernel = new FakeKernel(1000);
    const { press, active, row } = await shown(kernel);
    const moves: [string, object, [number, number]][] = [
      ["ArrowDown", {}, [1, 0]],
      ["ArrowRight", {}, [1, 1]],
      ["End", {}, [1, 3]],
      ["ArrowRight", {}, [1, 3]],
      ["Home", {}, [1, 0]],
      ["ArrowLeft", {}, [1, 0]],
      ["PageDown", {}, [12, 0]],
      ["PageUp", {}, [1, 0]],
      ["End", { ctrlKey: true }, [999, 3]],
      ["ArrowDown", {}, [999, 3]],
      ["Home", { ctrlKey: true }, [0, 0]],
      ["ArrowUp", {}, [-1, 0]],
      ["ArrowUp", {}, [-1, 0]],
      ["ArrowDown", {}, [0, 0]],
    ];
    for (const [key, options, place] of moves) {
      const event = await press(key, options);
      expect([key, active()]).toEqual([key, place]);
      expect(event.defaultPrevented).toBe(true);
      if (place[0] === 999) expect(row(999)[0]).toBe("999");
    }
  });

  test("Enter on a column's name sorts, Shift with an arrow changes its width", async () => {
    const { press, header, one } = await shown(new FakeKernel(100));
    await press("ArrowUp");
    await press("Enter");
    expect(header("id").getAttribute("aria-sort")).toBe("ascending");
    const width = (): number => parseFloat(one<HTMLElement>("colgroup col:nth-child(3)").style.width);
    const before = width();
    await press("ArrowRight", { shiftKey: true });
    expect(width()).toBe(before + 16);
    await press("ArrowLeft", { shiftKey: true });
    expect(width()).toBe(before);
  });

  test("what the grid does not use is left to the page", async () => {
    const { press } = await shown(new FakeKernel(100));
    for (const [key, options] of [["ArrowLeft", { altKey: true }], ["a", {}], ["Tab", {}], ["ArrowDown", { ctrlKey: true }]] as const) {
      expect((await press(key, options)).defaultPrevented).toBe(false);
    }
  });

  test("a click makes a cell the active one, and copying takes its whole value", async () => {
    const { click, one, active } = await shown(new FakeKernel(30));
    expect(active()).toEqual([0, 0]);
    await click(one("tr[aria-rowindex='4'] td[aria-colindex='4']"));
    expect(active()).toEqual([2, 2]);
    expect(document.activeElement).toBe(one("[role=grid]"));
    const copied = vi.fn();
    const event = new Event("copy", { bubbles: true, cancelable: true });
    Object.assign(event, { clipboardData: { setData: copied } });
    one("[role=grid]").dispatchEvent(event);
    expect(copied).toHaveBeenCalledWith("text/plain", LONG);
    await settled();
    expect(one(".mw-grid-foot").textContent).toContain("Copied");
  });
});

describe("the edge of a column", () => {
  const at = (type: string, x: number): Event => Object.assign(new Event(type, { bubbles: true, cancelable: true }), { clientX: x, pointerId: 1 });

  test("is dragged to a width, sorts nothing, and a double click fits it again", async () => {
    const kernel = new FakeKernel(30);
    const { header, one, click } = await shown(kernel);
    const width = (): number => parseFloat(one<HTMLElement>("colgroup col:nth-child(6)").style.width);
    const edge = (): Element => header("constructor").querySelector(".mw-grid-edge")!;
    edge().setPointerCapture = () => undefined;
    const before = width();
    edge().dispatchEvent(at("pointerdown", 100));
    edge().dispatchEvent(at("pointermove", 160));
    edge().dispatchEvent(at("pointerup", 160));
    await click(edge());
    expect(width()).toBe(before + 60);
    edge().dispatchEvent(at("pointermove", 300));
    await settled();
    expect(width()).toBe(before + 60);
    edge().dispatchEvent(at("pointerdown", 100));
    edge().dispatchEvent(at("pointermove", -5000));
    edge().dispatchEvent(at("pointerup", -5000));
    await settled();
    expect(width()).toBe(48);
    edge().dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await settled();
    expect(width()).toBe(before);
    expect(kernel.asked().every((body) => body.sort.length === 0)).toBe(true);
  });
});

describe("scrolling in proportion", () => {
  const extent = { rows: 10_000_000, rowHeight: 26, viewport: 330 };

  test("a short table scrolls by the pixel", () => {
    const short = { ...extent, rows: 1000 };
    expect(contentHeight(short)).toBe(26_000);
    expect(topAt(39, short)).toBe(1.5);
    expect(scrollFor(1.5, short)).toBe(39);
    expect(visibleRows(100, 2600, short, 6)).toEqual({ first: 94, count: 25, before: 2444, after: 26_000 - 2444 - 25 * 26 });
  });

  test("a tall one keeps below what a browser carries and reaches both ends", () => {
    expect(contentHeight(extent)).toBe(MAX_PIXELS);
    expect(topAt(0, extent)).toBe(0);
    const top = topAt(MAX_PIXELS - extent.viewport, extent);
    expect(top).toBe(lastTop(extent));
    const { first, count } = visibleRows(top, MAX_PIXELS - extent.viewport, extent);
    expect(first + count).toBe(extent.rows);
  });

  test("the rows drawn begin where the area stands", () => {
    const position = scrollFor(5_000_000, extent);
    expect(Math.abs(topAt(position, extent) - 5_000_000)).toBeLessThanOrEqual(1);
    const seen = visibleRows(5_000_000, position, extent);
    expect(seen.before).toBe(position);
    expect(seen.before + seen.count * 26 + seen.after).toBeCloseTo(MAX_PIXELS);
  });

  test("the keyboard reaches every row of it", async () => {
    const kernel = new FakeKernel(0, ["id"], { total: 1_000_000 });
    kernel.answer = () => undefined;
    const { press, active } = await shown(kernel);
    await press("End", { ctrlKey: true });
    expect(active()).toEqual([999_999, 0]);
    await press("ArrowUp");
    expect(active()).toEqual([999_998, 0]);
    await press("Home", { ctrlKey: true });
    for (let k = 0; k < 30; k++) await press("ArrowDown");
    expect(active()).toEqual([30, 0]);
  });

  test("only the columns in view are drawn", () => {
    const offsets = columnOffsets(Array.from({ length: 1000 }, () => 100));
    expect(visibleColumns(offsets, 5000, 800, 2)).toEqual({ first: 48, count: 13, before: 4800, after: 100_000 - 6100 });
    expect(visibleColumns([0], 0, 800)).toEqual({ first: 0, count: 0, before: 0, after: 0 });
  });

  test("a cell is brought into view by the shortest way", () => {
    expect(reveal(100, 50, 80, 90)).toBe(80);
    expect(reveal(100, 50, 110, 120)).toBe(100);
    expect(reveal(100, 50, 160, 170)).toBe(120);
    expect(reveal(100, 50, 300, 400)).toBe(300);
  });
});

describe("values", () => {
  test.each([
    [0, "0"],
    [10797460, "10797460"],
    [2454933.5312, "2454933.53"],
    [9.488035570000001, "9.48804"],
    [-0.000012345678, "-1.23457e-5"],
    [1.5e30, "1.5e30"],
    [-1260960280.07, "-1260960280.07"],
    [0.1 + 0.2, "0.3"],
    [Infinity, "∞"],
  ])("%d reads %s", (value, text) => expect(formatShort(value)).toBe(text));

  test.each([[null], [undefined], [NaN]])("%s is missing", (value) => {
    expect(formatCell(value)).toEqual({ text: "–", full: "", missing: true });
  });

  test("a short number keeps its digits behind it", () => {
    expect(formatCell(9.488035570000001)).toEqual({ text: "9.48804", full: "9.488035570000001", missing: false });
  });

  test("a date shows its time only where there is one", () => {
    expect(formatDate(Date.UTC(2020, 1, 29))).toBe("2020-02-29");
    expect(formatDate(Date.UTC(2020, 1, 29, 7, 5, 1))).toBe("2020-02-29 07:05:01");
    expect(formatDate(1e20)).toBe("100000000000000000000");
  });

  test("a long text is not cut through an emoji", () => {
    const { text } = formatCell("x".repeat(159) + "🪐".repeat(10));
    expect(text).toBe(`${"x".repeat(159)}…`);
  });
});
