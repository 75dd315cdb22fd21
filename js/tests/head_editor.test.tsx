/** The heads against a fake kernel: fields, what is refused and where, adding, copying, removing. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FoldedHeads, HeadEditor } from "../src/widgets/head_editor";
import { settle, show, type Shown } from "./fake_model";

const number = { kind: "float", low: 0.01, high: 100, scale: "log", smallest: 1e-6, choices: [], unit: "", help: "Where.", live: false, optional: false };
const LOSSES = [
  { id: "cross_entropy", name: "Cross entropy", help: "Usual.", tasks: ["classification"], parameters: [] },
  { id: "mse", name: "Mean squared error", help: "Usual.", tasks: ["regression"], parameters: [] },
  { id: "huber", name: "Huber", help: "Robust.", tasks: ["regression"], parameters: [{ ...number, id: "delta", label: "delta", default: 1 }] },
];
const head = (more: object = {}) => ({ task: "classification", name: "", target: "", at: "", loss: "", usual_loss: "Cross entropy", weight: 1, options: {}, ...more });
const SECOND = head({ task: "regression", name: "radius", target: "prad", at: "enc", loss: "huber", usual_loss: "Mean squared error", weight: "uncertainty", options: { delta: 2 } });
const TRAITS = {
  heads: [head({ name: "kind" }), SECOND],
  layers: [{ kind: "Linear", name: "enc" }, { kind: "Dropout", name: "" }],
  targets: [
    { name: "disposition", tasks: ["classification"], reason: "" },
    { name: "prad", tasks: ["regression"], reason: "" },
    { name: "count", tasks: ["classification", "regression"], reason: "" },
    { name: "id", tasks: [], reason: "it tells rows apart" },
  ],
  losses: LOSSES, uses_layers: true, algorithm: "Perceptron", own: "disposition", can_undo: true, can_redo: false,
};

let shown: Shown;
const card = (index: number) => shown.root.querySelector<HTMLElement>(`[data-head="${index}"]`)!;
const field = <T extends HTMLElement = HTMLSelectElement>(index: number, label: string): T => {
  const words = [...card(index).querySelectorAll("label")].find((l) => l.textContent?.trim() === label)!;
  return document.getElementById(words.htmlFor) as T;
};
const button = (name: string) =>
  [...shown.root.querySelectorAll("button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name)!;
const choose = async (select: HTMLSelectElement, value: string) => {
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
};
const press = async (element: HTMLElement, key: string, more: KeyboardEventInit = {}) => {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  await settle();
};
const type = async (input: HTMLInputElement, text: string) => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
};
const refuse = async (message: string, nearest: unknown = null) => {
  shown.model.answer(shown.model.sent.at(-1)!, "error", { message, type: "HeadError", parameter: "name", nearest });
  await settle();
};

beforeEach(async () => {
  shown = show(HeadEditor, { ...TRAITS });
  await settle();
});
afterEach(() => shown.close());

describe("what it shows", () => {
  test("every head with its fields", () => {
    expect(shown.root.querySelectorAll("[data-head]")).toHaveLength(2);
    expect([field<HTMLInputElement>(1, "name").value, field(1, "target").value, field(1, "on layer").value, field(1, "loss").value]).toEqual([
      "radius", "prad", "name:enc", "huber",
    ]);
    expect(field(0, "target").value).toBe("disposition");
    expect(card(1).querySelector<HTMLInputElement>("input[aria-label='weight by uncertainty']")!.checked).toBe(true);
    expect(card(1).textContent).toContain("learned");
    expect(card(1).querySelector<HTMLInputElement>("input.mw-number")!.value).toBe("2");
  });

  test("what cannot be chosen says why", () => {
    const options = [...field(0, "target").options];
    const id = options.find((option) => option.value === "id")!;
    expect([id.disabled, id.textContent]).toEqual([true, "id: it tells rows apart"]);
    const huber = [...field(0, "loss").options].find((option) => option.value === "huber")!;
    expect([huber.disabled, huber.title]).toEqual([true, "for regression"]);
  });

  test("a column that can be learned in two ways lets one choose", async () => {
    shown.model.set({ heads: [head({ name: "kind" }), head({ name: "n", target: "count" })] });
    await settle();
    await choose(field(1, "as"), "regression");
    expect(shown.model.asked).toEqual([["heads.update", { index: 1, fields: { task: "regression" } }]]);
  });

  test("a layer that is gone is said at the head that sat on it", async () => {
    shown.model.set({ layers: [{ kind: "Linear", name: "" }] });
    await settle();
    expect(card(1).querySelector("[role=alert]")!.textContent).toContain("no layer enc");
    expect(card(0).querySelector("[role=alert]")).toBeNull();
  });

  test("text is shown as text, whatever it holds", async () => {
    const nasty = '<img src=x onerror="globalThis.hit=1">';
    shown.model.set({ heads: [head({ name: nasty, target: nasty, at: nasty })], targets: [{ name: nasty, tasks: [], reason: nasty }], layers: [{ kind: nasty, name: nasty }] });
    await settle();
    expect(shown.root.querySelector("img")).toBeNull();
    expect(card(0).querySelector(".mw-head-title")!.textContent).toBe(nasty);
  });

  test("an algorithm without a network says so in one sentence", async () => {
    shown.model.set({ uses_layers: false, algorithm: "Random forest" });
    await settle();
    expect(shown.root.textContent).toContain("Random forest answers one question");
    expect(shown.root.querySelector("[data-head]")).toBeNull();
  });
});

describe("what it asks", () => {
  test("each field sends itself alone", async () => {
    await choose(field(1, "target"), "disposition");
    await choose(field(1, "on layer"), "");
    await choose(field(1, "on layer"), "place:1");
    await choose(field(1, "loss"), "mse");
    card(1).querySelector<HTMLInputElement>("input[aria-label='weight by uncertainty']")!.click();
    await settle();
    const name = field<HTMLInputElement>(1, "name");
    await type(name, "size ");
    await press(name, "Enter");
    expect(shown.model.asked).toEqual([
      ["heads.update", { index: 1, fields: { target: "" } }],
      ["heads.update", { index: 1, fields: { at: "" } }],
      ["heads.update", { index: 1, fields: { at: 1 } }],
      ["heads.update", { index: 1, fields: { loss: "mse" } }],
      ["heads.update", { index: 1, fields: { weight: 1 } }],
      ["heads.update", { index: 1, fields: { name: "size" } }],
    ]);
  });

  test("a weight is typed, and one that cannot be never leaves the page", async () => {
    const weight = field<HTMLInputElement>(0, "weight");
    await type(weight, "0.25");
    await press(weight, "Enter");
    expect(shown.model.asked).toEqual([["heads.update", { index: 0, fields: { weight: 0.25 } }]]);
    await type(weight, "-3");
    await press(weight, "Enter");
    expect(shown.model.asked).toHaveLength(1);
    expect(card(0).querySelector(".mw-refusal")!.textContent).toContain("-3 is too small");
  });

  test("the loss's own options are sent under options", async () => {
    const delta = card(1).querySelector<HTMLInputElement>("input.mw-number")!;
    await type(delta, "5");
    await press(delta, "Enter");
    await vi.waitFor(() => expect(shown.model.asked).toEqual([["heads.update", { index: 1, fields: { options: { delta: 5 } } }]]));
  });

  test("a refused name stays beside its sentence, and the nearest right one is a press away", async () => {
    const name = field<HTMLInputElement>(1, "name");
    await type(name, "kind");
    await press(name, "Enter");
    await refuse("Two heads are called 'kind'.", "kind_2");
    expect(name.value).toBe("kind");
    expect(name.getAttribute("aria-invalid")).toBe("true");
    expect(document.getElementById(name.getAttribute("aria-describedby")!)!.textContent).toContain("Two heads are called");
    button("use kind_2").click();
    await settle();
    expect(shown.model.asked.at(-1)).toEqual(["heads.update", { index: 1, fields: { name: "kind_2" } }]);
    shown.model.set({ heads: [TRAITS.heads[0], { ...SECOND, name: "kind_2" }] });
    shown.model.answerAll();
    await settle();
    expect(field<HTMLInputElement>(1, "name").value).toBe("kind_2");
    expect(card(1).querySelector("[role=alert]")).toBeNull();
  });

  test("Escape brings the last valid name back", async () => {
    const name = field<HTMLInputElement>(1, "name");
    await type(name, "kind");
    await press(name, "Enter");
    await refuse("No.");
    await press(name, "Escape");
    expect(name.value).toBe("radius");
    expect(card(1).querySelector("[role=alert]")).toBeNull();
  });

  test("a refused choice goes back to the one that stood, and says why at the field", async () => {
    const target = field(0, "target");
    await choose(target, "prad");
    expect(target.value).toBe("prad");
    await refuse("The first head learns the table's own target.");
    expect(target.value).toBe("disposition");
    expect(document.getElementById(target.getAttribute("aria-describedby")!)!.textContent).toContain("own target");
    expect(field(0, "loss").getAttribute("aria-invalid")).toBeNull();
  });

  test("heads are added, duplicated, and removed with an undo beside it", async () => {
    button("+ head").click();
    button("Duplicate radius").click();
    button("Remove radius").click();
    await settle();
    expect(shown.model.asked).toEqual([["heads.add", { head: {} }], ["heads.duplicate", { index: 1 }], ["heads.remove", { index: 1 }]]);
    shown.model.answerAll();
    await settle();
    expect(shown.root.querySelector(".mw-removed")!.textContent).toContain("radius removed.");
    shown.root.querySelector<HTMLElement>(".mw-removed button")!.click();
    await settle();
    expect(shown.model.asked.at(-1)).toEqual(["spec.undo", {}]);
  });

  test("the last head stays", async () => {
    shown.model.set({ heads: [head()] });
    await settle();
    expect(button("Remove head 1").disabled).toBe(true);
    expect(button("Remove head 1").title).toContain("at least one head");
  });

  test("Ctrl+Z undoes outside of texts", async () => {
    await press(field(0, "loss"), "z", { ctrlKey: true });
    await press(field<HTMLInputElement>(0, "name"), "z", { ctrlKey: true });
    expect(shown.model.asked).toEqual([["spec.undo", {}]]);
  });
});

test("without its kernel nothing can be changed and the reason is told", async () => {
  shown.assets.comm_live = false;
  shown.assets.fire("comm_live_update");
  await settle();
  expect(field(0, "loss").disabled).toBe(true);
  expect(button("+ head").title).toContain("kernel is gone");
});

describe("folded to a line", () => {
  const folded = async (heads: unknown[], more: object = {}) => {
    shown.close();
    shown = show(FoldedHeads, { ...TRAITS, heads, ...more });
    await settle();
  };
  test("one head is a line that opens", async () => {
    await folded([head()]);
    expect(shown.root.querySelector("[data-head]")).toBeNull();
    expect(shown.root.textContent).toContain("disposition");
    button("Heads").click();
    await settle();
    expect(shown.root.querySelectorAll("[data-head]")).toHaveLength(1);
  });
  test("several heads stand open, and an algorithm without a network has no line", async () => {
    await folded(TRAITS.heads);
    expect(shown.root.querySelectorAll("[data-head]")).toHaveLength(2);
    await folded([head()], { uses_layers: false });
    expect(shown.root.querySelector(".mw-heads")).toBeNull();
  });
});
