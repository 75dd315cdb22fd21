import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asText, LogStore } from "../src/ui/log_store";
import { TrainingLog, type LogRun } from "../src/widgets/training_log";
import type { LogLine } from "../src/wire/messages";
import { button, click, FakeModel, settle, show, type Shown } from "./run_support";

const RUN: LogRun = { id: "r1", name: "run 1", status: "running", unit: "epoch", warnings: 0, algorithm: "Multilayer perceptron" };
let runs = 0;

const line = (number: number, more: Partial<LogLine> = {}): LogLine => ({
  number,
  time: 1_700_000_000 + number,
  level: "training",
  epoch: number,
  step: 10 * number,
  message: `Epoch ${number}: loss 1.`,
  advice: "",
  ...more,
});

/** A kernel that has `lines` and answers with at most `most` of them. */
class Kernel {
  readonly model: FakeModel;
  constructor(readonly lines: LogLine[] = [], run: Partial<LogRun> | null = {}, readonly most = 1000) {
    this.model = new FakeModel({ run: run && { ...RUN, id: `r${++runs}`, ...run } }, (_, { run: id, cursor }) => {
      const found = this.lines.filter((l) => l.number >= cursor);
      const entries = found.slice(0, this.most);
      const total = (this.lines.at(-1)?.number ?? -1) + 1;
      const next = entries.length < found.length ? entries.at(-1)!.number + 1 : total;
      return { body: { run: id, cursor, next, total, entries } };
    });
  }
  get id(): string {
    return (this.model.get("run") as LogRun).id;
  }
  append(...fresh: LogLine[]): void {
    const cursor = (this.lines.at(-1)?.number ?? -1) + 1;
    this.lines.push(...fresh);
    this.model.event("log.lines", { run: this.id, cursor, next: fresh.at(-1)!.number + 1, entries: fresh });
  }
}

/** happy-dom lays nothing out: 20 px a line, 200 px in sight. */
function layOut(): void {
  const area = (el: Element): boolean => el.classList.contains("mw-log-lines");
  const tops = new WeakMap<Element, number>();
  const height = (el: Element): number => (area(el) ? 20 * el.querySelectorAll("li").length : 0);
  const define = (name: string, get: (this: Element) => number, set?: (this: Element, v: number) => void): void => {
    Object.defineProperty(HTMLElement.prototype, name, { configurable: true, get, ...(set && { set }) });
  };
  define("scrollHeight", function () {
    return height(this);
  });
  define("clientHeight", function () {
    return area(this) ? 200 : 0;
  });
  define(
    "scrollTop",
    function () {
      return tops.get(this) ?? 0;
    },
    function (v) {
      tops.set(this, Math.max(0, Math.min(v, height(this) - 200)));
    },
  );
}

let shown: Shown;
beforeEach(layOut);
afterEach(() => shown?.close());
const open = async (kernel: Kernel): Promise<HTMLElement> => {
  shown = await show(TrainingLog, kernel.model);
  await settle(10);
  return shown.root;
};
const drawn = (root: HTMLElement): string[] => [...root.querySelectorAll(".mw-log-words")].map((el) => el.textContent ?? "");
const area = (root: HTMLElement): HTMLElement => root.querySelector<HTMLElement>(".mw-log-lines")!;
const scroll = async (root: HTMLElement, top: number): Promise<void> => {
  await act(async () => {
    area(root).scrollTop = top;
    area(root).dispatchEvent(new Event("scroll"));
  });
};
const many = (count: number, from = 0): LogLine[] => Array.from({ length: count }, (_, k) => line(from + k));

