/** The builder against a fake kernel: keyboard, pointer, menus, errors and the script. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { destination, gapAt } from "../src/ui/reorder";
import { LayerBuilder } from "../src/widgets/layer_builder";
import { settle, show, type Shown } from "./fake_model";

const number = { low: 1, high: 65536, scale: "log", smallest: 1e-6, choices: [], unit: "", help: "Width.", live: false, optional: false };
const KINDS = [
  {
    kind: "linear",
    name: "Linear",
    help: "Adds up.",
    parameters: [
      { ...number, id: "units", label: "units", kind: "int", default: 64 },
      { ...number, id: "activation", label: "activation", kind: "choice", default: "relu", low: null, high: null, scale: "linear", choices: ["none", "relu"] },
    ],
  },
  { kind: "dropout", name: "Dropout", help: "Drops.", parameters: [{ ...number, id: "p", label: "dropped part", kind: "float", default: 0.1, low: 0, high: 0.95, scale: "linear" }] },
  { kind: "batch_norm", name: "Batch normalisation", help: "Scales.", parameters: [] },
];
type Plain = { kind: string; options: Record<string, unknown>; name?: string; inputs?: string[]; init?: string; frozen?: boolean };
const linear = (units: number): Plain => ({ kind: "linear", options: { units, activation: "relu" } });
const dropout: Plain = { kind: "dropout", options: { p: 0.1 } };

function network(layers: Plain[], more: object = {}) {
  let width = 38;
  let total = 0;
  const rows = layers.map(({ kind, options }) => {
    const parameters = kind === "linear" ? (width + 1) * Number(options.units) : 0;
    const row = { kind, name: KINDS.find((k) => k.kind === kind)!.name, input_shape: [width], output_shape: [0], parameters, bytes: 4 * parameters, error: "" };
    if (kind === "linear") width = Number(options.units);
    row.output_shape = [width];
    total += parameters;
    return row;
  });
  const head = { kind: "linear", name: "Classes", input_shape: [width], output_shape: [3], parameters: (width + 1) * 3, bytes: 0, error: "" };
  total += head.parameters;
  return { layers, rows, head, inputs: 38, outputs: 3, task: "classification", total_parameters: total, total_bytes: 4 * total, error: null, failing: null, ...more };
}

let shown: Shown;
const START = [linear(64), dropout, linear(64)];
const boxes = () => [...shown.root.querySelectorAll<HTMLElement>("[data-layer]")];
const box = (index: number) => boxes()[index]!;
const find = <T extends HTMLElement = HTMLElement>(selector: string) => shown.root.querySelector<T>(selector)!;
const button = (name: string) =>
  [...shown.root.querySelectorAll("button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name)!;
const press = async (name: string, more: KeyboardEventInit = {}) => {
  document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
  await settle();
};
/** The kernel takes the last request and shows the stack that came of it. */
const become = async (layers: Plain[]) => {
  shown.model.set({ network: network(layers) });
  shown.model.answerAll();
  await settle();
};
/** Effects run after a frame. */
const frame = () => new Promise((resolve) => setTimeout(resolve, 60));

beforeEach(async () => {
  shown = show(LayerBuilder, {
    network: network(START),
    kinds: KINDS,
    templates: [{ name: "shallow", layers: ["linear"] }],
    uses_layers: true,
    algorithm: "Multilayer perceptron",
    pending: false,
    revision: 1,
    can_undo: true,
    can_redo: false,
  });
  await settle();
});
afterEach(() => shown.close());

