import { afterEach, expect, test } from "vitest";
import { mountComponent } from "../src/widgets/_base";
import { MetricPlots } from "../src/widgets/metric_plots";
import { fakePlotly, FakeModel, settle, show, type Reply, type Shown } from "./run_support";

const COLUMNS = ["epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy"];
const SKELETON = {
  data: [{ type: "scatter" }, { type: "scatter" }, { type: "scatter" }],
  layout: { height: 230, xaxis: { title: { text: "epoch" } }, yaxis: {} },
};
const RUN = { id: "r1", name: "run 1", status: "running", epochs: 50, unit: "epoch" };

const rows = (from: number, to: number): NonNullable<Reply["arrays"]> => ({
  rows: {
    data: Float64Array.from(
      Array.from({ length: to - from }, (_, k) => [from + k + 1, 1 / (from + k + 1), 0.5, 0.8, 0.7]).flat(),
    ),
    shape: [to - from, 5],
  },
});

/** A kernel that has `total` rows of run r1. */
class Kernel {
  total = 0;
  answered = 0;
  readonly model: FakeModel;
  constructor(run: unknown = RUN, total = 0, readonly most = 1000) {
    this.total = total;
    this.model = new FakeModel(
      { run, columns: COLUMNS, metric: "accuracy", figures: [SKELETON, SKELETON] },
      (_, { run: id, cursor }) => {
        this.answered++;
        const end = Math.min(this.total, cursor + this.most);
        return { body: { run: id, cursor, total: this.total, marks: [] }, arrays: rows(cursor, end) };
      },
    );
  }
  append(count: number, marks?: unknown[]): void {
    const from = this.total;
    this.total += count;
    this.model.event("curve.rows", { run: "r1", cursor: from, ...(marks && { marks }) }, rows(from, this.total));
  }
}

let shown: Shown;
afterEach(() => {
  shown?.close();
  localStorage.clear();
});

async function open(kernel: Kernel) {
  const plotly = fakePlotly();
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 400 });
  shown = await show(MetricPlots, kernel.model, plotly);
  await settle();
  const card = shown.root.querySelector<HTMLElement>(".mw-curves")!;
  const drawn = (): any => (plotly.react.mock.calls.at(-2) ?? plotly.newPlot.mock.calls[0])!;
  return { plotly, card, drawn, root: shown.root };
}

test("before the first run it says what to do, and draws nothing", async () => {
  const { plotly, root } = await open(new Kernel(null));
  expect(root.textContent).toContain("Press Train");
  expect(plotly.newPlot).not.toHaveBeenCalled();
});

test("a page that opens in mid-run asks once for the whole curve", async () => {
  const kernel = new Kernel(RUN, 40);
  const { card, plotly, drawn } = await open(kernel);
  expect(kernel.model.of("curve.read")).toEqual([{ run: "r1", cursor: 0 }]);
  expect(card.dataset["rows"]).toBe("40");
  expect(plotly.newPlot).toHaveBeenCalledTimes(2);
  expect(drawn()[1][0].x).toHaveLength(40);
});

test("a very long curve is asked for until it is whole", async () => {
  const kernel = new Kernel(RUN, 25, 10);
  const { card } = await open(kernel);
  expect(kernel.model.of("curve.read").map((b) => b.cursor)).toEqual([0, 10, 20]);
  expect(card.dataset["rows"]).toBe("25");
});

test("new rows are appended without asking", async () => {
  const kernel = new Kernel(RUN, 3);
  const { card } = await open(kernel);
  kernel.append(2);
  kernel.append(1);
  await settle(6);
  expect(card.dataset["rows"]).toBe("6");
  expect(kernel.answered).toBe(1);
});

test("a page that missed rows asks for what it lacks", async () => {
  const kernel = new Kernel(RUN, 3);
  const { card } = await open(kernel);
  kernel.total = 9;
  kernel.append(1);
  await settle(6);
  expect(kernel.model.of("curve.read").at(-1)).toEqual({ run: "r1", cursor: 3 });
  expect(card.dataset["rows"]).toBe("10");
});

test("another run starts over", async () => {
  const kernel = new Kernel(RUN, 30);
  const { card } = await open(kernel);
  kernel.total = 0;
  kernel.model.set({ run: { ...RUN, id: "r2", name: "run 2" } });
  kernel.model.event("curve.rows", { run: "r2", cursor: 0 }, rows(0, 2));
  await settle(6);
  expect(card.dataset["rows"]).toBe("2");
  expect(card.textContent).toContain("run 2");
});

