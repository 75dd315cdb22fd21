import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { actsEarlier, whereWords, type Facts, type Step } from "../src/ui/preprocess_parts";
import { PreprocessPanel } from "../src/widgets/preprocess_panel";
import { settle, show, type Shown } from "./fake_model";
import { base } from "./panel_support";

const CATALOGUE = [
  { id: "robust_scaler", name: "Robust scaler", category: "Scaling", summary: "Takes off the median.", when: "Outliers.", first: false },
  { id: "pca", name: "Principal components (PCA)", category: "Dimensionality reduction", summary: "New columns.", when: "Many.", first: false },
  { id: "mean_imputer", name: "Mean imputer", category: "Missing values", summary: "Fills the gaps.", when: "Gaps.", first: true },
];
const FORMS = {
  pca: [{ ...base, id: "n_components", label: "components", kind: "int", default: 2, low: 1, high: 100 }],
  robust_scaler: [],
  mean_imputer: [],
};
const SCALER: Step = { id: "robust_scaler", name: "Robust scaler", options: {}, columns: ["age"], kind: "" };
const PCA: Step = { id: "pca", name: "Principal components (PCA)", options: { n_components: 2 }, columns: [], kind: "" };
const MEAN: Step = { id: "mean_imputer", name: "Mean imputer", options: {}, columns: [], kind: "numeric" };
const facts = (more: Partial<Facts> = {}): Facts => ({
  version: 1,
  state: "ready",
  done: 3,
  total: 3,
  rows: 5000,
  of: 64_000,
  split: {
    parts: [64_000, 16_000, 20_000],
    left_out: 0,
    classes: [{ name: "<b>no</b>", rows: [48_000, 12_000, 15_000] }],
    others: 0,
    groups: [],
    means: [],
    stratified: true,
    notes: ["2 rows without a target left out."],
  },
  width: 12,
  widths: [12, 2],
  error: null,
  ...more,
});
const TRAITS = {
  steps: [SCALER, PCA],
  forms: FORMS,
  catalogue: CATALOGUE,
  columns: [
    { name: "age", kind: "numeric", role: "feature" },
    { name: "<i>ward</i>", kind: "categorical", role: "feature" },
    { name: "ill", kind: "binary", role: "target" },
  ],
  ways: [
    { id: "auto", label: "random", help: "By chance." },
    { id: "grouped", label: "grouped", help: "Whole groups." },
    { id: "group_kfold", label: "k-fold by group", help: "Folds of groups." },
  ],
  split: { method: "auto", column: "", validation: 0.16, test: 0.2, folds: 5, fold: 0 },
  usual: ["2 columns of numbers: gaps get the median."],
  task: "classification",
  version: 1,
  facts: facts(),
  pending: false,
  can_undo: true,
  can_redo: false,
};

