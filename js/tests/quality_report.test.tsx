import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { QualityReport, verdict, type Report, type ToldFinding } from "../src/widgets/quality_report";
import { settle, show, type Shown } from "./fake_model";

const finding = (more: Partial<ToldFinding>): ToldFinding => ({
  kind: "outliers",
  severity: "warning",
  columns: ["height"],
  message: "2 values lie far from the rest of 'height'.",
  advice: "Look at these rows.",
  count: 2,
  examples: 2,
  ...more,
});
const FINDINGS = [
  finding({ kind: "leakage", severity: "error", columns: ["<img src=x onerror=alert(1)>"], message: "It knows the answer.", examples: 0, count: 0 }),
  finding({}),
  finding({ kind: "near_constant", severity: "note", columns: ["flag"], message: "'flag' hardly changes.", count: 40, examples: 3 }),
];
const REPORT: Report = {
  score: 72,
  rows: 400,
  columns: 9,
  parts: [
    { name: "completeness", points: 20.25, most: 25, reason: "4.8% of the features' cells are missing" },
    { name: "honesty", points: 20, most: 20, reason: "" },
  ],
  memory: { table: 2048, training: 5 * 1024 * 1024, available: null },
  total: 3,
  findings: FINDINGS,
};
const ROWS = {
  rows: [4, 17],
  columns: [
    { name: "height", about: true },
    { name: "y", about: false },
  ],
  cells: [
    ["5000", "ill"],
    ["<b>-5000</b>", "–"],
  ],
};

let shown: Shown;
afterEach(() => shown?.close());
const open = async (report: Partial<Report> = {}): Promise<HTMLElement> => {
  shown = show(QualityReport, { title: "patients <b>", report: { ...REPORT, ...report } });
  await settle();
  return shown.root;
};
const heads = (root: HTMLElement) => [...root.querySelectorAll<HTMLButtonElement>(".mw-quality-head")];
const click = async (element: Element | undefined | null): Promise<void> => {
  await act(() => (element as HTMLElement).click());
  await settle();
};

test("the score stands with its word and its parts", async () => {
  const root = await open();
  expect(root.querySelector(".mw-quality-score")!.textContent).toBe("72of 100usable, with care");
  expect([...root.querySelectorAll(".mw-quality-points")].map((el) => el.textContent)).toEqual(["20.3 of 25", "20 of 20"]);
  expect(root.textContent).toContain("4.8% of the features' cells are missing");
  expect(root.textContent).toContain("The table takes 2 KB");
  expect(root.textContent).not.toContain("are left");
});

test.each([
  [100, "good"],
  [90, "good"],
  [89, "warn"],
  [70, "warn"],
  [69, "bad"],
])("a score of %d is %s", (score, level) => expect(verdict(score).level).toBe(level));

test("the gravest finding is open, the others are closed and open by a press", async () => {
  const root = await open();
  expect(heads(root).map((head) => head.getAttribute("aria-expanded"))).toEqual(["true", "false", "false"]);
  await click(heads(root)[1]);
  const body = root.querySelector(`[id="${heads(root)[1]!.getAttribute("aria-controls")}"]`)!;
  expect(body.textContent).toContain("What to do: Look at these rows.");
  expect(body.querySelector(".mw-pill")!.textContent).toBe("height");
  await click(heads(root)[1]);
  expect(root.querySelectorAll(".mw-quality-body")).toHaveLength(1);
});

test("example rows are asked for when a finding opens, and once", async () => {
  const root = await open();
  expect(shown.model.asked).toEqual([]);
  await click(heads(root)[1]);
  expect(shown.model.asked).toEqual([["quality.rows", { finding: 1 }]]);
  expect(root.querySelector("[aria-label='Loading rows']")).toBeTruthy();
  await act(() => shown.model.answerAll(ROWS));
  await settle();
  const cells = [...root.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent));
  expect(cells).toEqual([
    ["4", "5000", "ill"],
    ["17", "<b>-5000</b>", "–"],
  ]);
  expect(root.querySelector("th.mw-quality-about")!.textContent).toBe("height");
  expect(root.querySelector("caption")!.textContent).toBe("2 rows");
  expect(shown.model.asked).toHaveLength(1);
});

test("rows that cannot be loaded say why", async () => {
  const root = await open();
  await click(heads(root)[2]);
  await act(() => shown.model.answer(shown.model.sent[0]!, "error", { message: "The table is gone.", type: "StateError" }));
  await settle();
  expect(root.querySelector("[role=alert]")!.textContent).toContain("The table is gone.");
});

test("a severity can be hidden, and all of them", async () => {
  const root = await open();
  const filters = [...root.querySelectorAll<HTMLButtonElement>(".mw-quality-filter")];
  expect(filters.map((button) => button.textContent!.trim())).toEqual(["1 error", "1 warning", "1 note"]);
  await click(filters[0]);
  expect(heads(root).map((head) => head.querySelector(".mw-quality-kind")!.textContent)).toEqual(["outliers", "near constant"]);
  await click(filters[1]);
  await click(filters[2]);
  expect(root.textContent).toContain("Every finding is of a kind that is hidden.");
  await click(filters[1]);
  expect(heads(root)).toHaveLength(1);
});

test("a sound table says so", async () => {
  const root = await open({ findings: [], total: 0, score: 100, parts: [] });
  expect(root.textContent).toContain("Nothing was found that needs attention.");
  expect(root.querySelector(".mw-quality-filters")).toBeNull();
});

test("findings that did not travel are counted", async () => {
  expect((await open({ total: 1203 })).textContent).toContain("1\u202f200 more findings");
});

test("what a table is called is text, not markup", async () => {
  const root = await open();
  expect(root.querySelector("h3 b, img")).toBeNull();
  expect(root.textContent).toContain("<img src=x");
});