test("lines are named at their ends and changes are marked where they acted", async () => {
  const kernel = new Kernel(RUN, 20);
  const { drawn } = await open(kernel);
  kernel.append(1, [{ epoch: 12, name: "learning_rate", before: 0.01, after: 0.003, author: "you" }]);
  await settle(6);
  const { shapes, annotations, xaxis } = drawn()[2];
  expect(annotations.map((a: any) => a.text)).toEqual(["learning rate 0.01 → 0.003 · you", "train", "validation"]);
  expect(shapes[0]).toMatchObject({ x0: 12, x1: 12, line: { dash: "dash" } });
  expect(xaxis.range).toEqual([1, 50]);
});

test("a name with markup is written, not obeyed", async () => {
  const kernel = new Kernel(RUN, 5);
  const { drawn } = await open(kernel);
  kernel.append(1, [{ epoch: 2, name: "x", before: 1, after: "<b>2</b>", author: "<i>" }]);
  await settle(6);
  expect(drawn()[2].annotations[0].text).toBe("x 1 → &lt;b&gt;2&lt;/b&gt; · &lt;i&gt;");
});

test("the curve is told in a sentence, politely", async () => {
  const { root } = await open(new Kernel(RUN, 20));
  const spoken = root.querySelector('[aria-live="polite"]')!.textContent;
  expect(spoken).toBe(
    "epoch 20: training loss 0.05, validation loss 0.5, training accuracy 0.8, validation accuracy 0.7",
  );
});

test("charts are given back when the view goes", async () => {
  const { plotly } = await open(new Kernel(RUN, 5));
  shown.close();
  await settle();
  expect(plotly.purge).toHaveBeenCalledTimes(2);
});

const named = (title: string) => ({ ...SKELETON, layout: { ...SKELETON.layout, title: { text: title } } });
const HEADS_COLUMNS = [
  ...COLUMNS,
  ...["train_kind_loss", "val_kind_loss", "train_kind_accuracy", "val_kind_accuracy"],
  ...["train_size_loss", "val_size_loss", "train_size_mean_absolute_error", "val_size_mean_absolute_error"],
  "weight_size",
];
const head = (name: string, metric: string, weight: number | null) => ({
  name,
  loss: `${name}_loss`,
  metric: `${name}_${metric}`,
  weight,
  figures: [named(`${name}: loss`), named(`${name}: ${metric}`)],
});
const HEADS = [head("kind", "accuracy", 0.5), head("size", "mean_absolute_error", null)];
/** A row's k-th column after the epoch is worth k / 4; the weight rises from 1 by 0.125 an epoch. */
const headsModel = (heads: unknown[], more: Record<string, unknown> = {}) =>
  new FakeModel(
    { run: RUN, columns: HEADS_COLUMNS, metric: "accuracy", figures: [named("total loss"), SKELETON], heads, ...more },
    (_, { run: id, cursor }) => {
      const row = (e: number) => [e + 1, ...HEADS_COLUMNS.slice(1).map((_, k) => (k === 12 ? 1 + e / 8 : (k + 1) / 4))];
      const data = Float64Array.from(Array.from({ length: 5 - cursor }, (_, k) => row(cursor + k)).flat());
      const arrays = { rows: { data, shape: [5 - cursor, HEADS_COLUMNS.length] } };
      return { body: { run: id, cursor, total: 5, marks: [] }, arrays };
    },
  );

async function openHeads(heads: unknown[] = HEADS) {
  const plotly = fakePlotly();
  const model = headsModel(heads);
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 400 });
  shown = await show(MetricPlots, model, plotly);
  await settle();
  const { root } = shown;
  /** Title and the last value of the training line of both charts, as drawn last. */
  const drawn = (): [string, number][] =>
    [...plotly.newPlot.mock.calls, ...plotly.react.mock.calls]
      .slice(-2)
      .map(([, data, layout]: any) => [layout.title?.text, data[0].y.at(-1)]);
  return {
    model,
    plotly,
    root,
    drawn,
    radios: () => [...root.querySelectorAll<HTMLButtonElement>('[role="radio"]')],
    checked: () => root.querySelector('[role="radio"][aria-checked="true"]')!.textContent,
    spoken: () => root.querySelector('[aria-live="polite"]')!.textContent,
    note: () => root.querySelector(".mw-curves-note")!.textContent!,
    labels: () => [...root.querySelectorAll('[role="img"]')].map((el) => el.getAttribute("aria-label")),
  };
}

async function press(el: Element, key: string): Promise<void> {
  el.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await settle(6);
}

test("one head has no choice of heads", async () => {
  const { root } = await open(new Kernel(RUN, 5));
  expect(root.querySelector('[role="radiogroup"], select, .mw-curves-note')).toBeNull();
});

