/** The builder's connections, names, groups, menus, import and export, against a fake kernel. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { found } from "../src/ui/layer_menu";
import { afterInsert, afterMove, afterRemoval, follow, items, withGroup, type Group } from "../src/ui/layer_groups";
import { arcs, sources, states, straight, type LayerKind, type Network } from "../src/ui/layer_state";
import { layersIn, toText } from "../src/ui/layer_transfer";
import { drawNetwork, sizeOf } from "../src/ui/network_picture";
import { plainValue, written } from "../src/ui/torch_form";
import { LayerBuilder } from "../src/widgets/layer_builder";
import type { LayerSpec } from "../src/wire/messages";
import { settle, show, type Shown } from "./fake_model";

const kind = (id: string, name: string, group: string, help: string, more: object = {}) =>
  ({ kind: id, name, group, help, parameters: [], takes: [1, 1], open: false, ...more }) as unknown as LayerKind;
const KINDS = [
  kind("linear", "Linear", "Dense", "Weighs all inputs."),
  kind("layer_norm", "Layer normalisation", "Normalisation", "Scales each row."),
  kind("concatenate", "Concatenate", "Combine", "Lays several inputs side by side.", { takes: [2, null] }),
  kind("torch", "Any class of torch.nn", "Other", "Named by its class.", { open: true }),
];
const layer = (id: string, more: Partial<LayerSpec> = {}): LayerSpec => ({ kind: id, options: {}, ...more });
function network(layers: LayerSpec[], more: object = {}): Network {
  const rows = layers.map(({ kind: id }) => ({
    kind: id, name: KINDS.find((k) => k.kind === id)?.name ?? id, input_shape: [8], output_shape: [8], parameters: 10, bytes: 40, error: "",
  }));
  return {
    layers, rows, head: { ...rows[0]!, name: "Classes", error: "" }, inputs: 4, outputs: 2, task: "classification",
    heads: [{ task: "classification" }], total_parameters: 100, total_bytes: 400, error: null, failing: null, ...more,
  };
}
const SKIP = [layer("linear", { name: "enc" }), layer("linear"), layer("concatenate", { inputs: ["enc", "linear_2"], name: "join" })];

let shown: Shown;
const start = (layers: LayerSpec[], more: object = {}): Shown => {
  shown = show(LayerBuilder, {
    network: network(layers, more), kinds: KINDS, inits: ["", "orthogonal"], templates: [], uses_layers: true, algorithm: "Perceptron",
    pending: false, revision: 1, can_undo: true, can_redo: false,
  });
  return shown;
};
const find = <T extends HTMLElement = HTMLElement>(selector: string) => shown.root.querySelector<T>(selector)!;
const all = (selector: string) => [...shown.root.querySelectorAll<HTMLElement>(selector)];
const box = (index: number) => find(`[data-layer="${index}"]`);
const button = (name: string) =>
  all("button").find((b) => (b.getAttribute("aria-label") ?? b.textContent?.trim()) === name || b.querySelector(".mw-menu-words")?.textContent === name)! as HTMLButtonElement;
const press = async (key: string, more: KeyboardEventInit = {}) => {
  document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  await settle();
};
const type = async (input: HTMLInputElement | HTMLTextAreaElement, text: string) => {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
};
const choose = async (select: HTMLSelectElement, value: string) => {
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
};
/** Effects run after a frame. */
const frame = () => new Promise((resolve) => setTimeout(resolve, 120));
afterEach(() => {
  shown?.close();
  vi.restoreAllMocks();
});

