/** Numbers: read, typed, dragged and stepped. */
import { describe, expect, test } from "vitest";
import {
  checkNumber,
  coarseStep,
  editText,
  formatBytes,
  formatNumber,
  fromSlider,
  grouped,
  mildValue,
  parseNumber,
  SLIDER_STOPS,
  stepUnits,
  stepValue,
  toSlider,
  type Parameter,
} from "../src/ui/number";

export const parameter = (about: Partial<Parameter>): Parameter => ({
  id: "x",
  kind: "float",
  default: 1,
  low: null,
  high: null,
  scale: "linear",
  smallest: 1e-6,
  choices: [],
  unit: "",
  help: "",
  label: "x",
  live: false,
  optional: false,
  ...about,
});

const rate = parameter({ low: 1e-6, high: 10, scale: "log" });
const decay = parameter({ low: 0, high: 1, scale: "log" });
const epochs = parameter({ kind: "int", low: 1, high: 1_000_000, scale: "log" });
const momentum = parameter({ low: 0, high: 0.999 });

describe("formats", () => {
  test.each([
    [0.003, "0.003"],
    [0.0001, "1e-4"],
    [0.00012345, "1.23e-4"],
    [1e6, "1e6"],
    [128, "128"],
    [0.12345, "0.123"],
    [0, "0"],
    [-2.5, "-2.5"],
    [NaN, "–"],
  ])("%f reads %s", (value, text) => expect(formatNumber(value)).toBe(text));

  test("the box keeps every digit", () => {
    expect(editText(0.00012345)).toBe("1.2345e-4");
    expect(editText(1_000_000, "int")).toBe("1000000");
    expect(editText(0.1 + 0.2)).toBe("0.30000000000000004");
  });

  test.each([0.003, 1e-6, 1e-4, 1.5e-7, 12345678.5, 0.999, 1e21])("what the box shows of %f means it", (value) => {
    expect(parseNumber(editText(value))).toBe(value);
  });

  test("counts and bytes", () => {
    expect([6979, 999, 1234567].map(grouped)).toEqual(["6\u202f979", "999", "1\u202f234\u202f567"]);
    expect([27916, 168, 1500, 3e9].map(formatBytes)).toEqual(["27 KB", "168 B", "1.5 KB", "2.8 GB"]);
  });
});

describe("typing", () => {
  test.each([
    ["1e-4", 1e-4],
    [" .5 ", 0.5],
    ["0,003", 0.003],
    ["1 000", 1000],
    ["6\u202f979", 6979],
    ["−2", -2],
    ["5.", 5],
  ])("%s is a number", (text, value) => expect(parseNumber(text)).toBe(value));

  test.each(["", "abc", "1,000", "1e", "--1", "1.2.3", "0x10", "Infinity", "."])("%j is none", (text) =>
    expect(parseNumber(text)).toBeNull(),
  );

  test("says what is wrong and what would be right", () => {
    expect(checkNumber(rate, "-1")).toMatchObject({ ok: false, nearest: 1e-6, unfinished: false });
    expect(checkNumber(rate, "-1")).toHaveProperty("message", "-1 is too small; it takes a number from 1e-6 to 10.");
    expect(checkNumber(rate, "20")).toMatchObject({ nearest: 10 });
    expect(checkNumber(epochs, "1.5")).toMatchObject({ nearest: 2, message: expect.stringContaining("a whole number from 1 to 1000000") });
    expect(checkNumber(rate, "1e400")).toMatchObject({ ok: false, nearest: 10 });
    expect(checkNumber(rate, "x")).toMatchObject({ ok: false, nearest: null, unfinished: false });
    expect(checkNumber(rate, "1,000")).toHaveProperty("message", expect.stringContaining("two ways"));
  });

  test.each(["", "0", "0.", "0.00", "1e", "1e-", "."])("%j may still become right", (text) =>
    expect(checkNumber(rate, text)).toMatchObject({ ok: false, unfinished: true }),
  );

  test("off is a value where it is allowed", () => {
    expect(checkNumber({ ...rate, optional: true }, "off")).toEqual({ ok: true, value: null });
    expect(checkNumber(rate, "off")).toMatchObject({ ok: false });
  });
});

