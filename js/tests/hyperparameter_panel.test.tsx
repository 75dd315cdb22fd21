/** The form against a fake kernel: typing, dragging, refusals, and what others change meanwhile. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Parameter } from "../src/ui/number";
import { HyperparameterPanel } from "../src/widgets/hyperparameter_panel";
import { show, type Shown } from "./fake_model";

const base: Parameter = {
  id: "",
  kind: "float",
  default: 0,
  low: null,
  high: null,
  scale: "linear",
  smallest: 1e-6,
  choices: [],
  unit: "",
  help: "",
  label: "",
  live: false,
  optional: false,
};
const FORM: Parameter[] = [
  { ...base, id: "learning_rate", label: "learning rate", default: 0.003, low: 1e-6, high: 10, scale: "log", live: true, help: "The length of each step." },
  { ...base, id: "epochs", label: "epochs", kind: "int", default: 50, low: 1, high: 1000, scale: "log", unit: "epochs" },
  { ...base, id: "optimizer", label: "optimizer", kind: "choice", default: "adam", choices: ["adam", "sgd"] },
  { ...base, id: "shuffle", label: "shuffle", kind: "bool", default: true },
  { ...base, id: "patience", label: "patience", kind: "int", default: null, low: 1, high: 1000, scale: "log", optional: true },
];
const VALUES = { learning_rate: 0.003, epochs: 50, optimizer: "adam", shuffle: true, patience: null };

let shown: Shown;
const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const find = <T extends HTMLElement = HTMLInputElement>(selector: string): T => {
  const found = shown.root.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
const box = (label: string) => find(`input.mw-number[aria-label="${label}"]`);
const slider = (label: string) => find(`input[type=range][aria-label="adjust ${label}"]`);
const button = (name: string) =>
  [...shown.root.querySelectorAll("button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name);
const type = (input: HTMLInputElement, text: string): void => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
const key = (target: HTMLElement, name: string, more: KeyboardEventInit = {}): void => {
  target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
};
const sentence = () => shown.root.querySelector(".mw-field-note[role=alert]")?.textContent ?? "";
const setValues = (values: object) => shown.model.set({ values: { ...(shown.model.traits.values as object), ...values } });

beforeEach(async () => {
  vi.useFakeTimers();
  shown = show(HyperparameterPanel, {
    form: FORM,
    values: VALUES,
    task: "classification",
    pending: [],
    algorithm: { id: "mlp", name: "Multilayer perceptron" },
    can_undo: true,
    can_redo: false,
  });
  await wait(50);
});
afterEach(() => {
  shown.close();
  vi.useRealTimers();
});

describe("typing", () => {
  test("counts after a pause of 300 ms", async () => {
    type(box("learning rate"), "0.01");
    await wait(250);
    expect(shown.model.asked).toEqual([]);
    await wait(60);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "learning_rate", value: 0.01 }]]);
  });

  test("counts at Enter and is not sent again at blur", async () => {
    const input = box("epochs");
    type(input, "7");
    key(input, "Enter");
    input.blur();
    await wait(500);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "epochs", value: 7 }]]);
  });

  test("counts at blur", async () => {
    const input = box("epochs");
    type(input, "8");
    input.blur();
    await wait(10);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "epochs", value: 8 }]]);
  });

  test("a wrong value is named at once, stays out of the kernel, and its button sends the nearest", async () => {
    const input = box("learning rate");
    type(input, "-1");
    await wait(10);
    expect(sentence()).toContain("-1 is too small; it takes a number from 1e-6 to 10.");
    expect(input.getAttribute("aria-invalid")).toBe("true");
    await wait(500);
    expect(shown.model.asked).toEqual([]);
    button("use 1e-6")?.click();
    await wait(10);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "learning_rate", value: 1e-6 }]]);
    expect(sentence()).toBe("");
    expect(input.value).toBe("1e-6");
  });

  test("what is on its way to being right is not called wrong", async () => {
    type(box("learning rate"), "0.00");
    await wait(100);
    expect(sentence()).toBe("");
    await wait(300);
    expect(sentence()).toContain("too small");
  });

  test("Escape brings the kernel's value back", async () => {
    const input = box("learning rate");
    type(input, "abc");
    await wait(10);
    expect(sentence()).toContain("no number");
    key(input, "Escape");
    await wait(400);
    expect([input.value, sentence()]).toEqual(["0.003", ""]);
    expect(shown.model.asked).toEqual([]);
  });

  test("is not overwritten from outside, while other fields follow", async () => {
    const input = box("learning rate");
    type(input, "0.0");
    setValues({ learning_rate: 5, epochs: 99 });
    await wait(50);
    expect(input.value).toBe("0.0");
    expect(box("epochs").value).toBe("99");
  });

  test("arrow keys move the leading digit and send the last value", async () => {
    const input = box("learning rate");
    input.focus();
    for (let k = 0; k < 8; k++) key(input, "ArrowUp");
    await wait(200);
    shown.model.answerAll();
    await wait(200);
    expect(input.value).toBe("0.02");
    expect(shown.model.asked.at(-1)).toEqual(["hyperparameters.set", { name: "learning_rate", value: 0.02 }]);
    expect(shown.model.asked.length).toBeLessThan(8);
  });
});

describe("dragging", () => {
  const drag = (position: number): void => {
    const input = slider("learning rate");
    input.value = String(position);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };

  test("sends at most 20 a second and always the last", async () => {
    for (let k = 1; k <= 100; k++) {
      drag(500 + k);
      await wait(10);
      shown.model.answerAll();
    }
    await wait(100);
    shown.model.answerAll();
    expect(shown.model.sent.length).toBeLessThanOrEqual(21);
    expect(shown.model.sent.length).toBeGreaterThan(10);
    const last = shown.model.asked.at(-1)?.[1] as { value: number };
    expect(last.value).toBe(Number(box("learning rate").value));
    expect(last.value).toBeGreaterThan(0.003);
  });

  test("has one message under way when the kernel is slow", async () => {
    for (let k = 1; k <= 100; k++) {
      drag(500 + k);
      await wait(10);
    }
    // what is not answered is sent again, under its id
    const under = () => new Set(shown.model.sent.map(({ id }) => id)).size;
    expect(under()).toBe(1);
    shown.model.answerAll();
    await wait(60);
    expect(under()).toBe(2);
  });

  test("a late echo does not pull the knob back", async () => {
    drag(600);
    await wait(1);
    const first = (shown.model.asked[0]?.[1] as { value: number }).value;
    drag(700);
    await wait(20);
    const position = slider("learning rate").value;
    setValues({ learning_rate: first });
    await wait(20);
    expect(slider("learning rate").value).toBe(position);
    shown.model.answerAll();
    await wait(60);
    const second = (shown.model.asked[1]?.[1] as { value: number }).value;
    setValues({ learning_rate: second });
    shown.model.answerAll();
    await wait(20);
    setValues({ learning_rate: 1 });
    await wait(20);
    expect(box("learning rate").value).toBe("1");
  });
});

describe("other controls", () => {
  test("a choice and a switch are sent as they are", async () => {
    const select = find<HTMLSelectElement>("select[aria-label=optimizer]");
    select.value = "sgd";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    find("input[role=switch]").click();
    await wait(10);
    expect(shown.model.asked).toEqual([
      ["hyperparameters.set", { name: "optimizer", value: "sgd" }],
      ["hyperparameters.set", { name: "shuffle", value: false }],
    ]);
  });

  test("an optional number is switched on mildly and off again, and on where it was", async () => {
    const use = find("input[aria-label='use patience']");
    expect(shown.root.textContent).toContain("off");
    use.click();
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: 10 });
    await wait(60);
    const text = box("patience");
    type(text, "25");
    key(text, "Enter");
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: 25 });
    await wait(60);
    use.click();
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: null });
    await wait(60);
    use.click();
    await wait(60);
    expect(shown.model.asked.map(([, body]) => (body as { value: number | null }).value)).toEqual([10, 25, null, 25]);
  });

  test("a refusal stands under its field with the kernel's nearest value", async () => {
    const select = find<HTMLSelectElement>("select[aria-label=optimizer]");
    select.value = "sgd";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await wait(10);
    shown.model.answer(shown.model.sent[0]!, "error", {
      message: "optimizer is 'sgd'; that does not fit.",
      type: "ParameterError",
      parameter: "optimizer",
      nearest: "adam",
    });
    await wait(50);
    expect(sentence()).toContain("that does not fit");
    expect(button("use adam")).toBeDefined();
    expect(select.value).toBe("adam");
    expect(shown.root.querySelector(".mw-notice")).toBeNull();
  });
});

describe("marks and resets", () => {
  test("what differs from its default says so, to the eye and to assistive technology", async () => {
    expect(shown.root.querySelectorAll(".mw-dot")).toHaveLength(0);
    setValues({ epochs: 7 });
    await wait(20);
    expect(shown.root.querySelectorAll(".mw-dot")).toHaveLength(1);
    const about = box("epochs").getAttribute("aria-describedby")!.split(" ");
    expect(about.map((id) => document.getElementById(id)?.textContent).join(" ")).toContain("changed from the default");
  });

  test("help is described, and shown when asked for", async () => {
    const about = box("learning rate").getAttribute("aria-describedby")!.split(" ");
    expect(document.getElementById(about[0]!)?.textContent).toBe("The length of each step. Acts at once on a run that is training.");
    button("About learning rate")?.click();
    await wait(20);
    expect(shown.root.querySelector(".mw-field-note")?.textContent).toContain("The length of each step.");
  });

  test("what waits for the next run is tagged", async () => {
    shown.model.set({ pending: ["epochs"] });
    await wait(20);
    const tagged = [...shown.root.querySelectorAll(".mw-field")].filter((field) => field.querySelector(".mw-next"));
    expect(tagged.map((field) => (field as HTMLElement).dataset.parameter)).toEqual(["epochs"]);
  });

  test("one goes back by its button or a double click, all by Reset", async () => {
    setValues({ epochs: 7 });
    await wait(20);
    button("Reset epochs")?.click();
    find("[data-parameter=epochs] label").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    button("Reset")?.click();
    expect(shown.model.asked).toEqual([
      ["hyperparameters.reset", { name: "epochs" }],
      ["hyperparameters.reset", { name: "epochs" }],
      ["hyperparameters.reset", { name: "" }],
    ]);
  });

  test("Reset also takes away what is typed and wrong", async () => {
    setValues({ epochs: 7 });
    await wait(20);
    const input = box("learning rate");
    type(input, "-1");
    input.blur();
    await wait(20);
    button("Reset")?.click();
    await wait(50);
    expect([input.value, sentence()]).toEqual(["0.003", ""]);
  });

  test("undo and redo are there when the kernel has some", async () => {
    expect([button("Undo")?.disabled, button("Redo")?.disabled]).toEqual([false, true]);
    button("Undo")?.click();
    expect(shown.model.asked).toEqual([["spec.undo", {}]]);
  });
});

test("without its kernel every control says why it is off", async () => {
  shown.assets.comm_live = false;
  shown.assets.fire("comm_live_update");
  await wait(20);
  const controls = [...shown.root.querySelectorAll<HTMLInputElement>(".mw-field input, .mw-field select")];
  expect(controls.every((control) => control.disabled && control.title.includes("kernel is gone"))).toBe(true);
});

test("another algorithm brings its own form", async () => {
  type(box("learning rate"), "-1");
  shown.model.set({ form: [{ ...FORM[0]!, label: "shrinkage" }], values: { learning_rate: 0.1 }, algorithm: { id: "boosting", name: "Boosting" } });
  await wait(20);
  expect(box("shrinkage").value).toBe("0.1");
  expect(sentence()).toBe("");
});

describe("groups and what has no effect", () => {
  const GROUPED: Parameter[] = [
    { ...base, id: "optimizer", label: "optimizer", kind: "choice", default: "adam", choices: ["adam", "sgd"] },
    { ...base, id: "schedule", label: "schedule", kind: "choice", default: "constant", choices: ["constant", "step"], group: "Schedule" },
    { ...base, id: "warmup", label: "warm-up", default: 0, low: 0, high: 10, group: "Schedule" },
    { ...base, id: "momentum", label: "momentum", default: 0.9, low: 0, high: 1, only_if: ["optimizer", "sgd"] },
    { ...base, id: "smoothing", label: "smoothing", default: 0, low: 0, high: 1, tasks: ["classification"], group: "Overfitting" },
  ];
  const DEFAULTS = { optimizer: "adam", schedule: "constant", warmup: 0, momentum: 0.9, smoothing: 0 };
  const open = async (values: object = {}, task = "classification"): Promise<void> => {
    shown.close();
    shown = show(HyperparameterPanel, {
      form: GROUPED,
      values: { ...DEFAULTS, ...values },
      task,
      pending: [],
      algorithm: { id: "mlp", name: "Multilayer perceptron" },
      can_undo: false,
      can_redo: false,
    });
    await wait(50);
  };
  const fields = (): (string | null)[] => [...shown.root.querySelectorAll("[data-parameter]")].map((f) => f.getAttribute("data-parameter"));
  const group = (name: string): HTMLDetailsElement => {
    const found = [...shown.root.querySelectorAll("details")].find((d) => d.querySelector("summary")!.textContent!.includes(name));
    if (!found) throw new Error(`no group ${name}`);
    return found;
  };

  test("what belongs to no group comes first, each group follows under its name", async () => {
    await open({ optimizer: "sgd" });
    expect(fields()).toEqual(["optimizer", "momentum", "schedule", "warmup", "smoothing"]);
    expect([...shown.root.querySelectorAll("summary")].map((s) => s.textContent)).toEqual(["Schedule", "Overfitting"]);
    expect(box("momentum").closest("details")).toBeNull();
    expect(box("warm-up").closest("details")).toBe(group("Schedule"));
  });

  test("a group is closed until something in it is changed, and says how much is", async () => {
    await open();
    expect(group("Schedule").open).toBe(false);
    setValues({ warmup: 3, schedule: "step" });
    await wait(50);
    expect(group("Schedule").open).toBe(true);
    expect(group("Schedule").querySelector("summary")!.textContent).toBe("Schedule2 changed");
    expect(group("Overfitting").open).toBe(false);
  });

  test("a group with a change is open from the start, and stays as a person leaves it", async () => {
    await open({ warmup: 3 });
    expect(group("Schedule").open).toBe(true);
    key(group("Schedule").querySelector("summary")!, "Enter");
    await wait(50);
    expect(group("Schedule").open).toBe(false);
    setValues({ optimizer: "sgd" });
    await wait(50);
    expect(group("Schedule").open).toBe(false);
  });

  test("a parameter without an effect is left out, and comes when its choice is made", async () => {
    await open();
    expect(fields()).not.toContain("momentum");
    setValues({ optimizer: "sgd" });
    await wait(50);
    expect(fields()).toContain("momentum");
  });

  test("what has no meaning for the task is left out, and a group without rows with it", async () => {
    await open({}, "regression");
    expect(fields()).not.toContain("smoothing");
    expect(shown.root.textContent).not.toContain("Overfitting");
  });

  test("a change stays in sight where it has no effect", async () => {
    await open({ momentum: 0.5, smoothing: 0.1 }, "regression");
    expect(fields()).toContain("momentum");
    expect(fields()).toContain("smoothing");
  });

  test("what is wrong stays in sight until it is right or thrown away", async () => {
    await open({ optimizer: "sgd" });
    const input = box("momentum");
    type(input, "7");
    await wait(10);
    input.blur();
    setValues({ optimizer: "adam" });
    await wait(50);
    expect(sentence()).toContain("7 is too large");
    key(box("momentum"), "Escape");
    await wait(50);
    expect(fields()).not.toContain("momentum");
  });

  test("a wrong field opens its group, which says so", async () => {
    await open();
    type(box("warm-up"), "99");
    await wait(50);
    expect(group("Schedule").open).toBe(true);
    expect(group("Schedule").querySelector("summary")!.textContent).toContain("wrong");
  });

  test("a field does not vanish under the hand of who is in it", async () => {
    await open({ optimizer: "sgd" });
    box("momentum").dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
    await wait(10);
    setValues({ optimizer: "adam" });
    await wait(50);
    expect(fields()).toContain("momentum");
    box("momentum").dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    await wait(50);
    expect(fields()).not.toContain("momentum");
  });
});