let shown: Shown;
afterEach(() => shown?.close());
async function open(traits: object = {}): Promise<HTMLElement> {
  shown = show(PreprocessPanel, { ...TRAITS, ...traits });
  await settle();
  return shown.root;
}
const find = <T extends HTMLElement = HTMLElement>(selector: string): T => {
  const found = shown.root.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
const button = (name: string): HTMLButtonElement =>
  [...shown.root.querySelectorAll("button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent!.trim()) === name)!;
const labelled = <T extends HTMLElement>(label: string): T => {
  const name = [...shown.root.querySelectorAll("label")].find((el) => el.textContent!.trim().startsWith(label))!;
  return (shown.root.querySelector<T>(`[id="${name.htmlFor}"]`) ?? name.querySelector<T>("input"))!;
};
const press = async (element: HTMLElement): Promise<void> => {
  await act(() => element.click());
  await settle();
};
const choose = async (select: HTMLSelectElement, value: string): Promise<void> => {
  await act(() => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settle();
};
const key = async (element: HTMLElement, name: string, more: KeyboardEventInit = {}): Promise<void> => {
  await act(() => {
    element.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
  });
  await settle();
};
const asked = (kind: string): unknown[] => shown.model.asked.filter(([known]) => known === kind).map(([, body]) => body);
const answer = async (body: Record<string, unknown> = {}): Promise<void> => {
  await act(() => shown.model.answerAll(body));
  await settle();
};

test("steps, columns after each and the split in numbers are shown, hostile names as text", async () => {
  const root = await open();
  expect(asked("steps.watch")).toEqual([{}]);
  const heads = [...root.querySelectorAll(".mw-prep-list .mw-prep-head")].map((el) => el.textContent);
  expect(heads[0]).toContain("Robust scalerage→ 12 columns");
  expect(heads[1]).toContain("→ 2 columns");
  expect(find(".mw-prep-heading + .mw-prep-step").textContent).toContain("→ 12 columns");
  expect(root.textContent).toContain("shown on 5\u202f000 of 64\u202f000 training rows");
  expect(find(".mw-prep-balance").textContent).toContain("64\u202f000 64 %");
  expect(find("bdi").textContent).toBe("<b>no</b>");
  expect(find("[role=img]").getAttribute("aria-label")).toContain("test 20\u202f000");
  expect(root.textContent).toContain("2 rows without a target left out.");
});

test("without steps the default is explained", async () => {
  const root = await open({ steps: [], facts: facts({ widths: [] }) });
  expect(root.textContent).toContain("No step is added.");
  expect(root.textContent).toContain("gaps get the median");
  expect(asked("steps.picture")).toEqual([{ step: -1, column: "", version: 1 }]);
});

test("another preparation is asked for anew, and what is old is dimmed until it is there", async () => {
  const root = await open();
  await act(() => shown.model.set({ version: 2 }));
  await settle();
  expect(asked("steps.watch")).toHaveLength(2);
  expect(root.querySelector(".mw-prep-width.mw-prep-stale")).not.toBeNull();
  expect(find("progress").getAttribute("aria-label")).toBe("Steps computed");
  await act(() => shown.model.set({ facts: facts({ version: 2, state: "busy", done: 1, widths: [12, null] }) }));
  await settle();
  expect(find<HTMLProgressElement>("progress").value).toBe(1);
  await press(button("Stop"));
  expect(asked("steps.stop")).toEqual([{}]);
  await act(() => shown.model.set({ facts: facts({ version: 2, state: "stopped", widths: [12, null] }) }));
  await settle();
  await press(button("Compute"));
  expect(asked("steps.watch")).toHaveLength(3);
});

test("a step is found by its words and added behind the others", async () => {
  const root = await open();
  await press(button("step"));
  const search = find<HTMLInputElement>('[aria-label="Find a step"]');
  expect(document.activeElement).toBe(search);
  expect([...root.querySelectorAll(".mw-prep-category")].map((el) => el.textContent)).toEqual(["Scaling", "Dimensionality reduction", "Missing values"]);
  await act(() => {
    search.value = "gaps";
    search.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await settle();
  expect([...root.querySelectorAll(".mw-prep-entry b")].map((el) => el.textContent)).toEqual(["Mean imputer"]);
  await key(search, "ArrowDown");
  expect(document.activeElement).toBe(find(".mw-prep-entry"));
  await press(find(".mw-prep-entry"));
  expect(asked("steps.add")).toEqual([{ step: { id: "mean_imputer" }, index: 2 }]);
  await act(() => shown.model.set({ steps: [SCALER, PCA, MEAN] }));
  await answer();
  expect(root.querySelector(".mw-prep-menu")).toBeNull();
  expect(find('[data-step="2"]').getAttribute("aria-expanded")).toBe("true");
  expect(document.activeElement).toBe(find('[data-step="2"]'));
  expect(root.textContent).toContain("so before the steps above");
});

test("Escape closes the list of steps", async () => {
  const root = await open();
  await press(button("step"));
  await key(find('[aria-label="Find a step"]'), "Escape");
  expect(root.querySelector(".mw-prep-menu")).toBeNull();
  expect(document.activeElement).toBe(button("step"));
});

test("steps are moved and removed by keyboard, and the focus goes along", async () => {
  const root = await open();
  find('[data-step="1"]').focus();
  await key(find('[data-step="1"]'), "ArrowUp", { altKey: true });
  expect(asked("steps.move")).toEqual([{ index: 1, to: 0 }]);
  await act(() => shown.model.set({ steps: [PCA, SCALER] }));
  await answer();
  expect(document.activeElement).toBe(find('[data-step="0"]'));
  expect(root.textContent).toContain("is step 1 of 2");
  await key(find('[data-step="0"]'), "ArrowUp", { altKey: true });
  expect(asked("steps.move")).toHaveLength(1);
  await key(find('[data-step="0"]'), "Delete");
  expect(asked("steps.remove")).toEqual([{ index: 0 }]);
  await act(() => shown.model.set({ steps: [SCALER] }));
  await answer();
  expect(find(".mw-removed").textContent).toContain("Principal components (PCA) removed.");
  await press(button("Undo"));
  expect(asked("spec.undo")).toHaveLength(1);
  expect(button("Move Step 1, Robust scaler up").disabled).toBe(true);
});

test("an option is sent for its step, and a refusal stands at the field", async () => {
  await open();
  await press(find('[data-step="1"]'));
  const box = find<HTMLInputElement>("input.mw-number[aria-label=components]");
  await act(() => {
    box.value = "7";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await key(box, "Enter");
  await settle();
  expect(asked("steps.update")).toEqual([{ index: 1, fields: { options: { n_components: 7 } } }]);
  const request = shown.model.sent.find(({ kind }) => kind === "steps.update")!;
  await act(() => shown.model.answer(request, "error", { message: "At most 5.", type: "ParameterError", parameter: "n_components", nearest: 5 }));
  await settle();
  expect(find('[data-parameter="n_components"] [role=alert]').textContent).toContain("At most 5.");
});

test("a step that cannot be fitted says why beside its field", async () => {
  const error = { step: 1, message: "n_components is 50: take at most 12.", parameter: "n_components" };
  const root = await open({ facts: facts({ state: "failed", widths: [12, null], error }) });
  expect(root.querySelector(".mw-prep-list")!.textContent).toContain("cannot be fitted");
  expect(find(".mw-prep-list [role=alert]").textContent).toContain("take at most 12");
  await press(find('[data-step="1"]'));
  const field = find('[data-parameter="n_components"]');
  expect(field.parentElement!.querySelector("p[role=alert]")!.textContent).toContain("take at most 12");
});

test("columns are chosen by name or by kind", async () => {
  await open();
  await press(find('[data-step="0"]'));
  const where = labelled<HTMLSelectElement>("for");
  expect(where.value).toBe("columns");
  const boxes = [...shown.root.querySelectorAll<HTMLInputElement>(".mw-prep-checks input")];
  expect(boxes.map((box) => box.checked)).toEqual([true, false]);
  expect(find(".mw-prep-checks").textContent).not.toContain("ill");
  await act(() => boxes[1]!.click());
  await settle();
  expect(asked("steps.update")).toEqual([{ index: 0, fields: { columns: ["age", "<i>ward</i>"] } }]);
  // what was ticked stands while the kernel is busy, whatever is drawn meanwhile
  await act(() => shown.model.set({ facts: facts({ state: "busy", widths: [12, null] }) }));
  await settle();
  expect([...shown.root.querySelectorAll<HTMLInputElement>(".mw-prep-checks input")].map((box) => box.checked)).toEqual([true, true]);
  const request = shown.model.sent.find(({ kind }) => kind === "steps.update")!;
  await act(() => shown.model.answer(request, "error", { message: "It cannot treat the column.", type: "SpecError" }));
  await settle();
  expect(find(".mw-prep-where [role=alert]").textContent).toContain("It cannot treat the column.");
  expect(shown.root.querySelectorAll(".mw-prep-checks input:checked")).toHaveLength(1);
  await choose(where, "kind");
  await choose(find<HTMLSelectElement>('[aria-label="Kind of columns"]'), "numeric");
  expect(asked("steps.update")[1]).toEqual({ index: 0, fields: { kind: "numeric" } });
  await choose(labelled<HTMLSelectElement>("for"), "all");
  expect(asked("steps.update")[2]).toEqual({ index: 0, fields: { columns: [], kind: "" } });
});

test("what a step does to a column is asked for and drawn", async () => {
  const root = await open();
  await answer();
  await press(find('[data-step="0"]'));
  expect(asked("steps.picture")).toEqual([{ step: 0, column: "", version: 1 }]);
  const bars = { form: "histogram", dates: false, log: false, edges: [0, 10, 20], counts: [3, 9] };
  await answer({
    version: 1,
    step: 0,
    column: "age",
    names: ["age", "<i>ward</i>"],
    unnamed: 0,
    before: [{ name: "age", cells: [61, null], bars }],
    after: [{ name: "age", cells: [0.25, -1], bars: { form: "categories", items: [["<u>a</u>", 7]], others: 2, rest: 3 } }],
    more: 2,
  });
  const sides = [...root.querySelectorAll(".mw-prep-side")];
  expect([...sides[0]!.querySelectorAll("td")].map((el) => el.textContent)).toEqual(["61", "–"]);
  expect(sides[0]!.querySelector("[role=img]")!.getAttribute("aria-label")).toBe("How age spreads before: from 0 to 20");
  expect(sides[1]!.textContent).toContain("and 2 more columns");
  expect(sides[1]!.querySelector("u")).toBeNull();
  await choose(labelled<HTMLSelectElement>("look at"), "<i>ward</i>");
  expect(asked("steps.picture")[1]).toEqual({ step: 0, column: "<i>ward</i>", version: 1 });
});

test("a way that needs a column is sent when one is named", async () => {
  await open();
  await choose(labelled<HTMLSelectElement>("way"), "grouped");
  expect(asked("split.set")).toEqual([]);
  const column = labelled<HTMLSelectElement>("groups by");
  expect([...column.options].map((option) => option.value)).toEqual(["", "age", "<i>ward</i>"]);
  await choose(column, "age");
  expect(asked("split.set")).toEqual([{ fields: { method: "grouped", column: "age" } }]);
  const request = shown.model.sent.find(({ kind }) => kind === "split.set")!;
  await act(() => shown.model.answer(request, "error", { message: "'age' has 1 group.", type: "DataError" }));
  await settle();
  expect(find(".mw-prep-split [role=alert]").textContent).toContain("'age' has 1 group.");
});

test("folds keep their groups, and a fold is chosen in words", async () => {
  await open({ split: { method: "grouped", column: "age", validation: 0.16, test: 0.2, folds: 5, fold: 0 } });
  await choose(labelled<HTMLSelectElement>("way"), "group_kfold");
  expect(asked("split.set")).toEqual([{ fields: { method: "group_kfold" } }]);
  await act(() => shown.model.set({ split: { method: "group_kfold", column: "age", validation: 0.16, test: 0.2, folds: 3, fold: 0 } }));
  await answer();
  const tested = labelled<HTMLSelectElement>("tested on");
  expect([...tested.options].map((option) => option.textContent)).toEqual(["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]);
  await choose(tested, "2");
  expect(asked("split.set")[1]).toEqual({ fields: { fold: 2 } });
  expect(shown.root.querySelector('[data-parameter="test"]')).toBeNull();
});

test("while the kernel is gone nothing can be changed", async () => {
  await open();
  await act(() => {
    shown.assets.comm_live = false;
    shown.assets.fire("comm_live_update");
  });
  await settle();
  expect(button("Remove Step 1, Robust scaler").disabled).toBe(true);
  expect(button("step").disabled).toBe(true);
  expect(labelled<HTMLSelectElement>("way").disabled).toBe(true);
});

test("words for where a step acts and when", () => {
  expect(whereWords(SCALER)).toBe("age");
  expect(whereWords(MEAN)).toBe("all numeric columns");
  expect(whereWords({ ...SCALER, columns: ["a", "b", "c", "d"] })).toBe("4 columns");
  expect(actsEarlier(1, [PCA, MEAN], CATALOGUE)).toBe(true);
  expect(actsEarlier(0, [MEAN, PCA], CATALOGUE)).toBe(false);
});
