import { describe, expect, test } from "vitest";
import { epochSpan, markText, paddedRange } from "../src/ui/curve_chart";
import { CurveStore, decimate } from "../src/ui/curve_store";
import type { Mark } from "../src/wire/messages";

const COLUMNS = ["epoch", "train_loss", "val_loss"];
const rows = (from: number, to: number): Float64Array =>
  Float64Array.from(Array.from({ length: to - from }, (_, k) => [from + k + 1, 1 / (from + k + 1), 2]).flat());

function store(): CurveStore {
  const made = new CurveStore();
  made.reset("r", COLUMNS);
  return made;
}

describe("a curve grows by rows", () => {
  test("in order, past its first capacity", () => {
    const s = store();
    for (let k = 0; k < 1000; k += 10) expect(s.append(k, rows(k, k + 10), 3)).toBe("taken");
    expect(s.length).toBe(1000);
    expect(s.column("epoch")[999]).toBe(1000);
    expect(s.column("train_loss")[499]).toBe(1 / 500);
  });

  test("an answer and an event may overlap", () => {
    const s = store();
    s.append(0, rows(0, 5), 3);
    expect(s.append(3, rows(3, 7), 3)).toBe("taken");
    expect(s.append(2, rows(2, 6), 3)).toBe("known");
    expect(Array.from(s.column("epoch"))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test("rows after a gap are refused", () => {
    const s = store();
    expect(s.append(4, rows(4, 6), 3)).toBe("behind");
    expect(s.length).toBe(0);
  });

  test("another run starts over", () => {
    const s = store();
    s.append(0, rows(0, 5), 3);
    s.reset("other", COLUMNS);
    expect([s.run, s.length, s.marks.length]).toEqual(["other", 0, 0]);
  });

  test("a column that a run has not is empty", () => {
    expect(store().column("val_accuracy").length).toBe(0);
  });

  test("marks come once, in order", () => {
    const mark = (epoch: number): Mark => ({ epoch, name: "l2", before: 0, after: 1, author: null });
    const s = store();
    s.addMarks([mark(3)]);
    s.addMarks([mark(1), mark(3)]);
    expect(s.marks.map((m) => m.epoch)).toEqual([1, 3]);
  });

  test("the best epoch is the first of the smallest", () => {
    const s = store();
    s.append(0, Float64Array.from([1, 0, NaN, 2, 0, 0.5, 3, 0, 0.5]), 3);
    expect(s.bestEpoch("val_loss")).toBe(2);
    expect(s.bestEpoch("val_accuracy")).toBeNull();
  });
});

describe("thinning", () => {
  const noisy = Float64Array.from({ length: 10_000 }, (_, k) => Math.sin(k / 300) + (k === 4321 ? 50 : 0));

  test("keeps ends and extremes within the number of points", () => {
    const kept = decimate(noisy, 0, noisy.length, 600);
    expect(kept.length).toBeLessThanOrEqual(602);
    expect([kept[0], kept.at(-1)]).toEqual([0, 9999]);
    expect(kept).toContain(4321);
    expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
  });

  test("leaves a short line alone, and a gap a gap", () => {
    expect(decimate(noisy, 10, 20, 600)).toHaveLength(10);
    const holes = new Float64Array(5000).fill(NaN);
    expect(decimate(holes, 0, 5000, 100).length).toBeGreaterThan(2);
  });
});

describe("the axes", () => {
  test.each([
    [1, 5, 50, false, [1, 50]],
    [1, 5, 50, true, [1, 5]],
    [1, 500, 1000, false, [1, 1000]],
    [1, 40, 1_000_000, false, [1, 100]],
    [1, 120, 1_000_000, false, [1, 500]],
    [1, 30, 0, false, [1, 30]],
  ])("span of epochs %i to %i of %i, ended %s", (first, last, epochs, ended, span) => {
    expect(epochSpan(first, last, epochs, ended)).toEqual(span);
  });

  test("leave room around the values", () => {
    expect(paddedRange(0, 1)).toEqual([-0.08, 1.08]);
    expect(paddedRange(2, 2)[0]).toBeLessThan(2);
    expect(paddedRange(Infinity, -Infinity)).toEqual([0, 1]);
  });
});

test("words at a mark", () => {
  const mark: Mark = { epoch: 1, name: "learning_rate", before: 0.01, after: 0.003, author: "you" };
  expect(markText(mark)).toBe("learning rate 0.01 → 0.003 · you");
  expect(markText({ ...mark, name: "dropout", before: null, author: null })).toBe("dropout off → 0.003");
});
