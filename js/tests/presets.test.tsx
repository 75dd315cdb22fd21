/** Presets in the panel: applied, saved, deleted, refused. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { changeWords, inForce } from "../src/ui/presets";
import { box, button, close, find, FORM, key, open, preset, setValues, shown, type, VALUES, wait } from "./panel_support";

const FAST = preset("fast", { epochs: 5, learning_rate: 0.01 }, { about: "An answer soon." });
const MINE = preset("<b>mine</b>", { ...VALUES, epochs: 7 }, { own: true });
const BROKEN = preset("old", {}, { own: true, problem: "there is no parameter 'speed'" });
const rows = () => [...shown.root.querySelectorAll<HTMLElement>(".mw-preset")];
const names = () => rows().map((row) => row.querySelector(".mw-preset-name")!.textContent);
const toggle = () => find<HTMLButtonElement>(".mw-preset-toggle");
const name = () => find("input[aria-label='Name for a preset of these values']");
const body = (of: string) => ({ algorithm: "mlp", name: of });

beforeEach(async () => {
  await open({ presets: [FAST, MINE, BROKEN] });
  toggle().click();
  await wait(20);
});
afterEach(close);

test("they are listed with what each is for, a person's words as words", () => {
  expect(names()).toEqual(["fast", "<b>mine</b>", "old"]);
  expect(rows().map((row) => row.querySelector(".mw-preset-about")!.textContent!.trim())).toEqual([
    "An answer soon.",
    "epochs 50 → 7",
    "there is no parameter 'speed'",
  ]);
  expect(shown.root.querySelector("b")).toBeNull();
  expect(rows()[0]!.title).toBe("learning rate 0.003 → 0.01, epochs 50 → 5");
});

test("a click applies one, and the one in force is named", async () => {
  rows()[0]!.click();
  expect(shown.model.asked).toEqual([["preset.apply", body("fast")]]);
  setValues({ epochs: 5, learning_rate: 0.01 });
  await wait(20);
  expect(toggle().textContent).toBe("preset: fast");
  expect(rows().map((row) => row.getAttribute("aria-pressed"))).toEqual(["true", "false", "false"]);
  setValues({ epochs: 6 });
  await wait(20);
  expect(toggle().textContent).toBe("presets");
});

test("applying one throws away what is typed and wrong", async () => {
  type(box("learning rate"), "-1");
  await wait(20);
  rows()[0]!.click();
  await wait(20);
  expect(box("learning rate").value).toBe("0.003");
});

test("one whose values are allowed no more says why and cannot be applied", () => {
  expect([rows()[2]!.getAttribute("aria-disabled"), rows()[2]!.title]).toEqual(["true", "there is no parameter 'speed'"]);
  rows()[2]!.click();
  expect(shown.model.asked).toEqual([]);
});

test("the keyboard walks the list, to the name and out", async () => {
  expect(document.activeElement).toBe(rows()[0]);
  key(rows()[0]!, "ArrowDown");
  expect(document.activeElement).toBe(rows()[1]);
  key(rows()[1]!, "ArrowUp");
  expect(document.activeElement).toBe(rows()[0]);
  rows()[2]!.focus();
  key(rows()[2]!, "ArrowDown");
  expect(document.activeElement).toBe(name());
  key(name(), "Escape");
  await wait(20);
  expect(shown.root.querySelector(".mw-presets")).toBeNull();
  expect(document.activeElement).toBe(toggle());
});

test("the values are saved under a name, without blanks around it", async () => {
  expect(button("Save")!.disabled).toBe(true);
  type(name(), "  for   the ward ");
  await wait(20);
  name().form!.requestSubmit();
  expect(shown.model.asked).toEqual([["preset.save", body("for the ward")]]);
  shown.model.answerAll();
  await wait(20);
  expect(name().value).toBe("");
  expect(shown.root.textContent).toContain("Saved “for the ward”.");
});

test("a known name says that it will be replaced", async () => {
  type(name(), "<b>mine</b>");
  await wait(20);
  expect(button("Replace")).toBeDefined();
});

test("a refused name keeps its text, with the reason beside it", async () => {
  type(name(), "fast");
  await wait(20);
  name().form!.requestSubmit();
  shown.model.answer(shown.model.sent[0]!, "error", { message: "'fast' is the name of one of the package's presets.", type: "InputError" });
  await wait(20);
  expect(name().value).toBe("fast");
  expect(document.getElementById(name().getAttribute("aria-describedby")!)!.textContent).toContain("one of the package's");
  expect(shown.root.querySelector(".mw-notice")).toBeNull();
  type(name(), "faster");
  await wait(20);
  expect(name().getAttribute("aria-invalid")).toBeNull();
});

test("only a saved one can be deleted, and only when asked twice", async () => {
  expect(button("Delete the preset fast")).toBeUndefined();
  const remove = button("Delete the preset <b>mine</b>")!;
  remove.focus();
  remove.click();
  await wait(20);
  expect(shown.model.asked).toEqual([]);
  remove.blur();
  await wait(20);
  expect(button("Really delete the preset <b>mine</b>")).toBeUndefined();
  button("Delete the preset <b>mine</b>")!.click();
  await wait(20);
  button("Really delete the preset <b>mine</b>")!.click();
  expect(shown.model.asked).toEqual([["preset.delete", body("<b>mine</b>")]]);
  expect(document.activeElement).toBe(name());
});

test("without its kernel nothing can be applied, saved or deleted", async () => {
  shown.assets.comm_live = false;
  shown.assets.fire("comm_live_update");
  await wait(20);
  rows()[0]!.click();
  expect(rows()[0]!.title).toContain("kernel is gone");
  expect(name().disabled).toBe(true);
  expect(button("Delete the preset old")!.disabled).toBe(true);
  expect(shown.model.asked).toEqual([]);
});

test("a preset without values is in force for no form", () => {
  expect(inForce([BROKEN, preset("empty", {})], VALUES)).toBeNull();
  expect(inForce([FAST, MINE], { ...VALUES, epochs: 7 })).toBe(MINE);
});

test("a change is told in words, the first few of many", () => {
  const many = preset("many", { learning_rate: 1e-4, epochs: 5, optimizer: "sgd", shuffle: false, patience: 10 });
  expect(changeWords(many, FORM, VALUES)).toBe(
    "learning rate 0.003 → 1e-4, epochs 50 → 5, optimizer adam → sgd, shuffle on → off, and 1 more",
  );
  expect(changeWords(preset("same", { patience: null }), FORM, VALUES)).toBe("these values stand now");
});