test("several heads begin with the total and the main head's metric", async () => {
  const { radios, checked, drawn, spoken, note, labels, root } = await openHeads();
  expect(radios().map((b) => b.textContent)).toEqual(["total", "kind", "size"]);
  expect(root.querySelector(`#${root.querySelector('[role="radiogroup"]')!.getAttribute("aria-labelledby")}`)).not.toBeNull();
  expect(checked()).toBe("total");
  expect(drawn()[0]).toEqual(["total loss", 0.25]);
  expect(drawn()[1]![1]).toBe(0.75);
  expect(note()).toBe(
    "The losses of both heads added up, each times its weight; beside it the metric of kind, the main head. " +
      "A learned weight adds a term of its own, so the total may fall below zero.",
  );
  expect(spoken()).toBe(
    "all heads, epoch 5: training total loss 0.25, validation total loss 0.5, " +
      "training kind accuracy 0.75, validation kind accuracy 1",
  );
  expect(labels()[1]).toBe("Chart of accuracy of kind over epochs, training and validation");
});

test("a head's choice shows its curves, titles, weight and sentence", async () => {
  const { radios, drawn, spoken, note, labels, root } = await openHeads();
  radios()[2]!.click();
  await settle(6);
  expect(drawn()).toEqual([
    ["size: loss", 2.25],
    ["size: mean_absolute_error", 2.75],
  ]);
  expect(spoken()).toBe(
    "size, epoch 5: training loss 2.25, validation loss 2.5, " +
      "training mean absolute error 2.75, validation mean absolute error 3, learned weight 1.5",
  );
  expect(note()).toBe("Its weight in the total is learned: now 1.5, at first 1");
  expect(root.querySelector(".mw-curves-weight polyline")!.getAttribute("points")!.split(" ")).toHaveLength(5);
  expect(labels()[0]).toBe("Chart of loss of size over epochs, training and validation");
  radios()[1]!.click();
  await settle(6);
  expect(note()).toBe("In the total its loss counts 0.5 times.");
});

test("arrow keys walk through the heads, and only the chosen one is in the tab order", async () => {
  const { radios, checked } = await openHeads();
  radios()[0]!.focus();
  await press(radios()[0]!, "ArrowLeft");
  expect(checked()).toBe("size");
  expect(document.activeElement).toBe(radios()[2]);
  await press(radios()[2]!, "ArrowRight");
  expect(checked()).toBe("total");
  await press(radios()[0]!, "End");
  expect(checked()).toBe("size");
  expect(radios().map((b) => b.tabIndex)).toEqual([-1, -1, 0]);
});

test("the list, where there is no room for buttons, chooses the same", async () => {
  const { root, drawn, checked } = await openHeads();
  const list = root.querySelector("select")!;
  list.value = "2";
  list.dispatchEvent(new Event("change", { bubbles: true }));
  await settle(6);
  expect(checked()).toBe("size");
  expect(drawn()[0]![0]).toBe("size: loss");
});

test("another view of the same model comes up with the head that was chosen", async () => {
  const { radios, model, root } = await openHeads();
  radios()[1]!.click();
  await settle(2);
  const second = document.createElement("div");
  document.body.append(second);
  const unmount = mountComponent(MetricPlots, shown.ctx, second);
  await settle();
  expect(second.querySelector('[aria-checked="true"]')!.textContent).toBe("kind");
  // a page that is loaded anew finds it here
  expect(Object.values({ ...localStorage }).map((text) => JSON.parse(String(text)).value)).toEqual(["kind"]);
  unmount();
  second.remove();
  // a run without such a head falls back to the total
  model.set({ heads: [head("a", "accuracy", 1), head("b", "accuracy", 1)] });
  await settle(2);
  expect(root.querySelector('[aria-checked="true"]')!.textContent).toBe("total");
});

test("a hostile name is text, and a long one has its whole at hand", async () => {
  const evil = '<img src=x onerror="window.hacked=1">';
  const long = "x".repeat(5000);
  const { root, radios, spoken } = await openHeads([head(evil, "accuracy", null), head(long, "accuracy", 1)]);
  expect(root.querySelector("img")).toBeNull();
  expect(radios()[1]!.textContent).toBe(evil);
  expect(radios()[2]!.title).toBe(long);
  for (const button of radios()) {
    button.click();
    await settle(6);
    expect(spoken()!.length).toBeLessThan(400);
    expect(root.querySelector("img")).toBeNull();
  }
  expect([...root.querySelectorAll("option")].at(-1)!.textContent!.length).toBeLessThan(50);
});

test("columns that change after their run are asked for anew", async () => {
  const { model, root, drawn, radios } = await openHeads([]);
  model.set({ run: { ...RUN, id: "r2" } });
  await settle();
  // as when the run of one message arrives before the columns of the same message
  const asked = model.of("curve.read").length;
  model.set({ columns: [...HEADS_COLUMNS], heads: HEADS });
  await settle(6);
  expect(model.of("curve.read").slice(asked)).toEqual([{ run: "r2", cursor: 0 }]);
  expect(root.querySelector<HTMLElement>(".mw-curves")!.dataset["rows"]).toBe("5");
  radios()[2]!.click();
  await settle(6);
  expect(drawn()[0]).toEqual(["size: loss", 2.25]);
});