describe("what is shown", () => {
  test("before the first run it says what to do", async () => {
    expect((await open(new Kernel([], null))).textContent).toContain("Press Train");
  });

  test("a run without lines says why, in words", async () => {
    expect((await open(new Kernel([], { status: "finished" }))).textContent).toContain("This run has no log.");
  });

  test("a page that opens in mid-run gets all lines, in parts, each once", async () => {
    const kernel = new Kernel(many(25), {}, 10);
    const root = await open(kernel);
    expect(kernel.model.of("log.read").map((body) => body.cursor)).toEqual([0, 10, 20]);
    expect(drawn(root)).toHaveLength(25);
  });

  test("new lines are added without asking", async () => {
    const kernel = new Kernel(many(3));
    const root = await open(kernel);
    kernel.append(line(3), line(4));
    await settle(10);
    expect(drawn(root)).toHaveLength(5);
    expect(kernel.model.of("log.read")).toHaveLength(1);
  });

  test("a page that missed lines asks for what it lacks", async () => {
    const kernel = new Kernel(many(3));
    const root = await open(kernel);
    kernel.lines.push(line(3), line(4));
    kernel.append(line(5));
    await settle(10);
    expect(kernel.model.of("log.read").at(-1)).toMatchObject({ cursor: 3 });
    expect(drawn(root)).toHaveLength(6);
  });

  test("another run starts over", async () => {
    const kernel = new Kernel(many(3));
    const root = await open(kernel);
    kernel.lines.length = 0;
    kernel.model.set({ run: { ...RUN, id: "another", name: "run 2" } });
    kernel.append(line(0, { message: "fresh" }));
    await settle(10);
    expect(drawn(root)).toEqual(["fresh"]);
    expect(root.textContent).toContain("run 2");
  });

  test("a warning has its word, its icon and its advice; markup is text", async () => {
    const root = await open(new Kernel([line(0, { level: "warning", message: "<b>Loss</b> runs away.", advice: "Lower <i>it</i>." })]));
    const row = root.querySelector("li.mw-log-warning")!;
    expect(row.querySelector(".mw-log-level")!.textContent!.trim()).toBe("Warning");
    expect(row.querySelector(".mw-log-level svg")).not.toBeNull();
    expect(row.querySelector(".mw-log-words")!.textContent).toBe("<b>Loss</b> runs away.Lower <i>it</i>.");
    expect(row.querySelector("b, i")).toBeNull();
  });

  test("lines that are no longer kept are spoken of", async () => {
    const root = await open(new Kernel([line(0), line(9), line(10)]));
    expect(root.textContent).toContain("8 lines of long ago, mostly progress, are no longer kept.");
  });
});

describe("levels", () => {
  test("each can be hidden, with its count beside it", async () => {
    const root = await open(new Kernel([line(0), line(1, { level: "info", message: "news" }), line(2)]));
    const progress = [...root.querySelectorAll("button")].find((b) => b.textContent!.includes("Progress"))!;
    expect(progress.textContent!.trim()).toBe("Progress 2");
    await act(async () => progress.click());
    expect(drawn(root)).toEqual(["news"]);
    expect(progress.getAttribute("aria-pressed")).toBe("false");
  });

  test("with all hidden it says so", async () => {
    const root = await open(new Kernel([line(0)]));
    await act(async () => [...root.querySelectorAll("button")].find((b) => b.textContent!.includes("Progress"))!.click());
    expect(root.textContent).toContain("Every line is of a kind that is hidden.");
  });
});

describe("a long log", () => {
  test("draws the last 500 and more on request, without a jump", async () => {
    const root = await open(new Kernel(many(2000)));
    expect(drawn(root)).toHaveLength(500);
    expect(drawn(root).at(-1)).toBe("Epoch 1999: loss 1.");
    await scroll(root, 100);
    const fromBottom = area(root).scrollHeight - area(root).scrollTop;
    await click(root, "Show earlier lines (1\u202f500)");
    expect(drawn(root)).toHaveLength(1000);
    expect(area(root).scrollHeight - area(root).scrollTop).toBe(fromBottom);
  });

  test("follows the end until one scrolls up; then it holds still and counts what came", async () => {
    const kernel = new Kernel(many(100));
    const root = await open(kernel);
    expect(area(root).scrollTop).toBe(area(root).scrollHeight - 200);
    kernel.append(line(100));
    await settle(10);
    expect(area(root).scrollTop).toBe(area(root).scrollHeight - 200);
    await scroll(root, 300);
    kernel.append(line(101), line(102));
    await settle(10);
    expect(area(root).scrollTop).toBe(300);
    await click(root, "2 new lines");
    expect(area(root).scrollTop).toBe(area(root).scrollHeight - 200);
    expect(root.querySelector(".mw-log-newest")).toBeNull();
  });

  test("an unchanged line is drawn once, however many come after it", async () => {
    const kernel = new Kernel(many(5));
    const root = await open(kernel);
    const first = root.querySelector(".mw-log-words")!.firstChild;
    kernel.append(line(5));
    await settle(10);
    expect(root.querySelector(".mw-log-words")!.firstChild).toBe(first);
  });
});

