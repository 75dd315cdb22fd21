import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { ColumnProfile, edgeText, type Histogram, type Profile } from "../src/widgets/column_profile";
import { settle, show, type Shown } from "./fake_model";

const profile = (more: Partial<Profile> = {}): Profile => ({
  name: "zip",
  kind: "numeric",
  discrete: false,
  role: "feature",
  reason: "",
  evidence: "80 different whole numbers from 501 to 99950",
  by_hand: false,
  rows: 200,
  missing: 5,
  distinct: 80,
  choices: ["numeric", "categorical", "text", "identifier"],
  hints: [{ kind: "postal_code", value: "", evidence: "the name says postal code" }],
  statistics: [
    ["mean", 1234.5],
    ["median", 1000],
  ],
  bars: { form: "histogram", log: false, dates: false, edges: [0, 10, 20], counts: [3, 9] },
  ...more,
});
const COLUMNS = [
  { name: "zip", kind: "numeric", role: "feature" },
  { name: "<b>group</b>", kind: "categorical", role: "target" },
  { name: "note", kind: "text", role: "set_aside" },
];
const GROUP = profile({
  name: "<b>group</b>",
  kind: "categorical",
  role: "target",
  choices: ["categorical", "text"],
  hints: [],
  bars: { form: "categories", items: [["red <i>", 150], ["blue", 30]], others: 2, rest: 15 },
});

let shown: Shown;
afterEach(() => shown?.close());
const open = async (traits: object = {}, id?: string): Promise<HTMLElement> => {
  const all = { title: "people", columns: COLUMNS, first: profile(), code: "", version: 0, ...traits };
  shown = show(ColumnProfile, all, id);
  await settle();
  return shown.root;
};
const menu = (label: string): HTMLSelectElement => {
  const name = [...shown.root.querySelectorAll("label")].find((el) => el.textContent!.trim() === label)!;
  return shown.root.querySelector<HTMLSelectElement>(`[id="${name.htmlFor}"]`)!;
};
const choose = async (select: HTMLSelectElement, value: string): Promise<void> => {
  await act(() => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settle();
};
const answer = async (body: Record<string, unknown>): Promise<void> => {
  await act(() => shown.model.answerAll(body));
  await settle();
};

test("the first column is there at once", async () => {
  const root = await open();
  expect(shown.model.asked).toEqual([]);
  expect(root.textContent).toContain("80 different whole numbers");
  expect(root.textContent).toContain("5 (2.5 %)");
  expect([...root.querySelectorAll(".mw-profile-numbers dt")].map((el) => el.textContent)).toEqual(["missing", "different values", "mean", "median"]);
  expect(root.querySelector("[role=img]")!.getAttribute("aria-label")).toContain("most of them between 10 and 20");
  expect(root.querySelector(".mw-profile-hints")!.textContent).toContain("postal code");
});

test("another column is asked for and drawn", async () => {
  const root = await open();
  expect([...menu("Column").options].map((o) => o.textContent)).toEqual(["zip", "<b>group</b> (target)", "note (set aside)"]);
  await choose(menu("Column"), "<b>group</b>");
  expect(shown.model.asked).toEqual([["profile.read", { column: "<b>group</b>" }]]);
  expect(root.querySelector("[role=status]")!.getAttribute("aria-label")).toBe("Loading the column");
  await answer({ version: 0, profile: GROUP });
  const rows = [...root.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent));
  expect(rows).toEqual([
    ["red <i>", "", "150", "77 %"],
    ["blue", "", "30", "15 %"],
    ["2 other values", "", "15", "7.7 %"],
  ]);
  await choose(menu("Column"), "zip");
  expect(shown.model.asked).toHaveLength(1);
});

test("a kind is changed by the menu, and what it gives is asked for again", async () => {
  const root = await open();
  await choose(menu("Kind"), "categorical");
  expect(shown.model.asked).toEqual([["profile.kind", { column: "zip", kind: "categorical" }]]);
  await answer({});
  const changed = profile({ kind: "categorical", by_hand: true, evidence: "chosen by hand", choices: ["categorical", "numeric"] });
  await act(() => shown.model.set({ first: changed, version: 1, code: "data = data.with_kinds({'zip': 'categorical'})" }));
  await settle();
  expect(menu("Kind").value).toBe("categorical");
  expect(root.querySelector("code")!.textContent).toContain("with_kinds");
  const again = [...root.querySelectorAll("button")].find((button) => button.textContent === "Detect again")!;
  await act(() => again.click());
  expect(shown.model.asked.at(-1)).toEqual(["profile.kind", { column: "zip", kind: "" }]);
});

test("a column that is looked at follows a change of kinds", async () => {
  await open();
  await choose(menu("Column"), "<b>group</b>");
  await answer({ version: 0, profile: GROUP });
  await act(() => shown.model.set({ version: 1 }));
  await settle();
  expect(shown.model.asked).toHaveLength(2);
  await answer({ version: 1, profile: { ...GROUP, kind: "text" } });
  expect(menu("Kind").value).toBe("text");
});

test("a refused kind says why and the menu goes back", async () => {
  const root = await open();
  await choose(menu("Kind"), "text");
  await act(() => shown.model.answer(shown.model.sent[0]!, "error", { message: "'zip' cannot be text.", type: "DataError" }));
  await settle();
  expect(root.querySelector("[role=alert]")!.textContent).toContain("'zip' cannot be text.");
  expect(menu("Kind").value).toBe("numeric");
});

test("what the file says of a column stands before the evidence", async () => {
  const root = await open({ first: { ...profile(), description: "Orbital Period [days] <b>x</b>", unit: "days" } });
  expect(root.querySelector(".mw-profile-evidence")!.textContent).toContain("Orbital Period [days] <b>x</b> ·");
});

test("which column is looked at outlives a redrawing", async () => {
  await open({}, "kept-profile");
  await choose(menu("Column"), "note");
  shown.close();
  await open({}, "kept-profile");
  expect(shown.model.asked).toEqual([["profile.read", { column: "note" }]]);
});

test("a column of which nothing can be drawn says so", async () => {
  expect((await open({ first: profile({ bars: null }) })).textContent).toContain("nothing to draw");
});

test("edges of dates are days", () => {
  const bars: Histogram = { form: "histogram", log: false, dates: true, edges: [Date.UTC(2020, 1, 28, 13)], counts: [] };
  expect(edgeText(bars, 0)).toBe("2020-02-28");
});