describe("connections", () => {
  test("where a layer takes its input from, and what is no straight line", () => {
    const net = network([layer("linear", { name: "enc" }), layer("linear", { name: "mid" }), layer("concatenate", { inputs: ["enc", "mid", "gone", "input"] })]);
    const stack = states(net);
    expect(sources(stack, 2)).toEqual([
      { name: "enc", at: 0 }, { name: "mid", at: 1 }, { name: "gone", at: null }, { name: "input", at: -1 },
    ]);
    expect(sources(stack, 0)).toEqual([{ name: "input", at: -1 }]);
    expect(arcs(net, stack).map(({ from, to }) => [from, to])).toEqual([[0, 2], [-1, 2]]);
    expect([0, 1, 2].map((k) => straight(net, stack, k))).toEqual([true, true, true]);
  });

  test("a head on an earlier layer is an arc too, and the last layer then leads nowhere", () => {
    const net = network([layer("linear", { name: "enc" }), layer("linear")], { heads: [{ task: "regression", at: "enc" }] });
    expect(arcs(net, states(net))).toEqual([{ from: 0, to: 2, shape: "8" }]);
    expect(straight(net, states(net), 2)).toBe(false);
  });

  test("chips name the sources, a lost one is marked, and each can be disconnected", async () => {
    start(SKIP);
    await settle();
    const chips = all('[data-layer="2"] .mw-chip');
    expect(chips.map((chip) => chip.querySelector(".mw-chip-words")?.textContent)).toEqual(["from enc", "from linear_2"]);
    expect(chips.map((chip) => chip.classList.contains("mw-chip-lost"))).toEqual([false, true]);
    expect(all(".mw-arcs").length).toBe(1);
    button("Disconnect linear_2 from layer 3").click();
    await settle();
    expect(shown.model.asked).toEqual([["layers.connect", { index: 2, source: "linear_2", connected: false }]]);
  });

  test("the menu's list of earlier layers connects and disconnects", async () => {
    start(SKIP);
    await settle();
    box(2).focus();
    await press("c");
    const entries = all("[role=menuitemcheckbox]");
    expect(entries.map((entry) => [entry.querySelector(".mw-menu-words")?.textContent, entry.getAttribute("aria-checked")])).toEqual([
      ["the network's input", "false"], ["enc", "true"], ["layer 2, Linear", "false"],
    ]);
    entries[2]!.click();
    await settle();
    entries[1]!.click();
    await settle();
    expect(shown.model.asked).toEqual([
      ["layers.connect", { index: 2, source: 1, connected: true }],
      ["layers.connect", { index: 2, source: "enc", connected: false }],
    ]);
  });

  test("the editor connects from its list and shows a refusal there", async () => {
    start(SKIP);
    box(2).click();
    await settle();
    await choose(find<HTMLSelectElement>("select[aria-label='Connect from']"), "-1");
    expect(shown.model.asked).toEqual([["layers.connect", { index: 2, source: -1, connected: true }]]);
    shown.model.answer(shown.model.sent[0]!, "error", { message: "No.", type: "ShapeError" });
    await settle();
    expect(find(".mw-editor-inputs [role=alert]").textContent).toBe("No.");
  });
});