describe("what it shows", () => {
  test("boxes, the shapes between them, and the totals", () => {
    expect(boxes().map((b) => b.querySelector(".mw-layer-name")?.textContent?.trim())).toEqual(["Linear", "Dropout", "Linear"]);
    expect([...shown.root.querySelectorAll(".mw-edge-shape")].map((e) => e.textContent)).toEqual(["38", "64", "64", "64"]);
    expect(find(".mw-network-total").textContent).toBe("6\u202f851 parameters · 27 KB");
    expect(box(0).getAttribute("aria-label")).toBe("Layer 1 of 3: Linear, units 64, activation relu, 2496 parameters, output 64");
    expect(shown.root.textContent).toContain("38 features");
    expect(find(".mw-head").textContent).toContain("3 classes · 195");
  });

  test("the failing layer is marked and its sentence stands under the row", async () => {
    const sentence = "In layer 1 (linear): units is 0; it takes a whole number from 1 to 65536.";
    const broken = network([linear(0), dropout]);
    broken.rows[0]!.error = sentence;
    shown.model.set({ network: { ...broken, error: sentence, failing: 0 } });
    await settle();
    expect(find("[role=alert]").textContent).toBe(sentence);
    expect(box(0).classList).toContain("mw-failing");
    expect(box(0).getAttribute("aria-describedby")).toContain(find("[role=alert]").id);
    expect(box(0).getAttribute("aria-label")).toContain("cannot be built");
    expect(find(".mw-network-total").textContent).toBe("cannot be built yet");
  });

  test("an algorithm without layers gets one quiet sentence", async () => {
    shown.model.set({ uses_layers: false, network: {}, algorithm: "Random forest" });
    await settle();
    expect(shown.root.textContent).toContain("Random forest has no layers to build");
    expect(boxes()).toEqual([]);
  });

  test("layers that follow from hyperparameters are shown, and not to be changed", async () => {
    shown.model.set({ fixed: "These layers follow from the hyperparameters of LSTM.", can_undo: true });
    await settle();
    expect(boxes().length).toBeGreaterThan(0);
    expect(shown.root.textContent).toContain("These layers follow from the hyperparameters of LSTM.");
    expect(find<HTMLButtonElement>("[aria-label=Undo]").disabled).toBe(false);
    const before = shown.model.sent.length;
    box(0).focus();
    box(0).dispatchEvent(new KeyboardEvent("keydown", { key: "Delete", bubbles: true }));
    await settle();
    expect(shown.model.sent.length).toBe(before);
  });

  test("layers that follow are made one's own by a button, and the focus goes on at the first", async () => {
    expect(button("Make the layers my own")).toBeUndefined();
    shown.model.set({ fixed: "These layers follow from the hyperparameters of LSTM.", algorithm: "LSTM" });
    await settle();
    const own = button("Make the layers my own");
    expect(shown.root.querySelector(`#${own.getAttribute("aria-describedby")}`)!.textContent).toContain("follow from");
    own.focus();
    own.click();
    await settle();
    expect(shown.model.asked).toEqual([["layers.own", {}]]);
    shown.model.set({ fixed: "", algorithm: "Multilayer perceptron" });
    shown.model.answerAll();
    await settle();
    expect(button("Make the layers my own")).toBeUndefined();
    expect(document.activeElement).toBe(box(0));
    expect([...shown.root.querySelectorAll("[role=status]")].at(-1)!.textContent).toBe("The layers are your own now; undo brings LSTM back");
  });

  test("a refusal to make them one's own stands beside the widget", async () => {
    shown.model.set({ fixed: "These layers follow from the hyperparameters of LSTM." });
    await settle();
    button("Make the layers my own").click();
    await settle();
    shown.model.answer(shown.model.sent.at(-1)!, "error", { message: "LSTM has no layers.", type: "StateError" });
    await settle();
    expect(find(".mw-notice").textContent).toContain("LSTM has no layers.");
  });

  test("without a kernel nothing can be made one's own, and the button says why", async () => {
    shown.model.set({ fixed: "These layers follow from the hyperparameters of LSTM." });
    shown.assets.comm_live = false;
    shown.assets.fire("comm_live_update");
    await settle();
    expect(button("Make the layers my own").disabled).toBe(true);
    expect(button("Make the layers my own").title).toContain("The kernel is gone");
  });

  test("an empty stack still leads from input to head", async () => {
    await become([]);
    expect(boxes()).toEqual([]);
    expect(shown.root.textContent).toContain("Without layers the inputs go straight to the head.");
  });
});

