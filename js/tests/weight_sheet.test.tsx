import { act } from "preact/test-utils";
import { afterEach, describe, expect, test, vi } from "vitest";
import { COLUMNS, COURSE, sparkPath, SheetStore } from "../src/ui/sheet_store";
import { stuckWords, WeightSheet, type SheetRun } from "../src/widgets/weight_sheet";
import type { CellRemark } from "../src/wire/messages";
import { FakeModel, settle, show, type Reply, type Shown } from "./run_support";

const RUN: SheetRun = { id: "r1", name: "run 1", status: "running", none: "" };
const HEADINGS = [
  { id: "norm", label: "norm", help: "The size of the weights." },
  { id: "update_ratio", label: "update ratio", help: "How far one step goes." },
  { id: "stuck", label: "stuck units", help: "Units that learn nothing." },
  { id: "mean", label: "mean", help: "The average." },
];
const ROWS = [
  { name: "0.weight", label: "layer 1 weights", title: "0.weight: weights of layer 1", shape: [8, 4] },
  { name: "0.bias", label: "layer 1 biases", title: "0.bias: biases of layer 1", shape: [8] },
];

/** Values of a sheet: the norm is the step, the update ratio 0.001. */
function values(step: number): Float32Array {
  const of: Partial<Record<string, number>> = { norm: step, update_ratio: 0.001, dead: 0.25, saturated: NaN, mean: -0.5 };
  return Float32Array.from(COLUMNS.flatMap((name) => ROWS.map((_, row) => (name === "dead" && row ? NaN : (of[name] ?? 1)))));
}

class Kernel {
  count = 0;
  remarks: CellRemark[] = [];
  readonly model: FakeModel;
  constructor(count: number, run: Partial<SheetRun> | null = {}) {
    this.count = count;
    this.model = new FakeModel({ run: run && { ...RUN, ...run }, columns: HEADINGS }, (kind, body) => this.serve(kind, body));
  }
  private news(run: string) {
    return { run, count: this.count, epoch: this.count / 10, step: this.count, remarks: this.remarks };
  }
  private serve(_: string, { run, cursor }: { run: string; cursor: number }): Reply {
    if (!this.count) return { body: { ...this.news(run), cursor } };
    const steps = Array.from({ length: Math.max(0, this.count - cursor) }, (_, k) => cursor + k + 1);
    const course = Float32Array.from(steps.flatMap((step) => COURSE.flatMap((name) => ROWS.map(() => (name === "norm" ? step : 0.001)))));
    return {
      body: { ...this.news(run), cursor, rows: ROWS },
      arrays: {
        values: { data: values(this.count), shape: [COLUMNS.length, ROWS.length] },
        steps: { data: Float64Array.from(steps), shape: [steps.length] },
        course: { data: course, shape: [steps.length, COURSE.length, ROWS.length] },
      },
    };
  }
  add(count = 1): void {
    this.count += count;
    this.model.event("sheet.values", this.news("r1"), { values: { data: values(this.count), shape: [COLUMNS.length, ROWS.length] } });
  }
}

let shown: Shown;
afterEach(() => shown?.close());
const open = async (kernel: Kernel): Promise<HTMLElement> => {
  shown = await show(WeightSheet, kernel.model);
  await settle();
  return shown.root;
};
const cell = (root: HTMLElement, row: number, column: number): string =>
  root.querySelectorAll("tbody tr")[row]!.querySelectorAll("td")[column]!.textContent!;
const value = (root: HTMLElement, row: number, column: number): string =>
  root.querySelectorAll("tbody tr")[row]!.querySelectorAll("td")[column]!.querySelector(".mw-ws-value")!.textContent!;

test("before the first run it says what to do, and asks nothing", async () => {
  const kernel = new Kernel(0, null);
  expect((await open(kernel)).textContent).toContain("Press Train");
  expect(kernel.model.asked).toEqual([]);
});

