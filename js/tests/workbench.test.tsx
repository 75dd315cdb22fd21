import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import type { PlainModel } from "../src/types";
import { Workbench } from "../src/widgets/workbench";
import { FakeModel, settle, show, type Shown } from "./run_support";

const LOG = { id: "", name: "run 1", status: "running", unit: "epoch", warnings: 0, quiet: false, algorithm: "Multilayer perceptron" };
let shown: Shown;
let runs = 0;
afterEach(() => shown?.close());

/** A Workbench of which the log is the only part that has come. */
async function open(warnings: number): Promise<{ root: HTMLElement; log: FakeModel; run: typeof LOG }> {
  const run = { ...LOG, id: `run-${++runs}`, warnings };
  const log = new FakeModel({ run }, (_, { run: id }) => ({ body: { run: id, cursor: 0, next: 0, total: 0, entries: [] } }));
  const model = new FakeModel({
    parts: { log: "IPY_MODEL_log" },
    data: {
      name: "moons",
      rows: 500,
      columns: 3,
      target: "label",
      task: "classification",
      classes: ["a", "b"],
      features: [],
      set_aside: [],
      quality: 100,
      notes: [],
      findings: [],
    },
    meta: { name: "Moons", description: "", task: "classification" },
    activity: [],
    history: { undo: false, redo: false },
  });
  model.widget_manager = { kernel: null, get_model: async () => log as unknown as PlainModel };
  shown = await show(Workbench, model);
  await settle();
  return { root: shown.root, log, run };
}
const tab = (root: HTMLElement, name: string): HTMLElement =>
  [...root.querySelectorAll<HTMLElement>('[role="tab"]')].find((t) => t.textContent!.startsWith(name))!;
const press = async (root: HTMLElement, name: string): Promise<void> => {
  await act(async () => tab(root, name).click());
  await settle(2);
};

test("log and weights have tabs beside the others", async () => {
  const { root } = await open(0);
  expect([...root.querySelectorAll('[role="tab"]')].map((t) => t.textContent)).toEqual([
    "Curves",
    "Performance",
    "Rows",
    "Preparation",
    "Weights",
    "Log",
  ]);
});

test("warnings that nobody has read are counted on the tab, in words too, until it is opened", async () => {
  const { root, log, run } = await open(2);
  expect(tab(root, "Log").textContent).toBe("Log 2 new warnings");
  await press(root, "Log");
  expect(tab(root, "Log").textContent).toBe("Log");
  await press(root, "Curves");
  expect(tab(root, "Log").textContent).toBe("Log");
  await act(async () => log.set({ run: { ...run, warnings: 3 } }));
  expect(tab(root, "Log").textContent).toBe("Log 1 new warning");
});

test("those of another run count anew", async () => {
  const { root, log } = await open(2);
  await press(root, "Log");
  await press(root, "Rows");
  await act(async () => log.set({ run: { ...LOG, id: "another", warnings: 1 } }));
  expect(tab(root, "Log").textContent).toBe("Log 1 new warning");
});
