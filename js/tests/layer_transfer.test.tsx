/** The builder's layers as JSON and picture, out of the page and into it, against a fake kernel. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { layersIn, toText } from "../src/ui/layer_transfer";
import { drawNetwork, sizeOf } from "../src/ui/network_picture";
import { settle } from "./fake_model";
import { button, find, frame, layer, network, shown, start, tidy, type } from "./layer_support";

afterEach(() => {
  tidy();
  vi.restoreAllMocks();
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