describe("names, first weights and freezing", () => {
  test("a name is typed in the box; a refused one stays with its sentence until Escape", async () => {
    start(SKIP);
    await settle();
    box(0).focus();
    await press("F2");
    const input = find<HTMLInputElement>("input.mw-name-box");
    expect([input.getAttribute("aria-label"), input.value]).toEqual(["Name of layer 1", "enc"]);
    input.value = "join";
    input.focus();
    await press("Enter");
    expect(shown.model.asked).toEqual([["layers.configure", { index: 0, fields: { name: "join" } }]]);
    shown.model.answer(shown.model.sent[0]!, "error", { message: "Taken.", type: "ParameterError", nearest: "join_2" });
    await settle();
    expect(find(".mw-network-error").textContent).toBe("Taken.");
    expect(find("input.mw-name-box").getAttribute("aria-invalid")).toBe("true");
    await press("Escape");
    expect(find("input.mw-name-box")).toBeNull();
    expect(document.activeElement).toBe(box(0));
    expect(box(0).querySelector(".mw-layer-name")?.textContent?.trim()).toBe("enc");
  });

  test("a name that is left as it was asks nothing", async () => {
    start(SKIP);
    await settle();
    box(0).querySelector(".mw-layer-name")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await settle();
    find("input.mw-name-box").focus();
    await press("Enter");
    expect(shown.model.asked).toEqual([]);
  });

  test("text is shown as text, whatever it holds", async () => {
    const nasty = '<img src=x onerror="globalThis.hit=1">';
    start([layer("linear", { name: nasty }), layer(nasty, { inputs: [nasty] })], { heads: [{ task: "regression", name: nasty }] });
    await settle();
    expect(box(0).querySelector(".mw-layer-name")?.textContent?.trim()).toBe(nasty);
    expect(shown.root.querySelector("img")).toBeNull();
    box(1).focus();
    await press("c");
    expect(shown.root.querySelector("img")).toBeNull();
  });

  test("F freezes, the box says so, and the editor sets the first weights", async () => {
    start([layer("linear", { frozen: true, init: "orthogonal" })]);
    await settle();
    expect(box(0).getAttribute("aria-label")).toContain("begins orthogonal, frozen");
    expect(box(0).querySelector(".mw-layer-badges")?.textContent).toContain("frozen");
    box(0).focus();
    await press("f");
    await press("Enter");
    await choose(find<HTMLSelectElement>("select[aria-label='first weights']"), "");
    find<HTMLInputElement>("input[aria-label=frozen]").click();
    await settle();
    expect(shown.model.asked).toEqual([
      ["layers.configure", { index: 0, fields: { frozen: false } }],
      ["layers.configure", { index: 0, fields: { init: "" } }],
      ["layers.configure", { index: 0, fields: { frozen: false } }],
    ]);
  });
});

describe("the keyboard and the menu", () => {
  beforeEach(async () => {
    start([layer("linear"), layer("layer_norm"), layer("linear")]);
    await settle();
    box(1).focus();
  });

  test("D duplicates, Delete removes with an undo beside it, Ctrl+Z and Ctrl+Y travel", async () => {
    await press("d");
    expect(shown.model.asked.at(-1)).toEqual(["layers.duplicate", { index: 1 }]);
    shown.model.answerAll();
    await frame();
    box(1).focus();
    await press("Delete");
    expect(find(".mw-removed")).toBeNull();
    shown.model.answerAll();
    await settle();
    expect(find(".mw-removed").textContent).toContain("Layer normalisation removed.");
    find(".mw-removed button").click();
    await settle();
    expect(shown.model.asked.at(-1)).toEqual(["spec.undo", {}]);
    expect(find(".mw-removed")).toBeNull();
    const keys: [string, boolean][] = [["z", false], ["y", false], ["z", true]];
    for (const [key, shiftKey] of keys) {
      shown.model.answerAll();
      await frame();
      // the keyboard keeps its place in the row
      expect((document.activeElement as HTMLElement).dataset.layer).toBeDefined();
      await press(key, { ctrlKey: true, shiftKey });
    }
    expect(shown.model.asked.slice(-3).map(([asked]) => asked)).toEqual(["spec.undo", "spec.redo", "spec.redo"]);
  });

  test("I and A open the menu of layers before and after", async () => {
    await press("i");
    expect(find<HTMLSelectElement>(".mw-insert select").value).toBe("1");
    box(1).focus();
    await press("a");
    expect(find<HTMLSelectElement>(".mw-insert select").value).toBe("2");
  });

  test("M opens the box's menu; arrows and letters walk it; Escape gives the focus back", async () => {
    await press("m");
    await frame();
    const label = () => (document.activeElement as HTMLElement).querySelector(".mw-menu-words")?.textContent;
    expect(label()).toBe("Name…");
    await press("ArrowDown");
    expect(label()).toBe("Connect from…");
    await press("ArrowUp");
    await press("ArrowUp");
    expect(label()).toBe("Remove");
    await press("d");
    expect(label()).toBe("Duplicate");
    await press("Escape");
    expect(find("[role=menu]")).toBeNull();
    expect(document.activeElement).toBe(box(1));
  });

  test("? tells the keys", async () => {
    await press("?");
    expect(find("[role=dialog]").textContent).toContain("duplicate");
    await press("Escape");
    expect(find("[role=dialog]")).toBeNull();
  });

  test("letters in a field are letters", async () => {
    await press("F2");
    find("input.mw-name-box").focus();
    await press("d");
    await press("?");
    expect(shown.model.asked).toEqual([]);
    expect(find("[role=dialog]")).toBeNull();
  });
});

