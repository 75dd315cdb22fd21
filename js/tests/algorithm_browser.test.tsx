/** The tree of algorithms: keyboard, choice, filter, scores and reasons. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { AlgorithmBrowser, visibleRows, type Entry } from "../src/widgets/algorithm_browser";
import { settle, show, type Shown } from "./fake_model";

const entry = (id: string, name: string, category: string[], more: Partial<Entry> = {}): Entry => ({
  id,
  name,
  category,
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
const at = () => document.activeElement?.querySelector(".mw-tree-name")?.firstChild?.textContent;

beforeEach(async () => {
  shown = show(AlgorithmBrowser, { catalogue: CATALOGUE, selected: "mlp", scores: {}, task: "classification" });
  await settle();
});
afterEach(() => shown.close());

test("categories hold their algorithms, at any depth", () => {
  expect(items().map((i) => [i.textContent, i.getAttribute("aria-level")])).toEqual([
    ["Neural networks", "1"],
    ["Multilayer perceptron", "2"],
    ["Linear models", "1"],
    ["Logistic regressionIt needs classes.", "2"],
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
  expect(item("logistic_regression").getAttribute("aria-disabled")).toBe("true");
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
  expect(at()).toBe("Neural networks");
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
  const search = shown.root.querySelector<HTMLInputElement>("input[type=search]")!;
  const filter = async (text: string) => {
    search.value = text;
    search.dispatchEvent(new Event("input", { bubbles: true }));
    await settle();
  };
  await filter("FOREST");
  expect(names()).toEqual(["Ensembles", "Random forest"]);
  await filter("zzz");
  expect(names()).toEqual([]);
  expect(shown.root.textContent).toContain("No algorithm's name holds “zzz”.");
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