describe("options", () => {
  test("− and + change the width by an eighth", async () => {
    button("More units, layer 1").click();
    await settle();
    expect(shown.model.asked).toEqual([["layers.update", { index: 0, options: { units: 72 } }]]);
    await become([linear(72), dropout, linear(64)]);
    button("Less units, layer 1").click();
    await frame();
    expect(shown.model.asked.at(-1)).toEqual(["layers.update", { index: 0, options: { units: 64 } }]);
  });

  test("what is typed is sent as one types, the last for sure", async () => {
    const input = find<HTMLInputElement>("input[aria-label='Layer 3 units']");
    for (const text of ["1", "12", "128"]) {
      input.focus();
      input.value = text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await settle();
    }
    shown.model.answerAll();
    await frame();
    const sent = shown.model.asked.map(([, body]) => (body as { options: { units: number } }).options.units);
    expect([sent[0], sent.at(-1)]).toEqual([1, 128]);
    expect(input.value).toBe("128");
  });

  test("an impossible width goes to the kernel too, which says what is wrong", async () => {
    const input = find<HTMLInputElement>("input[aria-label='Layer 1 units']");
    input.focus();
    input.value = "0";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.blur();
    await settle();
    expect(shown.model.asked).toEqual([["layers.update", { index: 0, options: { units: 0 } }]]);
  });

  test("an activation is chosen in the box", async () => {
    const select = find<HTMLSelectElement>("select[aria-label='Layer 1 activation']");
    select.value = "none";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(shown.model.asked).toEqual([["layers.update", { index: 0, options: { activation: "none" } }]]);
  });

  test("a selected layer opens its editor", async () => {
    box(1).click();
    await settle();
    const editor = find(".mw-editor");
    expect(editor.textContent).toContain("Layer 2 · Dropout");
    expect(editor.querySelector("input.mw-number")?.getAttribute("aria-label")).toBe("dropped part");
    button("Close the editor").click();
    await settle();
    expect(find(".mw-editor")).toBeNull();
  });
});

describe("order and length", () => {
  test("arrows walk, Shift with an arrow moves and focus follows", async () => {
    box(0).focus();
    await press("ArrowRight");
    expect(document.activeElement).toBe(box(1));
    await press("ArrowRight", { shiftKey: true });
    expect(shown.model.asked).toEqual([["layers.move", { index: 1, to: 2 }]]);
    await become([linear(64), linear(64), dropout]);
    await frame();
    expect(document.activeElement).toBe(box(2));
    expect(find(".mw-sr[role=status]").textContent).toBe("Dropout moved to place 3 of 3");
    await press("ArrowRight", { shiftKey: true });
    expect(shown.model.asked).toHaveLength(1);
  });

  test("Delete removes, and focus goes to the neighbour", async () => {
    box(2).focus();
    await press("Delete");
    expect(shown.model.asked).toEqual([["layers.remove", { index: 2 }]]);
    await become([linear(64), dropout]);
    await frame();
    expect(document.activeElement).toBe(box(1));
  });

  test("keys inside a box's own field stay there", async () => {
    find("input[aria-label='Layer 1 units']").focus();
    await press("Delete");
    await press("Backspace");
    await press("ArrowRight");
    expect(shown.model.asked).toEqual([]);
  });

  test("one box is a tab stop at a time", async () => {
    const stops = () => boxes().map((b) => b.tabIndex);
    expect(stops()).toEqual([0, -1, -1]);
    box(2).focus();
    await settle();
    expect(stops()).toEqual([-1, -1, 0]);
  });

  test("a layer is inserted where one asks", async () => {
    button("Insert a layer before layer 2").click();
    await settle();
    button("Batch normalisation").click();
    await settle();
    expect(shown.model.asked).toEqual([["layers.add", { index: 1, layer: { kind: "batch_norm", options: {} } }]]);
    await become([linear(64), { kind: "batch_norm", options: {} }, dropout, linear(64)]);
    button("+ layer").click();
    await settle();
    button("Linear").click();
    await settle();
    expect(shown.model.asked.at(-1)).toEqual(["layers.add", { index: 4, layer: linear(64) }]);
  });

  test("the editor moves, copies and removes its layer", async () => {
    box(0).click();
    await settle();
    button("Move right").click();
    await become([dropout, linear(64), linear(64)]);
    await frame();
    expect(find(".mw-editor").textContent).toContain("Layer 2 · Linear");
    button("Duplicate").click();
    await become([dropout, linear(64), linear(64), linear(64)]);
    button("Remove").click();
    await settle();
    expect(shown.model.asked).toEqual([
      ["layers.move", { index: 0, to: 1 }],
      ["layers.duplicate", { index: 1 }],
      ["layers.remove", { index: 2 }],
    ]);
  });

  test("a template replaces the stack", async () => {
    const select = find<HTMLSelectElement>("select[aria-label=Templates]");
    select.value = "shallow";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(shown.model.asked).toEqual([["layers.template", { name: "shallow" }]]);
    expect(select.value).toBe("");
  });

  test("a second press waits until the first is done", async () => {
    box(0).focus();
    await press("ArrowRight", { shiftKey: true });
    await press("ArrowRight", { shiftKey: true });
    expect(shown.model.asked).toHaveLength(1);
  });
});

