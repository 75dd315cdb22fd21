/** Filters, headers, selection, pages, editing and export of the grid, against a fake kernel. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ColumnInfo } from "../src/ui/grid_header";
import { arranged, AS_IT_IS, moved } from "../src/widgets/grid/arrange";
import { readRange } from "../src/widgets/grid/column_menu";
import { asLines } from "../src/widgets/grid/copying";
import { barFilter, toggled } from "../src/widgets/grid/header_chart";
import { counted, holds, joined, toggledRow, without, type Range } from "../src/widgets/grid/ranges";
import { begin, end, FakeKernel, HOSTILE, settled, shown } from "./grid_support";

beforeEach(begin);
afterEach(end);

const pointer = (type: string, x: number): Event => Object.assign(new Event(type, { bubbles: true, cancelable: true }), { clientX: x, pointerId: 1 });

async function typed(box: HTMLInputElement | HTMLSelectElement, value: string): Promise<void> {
  box.value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.dispatchEvent(new Event("change", { bubbles: true }));
  await settled();
}

describe("headers", () => {
  test("show a histogram or the most frequent values, and ask for one column after the other", async () => {
    const kernel = new FakeKernel(300);
    const { header } = await shown(kernel);
    await vi.waitFor(() => expect(kernel.told("grid.summary").map((body) => body.column)).toEqual(["id", "x", HOSTILE, "constructor"]));
    await settled();
    expect(header("x").querySelectorAll(".mw-grid-bar")).toHaveLength(20);
    expect([...header("constructor").querySelectorAll(".mw-grid-top button")].map((button) => button.textContent)).toEqual(["0", "1"]);
    expect(header("id").textContent).toContain("9 different");
    expect(header(HOSTILE).querySelector("img")).toBeNull();
  });

  test("brushing the bars filters, and the other columns' headers are asked for anew", async () => {
    const kernel = new FakeKernel(300);
    const { header, one, el } = await shown(kernel);
    await vi.waitFor(() => expect(header("x").querySelector(".mw-grid-bars")).toBeTruthy());
    const chart = header("x").querySelector<HTMLElement>(".mw-grid-bars")!;
    chart.getBoundingClientRect = () => ({ left: 0, width: 200 }) as DOMRect;
    chart.setPointerCapture = () => undefined;
    const before = kernel.told("grid.summary").length;
    chart.dispatchEvent(pointer("pointerdown", 45));
    chart.dispatchEvent(pointer("pointermove", 75));
    chart.dispatchEvent(pointer("pointerup", 75));
    await settled();
    const filter = { column: "x", kind: "range", low: 25, high: 50, open_end: true };
    expect(kernel.asked().at(-1)!.filters).toEqual([filter]);
    const left = kernel.rows.filter((row) => row.x !== null && (row.x as number) >= 25 && (row.x as number) < 50);
    expect(one(".mw-grid-found").textContent).toBe(`${left.length} of 300 rows`);
    await vi.waitFor(() => expect(kernel.told("grid.summary").length).toBe(before + 4));
    expect(kernel.told("grid.summary").at(-1)!.filters).toEqual([filter]);
    expect(kernel.asked().every((body) => body.sort.length === 0)).toBe(true);
    const clear = [...el.querySelectorAll("button")].find((button) => button.textContent === "Clear filters")!;
    clear.click();
    await settled();
    expect(kernel.asked().at(-1)!.filters).toEqual([]);
  });

  test("clicking a value keeps its rows, clicking it again keeps all", async () => {
    const kernel = new FakeKernel(300);
    const { header, click, one } = await shown(kernel);
    await vi.waitFor(() => expect(header("constructor").querySelector(".mw-grid-top button")).toBeTruthy());
    const first = (): Element => header("constructor").querySelector(".mw-grid-top button")!;
    await click(first());
    expect(kernel.asked().at(-1)!.filters).toEqual([{ column: "constructor", kind: "set", values: [0] }]);
    expect(one(".mw-grid-found").textContent).toBe("150 of 300 rows");
    expect(first().getAttribute("aria-pressed")).toBe("true");
    await click(first());
    expect(kernel.asked().at(-1)!.filters).toEqual([]);
  });

  test("the last bar holds its end, and a toggled value joins the others", () => {
    expect(barFilter("a", "number", [0, 1, 2], 1, 1)).toEqual({ column: "a", kind: "range", low: 1, high: null, open_end: false });
    expect(barFilter("d", "datetime", [0, 86_400_000, 2], 0, 0)).toMatchObject({ low: null, high: "1970-01-02T00:00:00.000" });
    expect(toggled("a", { column: "a", kind: "set", values: ["x"] }, "y")).toEqual({ column: "a", kind: "set", values: ["x", "y"] });
    expect(toggled("a", { column: "a", kind: "set", values: ["x"] }, "x")).toBeNull();
  });
});

describe("a column's menu", () => {
  async function opened(kernel: FakeKernel, name: string) {
    const view = await shown(kernel);
    await vi.waitFor(() => expect(view.header(name).querySelector(".mw-grid-bars, .mw-grid-top")).toBeTruthy());
    await view.click(view.header(name).querySelector("[data-column-menu]")!);
    return { ...view, menu: view.one(".mw-grid-menu") };
  }
  const button = (menu: Element, text: string): HTMLButtonElement => [...menu.querySelectorAll("button")].find((one) => one.textContent === text)!;

  test("filters by a range and says what is wrong with one", async () => {
    const kernel = new FakeKernel(300);
    const { menu, el } = await opened(kernel, "x");
    expect(menu.textContent).toContain("mean ± deviation");
    await typed(menu.querySelector<HTMLInputElement>("[aria-label=From]")!, "ten");
    menu.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(menu.querySelector("[role=alert]")!.textContent).toContain("“ten” is no number");
    await typed(menu.querySelector<HTMLInputElement>("[aria-label=From]")!, "100");
    menu.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.asked().at(-1)!.filters).toEqual([{ column: "x", kind: "range", low: 100, high: null }]);
    expect(el.querySelector(".mw-grid-menu")).toBeNull();
  });

  test("offers text, missing and present where they fit", async () => {
    const kernel = new FakeKernel(300);
    const { menu } = await opened(kernel, HOSTILE);
    const kinds = [...menu.querySelectorAll("option")].map((option) => option.value);
    expect(kinds).toEqual(["set", "contains", "regex", "null", "not_null"]);
    await typed(menu.querySelector("select")!, "contains");
    await typed(menu.querySelector<HTMLInputElement>("[aria-label=Text]")!, "☃");
    menu.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.asked().at(-1)!.filters).toEqual([{ column: HOSTILE, kind: "contains", text: "☃", case: false }]);
  });

  test("pins, hides and moves the column, in this browser alone", async () => {
    const kernel = new FakeKernel(300);
    const { menu, el, click, header, one } = await opened(kernel, "x");
    const names = (): (string | null)[] => [...el.querySelectorAll(".mw-grid-name")].map((name) => name.textContent);
    const sent = kernel.sent.length;
    await click(button(menu, "Pin"));
    expect(names()[0]).toBe("x");
    expect(header("x").className).toContain("mw-grid-pinned");
    await click(header("x").querySelector("[data-column-menu]")!);
    await click(button(one(".mw-grid-menu"), "Hide"));
    expect(names()).toEqual(["id", HOSTILE, "constructor"]);
    expect(one(".mw-grid-size").textContent).toContain("1 hidden");
    await click(header("id").querySelector("[data-column-menu]")!);
    await click(one(".mw-grid-menu [aria-label='Move right']"));
    expect(names()).toEqual([HOSTILE, "id", "constructor"]);
    expect(kernel.sent.slice(sent).map((message) => message.kind)).toEqual([]);
    const list = [...el.querySelectorAll("button")].find((one_) => one_.textContent === "Columns")!;
    await click(list);
    const entry = [...document.querySelectorAll<HTMLElement>("[role=menuitemcheckbox]")].find((one_) => one_.textContent === "x")!;
    expect(entry.getAttribute("aria-checked")).toBe("false");
    await click(entry);
    expect(names()[0]).toBe("x");
  });

  test("opens by keyboard from the header", async () => {
    const kernel = new FakeKernel(30);
    const { press, one } = await shown(kernel);
    await press("ArrowUp");
    await press("ArrowDown", { altKey: true });
    expect(one(".mw-popover").getAttribute("aria-label")).toBe("Column id");
  });
});

describe("the condition in SQL", () => {
  test("is tried first: a wrong one says why beside the box and changes nothing", async () => {
    const kernel = new FakeKernel(300);
    const { el, click, one, row } = await shown(kernel);
    await click([...el.querySelectorAll("button")].find((button) => button.textContent === "SQL")!);
    const box = one<HTMLInputElement>(".mw-grid-where input");
    box.value = "wrong > 1";
    one(".mw-grid-where").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(one(".mw-grid-where [role=alert]").textContent).toBe("The table has no column 'wrong'.");
    expect(box.getAttribute("aria-invalid")).toBe("true");
    expect(row(0)[0]).toBe("0");
    box.value = "x > 1";
    one(".mw-grid-where").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.asked().at(-1)!.where).toBe("x > 1");
    expect(one(".mw-grid-where [role=alert]")).toBeNull();
  });

  test("crosses the wire once: the rows that answer it are those that are shown", async () => {
    const kernel = new FakeKernel(300);
    const { el, click, one, row } = await shown(kernel);
    await click([...el.querySelectorAll("button")].find((button) => button.textContent === "SQL")!);
    const before = kernel.asked().length;
    kernel.hold();
    one<HTMLInputElement>(".mw-grid-where input").value = "x > 1";
    one(".mw-grid-where").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.asked().slice(before)).toMatchObject([{ where: "x > 1", start: 0, count: 200 }]);
    expect(row(0)[0]).toBe("0");
    kernel.release();
    await settled();
    expect(one(".mw-grid-found").textContent).toMatch(/of 300 rows/);
    expect(kernel.asked().slice(before).filter((body) => body.start === 0)).toHaveLength(1);
  });
});

describe("rows that are selected", () => {
  test("by click, Shift, Ctrl and keyboard; the kernel hears the ranges", async () => {
    const kernel = new FakeKernel(300);
    const { el, click, press, one } = await shown(kernel);
    const head = (row: number): Element => el.querySelector(`tr[aria-rowindex="${row + 2}"] th`)!;
    await click(head(2));
    await click(head(5), { shiftKey: true });
    await click(head(7), { ctrlKey: true });
    expect(el.querySelectorAll("tr[aria-selected=true]")).toHaveLength(5);
    expect(one(".mw-grid-size").textContent).toContain("5 selected");
    await vi.waitFor(() => expect(kernel.told("grid.select").at(-1)?.ranges).toEqual([[2, 6], [7, 8]]));
    await press("a", { ctrlKey: true });
    expect(one(".mw-grid-size").textContent).toContain("300 selected");
    await press("ArrowDown");
    await press(" ", { shiftKey: true });
    await vi.waitFor(() => expect(kernel.told("grid.select").at(-1)!.ranges).toEqual([[8, 9]]));
  });

  test("ranges join, split and count", () => {
    const some: Range[] = [[2, 5], [8, 9]];
    expect(joined(some, [5, 8])).toEqual([[2, 9]]);
    expect(without(some, [3, 4])).toEqual([[2, 3], [4, 5], [8, 9]]);
    expect(toggledRow(some, 8)).toEqual([[2, 5]]);
    expect(counted(some)).toBe(4);
    expect([holds(some, 4), holds(some, 5)]).toEqual([true, false]);
  });
});

describe("cells that are marked", () => {
  test("with Shift, copied as a spreadsheet takes them", async () => {
    const kernel = new FakeKernel(30);
    const { press, click, one, el } = await shown(kernel);
    await click(one("tr[aria-rowindex='3'] td[aria-colindex='2']"));
    await press("ArrowRight", { shiftKey: true });
    await press("ArrowDown", { shiftKey: true });
    expect(el.querySelectorAll(".mw-grid-block")).toHaveLength(4);
    const copied = vi.fn();
    one("[role=grid]").dispatchEvent(Object.assign(new Event("copy", { bubbles: true, cancelable: true }), { clipboardData: { setData: copied } }));
    const want = [1, 2].map((k) => [String(k), String(kernel.rows[k]!.x)].join("\t")).join("\n");
    expect(copied).toHaveBeenCalledWith("text/plain", want);
    await settled();
    expect(one(".mw-grid-foot").textContent).toContain("Copied 4 cells");
  });

  test("quotes stand where a cell holds tabs, lines or quotes", () => {
    expect(asLines([["a", "b\tc"], ['d"', "e\nf"]])).toBe('a\t"b\tc"\n"d"""\t"e\nf"');
  });
});

describe("pages", () => {
  test("are turned instead of scrolled, by button and by key", async () => {
    const kernel = new FakeKernel(330);
    const { one, click, row, press, active, el } = await shown(kernel);
    await typed(one<HTMLSelectElement>("[aria-label='Rows at a time']"), "100");
    expect(one(".mw-grid-pages").textContent).toContain("Page 1 of 4");
    await click(one("[aria-label='Next page']"));
    expect(row(100)[0]).toBe("100");
    expect(el.querySelector("tr[aria-rowindex='2']")).toBeNull();
    await click(one("[aria-label='Last page']"));
    expect(one(".mw-grid-pages").textContent).toContain("Page 4 of 4");
    await press("ArrowUp");
    expect(active()).toEqual([299, 0]);
    expect(one(".mw-grid-pages").textContent).toContain("Page 3 of 4");
  });
});

describe("editing", () => {
  test("is off unless the kernel says so", async () => {
    const kernel = new FakeKernel(30);
    const { one } = await shown(kernel);
    one("tr[aria-rowindex='3'] td[aria-colindex='3']").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await settled();
    expect(one(".mw-grid-input")).toBeNull();
    expect(one("[role=grid]").getAttribute("aria-readonly")).toBe("true");
  });

  test("a double click or F2 opens the cell, Enter sends it, Escape does not", async () => {
    const kernel = new FakeKernel(30, undefined, { editable: true });
    const { one, press, click } = await shown(kernel);
    one("tr[aria-rowindex='3'] td[aria-colindex='3']").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await settled();
    let box = one<HTMLInputElement>(".mw-grid-input");
    expect(box.value).toBe(String(kernel.rows[1]!.x));
    box.value = "7.5";
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.told("grid.edit")).toEqual([{ row: 1, column: "x", value: "7.5" }]);
    await click(one("tr[aria-rowindex='3'] td[aria-colindex='3']"));
    await press("F2");
    box = one<HTMLInputElement>(".mw-grid-input");
    box.value = "8";
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }));
    await settled();
    expect(kernel.told("grid.edit")).toHaveLength(1);
    await press("Delete");
    expect(kernel.told("grid.edit").at(-1)).toEqual({ row: 1, column: "x", value: null });
    await press("z", { ctrlKey: true });
    expect(kernel.told("grid.undo")).toHaveLength(1);
  });

  test("an edit of anyone is fetched and told", async () => {
    const kernel = new FakeKernel(30, undefined, { editable: true });
    const { row, one } = await shown(kernel);
    kernel.rows[1]!.x = 99;
    kernel.set({ revision: 1, undoable: 1, last_edit: { row: 1, column: "x", before: "1", after: "99", undo: false, who: "", when: 0 } });
    await vi.waitFor(() => expect(row(1)[2]).toBe("99"));
    expect(one(".mw-grid-edit").textContent).toBe("Row 1, x: 1 → 99");
  });
});

describe("export", () => {
  test("begins, waits, fetches the pieces and saves them", async () => {
    const kernel = new FakeKernel(30);
    const text = "id,x\n1,2\n";
    let reads = 0;
    kernel.other = (kind) => {
      if (kind === "grid.export") return { job: 4, total: 30 };
      return ++reads < 2 ? { done: 10, total: 30, ready: false, size: 0 } : { done: 30, total: 30, ready: true, size: text.length };
    };
    kernel.bytes = (kind) => (kind === "grid.export_read" ? [new DataView(new TextEncoder().encode(reads < 2 ? "" : text).buffer)] : []);
    const saved: Blob[] = [];
    const make = vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => (saved.push(blob as Blob), "blob:x"));
    const { el, click } = await shown(kernel);
    await click([...el.querySelectorAll("button")].find((button) => button.textContent === "Export")!);
    const entry = (name: string): HTMLButtonElement => [...document.querySelectorAll<HTMLButtonElement>("[role=menuitem]")].find((one) => one.textContent === name)!;
    expect(entry("Excel").disabled).toBe(true);
    await click(entry("CSV"));
    expect(el.querySelector("progress")).toBeTruthy();
    await vi.waitFor(() => expect(saved).toHaveLength(1), { timeout: 3000 });
    expect(await saved[0]!.text()).toBe(text);
    expect(kernel.told("grid.export")[0]).toMatchObject({ format: "csv", columns: ["id", "x", HOSTILE, "constructor"] });
    make.mockRestore();
  });
});

describe("what a person typed", () => {
  test.each([
    ["number", "1", "2.5", { column: "a", kind: "range", low: 1, high: 2.5 }],
    ["number", "", "", null],
    ["number", "", "3", { column: "a", kind: "range", low: null, high: 3 }],
    ["datetime", "2024-01-31", "", { column: "a", kind: "range", low: "2024-01-31", high: null }],
    ["datetime", "soon", "", "“soon” is no date. Write it like 2024-05-31."],
  ])("%s from %s to %s", (storage, low, high, want) => expect(readRange("a", storage, low, high)).toEqual(want));

  test("columns keep their order whatever they are called", () => {
    const columns = ["a", "__proto__", "c"].map((name) => ({ name }) as ColumnInfo);
    expect(moved(columns, AS_IT_IS, "c", "a")).toEqual(["c", "a", "__proto__"]);
    const { shown: seen, pins } = arranged(columns, { order: ["c"], hidden: new Set(["a"]), pinned: new Set(["__proto__"]) });
    expect([seen.map((column) => column.name), pins]).toEqual([["__proto__", "c"], 1]);
  });
});
