/** Moving through the grid: its keys, its edges, its scroll area, and how values read. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatCell, formatDate, formatShort } from "../src/ui/cells";
import { columnOffsets, contentHeight, lastTop, MAX_PIXELS, reveal, scrollFor, topAt, visibleColumns, visibleRows } from "../src/ui/scroller";
import { begin, end, FakeKernel, LONG, settled, shown } from "./grid_support";

beforeEach(begin);
afterEach(() => {
  end();
  vi.useRealTimers();
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
      ["PageDown", {}, [10, 0]],
      ["PageUp", {}, [1, 0]],
      ["End", { ctrlKey: true }, [999, 3]],
      ["ArrowDown", {}, [999, 3]],
      ["Home", { ctrlKey: true }, [0, 0]],
      ["ArrowDown", { ctrlKey: true }, [999, 0]],
      ["ArrowRight", { ctrlKey: true }, [999, 3]],
      ["ArrowUp", { ctrlKey: true }, [0, 3]],
      ["ArrowLeft", { ctrlKey: true }, [0, 0]],
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
    for (const [key, options] of [["ArrowLeft", { altKey: true }], ["a", {}], ["Tab", {}], ["Delete", {}], ["F2", {}]] as const) {
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
