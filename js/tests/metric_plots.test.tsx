import { afterEach, expect, test } from "vitest";
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
afterEach(() => shown?.close());

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