test("a model without such weights says why", async () => {
  const none = "Random forest has no weights that are learned in steps, so there is nothing to look at here.";
  expect((await open(new Kernel(0, { none }))).textContent).toContain(none);
});

test("every parameter has its row: name, shape and values", async () => {
  const root = await open(new Kernel(5));
  expect([...root.querySelectorAll("tbody th")].map((el) => el.firstChild!.textContent)).toEqual(["layer 1 weights", "layer 1 biases"]);
  expect(cell(root, 0, 0)).toBe("8 × 4");
  expect(value(root, 0, 1)).toBe("5");
  expect(value(root, 0, 2)).toBe("0.001");
  expect(cell(root, 0, 3)).toBe("25 % dead");
  expect(cell(root, 1, 3)).toBe("–");
  expect(value(root, 0, 4)).toBe("-0.5");
  expect(root.textContent).toContain("step 5 · epoch 0.5");
});

test("a new sheet is drawn without asking, and lengthens the course", async () => {
  const kernel = new Kernel(5);
  const root = await open(kernel);
  await act(async () => kernel.add());
  await settle();
  expect(value(root, 0, 1)).toBe("6");
  expect(root.querySelector(".mw-ws-spark")!.getAttribute("title")).toBe("from 1 at step 1 to 6 at step 6");
  expect(kernel.model.of("sheet.read")).toHaveLength(1);
});

test("the first sheet of a run is asked for once it is there", async () => {
  const kernel = new Kernel(0, { none: "The first sheet is on its way…" });
  const root = await open(kernel);
  expect(root.textContent).toContain("on its way");
  await act(async () => kernel.add());
  await settle();
  expect(kernel.model.of("sheet.read")).toEqual([
    { run: "r1", cursor: 0 },
    { run: "r1", cursor: 0 },
  ]);
  expect(value(root, 0, 1)).toBe("1");
});

