/** The form as a whole: what is marked, what is folded away, what is found. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Parameter } from "../src/ui/number";
import { base, box, button, close, fields, find, FORM, key, open, sentence, setValues, shown, type, wait } from "./panel_support";

beforeEach(() => open());
afterEach(close);

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
    const off = (name: string) => button(name)?.getAttribute("aria-disabled");
    expect([off("Undo"), off("Redo"), off("Reset")]).toEqual([null, "true", "true"]);
    button("Redo")?.click();
    button("Reset")?.click();
    expect(shown.model.asked).toEqual([]);
    button("Undo")?.focus();
    button("Undo")?.click();
    expect(shown.model.asked).toEqual([["spec.undo", {}]]);
    shown.model.set({ can_undo: false });
    await wait(20);
    expect(document.activeElement).toBe(button("Undo"));
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
  const start = async (values: object = {}, task = "classification"): Promise<void> => {
    close();
    await open({ form: GROUPED, values: { ...DEFAULTS, ...values }, task });
  };
  const group = (name: string): HTMLDetailsElement => {
    const found = [...shown.root.querySelectorAll("details")].find((d) => d.querySelector("summary")!.textContent!.includes(name));
    if (!found) throw new Error(`no group ${name}`);
    return found;
  };

  test("what belongs to no group comes first, each group follows under its name", async () => {
    await start({ optimizer: "sgd" });
    expect(fields()).toEqual(["optimizer", "momentum", "schedule", "warmup", "smoothing"]);
    expect([...shown.root.querySelectorAll("summary")].map((s) => s.textContent)).toEqual(["Schedule", "Overfitting"]);
    expect(box("momentum").closest("details")).toBeNull();
    expect(box("warm-up").closest("details")).toBe(group("Schedule"));
  });

  test("a group is closed until something in it is changed, and says how much is", async () => {
    await start();
    expect(group("Schedule").open).toBe(false);
    setValues({ warmup: 3, schedule: "step" });
    await wait(50);
    expect(group("Schedule").open).toBe(true);
    expect(group("Schedule").querySelector("summary")!.textContent).toBe("Schedule2 changed");
    expect(group("Overfitting").open).toBe(false);
  });

  test("a group with a change is open from the start, and stays as a person leaves it", async () => {
    await start({ warmup: 3 });
    expect(group("Schedule").open).toBe(true);
    key(group("Schedule").querySelector("summary")!, "Enter");
    await wait(50);
    expect(group("Schedule").open).toBe(false);
    setValues({ optimizer: "sgd" });
    await wait(50);
    expect(group("Schedule").open).toBe(false);
  });

  test("a parameter without an effect is left out, and comes when its choice is made", async () => {
    await start();
    expect(fields()).not.toContain("momentum");
    setValues({ optimizer: "sgd" });
    await wait(50);
    expect(fields()).toContain("momentum");
  });

  test("what has no meaning for the task is left out, and a group without rows with it", async () => {
    await start({}, "regression");
    expect(fields()).not.toContain("smoothing");
    expect(shown.root.textContent).not.toContain("Overfitting");
  });

  test("a change stays in sight where it has no effect", async () => {
    await start({ momentum: 0.5, smoothing: 0.1 }, "regression");
    expect(fields()).toContain("momentum");
    expect(fields()).toContain("smoothing");
  });

  test("what is wrong stays in sight until it is right or thrown away", async () => {
    await start({ optimizer: "sgd" });
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
    await start();
    type(box("warm-up"), "99");
    await wait(50);
    expect(group("Schedule").open).toBe(true);
    expect(group("Schedule").querySelector("summary")!.textContent).toContain("wrong");
  });

  test("a field does not vanish under the hand of who is in it", async () => {
    await start({ optimizer: "sgd" });
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

describe("search", () => {
  const MORE: Parameter[] = [
    ...FORM,
    { ...base, id: "momentum", label: "momentum", default: 0.9, low: 0, high: 1, only_if: ["optimizer", "sgd"] },
    { ...base, id: "warmup", label: "warm-up", default: 0, low: 0, high: 10, group: "Schedule", help: "Rises evenly." },
    { ...base, id: "smoothing", label: "smoothing", default: 0, low: 0, high: 1, tasks: ["classification"] },
  ];
  const search = () => find("input[type=search]");
  const seek = async (text: string): Promise<void> => {
    type(search(), text);
    await wait(20);
  };
  beforeEach(async () => {
    close();
    await open({ form: MORE, values: { learning_rate: 0.003, epochs: 50, optimizer: "adam", shuffle: true, patience: null, momentum: 0.9, warmup: 0, smoothing: 0 } });
  });

  test("finds by label, by id and by help, whatever the case, and opens what is folded", async () => {
    await seek("LEARNING");
    expect(fields()).toEqual(["learning_rate"]);
    await seek("learning_rate");
    expect(fields()).toEqual(["learning_rate"]);
    await seek("evenly");
    expect(fields()).toEqual(["warmup"]);
    expect(box("warm-up").closest("details")!.open).toBe(true);
    expect(shown.root.querySelector("[role=status]")!.textContent).toBe("1 of 8 hyperparameters found");
  });

  test("a few letters within a word of the help find nothing", async () => {
    await seek("ength");
    expect(fields()).toEqual([]);
    await seek("poch");
    expect(fields()).toEqual(["epochs"]);
  });

  test("every word must fit", async () => {
    await seek("length step");
    expect(fields()).toEqual(["learning_rate"]);
    await seek("length epochs");
    expect(fields()).toEqual([]);
  });

  test("says when nothing fits, and Escape brings all back", async () => {
    const all = fields();
    await seek("zz");
    expect(fields()).toEqual([]);
    expect(shown.root.textContent).toContain("No hyperparameter of Multilayer perceptron fits “zz”.");
    key(search(), "Escape");
    await wait(20);
    expect(search().value).toBe("");
    expect(fields()).toEqual(all);
    expect(find<HTMLDetailsElement>("details").open).toBe(false);
  });

  test("what is looked for but has no effect says on what it depends", async () => {
    await seek("momentum");
    expect(fields()).toEqual([]);
    expect(find(".mw-hyper-absent").textContent).toBe("momentum has an effect only where optimizer is sgd.");
    shown.model.set({ task: "regression" });
    await seek("smoothing");
    expect(find(".mw-hyper-absent").textContent).toBe("smoothing has a meaning for classification only.");
  });

  test("Enter moves on to the first field found, and / comes back", async () => {
    await seek("epochs");
    key(search(), "Enter");
    expect(document.activeElement).toBe(box("epochs"));
    const use = find("[data-parameter=epochs] input[type=range]");
    use.focus();
    key(use, "/");
    expect(document.activeElement).toBe(search());
  });

  test("what is wrong stays in sight whatever is looked for", async () => {
    const input = box("epochs");
    type(input, "0.5");
    await wait(400);
    input.blur();
    await seek("momentum");
    expect(fields()).toEqual(["epochs"]);
    expect(sentence()).toContain("it takes a whole number");
  });

  test("another algorithm is not searched for the old words, and a short form needs no search", async () => {
    await seek("epochs");
    shown.model.set({ form: FORM.slice(0, 2), algorithm: { id: "forest", name: "Forest" } });
    await wait(20);
    expect(fields()).toEqual(["learning_rate", "epochs"]);
    expect(shown.root.querySelector("input[type=search]")).toBeNull();
  });
});

test("what can change while training says so, in colour while a run goes on", async () => {
  const marked = [...shown.root.querySelectorAll(".mw-live")].map((m) => m.closest("[data-parameter]")!.getAttribute("data-parameter"));
  expect(marked).toEqual(["learning_rate"]);
  expect(find(".mw-live").title).toBe("Acts at once on a run that is training.");
  expect(shown.root.querySelector(".mw-training")).toBeNull();
  shown.model.set({ training: true });
  await wait(20);
  expect(shown.root.querySelector(".mw-training .mw-live")).not.toBeNull();
});

test("the keyboard's place stays when the button under it goes", async () => {
  type(box("learning rate"), "-1");
  await wait(10);
  button("use 1e-6")!.focus();
  button("use 1e-6")!.click();
  await wait(10);
  expect(document.activeElement).toBe(box("learning rate"));
  setValues({ epochs: 7 });
  await wait(20);
  button("Reset epochs")!.focus();
  button("Reset epochs")!.click();
  setValues({ epochs: 50 });
  await wait(20);
  expect(document.activeElement).toBe(box("epochs"));
});

test("Ctrl+Z takes back the last change, but in a text box it is the box's own", async () => {
  key(box("epochs"), "z", { ctrlKey: true });
  expect(shown.model.asked).toEqual([]);
  key(find("[data-parameter=epochs] input[type=range]"), "z", { ctrlKey: true });
  key(find("select"), "z", { ctrlKey: true, shiftKey: true });
  expect(shown.model.asked).toEqual([["spec.undo", {}]]);
});
