import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { resetPresence, type Here } from "../src/state/presence";
import { marksIn, placeWords } from "../src/ui/presence_layer";
import { RunControls } from "../src/widgets/run_controls";
import { clientId } from "../src/wire/client";
import { settle, show, type Shown } from "./fake_model";

const LAB = Symbol.for("medilytica.lab");
const page = globalThis as unknown as Record<symbol, unknown>;
let shown: Shown;
beforeEach(() => {
  page[LAB] = { version: 1, me: { username: "ann", display_name: "Ann", color: "#123456", avatar_url: "" }, onRole: () => () => undefined };
});
afterEach(() => {
  shown?.close();
  resetPresence();
  delete page[LAB];
  vi.useRealTimers();
});

const STATE = { run: null, blocked: "", subject: "exp-1", hold: { holder: null, asking: [] } };
const said = (): any[] => shown.model.sent.filter((one: any) => one.kind === "presence.at").map((one: any) => one.body);
const open = async (more: object = {}): Promise<HTMLElement> => {
  shown = show(RunControls, { ...STATE, ...more });
  await settle();
  return shown.root;
};

test("a page says that it is there, where its person is, and that it goes", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const root = await open();
  expect(said()).toEqual([{ place: "", gone: false, name: "Ann", color: "#123456" }]);
  root.querySelector("button")!.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  vi.advanceTimersByTime(200);
  expect(said().at(-1)).toMatchObject({ place: "run controls", gone: false });
  root.querySelector("button")!.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
  vi.advanceTimersByTime(200);
  expect(said().at(-1)).toMatchObject({ place: "" });
  // alone on the kernel nothing more is said, or it would never idle
  const before = said().length;
  vi.advanceTimersByTime(60_000);
  expect(said()).toHaveLength(before);
  dispatchEvent(new Event("pagehide"));
  expect(said().at(-1)).toMatchObject({ gone: true });
});

test("outside JupyterLab nothing is said", async () => {
  delete page[LAB];
  const root = await open();
  root.querySelector("button")!.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  await settle();
  expect(said()).toEqual([]);
});

test("another page of the same subject is drawn, one's own and other subjects' are not", async () => {
  const root = await open();
  const here = (more: Partial<Here>): Here => ({ page: "p2", id: "bob", name: "Bob <b>", color: "#00ff00", subject: "exp-1", place: "run controls", ...more });
  const box = { left: 10, top: 20, width: 100, height: 30, right: 110, bottom: 50, x: 10, y: 20, toJSON: () => ({}) } as DOMRect;
  vi.spyOn(root.querySelector("[data-at]")!, "getBoundingClientRect").mockReturnValue(box);
  await act(() => shown.assets.set({ people: [here({ page: clientId() }), here({ subject: "exp-2", page: "p3" })] }));
  await settle();
  expect(root.querySelector(".mw-presence-mark")).toBeNull();
  await act(() => shown.assets.set({ people: [here({}), here({ page: "p4", id: "eve", name: "Eve" })] }));
  await settle();
  const marks = [...root.querySelectorAll<HTMLElement>(".mw-presence-mark")];
  expect(marks.map((one) => one.textContent)).toEqual(["Bob <b>, Eve"]);
  expect(marks[0]!.querySelector("b")).toBeNull();
  await act(() => shown.assets.set({ people: [] }));
  await settle();
  expect(root.querySelector(".mw-presence-mark")).toBeNull();
});

test("a hostile place finds nothing and breaks nothing", async () => {
  const root = await open();
  for (const place of ['"]', "a\\", "*", '"],*,[x="', "\u0000"]) {
    expect(marksIn(root, [{ page: "p", id: "i", name: "n", color: "", subject: "exp-1", place }])).toEqual([]);
  }
  expect(placeWords("hyperparameter:learning_rate")).toBe("hyperparameter learning rate");
});

test("controls that somebody else holds are asked for, and the holder answers", async () => {
  let root = await open({ hold: { holder: { id: "bob", name: "Bob" }, asking: [] } });
  const button = (name: string): HTMLButtonElement => [...root.querySelectorAll("button")].find((one) => one.textContent!.trim() === name)!;
  expect(button("Train").disabled).toBe(true);
  expect(root.textContent).toContain("Bob holds the run controls.");
  await act(() => button("Ask for them").click());
  expect(shown.model.sent.at(-1)).toMatchObject({ kind: "run.ask" });
  shown.close();
  root = await open({ hold: { holder: { id: "ann", name: "Ann" }, asking: [{ id: "bob", name: "Bob" }] } });
  expect(button("Train").disabled).toBe(false);
  await act(() => button("Give").click());
  expect(shown.model.sent.at(-1)).toMatchObject({ kind: "run.answer", body: { to: "bob", give: true } });
});