describe("the menu of layers", () => {
  test("is found by name, group and help, names first", () => {
    expect(found(KINDS, "norm").map((k) => k.kind)).toEqual(["layer_norm"]);
    expect(found(KINDS, "inputs").map((k) => k.kind)).toEqual(["linear", "concatenate"]);
    expect(found(KINDS, "layer").map((k) => k.kind)).toEqual(["layer_norm"]);
    expect(found(KINDS, "xyz")).toEqual([]);
    expect(found(KINDS, " ")).toHaveLength(4);
  });

  test("stands in groups; Enter takes the first that fits; arrows walk", async () => {
    start([]);
    await settle();
    button("+ layer").click();
    await frame();
    expect(all(".mw-kinds h4").map((h) => h.textContent)).toEqual(["Dense", "Normalisation", "Combine", "Other"]);
    const search = find<HTMLInputElement>("input[type=search]");
    expect(document.activeElement).toBe(search);
    await press("ArrowDown");
    expect(document.activeElement).toBe(button("Linear"));
    await press("ArrowUp");
    expect(document.activeElement).toBe(search);
    await type(search, "norm");
    await press("Enter");
    expect(shown.model.asked).toEqual([["layers.add", { index: 0, layer: { kind: "layer_norm", options: {} } }]]);
  });

  test("any class of torch.nn: a form from its signature, and what is missing is said", async () => {
    start([]);
    await settle();
    button("+ layer").click();
    await frame();
    button("Any class of torch.nn").click();
    await frame();
    shown.model.answerAll({ names: ["Threshold"] });
    await settle();
    await type(find<HTMLInputElement>(".mw-torch-name input"), "Threshold");
    expect(shown.model.asked.at(-1)).toEqual(["layers.signature", { name: "Threshold" }]);
    shown.model.answerAll({ name: "Threshold", help: "Cuts.", arguments: [
      { name: "threshold", required: true, default: "" }, { name: "value", required: true, default: "" }, { name: "inplace", required: false, default: "False" },
    ] });
    await settle();
    const fields = all(".mw-torch-argument input") as HTMLInputElement[];
    expect(fields[2]!.placeholder).toBe("False");
    await type(fields[0]!, "0.5");
    find<HTMLFormElement>("form.mw-torch").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settle();
    expect(find(".mw-torch [role=alert]").textContent).toBe("Threshold needs value.");
    await type(fields[1]!, "0");
    find<HTMLFormElement>("form.mw-torch").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settle();
    expect(shown.model.asked.at(-1)).toEqual([
      "layers.add", { index: 0, layer: { kind: "torch", options: { class_: "Threshold", arguments: { threshold: 0.5, value: 0 } } } },
    ]);
  });

  test("an unknown class says so", async () => {
    start([]);
    await settle();
    button("+ layer").click();
    await frame();
    button("Any class of torch.nn").click();
    await frame();
    shown.model.answerAll({ names: [] });
    await settle();
    await type(find<HTMLInputElement>(".mw-torch-name input"), "Treshold");
    find<HTMLFormElement>("form.mw-torch").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settle();
    shown.model.answer(shown.model.sent.at(-1)!, "error", { message: "torch.nn has no layer 'Treshold'.", type: "InputError" });
    await settle();
    expect(find(".mw-torch [role=alert]").textContent).toContain("Treshold");
  });

  test("what is typed becomes plain data, and back", () => {
    const pairs: [string, unknown][] = [["3", 3], ["-1e-3", -0.001], ["True", true], ["None", null], ["(1, 2)", [1, 2]], ["()", []], ["'same'", "same"], ["zeros", "zeros"]];
    for (const [text, value] of pairs) expect(plainValue(text)).toEqual(value);
    expect([true, null, [1, 2], [3], "same", 0.5].map(written)).toEqual(["True", "None", "(1, 2)", "(3,)", "same", "0.5"]);
  });
});

