import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { metricText } from "../src/ui/number";
import { fieldValue } from "../src/ui/predict_row";
import { halfText, MetricTiles, PerformanceDashboard } from "../src/widgets/performance_dashboard";
import { click, FakeModel, settle, show, type Reply, type Shown } from "./run_support";

const EVALUATION = {
  task: "classification",
  n: 1913,
  sentence: "Right for 90 of 100 rows it has never seen.",
  tiles: [
    { id: "accuracy", label: "accuracy", value: 0.9041, half: 0.0132, note: "" },
    { id: "roc_auc", label: "ROC AUC", value: 0.969, half: null, note: "one-vs-rest" },
  ],
  classes: ["no", "<i>yes</i>"],
  confusion: [
    [9, 1],
    [0, 1200],
  ],
  per_class: [
    { class: "no", precision: 1, recall: 0.9, f1: 0.947, support: 10 },
    { class: "<i>yes</i>", precision: 0.999, recall: 1, f1: 1, support: 1200 },
  ],
};
const FORM = {
  fields: [
    { name: "age", kind: "number", value: 41.5, choices: [] },
    { name: "ward", kind: "choice", value: "north", choices: ["north", "south"] },
  ],
  held: "the other 3 columns at their median",
};
const RUN = { id: "r1", name: "run 2", status: "finished", training: "" };

let shown: Shown;
afterEach(() => shown?.close());

async function open(traits: Record<string, unknown> = {}, serve?: (kind: string, body: any) => Reply, View = PerformanceDashboard) {
  const all = { evaluation: EVALUATION, run: RUN, compact: false, path: "iris.mw", form: FORM, ...traits };
  shown = await show(View, new FakeModel(all, serve));
  return shown;
}

test("metrics come with their doubt and a plain sentence", async () => {
  const { root } = await open();
  const [accuracy, auc] = [...root.querySelectorAll(".mw-perf-tile")].map((tile) => tile.textContent);
  expect([accuracy, auc]).toEqual(["accuracy0.904± 0.013", "ROC AUC0.969one-vs-rest"]);
  expect(root.textContent).toContain("Right for 90 of 100");
  expect(root.textContent).toContain("run 2 · held-out test rows: 1\u202f913");
});

test("the confusion matrix says counts and shares, names as text", async () => {
  const { root } = await open();
  const cells = [...root.querySelectorAll(".mw-perf-confusion tbody td")].map((cell) => cell.textContent);
  expect(cells).toEqual(["990 %", "110 %", "00 %", "1\u202f200100 %"]);
  expect(root.querySelector(".mw-perf-confusion i")).toBeNull();
  expect(root.querySelector(".mw-perf-confusion [title*='taken for']")!.getAttribute("title")).toBe(
    "1 of 10 no taken for <i>yes</i>",
  );
});

test.each([
  [null, "Train a model"],
  [{ id: "r1", name: "run 1", status: "running", training: "run 1" }, "When run 1 has ended"],
  [{ id: "r1", name: "run 1", status: "failed", training: "" }, "run 1 failed"],
  [{ id: "r1", name: "run 1", status: "finished", training: "" }, "Testing run 1"],
])("without an evaluation, with run %j, it says what comes", async (run, words) => {
  const { root } = await open({ evaluation: null, run });
  expect(root.textContent).toContain(words);
  expect(root.querySelectorAll(".mw-perf-empty")).toHaveLength(4);
  expect(root.querySelector("form")).toBeNull();
});

test("compact, and as tiles alone, there are no tables", async () => {
  const { root } = await open({ compact: true });
  expect([root.querySelector("table"), root.querySelector("form")]).toEqual([null, null]);
  shown.close();
  const tiles = await open({}, undefined, MetricTiles as typeof PerformanceDashboard);
  expect(tiles.root.querySelectorAll(".mw-perf-tile")).toHaveLength(2);
  expect(tiles.root.querySelector("section, table")).toBeNull();
});

async function type(selector: string, text: string): Promise<void> {
  const input = shown.root.querySelector<HTMLInputElement>(selector)!;
  input.value = text;
  await act(async () => void input.dispatchEvent(new Event("input", { bubbles: true })));
}

async function submit(selector: string): Promise<void> {
  await act(async () => void shown.root.querySelector(selector)!.dispatchEvent(new Event("submit", { cancelable: true })));
  await settle(1);
}

