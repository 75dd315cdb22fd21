import { afterEach, describe, expect, test } from "vitest";
import { duration, rate, RunControls, statusText, type RunState } from "../src/widgets/run_controls";
import { button, click, FakeModel, settle, show, type Reply, type Shown } from "./run_support";

const RUN: RunState = {
  id: "r1",
  name: "run 1",
  status: "running",
  epoch: 34,
  epochs: 50,
  unit: "epoch",
  samples_per_second: 412_000,
  remaining_seconds: 11,
  device: "CPU",
  path: "compiled",
  error: null,
  remedy: null,
};

let shown: Shown;
afterEach(() => shown?.close());

async function controls(run: Partial<RunState> | null, blocked = "", serve?: () => Reply): Promise<Shown> {
  shown = await show(RunControls, new FakeModel({ run: run && { ...RUN, ...run }, blocked }, serve));
  return shown;
}

test("what a run does, how fast and how long still, is said in words", async () => {
  const { root } = await controls({});
  expect(root.textContent).toContain("training · epoch 34 / 50");
  expect(root.textContent).toContain("412 k rows/s");
  expect(root.textContent).toContain("11 s left");
  const speed = [...root.querySelectorAll<HTMLElement>(".mw-run-foot span")].find((s) => s.textContent === "412 k rows/s");
  expect(speed?.title).toBe("Trained by the compiled path on CPU");
  expect(root.querySelector('[role="progressbar"]')!.getAttribute("aria-valuenow")).toBe("68");
});

test.each([
  [null, "Train", "start"],
  [{ status: "running" }, "Pause", "pause"],
  [{ status: "paused" }, "Resume", "resume"],
  [{ status: "finished" }, "Train again", "start"],
] as [Partial<RunState> | null, string, string][])("with %j the first button is %s", async (run, name, command) => {
  const { root, model } = await controls(run);
  await click(root, name);
  expect(model.of("run.command")).toEqual([{ command }]);
});

test("stop and one epoch act only where they can", async () => {
  const { root, model } = await controls({ status: "paused" });
  await click(root, "Train one epoch, then pause");
  await click(root, "Stop and keep what was learned");
  expect(model.of("run.command").map((b) => b.command)).toEqual(["step", "stop"]);
  model.set({ run: { ...RUN, status: "running" } });
  await settle(1);
  expect(button(root, "Train one epoch, then pause").disabled).toBe(true);
  model.set({ run: { ...RUN, status: "finished" } });
  await settle(1);
  expect(button(root, "Stop and keep what was learned").disabled).toBe(true);
});

test("a reason that stands in the way is seen and tied to the button", async () => {
  const { root } = await controls(null, "Layer 2 (linear): 0 units.");
  const train = button(root, "Train");
  expect(train.disabled).toBe(true);
  expect(document.getElementById(train.getAttribute("aria-describedby")!)!.textContent).toBe("Layer 2 (linear): 0 units.");
});

test("a failed run says why and offers its remedy", async () => {
  const remedy = { label: "Set learning rate to 0.1 and train again", name: "learning_rate", value: 0.1 };
  const { root, model } = await controls({ status: "failed", epoch: 3, error: "The loss became NaN.", remedy });
  expect(root.querySelector('[role="alert"]')!.textContent).toContain("The loss became NaN.");
  await click(root, remedy.label);
  await settle(1);
  expect(model.asked.map((m) => m.kind)).toEqual(["hyperparameters.set", "run.command"]);
  expect(model.asked[0]!.body).toEqual({ name: "learning_rate", value: 0.1 });
});

test("a refusal stands beside the widget and the button works again", async () => {
  const { root } = await controls(null, "", () => ({ error: { message: "run 1 is running; stop it first.", type: "StateError" } }));
  await click(root, "Train");
  await settle(1);
  expect(root.textContent).toContain("stop it first");
  expect(button(root, "Train").disabled).toBe(false);
});

test("without a kernel nothing can be pressed, and the reason is the title", async () => {
  const { root, ctx } = await controls({});
  ctx.connection.value = "gone";
  await settle(1);
  expect(button(root, "Pause").disabled).toBe(true);
  expect(button(root, "Pause").title).toContain("The kernel is gone");
});

test("a reader hears of changes of state only", async () => {
  const { root } = await controls({});
  expect(root.querySelector('[role="status"]')!.textContent).toBe("run 1 running");
});

describe("words", () => {
  test.each([
    [412_000, "412 k"],
    [1_250, "1.3 k"],
    [1_340_000, "1.3 M"],
    [87, "87"],
  ])("a rate of %d", (value, words) => expect(rate(value)).toBe(words));
  test.each([
    [11, "11 s"],
    [200, "3 min 20 s"],
    [180, "3 min"],
    [7500, "2 h 5 min"],
  ])("%d seconds", (value, words) => expect(duration(value)).toBe(words));
  test("a state", () => {
    expect(statusText(null)).toBe("ready");
    expect(statusText({ ...RUN, status: "failed", epoch: 0 })).toBe("failed");
    expect(statusText({ ...RUN, unit: "tree", status: "finished", epoch: 1200 })).toBe("finished · tree 1\u202f200");
  });
});