test("who looks on says so in time, and asks for what is new only", async () => {
  vi.useFakeTimers();
  try {
    const kernel = new Kernel(5);
    shown = await show(WeightSheet, kernel.model);
    await vi.advanceTimersByTimeAsync(26_000);
    expect(kernel.model.of("sheet.read").map((body) => body.cursor)).toEqual([0, 5]);
    shown.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(kernel.model.of("sheet.read")).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});

test("a page in the background asks for nothing and catches up when it is seen again", async () => {
  const kernel = new Kernel(5);
  const root = await open(kernel);
  const hide = (hidden: boolean): Promise<void> =>
    act(async () => {
      Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    });
  await hide(true);
  await act(async () => kernel.add());
  await settle();
  expect(value(root, 0, 1)).toBe("5");
  kernel.count += 3; // of these the kernel told nobody
  await hide(false);
  await settle();
  expect(value(root, 0, 1)).toBe("9");
  expect(root.querySelector(".mw-ws-spark")!.getAttribute("title")).toBe("from 1 at step 1 to 9 at step 9");
});

test("another run starts over", async () => {
  const kernel = new Kernel(5);
  const root = await open(kernel);
  kernel.count = 0;
  await act(async () => kernel.model.set({ run: { ...RUN, id: "r2", name: "run 2", none: "The first sheet is on its way…" } }));
  await settle();
  expect(root.textContent).toContain("run 2");
  expect(root.querySelector("table")).toBeNull();
});

describe("what is unhealthy", () => {
  const sick: CellRemark[] = [
    { row: 0, column: "dead", level: "warning", words: "95% of the units <b>are</b> off." },
    { row: 1, column: "update_ratio", level: "note", words: "Tiny steps." },
  ];

  test("is marked at its cell with an icon whose name says it, and is told when pressed", async () => {
    const kernel = new Kernel(5);
    kernel.remarks = sick;
    const root = await open(kernel);
    const flags = [...root.querySelectorAll<HTMLButtonElement>(".mw-ws-flag")];
    expect(flags.map((flag) => flag.getAttribute("aria-label"))).toEqual([
      "Warning: 95% of the units <b>are</b> off.",
      "Note: Tiny steps.",
    ]);
    expect(flags[0]!.closest("td")!.textContent).toBe("25 % dead");
    expect(flags[0]!.querySelector("svg")).not.toBeNull();
    await act(async () => flags[0]!.click());
    expect(root.querySelector('[role="status"]')!.textContent).toBe("layer 1 weights: 95% of the units <b>are</b> off.");
    expect(root.querySelector("b")).toBeNull();
    const all = [...root.querySelectorAll("button")].find((b) => b.textContent!.includes("1 to look at"))!;
    await act(async () => all.click());
    expect(root.querySelector('[role="status"]')!.textContent).toBe("layer 1 weights: 95% of the units <b>are</b> off.");
  });

  test("goes when it is over", async () => {
    const kernel = new Kernel(5);
    kernel.remarks = sick;
    const root = await open(kernel);
    kernel.remarks = [];
    await act(async () => kernel.add());
    await settle();
    expect(root.querySelector(".mw-ws-flag")).toBeNull();
    expect(root.querySelector(".mw-title")!.textContent).toContain("nothing alarming");
  });
});

test("a heading tells what its column means, and gives it back", async () => {
  const root = await open(new Kernel(5));
  const heading = [...root.querySelectorAll<HTMLButtonElement>("thead button")].find((b) => b.textContent === "update ratio")!;
  expect(heading.title).toBe("How far one step goes.");
  await act(async () => heading.click());
  expect(root.querySelector('[role="status"]')!.textContent).toBe("How far one step goes.");
  expect(heading.getAttribute("aria-pressed")).toBe("true");
  await act(async () => heading.click());
  expect(root.querySelector('[role="status"]')!.textContent).toContain("Press a heading");
});

test("stuck units are named by how they are stuck", () => {
  expect(stuckWords(0.125, NaN)).toBe("13 % dead");
  expect(stuckWords(NaN, 0.5)).toBe("50 % saturated");
  expect(stuckWords(NaN, NaN)).toBe("–");
});

describe("the course", () => {
  const point = (step: number, value: number) => ({ step, value });

  test("spans its box by steps, not by count", () => {
    expect(sparkPath([point(0, 0), point(10, 1), point(100, 2)], 50, 16)).toBe("M0.0 15.0L5.0 8.0L50.0 1.0");
  });

  test("is level where it hardly changes, and nothing for one point", () => {
    expect(sparkPath([point(0, 5), point(10, 5.000001)], 50, 16)).toBe("M0.0 8.0L50.0 8.0");
    expect(sparkPath([point(0, 5)], 50, 16)).toBe("");
  });

  test("stays bounded and keeps both ends, however long a run is", () => {
    const store = new SheetStore();
    store.reset("r1");
    store.begin(ROWS, [1], new Float32Array(COURSE.length * ROWS.length).fill(1));
    for (let step = 2; step <= 5000; step++) {
      store.take({ run: "r1", count: step, epoch: 0, step, remarks: [] }, values(step));
    }
    const course = store.course("norm", 0);
    expect(course.length).toBeLessThanOrEqual(192);
    expect(course.length).toBeGreaterThan(80);
    expect([course[0]!.step, course.at(-1)!.step]).toEqual([1, 5000]);
  });

  test("an older sheet that comes late changes nothing", () => {
    const store = new SheetStore();
    store.reset("r1");
    store.begin(ROWS, [], new Float32Array(0));
    store.take({ run: "r1", count: 9, epoch: 0, step: 9, remarks: [] }, values(9));
    expect(store.take({ run: "r1", count: 8, epoch: 0, step: 8, remarks: [] }, values(8))).toBe(true);
    expect(store.value("norm", 0)).toBe(9);
  });
});
