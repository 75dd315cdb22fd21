/** The builder's menu of layers and its form for any class of torch.nn, against a fake kernel. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { found } from "../src/ui/layer_menu";
import { plainValue, written } from "../src/ui/torch_form";
import { settle } from "./fake_model";
import { all, button, find, frame, KINDS, press, shown, start, tidy, type } from "./layer_support";

afterEach(() => {
  tidy();
  vi.restoreAllMocks();
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
