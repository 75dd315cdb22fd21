/** The builder's connections, names and keys, against a fake kernel. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { arcs, sources, states, straight } from "../src/ui/layer_state";
import { settle } from "./fake_model";
import { all, box, button, choose, find, frame, layer, network, press, shown, SKIP, start, tidy } from "./layer_support";

afterEach(() => {
  tidy();
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