test("a model is saved under the name that was typed, and the answer is shown", async () => {
  const { root, model } = await open({}, () => ({ body: { sentence: "Saved mine.mw (38 KB, run 2)." } }));
  expect(root.querySelector<HTMLInputElement>(".mw-perf-save input")!.value).toBe("iris.mw");
  await type(".mw-perf-save input", "mine.mw");
  await submit(".mw-perf-save");
  expect(model.of("model.save")).toEqual([{ path: "mine.mw" }]);
  expect(root.querySelector(".mw-perf-save [role=status]")!.textContent).toBe("Saved mine.mw (38 KB, run 2).");
});

test("a refused name says why at the field", async () => {
  const { root } = await open({}, () => ({ error: { message: "There is no folder 'x' here.", type: "InputError" } }));
  await submit(".mw-perf-save");
  expect(root.querySelector(".mw-perf-save .mw-error-text")!.textContent).toBe("There is no folder 'x' here.");
});

test("a row is predicted and every class has its bar", async () => {
  const { root, model } = await open({}, () => ({
    body: { prediction: "no", probabilities: [["no", 0.7], ["<i>yes</i>", 0.3]] },
  }));
  await type(".mw-perf-field input", "52,5");
  await submit(".mw-perf-predict form");
  expect(model.of("predict.row")).toEqual([{ values: { age: 52.5, ward: "north" } }]);
  const bars = [...root.querySelectorAll(".mw-perf-bars li")];
  expect(bars.map((bar) => bar.textContent)).toEqual(["no70.0 %", "<i>yes</i>30.0 %"]);
  expect(bars[0]!.className).toBe("mw-perf-chosen");
});

test("every head of a network with several gives its answer under its name", async () => {
  const { root } = await open({}, () => ({
    body: {
      prediction: "no", probabilities: [["no", 0.7], ["yes", 0.3]], head: "kind",
      further: [
        { head: "size", prediction: 12.25, probabilities: [] },
        { head: "<b>ward</b>", prediction: "south", probabilities: [["north", 0.25], ["south", 0.75]] },
      ],
    },
  }));
  await submit(".mw-perf-predict form");
  const heads = [...root.querySelectorAll(".mw-perf-heads > div")];
  expect(heads.map((one) => one.querySelector("dt")!.textContent)).toEqual(["kind (the main head)", "size", "<b>ward</b>"]);
  expect(heads.map((one) => one.querySelector("dd")!.textContent)).toEqual(["no70.0 %yes30.0 %", "predicted 12.25", "north25.0 %south75.0 %"]);
  expect(heads[2]!.querySelector("ul")!.getAttribute("aria-label")).toBe("predicted south");
});

test("a field that cannot be read says so", async () => {
  const { root } = await open({}, () => ({ error: { message: "age takes a number.", type: "InputError" } }));
  await submit(".mw-perf-predict form");
  expect(root.querySelector(".mw-perf-predict .mw-error-text")!.textContent).toBe("age takes a number.");
});

test("without a kernel nothing can be pressed", async () => {
  const { root, ctx } = await open();
  await act(async () => void (ctx.connection.value = "gone"));
  expect([...root.querySelectorAll<HTMLButtonElement>(".mw-perf button")].every((b) => b.disabled)).toBe(true);
  await click(root, "Save");
  expect(shown.model.asked).toEqual([]);
});

test.each([
  [0.90412, "0.904"],
  [44.1234, "44.12"],
  [5512.3, "5\u202f512"],
  [null, "–"],
])("the metric %s", (value, words) => expect(metricText(value)).toBe(words));

test.each([
  [0.0132, 0.9, "± 0.013"],
  [0.0001, 0.9, "± <0.001"],
  [6.1, 44.1, "± 6.1"],
  [512, 5512, "± 512"],
])("the doubt %d of %d", (half, value, words) => expect(halfText(half, value)).toBe(words));

test("what a field's text says", () => {
  const [age, ward] = FORM.fields as [any, any];
  expect([fieldValue(age, " 1e3 "), fieldValue(age, ""), fieldValue(age, "long"), fieldValue(ward, "south")]).toEqual([
    1000,
    null,
    "long",
    "south",
  ]);
});