describe("groups", () => {
  const group = (from: number, to: number, open = false): Group => ({ id: 1, name: "g", start: from, end: to, open });
  const span = (groups: Group[]) => groups.map((g) => [g.start, g.end]);

  test("their places follow insertions, removals and moves", () => {
    expect(span(afterInsert([group(2, 4)], 2, 1))).toEqual([[3, 5]]);
    expect(span(afterInsert([group(2, 4)], 3, 2))).toEqual([[2, 6]]);
    expect(span(afterInsert([group(2, 4)], 4, 1))).toEqual([[2, 4]]);
    expect(span(afterRemoval([group(2, 4)], 0, 1))).toEqual([[1, 3]]);
    expect(span(afterRemoval([group(2, 4)], 3, 1))).toEqual([[2, 3]]);
    expect(span(afterRemoval([group(2, 4)], 2, 2))).toEqual([]);
    expect(span(afterMove([group(2, 4)], 0, 5))).toEqual([[1, 3]]);
    expect(span(afterMove([group(2, 4)], 3, 2))).toEqual([[2, 4]]);
    expect(span(afterMove([group(2, 4)], 3, 0))).toEqual([[3, 4]]);
    expect(span(afterMove([group(2, 3)], 2, 0))).toEqual([[0, 1]]);
  });

  test("they follow the stack whoever changed it, and a new stack has none", () => {
    const before = { groups: [group(1, 3)], layers: ["a", "b", "c", "d"] };
    expect(span(follow(before, ["x", "a", "b", "c", "d"]).groups)).toEqual([[2, 4]]);
    expect(span(follow(before, ["a", "c", "d"]).groups)).toEqual([[1, 2]]);
    expect(span(follow(before, ["b", "c", "d", "a"]).groups)).toEqual([[0, 2]]);
    expect(span(follow(before, ["d", "a", "b", "c"]).groups)).toEqual([[2, 4]]);
    expect(span(follow(before, ["a", "b2", "c", "d"]).groups)).toEqual([[1, 3]]);
    expect(follow(before, ["p", "q"]).groups).toEqual([]);
    expect(follow(before, ["a", "b", "c", "d"])).toBe(before);
  });

  test("a new group takes over what it covers; a folded one is one item", () => {
    const made = withGroup([group(0, 2), { ...group(3, 4), id: 7 }], 1, 3, "mid");
    expect(made.map((g) => [g.name, g.start, g.end])).toEqual([["mid", 1, 3], ["g", 3, 4]]);
    expect(new Set(made.map((g) => g.id)).size).toBe(2);
    expect(items(made, 5).map((item) => [item.start, item.end])).toEqual([[0, 1], [1, 3], [3, 4], [4, 5]]);
  });

  test("G folds layers together under a name; Enter opens them; a fault inside shows on the fold", async () => {
    start([layer("linear"), layer("linear"), layer("layer_norm"), layer("linear")]);
    await settle();
    box(1).focus();
    await press("g");
    await frame();
    await type(find<HTMLInputElement>("input[aria-label='name of the group']"), "encoder");
    find<HTMLFormElement>("form.mw-group-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await frame();
    const fold = find("[data-group]");
    expect(fold.getAttribute("aria-label")).toContain("Group encoder: layers 2 to 3, Linear, Layer normalisation, 20 parameters");
    expect(all("[data-layer]").map((b) => b.dataset.layer)).toEqual(["0", "3"]);
    expect(document.activeElement).toBe(fold);
    expect(shown.model.asked).toEqual([]);
    shown.model.set({ network: network([layer("linear"), layer("linear"), layer("layer_norm"), layer("linear")], { failing: 2, error: "In layer 3: no." }) });
    await settle();
    expect(find("[data-group]").classList).toContain("mw-failing");
    await press("ArrowRight");
    expect(document.activeElement).toBe(box(3));
    await press("ArrowLeft");
    await press("Delete");
    expect(shown.model.asked).toEqual([]);
    await press("Enter");
    await frame();
    expect(all("[data-layer]")).toHaveLength(4);
    expect(find(".mw-group-mark").textContent).toContain("encoder");
  });
});

describe("import and export", () => {
  const net = network([layer("linear", { name: "a", options: { units: 3 } }), layer("linear", { inputs: ["input"], init: "orthogonal", frozen: true })]);

  test("what is written is read again", () => {
    expect(layersIn(toText(net))).toEqual(net.layers);
    expect(layersIn('[{"kind": "linear"}]')).toEqual([{ kind: "linear", options: {} }]);
  });

  test.each([
    ["{", "no JSON"],
    ["3", "no layers"],
    ['{"a": 1}', "no layers"],
    ['[{"options": {}}]', "Entry 1"],
    ["[null]", "Entry 1"],
    [JSON.stringify(Array(501).fill({ kind: "linear" })), "at most 500"],
  ])("%s is refused in words", (text, words) => {
    expect(() => layersIn(text)).toThrow(words);
  });

  test("pasted text replaces the layers; a refusal stays beside it", async () => {
    start([layer("linear")]);
    await settle();
    button("Export").click();
    await frame();
    button("Import layers…").click();
    await frame();
    const area = find<HTMLTextAreaElement>("textarea");
    const submit = () => find("form.mw-import").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await type(area, "[1]");
    submit();
    await settle();
    expect(find(".mw-import [role=alert]").textContent).toContain("Entry 1 is no layer");
    expect(shown.model.asked).toEqual([]);
    await type(area, '[{"kind": "dropout"}]');
    submit();
    await settle();
    expect(shown.model.asked).toEqual([["layers.replace", { layers: [{ kind: "dropout", options: {} }] }]]);
    shown.model.answerAll();
    await settle();
    expect(find("textarea")).toBeNull();
  });

  test("the JSON is handed out as a file and as text", async () => {
    start([layer("linear")]);
    await settle();
    const blobs: Blob[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      blobs.push(blob as Blob);
      return "blob:x";
    });
    button("Export").click();
    await frame();
    button("Layers as JSON").click();
    await settle();
    expect(JSON.parse(await blobs[0]!.text())).toEqual({ layers: [{ kind: "linear", options: {} }] });
  });

  test("the picture is drawn at twice its size, smaller where it would be too large", () => {
    const calls: string[] = [];
    const pen = new Proxy({ measureText: (text: string) => ({ width: 6 * text.length }) } as Record<string, unknown>, {
      get: (target, name: string) => target[name] ?? ((...values: unknown[]) => void (name === "fillText" && calls.push(String(values[0])))),
      set: (target, name: string, value) => ((target[name] = value), true),
    });
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(pen as never);
    const colours = { background: "#fff", ink: "#000", quiet: "#555", line: "#ccc", brand: "#00f", bad: "#f00", font: "sans" };
    const canvas = drawNetwork(net, colours);
    const { width, height } = sizeOf(4);
    expect([canvas.width, canvas.height]).toEqual([2 * width, 2 * height]);
    expect(calls).toEqual(expect.arrayContaining(["Input", "4 features", "a", "Head"]));
    const huge = drawNetwork(network(Array(500).fill(layer("linear"))), colours);
    expect(huge.width * huge.height).toBeLessThanOrEqual(16_100_000);
  });
});

test("sixty layers are drawn and follow a change in a moment", async () => {
  const sixty = (units: number) => Array.from({ length: 60 }, (_, k) => layer("linear", { name: `l${k}`, options: { units } }));
  start(sixty(1));
  await settle();
  expect(all("[data-layer]")).toHaveLength(60);
  const begun = performance.now();
  shown.model.set({ network: network(sixty(2)) });
  await settle();
  // a tenth of this in a browser; far more would mean that work grows with the square of the layers
  expect(performance.now() - begun).toBeLessThan(1500);
});
