/** The tree of algorithms: keyboard, choice, filter, scores and reasons. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { foldedAtFirst, visibleRows, type Entry } from "../src/ui/algorithm_tree";
import { AlgorithmBrowser } from "../src/widgets/algorithm_browser";
import { settle, show, type Shown } from "./fake_model";

const entry = (id: string, name: string, category: string[], more: Partial<Entry> = {}): Entry => ({
  id,
  name,
  category,
  tasks: ["classification"],
  parameters: ["trees"],
  summary: `${name} does it.`,
  when: "Often.",
  when_not: "Seldom.",
  references: [],
  unavailable: "",
  ...more,
});
const CATALOGUE = [
  entry("mlp", "Multilayer perceptron", ["Neural networks"], {
    references: ["Rumelhart (1986), Nature 323, https://example.org/a", "Breiman, doi:10.1023/A:1010933404324"],
  }),
  entry("logistic_regression", "Logistic regression", ["Linear models"], { unavailable: "It needs classes." }),
  entry("random_forest", "Random forest", ["Ensembles"]),
  entry("boosting", "<b>Boosting</b>", ["Ensembles", "Boosting"]),
];

let shown: Shown;
const items = () => [...shown.root.querySelectorAll<HTMLElement>("[role=treeitem]")];
const names = () => items().map((item) => item.querySelector(".mw-tree-name")?.firstChild?.textContent);
const item = (id: string) => shown.root.querySelector<HTMLElement>(`[data-algorithm=${id}]`)!;
const press = async (name: string) => {
  (document.activeElement ?? shown.root).dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  await settle();
};
const search = () => shown.root.querySelector<HTMLInputElement>("input[type=search]")!;
const filter = async (text: string) => {
  search().value = text;
  search().dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
};
const at = () => document.activeElement?.querySelector(".mw-tree-name")?.firstChild?.textContent;

beforeEach(async () => {
  shown = show(AlgorithmBrowser, { catalogue: CATALOGUE, selected: "mlp", scores: {}, task: "classification" });
  await settle();
});
afterEach(() => shown.close());

test("categories hold their algorithms, at any depth", () => {
  expect(names().map((name, k) => [name, items()[k]!.getAttribute("aria-level")])).toEqual([
    ["Neural networks", "1"],
    ["Multilayer perceptron", "2"],
    ["Linear models", "1"],
    ["Logistic regression", "2"],
    ["Ensembles", "1"],
    ["Random forest", "2"],
    ["Boosting", "2"],
    ["<b>Boosting</b>", "3"],
  ]);
  expect(item("mlp").getAttribute("aria-selected")).toBe("true");
  expect(shown.root.querySelectorAll("[role=treeitem][tabindex='0']")).toHaveLength(1);
});

test("a click asks for an algorithm and the kernel's answer shows it", async () => {
  item("random_forest").click();
  expect(shown.model.asked).toEqual([["algorithm.select", { id: "random_forest" }]]);
  expect(item("mlp").getAttribute("aria-selected")).toBe("true");
  shown.model.set({ selected: "random_forest" });
  await settle();
  expect(item("random_forest").getAttribute("aria-selected")).toBe("true");
});

test("one that cannot learn the target says why and cannot be chosen", async () => {
  item("logistic_regression").click();
  await settle();
  const row = item("logistic_regression");
  expect([row.getAttribute("aria-disabled"), row.getAttribute("aria-description"), row.title]).toEqual([
    "true",
    "It needs classes.",
    "It needs classes.",
  ]);
  expect(shown.root.querySelector(".mw-algo-why[role=status]")?.textContent).toBe("It needs classes.");
  row.focus();
  expect(document.activeElement).toBe(row);
  expect(shown.root.querySelector(".mw-algo-details")?.textContent).toContain("It needs classes.");
  expect(shown.model.asked).toEqual([]);
});

test("the keyboard walks, opens, closes and chooses", async () => {
  item("mlp").focus();
  await press("ArrowDown");
  expect(at()).toBe("Linear models");
  await press("ArrowLeft");
  expect(names()).not.toContain("Logistic regression");
  await press("ArrowRight");
  expect(names()).toContain("Logistic regression");
  await press("ArrowRight");
  expect(at()).toBe("Logistic regression");
  await press("ArrowLeft");
  expect(at()).toBe("Linear models");
  await press("End");
  expect(at()).toBe("<b>Boosting</b>");
  await press("Enter");
  expect(shown.model.asked).toEqual([["algorithm.select", { id: "boosting" }]]);
  await press("Home");
  expect(at()).toBe("Neural networks");
  await press("ArrowUp");
  expect(document.activeElement).toBe(search());
});

test("the focused algorithm is described, its addresses are links", async () => {
  expect(shown.root.querySelector("h4")?.textContent).toBe("Multilayer perceptron");
  expect([...shown.root.querySelectorAll("a")].map((a) => a.href)).toEqual([
    "https://example.org/a",
    "https://doi.org/10.1023/A:1010933404324",
  ]);
  item("random_forest").focus();
  await settle();
  expect(shown.root.querySelector("h4")?.textContent).toBe("Random forest");
  expect(shown.model.asked).toEqual([]);
});

test("the best run's score stands at its algorithm", async () => {
  shown.model.set({ scores: { random_forest: { value: 0.9051, metric: "balanced_accuracy", run: "run 3" } } });
  await settle();
  const score = item("random_forest").querySelector<HTMLElement>(".mw-tree-score");
  expect([score?.textContent, score?.title]).toEqual(["0.91", "best balanced accuracy on the test rows: run 3"]);
});

test("the filter finds by name and category, and says when nothing fits", async () => {
  await filter("FOREST");
  expect(names()).toEqual(["Ensembles", "Random forest"]);
  await filter("zzz");
  expect(names()).toEqual([]);
  expect(shown.root.textContent).toContain("No algorithm fits “zzz”.");
  await filter("");
  expect(names()).toHaveLength(8);
});

test("a filter opens what was closed", () => {
  const closed = new Set(["/Ensembles"]);
  expect(visibleRows(CATALOGUE, "", closed).map((row) => row.name)).not.toContain("Random forest");
  expect(visibleRows(CATALOGUE, "random", closed).map((row) => row.name)).toContain("Random forest");
});

test("details open and close where the width has no room for them", async () => {
  const about = shown.root.querySelector<HTMLButtonElement>(".mw-algo-about")!;
  expect(about.getAttribute("aria-expanded")).toBe("false");
  about.click();
  await settle();
  expect(about.getAttribute("aria-expanded")).toBe("true");
  expect(document.getElementById(about.getAttribute("aria-controls")!)?.classList).toContain("mw-open");
});

test("the search box and the tree hand the keyboard to each other, and Escape clears", async () => {
  await filter("boost");
  search().focus();
  await press("ArrowDown");
  expect(at()).toBe("<b>Boosting</b>");
  await press("x");
  expect(document.activeElement).toBe(search());
  await press("Escape");
  expect(search().value).toBe("");
  expect(names()).toHaveLength(8);
});

test("it finds by what an algorithm does and is for", () => {
  const found = (text: string) => visibleRows(CATALOGUE, text, new Set()).flatMap((row) => (row.entry ? [row.key] : []));
  expect(found("random does")).toEqual(["random_forest"]);
  expect(found("classes")).toHaveLength(4);
  expect(found("clustering")).toEqual([]);
});

test("a long catalogue comes folded, but for where the chosen one is", async () => {
  const many = Array.from({ length: 15 }, (_, k) => entry(`a${k}`, `A ${k}`, [`Category ${k % 3}`]));
  expect([...foldedAtFirst(many, "a4")]).toEqual(["/Category 0", "/Category 2"]);
  shown.close();
  shown = show(AlgorithmBrowser, { catalogue: many, selected: "a4", scores: {}, task: "classification" });
  await settle();
  expect(items().map((i) => i.getAttribute("aria-expanded")).filter(Boolean)).toEqual(["false", "true", "false"]);
  expect(items()[0]!.querySelector(".mw-tree-count")!.textContent).toBe("5");
  // somebody else chooses one that is folded away
  shown.model.set({ selected: "a2" });
  await settle();
  expect(item("a2").getAttribute("aria-selected")).toBe("true");
  const fold = shown.root.querySelector<HTMLButtonElement>("button[aria-label='Fold all categories']")!;
  fold.click();
  await settle();
  expect(items()).toHaveLength(3);
  items()[0]!.focus();
  await press("*");
  expect(items()).toHaveLength(18);
});

test("a folded category is found into and folded again afterwards", async () => {
  item("mlp").focus();
  await press("ArrowUp");
  await press("ArrowLeft");
  expect(names()).not.toContain("Multilayer perceptron");
  await filter("multilayer");
  expect(names()).toEqual(["Neural networks", "Multilayer perceptron"]);
  await filter("");
  expect(names()).not.toContain("Multilayer perceptron");
  // but not from under the focus, which would be lost to the notebook
  await filter("multilayer");
  search().focus();
  await press("Enter");
  await press("Escape");
  expect(names()).toHaveLength(8);
  expect(at()).toBe("Multilayer perceptron");
});

test("details name the tasks and the hyperparameters, and choose", async () => {
  item("random_forest").focus();
  await settle();
  const details = shown.root.querySelector<HTMLElement>(".mw-algo-details")!;
  expect(details.querySelector(".mw-pill")?.textContent).toBe("classes");
  expect(details.textContent).toContain("1 hyperparameter");
  details.querySelector<HTMLButtonElement>(".mw-algo-head button")!.click();
  expect(shown.model.asked).toEqual([["algorithm.select", { id: "random_forest" }]]);
  item("logistic_regression").focus();
  await settle();
  expect(details.querySelector(".mw-algo-head button")).toBeNull();
});
