/** The grid against a fake kernel: what is drawn, pages, sorting and searching. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatCell } from "../src/ui/cells";
import { RowSource } from "../src/ui/row_source";
import { nextSort } from "../src/widgets/data_grid";
import { begin, end, FakeKernel, HOSTILE, ipc, settled, shown } from "./grid_support";

beforeEach(begin);
afterEach(() => {
  end();
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
    expect(one(".mw-grid-size").textContent).toBe("9\u202f564 rows × 4 columns · 1 set aside");
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

  test("what lies ahead is asked for once what is seen is here", async () => {
    const asked: { start: number; resolve: (answer: any) => void }[] = [];
    const source = new RowSource((body) => new Promise((resolve) => asked.push({ start: body.start, resolve })), 1000, 50);
    const page = (start: number) => ({ body: { start, total: 1000, state: 0 }, raw: [ipc({ __row__: Array(50).fill(start) })] });
    source.want(530, 15);
    expect(asked.map((one) => one.start)).toEqual([500]);
    expect(source.waiting.value).toBe(true);
    asked[0]!.resolve(page(500));
    await settled();
    expect(source.waiting.value).toBe(false);
    source.want(530, 15);
    expect(asked.map((one) => one.start)).toEqual([500, 550]);
    expect(source.waiting.value).toBe(false);
  });

  test("a page of an earlier sorting is dropped, whatever its answer says", async () => {
    const asked: { state: number; resolve: (answer: any) => void }[] = [];
    const source = new RowSource((body) => new Promise((resolve) => asked.push({ state: body.state, resolve })), 100, 50);
    const page = (name: string, state: number) => ({ body: { start: 0, total: 100, state }, raw: [ipc({ __row__: [0], a: [name] })] });
    source.want(0, 10);
    source.query({ sort: [["a", true]], search: "", filters: [], where: "" });
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