describe("sliders", () => {
  test.each([rate, decay, epochs, momentum])("reach both ends exactly and never fall back", (p) => {
    expect(fromSlider(p, 0)).toBe(p.low);
    expect(fromSlider(p, SLIDER_STOPS)).toBe(p.high);
    let before = -Infinity;
    for (let k = 0; k <= SLIDER_STOPS; k++) {
      const value = fromSlider(p, k);
      expect(value).toBeGreaterThanOrEqual(before);
      before = value;
    }
  });

  test("a log slider keeps 0 as a stop of its own", () => {
    expect(fromSlider(decay, 0)).toBe(0);
    expect(fromSlider(decay, 1)).toBe(1e-6);
    expect(toSlider(decay, 0)).toBe(0);
    expect(toSlider(decay, 1e-6)).toBe(1);
    expect(toSlider(decay, 1e-9)).toBe(1);
    expect(fromSlider(decay, 501)).toBeCloseTo(1e-3, 4);
  });

  test("give three significant digits, and whole numbers for counts", () => {
    for (let k = 1; k < SLIDER_STOPS; k += 7) {
      const value = fromSlider(rate, k);
      expect(value).toBe(Number(value.toPrecision(3)));
      expect(Number.isInteger(fromSlider(epochs, k))).toBe(true);
    }
  });

  test("a value out of range stands at the end", () => {
    expect(toSlider(rate, 100)).toBe(SLIDER_STOPS);
    expect(toSlider(momentum, -3)).toBe(0);
  });
});

describe("steps", () => {
  test("move the leading digit on a log scale", () => {
    expect(stepValue(rate, 0.003, 1)).toBe(0.004);
    expect(stepValue(rate, 0.009, 1)).toBe(0.01);
    expect(stepValue(rate, 0.01, -1)).toBe(0.009);
    expect(stepValue(rate, 0.0034, -1)).toBe(0.003);
    expect(stepValue(rate, 0.003, 1, 0.1)).toBe(0.0031);
    expect(stepValue(rate, 0.003, 1, 10)).toBe(0.03);
    expect(stepValue(epochs, 50, 1)).toBe(60);
    expect(stepValue(epochs, 100, -1)).toBe(90);
    expect(stepValue(epochs, 3, 1, 0.1)).toBe(4);
  });

  test("stop at the ends and pass through 0", () => {
    expect(stepValue(rate, 10, 1)).toBe(10);
    expect(stepValue(rate, 1e-6, -1)).toBe(1e-6);
    expect(stepValue(epochs, 1, -1)).toBe(1);
    expect(stepValue(decay, 0, 1)).toBe(1e-6);
    expect(stepValue(decay, 1e-6, -1)).toBe(0);
    expect(stepValue(decay, 0, -1)).toBe(0);
  });

  test("go up and down by the same on a linear scale", () => {
    expect(stepValue(momentum, 0.9, 1)).toBe(0.91);
    expect(stepValue(momentum, 0.91, -1)).toBe(0.9);
    expect(stepValue(momentum, 0.999, 1)).toBe(0.999);
    expect(stepValue(parameter({ kind: "int", low: 0, high: 9 }), 4, 1, 0.1)).toBe(5);
  });

  test("widths go by an eighth and come back", () => {
    expect([64, 8, 1, 128].map((n) => stepUnits(n, 1))).toEqual([72, 9, 2, 144]);
    expect([72, 64, 1, 9].map((n) => stepUnits(n, -1))).toEqual([64, 60, 1, 8]);
    expect(coarseStep(parameter({ low: 0, high: 0.95 }), 0.1, 1)).toBe(0.15);
    expect(coarseStep(parameter({ low: 0, high: 0.95 }), 0.12, -1)).toBe(0.1);
  });

  test("what is switched on starts mildly", () => {
    expect(mildValue(parameter({ default: null, low: 1e-3, high: 1000, scale: "log" }))).toBe(1);
    expect(mildValue(parameter({ default: null, kind: "int", low: 1, high: 100_000, scale: "log" }))).toBe(10);
    expect(mildValue(parameter({ default: null, low: 0, high: 0.95 }))).toBe(0.2);
  });
});