describe("dragging", () => {
  const pointer = async (type: string, x: number, y = 20, target: EventTarget = window) => {
    target.dispatchEvent(new PointerEvent(type, { pointerId: 1, button: 0, clientX: x, clientY: y, bubbles: true, cancelable: true }));
    await settle();
  };
  beforeEach(() => {
    boxes().forEach((b, k) => vi.spyOn(b, "getBoundingClientRect").mockReturnValue(new DOMRect(120 * k, 0, 90, 40)));
  });

  test("moves a layer to the marked gap", async () => {
    await pointer("pointerdown", 10, 20, box(0).querySelector("b")!);
    await pointer("pointermove", 300);
    expect(find(".mw-dragging")).toBe(box(0));
    expect([...shown.root.querySelectorAll(".mw-edge")].map((e) => e.classList.contains("mw-marked"))).toEqual([false, false, false, true]);
    window.dispatchEvent(new PointerEvent("pointerup", { pointerId: 1, clientX: 330, clientY: 20 }));
    box(0).click();
    await settle();
    expect(shown.model.asked).toEqual([["layers.move", { index: 0, to: 2 }]]);
    expect(find(".mw-editor")).toBeNull();
  });

  test("Escape and a small jerk change nothing", async () => {
    await pointer("pointerdown", 10, 20, box(0).querySelector("b")!);
    await pointer("pointermove", 12);
    await pointer("pointerup", 12);
    await pointer("pointerdown", 10, 20, box(0).querySelector("b")!);
    await pointer("pointermove", 330);
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    await pointer("pointerup", 330);
    expect(shown.model.asked).toEqual([]);
    expect(find(".mw-dragging")).toBeNull();
  });

  test("does not begin on a field", async () => {
    await pointer("pointerdown", 10, 20, find("input[aria-label='Layer 1 units']"));
    await pointer("pointermove", 330);
    await pointer("pointerup", 330);
    expect(shown.model.asked).toEqual([]);
  });

  test("finds gaps in a row, in two rows and in a column", () => {
    const row = [0, 1, 2].map((k) => new DOMRect(100 * k, 0, 80, 40));
    expect([-5, 45, 130, 290].map((x) => gapAt(row, x, 20))).toEqual([0, 1, 1, 3]);
    const wrapped = [new DOMRect(0, 0, 80, 40), new DOMRect(100, 0, 80, 40), new DOMRect(0, 60, 80, 40)];
    expect(gapAt(wrapped, 85, 80)).toBe(3);
    expect(gapAt(wrapped, 5, 80)).toBe(2);
    const column = [0, 1, 2].map((k) => new DOMRect(0, 60 * k, 80, 40));
    expect([5, 50, 200].map((y) => gapAt(column, 70, y))).toEqual([0, 1, 3]);
    expect([destination(0, 3), destination(2, 0), destination(1, 1), destination(1, 2)]).toEqual([2, 0, 1, 1]);
  });
});

describe("the script", () => {
  test("is read when opened and again when something changed", async () => {
    button("Code").click();
    await vi.waitFor(() => expect(shown.model.asked).toEqual([["code.read", {}]]));
    shown.model.answerAll({ code: "x = '<b>'" });
    await settle();
    expect(find("pre").textContent).toBe("x = '<b>'");
    shown.model.set({ revision: 2 });
    await vi.waitFor(() => expect(shown.model.asked).toHaveLength(2));
    button("Close the script").click();
    await settle();
    expect(find("pre")).toBeNull();
  });

  test("that cannot be written says why", async () => {
    button("Code").click();
    await vi.waitFor(() => expect(shown.model.sent).toHaveLength(1));
    shown.model.answer(shown.model.sent[0]!, "error", { message: "In layer 1: no.", type: "ShapeError", layer: 0 });
    await settle();
    expect(find(".mw-code [role=alert]").textContent).toBe("In layer 1: no.");
  });
});

test("without its kernel nothing can be changed and the reason is told", async () => {
  shown.assets.comm_live = false;
  shown.assets.fire("comm_live_update");
  await settle();
  expect(button("More units, layer 1").disabled).toBe(true);
  expect(button("+ layer").title).toContain("kernel is gone");
  box(0).focus();
  await press("Delete");
  expect(shown.model.asked).toEqual([]);
});