describe("reading aloud", () => {
  const spoken = (root: HTMLElement): string => root.querySelector('p[aria-live="polite"]')!.textContent!;

  test("new warnings are told politely, progress and old warnings are not", async () => {
    const kernel = new Kernel([line(0, { level: "warning", message: "Old." })]);
    const root = await open(kernel);
    kernel.append(line(1));
    await settle(10);
    expect(spoken(root)).toBe("");
    kernel.append(line(2, { level: "warning", message: "The loss runs away.", advice: "Lower it." }));
    await settle(10);
    expect(spoken(root)).toBe("Warning: The loss runs away. Lower it.");
    expect(area(root).getAttribute("aria-live")).toBe("off");
  });
});

describe("taking it away", () => {
  test("what is shown is copied as text", async () => {
    const write = vi.fn(async () => undefined);
    Object.defineProperty(navigator, "clipboard", { configurable: true, value: { writeText: write } });
    const root = await open(new Kernel([line(0), line(1, { level: "warning", message: "Careful.", advice: "Try b." })]));
    await act(async () => [...root.querySelectorAll("button")].find((b) => b.textContent!.includes("Progress"))!.click());
    await click(root, "Copy the lines");
    expect(write.mock.calls[0]).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d {2}epoch 1 {2}warning {2}Careful\. Try b\.\n$/)]);
    expect(root.querySelector('[role="status"]')!.textContent).toBe("Copied");
  });

  test("a line of several lines stays one", () => {
    expect(asText([line(0, { message: "a\nb" })], "tree")).toMatch(/ {2}tree 0 {2}progress {2}a b\n$/);
  });

  test("it can be saved", async () => {
    const root = await open(new Kernel([line(0)]));
    const saved: string[] = [];
    const spy = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      saved.push(this.download);
    });
    button(root, "Save the lines").click();
    spy.mockRestore();
    expect(saved).toEqual(["run_1_log.txt"]);
  });
});

describe("the store", () => {
  test("passes over what it has and refuses what leaves a gap", () => {
    const store = new LogStore();
    store.reset("r");
    expect(store.take(0, 2, many(2))).toBe("taken");
    expect(store.take(0, 2, many(2))).toBe("known");
    expect(store.take(1, 4, many(3, 1))).toBe("taken");
    expect(store.take(9, 10, [line(9)])).toBe("behind");
    expect(store.lines.map((l) => l.number)).toEqual([0, 1, 2, 3]);
  });

  test("stays bounded and gives up progress before warnings", () => {
    const store = new LogStore(100);
    store.reset("r");
    for (let k = 0; k < 1000; k++) store.take(k, k + 1, [line(k, k % 50 === 0 ? { level: "warning" } : {})]);
    expect(store.lines.length).toBeLessThanOrEqual(100);
    expect(store.lines.filter((l) => l.level === "warning")).toHaveLength(20);
    expect(store.last!.number).toBe(999);
    expect(store.missing).toBe(1000 - store.lines.length);
  });

  test("is bounded for warnings, too", () => {
    const store = new LogStore(100);
    store.reset("r");
    for (let k = 0; k < 300; k++) store.take(k, k + 1, [line(k, { level: "warning" })]);
    expect(store.lines.map((l) => l.number)).toEqual(many(100, 200).map((l) => l.number));
  });
});
