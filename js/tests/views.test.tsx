import { act } from "preact/test-utils";
import { afterEach, expect, test, vi } from "vitest";
import { announceView } from "../src/lab/links";
import type { SharedView } from "../src/lab/service";
import { resetPresence, lastPlace } from "../src/state/presence";
import { flash, onView, placeOf, viewOf } from "../src/state/views";
import { SharedPill, savedWords, type SharedState } from "../src/ui/shared_pill";
import type { WidgetProps } from "../src/widgets/_base";
import { settle, show, type Shown } from "./fake_model";

const LAB = Symbol.for("medilytica.lab");
const page = globalThis as unknown as Record<symbol, unknown>;
let shown: Shown | undefined;
afterEach(() => {
  shown?.close();
  resetPresence();
  delete page[LAB];
  vi.useRealTimers();
});

test.each<[string, SharedView]>([
  ["row:17", { row: 17 }],
  ["layer:2", { layer: "2" }],
  ["chart:performance", { chart: "performance" }],
])("the place %s is in a link what it was", (place, view) => {
  expect(viewOf(place)).toEqual(view);
  expect(placeOf(view)).toBe(place);
});

test("what no link can name leads to the experiment", () => {
  expect(viewOf("hyperparameter:epochs")).toEqual({});
  expect(viewOf("row:../x")).toEqual({});
  expect(placeOf({ run: "r", epoch: 3 })).toBe("chart:curves");
  expect(placeOf({})).toBe("");
});

test("a link is shown by whoever says so, and by nobody else", () => {
  const heard: SharedView[] = [];
  const stop = onView((view) => heard.push(view) === 2);
  expect([announceView({ row: 1 }), announceView({ row: 2 })]).toEqual([false, true]);
  stop();
  expect(announceView({ row: 3 })).toBe(false);
  expect(heard).toEqual([{ row: 1 }, { row: 2 }]);
});

test("a place that is drawn later is marked then, and not for ever", async () => {
  vi.useFakeTimers();
  const root = document.createElement("div");
  flash(root, "layer:2");
  await vi.advanceTimersByTimeAsync(1000);
  root.innerHTML = '<i data-at="layer:1"></i><b data-at="layer:2"></b>';
  await vi.advanceTimersByTimeAsync(300);
  expect(root.querySelector(".mw-flash")!.tagName).toBe("B");
  await vi.advanceTimersByTimeAsync(3000);
  expect(root.querySelector(".mw-flash")).toBeNull();
});

const SHARED: SharedState = { name: "team <b>", path: "a/team.medilytica", connected: true, saved: false, problems: [], chat: "a/team.chat", experiment: "e1" };

test("the pill tells whether everything is stored, opens workspace and chat, and shares the place", async () => {
  const opened: string[] = [];
  page[LAB] = {
    version: 1,
    me: { username: "ann", display_name: "Ann", color: "", avatar_url: "" },
    onRole: () => () => undefined,
    openChat: async (path: string) => void opened.push(path),
    openWorkspace: async () => Promise.reject(new Error("It is gone.")),
  };
  shown = show(({ ctx }: WidgetProps) => <SharedPill shared={SHARED} ctx={ctx} />, {});
  await settle();
  const { root, model } = shown;
  const button = (label: string): HTMLButtonElement => root.querySelector(`button[aria-label="${label}"]`)!;
  expect(root.querySelector(".mw-shared")!.textContent).toBe("team <b>not yet saved");
  await act(() => button("Open the chat").click());
  expect(opened).toEqual(["a/team.chat"]);
  await act(() => root.querySelector<HTMLButtonElement>(".mw-shared button")!.click());
  await settle();
  expect(root.querySelector("[role=alert]")!.textContent).toContain("It is gone.");
  await act(() => void (lastPlace.value = "row:17"));
  await act(() => button("Share a link to row 17 into the chat").click());
  expect(model.sent.at(-1)).toMatchObject({ kind: "chat.share", body: { view: { row: 17 } } });
  expect(savedWords({ ...SHARED, saved: true })).toBe("saved");
  expect(savedWords({ ...SHARED, connected: false })).toContain("away");
});
