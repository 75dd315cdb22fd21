/** Layers folded together: their places, how they are folded, and that a reload finds them again. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { afterInsert, afterMove, afterRemoval, follow, isGrouping, items, withGroup, type Group } from "../src/ui/layer_groups";
import { settle } from "./fake_model";
import { all, box, find, frame, layer, network, press, shown, start, tidy, type } from "./layer_support";

afterEach(() => {
  tidy();
  vi.restoreAllMocks();
});

describe("groups", () => {
  const group = (from: number, to: number, open = false): Group => ({ id: 1, name: "g", start: from, end: to, open });
  const span = (groups: Group[]) => groups.map((g) => [g.start, g.end]);

  test("their places follow insertions, removals and moves", () => {
    expect(span(afterInsert([group(2, 4)], 2, 1))).toEqual([[3, 5]]);
    expect(span(afterInsert([group(2, 4)], 3, 2))).toEqual([[2, 6]]);
    expect(span(afterInsert([group(2, 4)], 4, 1))).toEqual([[2, 4]]);
    expect(span(afterRemoval([group(2, 4)], 0, 1))).toEqual([[1, 3]]);
    expect(span(afterRemoval([group(2, 4)], 3, 1))).toEqual([[2, 3]]);
    expect(span(afterRemoval([group(2, 4)], 2, 2))).toEqual([]);
    expect(span(afterMove([group(2, 4)], 0, 5))).toEqual([[1, 3]]);
    expect(span(afterMove([group(2, 4)], 3, 2))).toEqual([[2, 4]]);
    expect(span(afterMove([group(2, 4)], 3, 0))).toEqual([[3, 4]]);
    expect(span(afterMove([group(2, 3)], 2, 0))).toEqual([[0, 1]]);
  });

  test("they follow the stack whoever changed it, and a new stack has none", () => {
    const before = { groups: [group(1, 3)], layers: ["a", "b", "c", "d"] };
    expect(span(follow(before, ["x", "a", "b", "c", "d"]).groups)).toEqual([[2, 4]]);
    expect(span(follow(before, ["a", "c", "d"]).groups)).toEqual([[1, 2]]);
    expect(span(follow(before, ["b", "c", "d", "a"]).groups)).toEqual([[0, 2]]);
    expect(span(follow(before, ["d", "a", "b", "c"]).groups)).toEqual([[2, 4]]);
    expect(span(follow(before, ["a", "b2", "c", "d"]).groups)).toEqual([[1, 3]]);
    expect(follow(before, ["p", "q"]).groups).toEqual([]);
    expect(follow(before, ["a", "b", "c", "d"])).toBe(before);
  });

  test("a new group takes over what it covers; a folded one is one item", () => {
    const made = withGroup([group(0, 2), { ...group(3, 4), id: 7 }], 1, 3, "mid");
    expect(made.map((g) => [g.name, g.start, g.end])).toEqual([["mid", 1, 3], ["g", 3, 4]]);
    expect(new Set(made.map((g) => g.id)).size).toBe(2);
    expect(items(made, 5).map((item) => [item.start, item.end])).toEqual([[0, 1], [1, 3], [3, 4], [4, 5]]);
  });

  test("G folds layers together under a name; Enter opens them; a fault inside shows on the fold", async () => {
    start([layer("linear"), layer("linear"), layer("layer_norm"), layer("linear")]);
    await settle();
    box(1).focus();
    await press("g");
    await frame();
    await type(find<HTMLInputElement>("input[aria-label='name of the group']"), "encoder");
    find<HTMLFormElement>("form.mw-group-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await frame();
    const fold = find("[data-group]");
    expect(fold.getAttribute("aria-label")).toContain("Group encoder: layers 2 to 3, Linear, Layer normalisation, 20 parameters");
    expect(all("[data-layer]").map((b) => b.dataset.layer)).toEqual(["0", "3"]);
    expect(document.activeElement).toBe(fold);
    expect(shown.model.asked).toEqual([]);
    shown.model.set({ network: network([layer("linear"), layer("linear"), layer("layer_norm"), layer("linear")], { failing: 2, error: "In layer 3: no." }) });
    await settle();
    expect(find("[data-group]").classList).toContain("mw-failing");
    await press("ArrowRight");
    expect(document.activeElement).toBe(box(3));
    await press("ArrowLeft");
    await press("Delete");
    expect(shown.model.asked).toEqual([]);
    await press("Enter");
    await frame();
    expect(all("[data-layer]")).toHaveLength(4);
    expect(find(".mw-group-mark").textContent).toContain("encoder");
  });

  test("the fold is there again after the page was loaded anew, and went along with what changed meanwhile", async () => {
    const stack = [layer("linear"), layer("linear"), layer("layer_norm"), layer("linear")];
    start(stack, {}, "kept-model");
    await settle();
    box(1).focus();
    await press("g");
    await frame();
    await type(find<HTMLInputElement>("input[aria-label='name of the group']"), "encoder");
    find<HTMLFormElement>("form.mw-group-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await frame();
    shown.close();
    // a page that is loaded anew has modules of its own, and the same storage
    vi.resetModules();
    const anew = await import("./layer_support");
    anew.start([layer("layer_norm"), ...stack], {}, "kept-model");
    await settle();
    expect(anew.find("[data-group]").getAttribute("aria-label")).toContain("Group encoder: layers 3 to 4");
    anew.shown.close();
    anew.start(stack, {}, "another-model");
    await settle();
    expect(anew.find("[data-group]")).toBeNull();
    anew.tidy();
  });

  test("ungrouping leaves nothing in the browser's storage", async () => {
    start([layer("linear"), layer("layer_norm")], {}, "ungrouped-model");
    await settle();
    box(0).focus();
    await press("g");
    await frame();
    find<HTMLFormElement>("form.mw-group-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await frame();
    expect(localStorage.length).toBe(1);
    await press("g");
    expect(find("[data-group]")).toBeNull();
    expect(localStorage.length).toBe(0);
  });

  test.each([
    [null],
    [{ groups: "x", layers: [] }],
    [{ groups: [null], layers: ["a"] }],
    [{ groups: [group(0, 2)], layers: ["a"] }],
    [{ groups: [group(1, 1)], layers: ["a", "b"] }],
    [{ groups: [{ ...group(0, 1), name: 3 }], layers: ["a"] }],
  ])("what is no grouping is not taken from the storage: %j", (found) => {
    expect(isGrouping(found)).toBe(false);
    expect(isGrouping({ groups: [group(0, 1)], layers: ["a"] })).toBe(true);
  });
});
