/** What a browser keeps by itself, over a reload and against a storage that refuses. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const isText = (found: unknown): found is string => typeof found === "string";
/** The module as a page has it that was loaded anew. */
const load = async () => {
  vi.resetModules();
  return import("../src/state/local");
};
beforeEach(() => localStorage.clear());
afterEach(() => {
  vi.restoreAllMocks();
  localStorage.clear();
});

describe("a value that outlives the page", () => {
  test("is there again, one for each key", async () => {
    (await load()).keepStored("a:head", "", isText).value = "size";
    const { keepStored } = await load();
    expect(keepStored("a:head", "", isText).value).toBe("size");
    expect(keepStored("b:head", "", isText).value).toBe("");
  });

  test("is one signal for all views of a page", async () => {
    const { keepStored } = await load();
    expect(keepStored("a:head", "", isText)).toBe(keepStored("a:head", "", isText));
  });

  test("is stored only where it differs from what it was at first", async () => {
    const value = (await load()).keepStored("a:head", "", isText);
    expect(localStorage.length).toBe(0);
    value.value = "size";
    expect(localStorage.length).toBe(1);
    value.value = "";
    expect(localStorage.length).toBe(0);
  });

  test.each([["{"], ["3"], ["null"], ['{"at": 1, "value": 7}'], ['{"value": "size"}']])("is not taken from %s", async (text) => {
    const { keepStored } = await load();
    keepStored("a:head", "", isText).value = "size";
    const key = localStorage.key(0)!;
    localStorage.setItem(key, text);
    expect((await load()).keepStored("a:head", "", isText).value).toBe("");
  });

  test("stays with the page where the browser refuses its storage", async () => {
    const refuse = (): never => {
      throw new DOMException("full", "QuotaExceededError");
    };
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(refuse);
    vi.spyOn(Storage.prototype, "getItem").mockImplementation(refuse);
    const { keepStored } = await load();
    const value = keepStored("a:head", "", isText);
    value.value = "size";
    expect(keepStored("a:head", "", isText).value).toBe("size");
  });

  test("of many the last ones used stay, and what is not ours is left alone", async () => {
    localStorage.setItem("somebody-else", "1");
    let now = 1000;
    vi.spyOn(Date, "now").mockImplementation(() => now++);
    const { keepStored } = await load();
    for (let k = 0; k < 230; k++) keepStored(`m${k}:head`, "", isText).value = "size";
    expect(localStorage.length).toBe(201);
    const again = await load();
    expect(again.keepStored("m229:head", "", isText).value).toBe("size");
    expect(again.keepStored("m0:head", "", isText).value).toBe("");
    expect(localStorage.getItem("somebody-else")).toBe("1");
  });

  test("too large to be stored takes the older one away, too", async () => {
    const value = (await load()).keepStored("a:head", "", isText);
    value.value = "size";
    value.value = "x".repeat(300_000);
    expect(localStorage.length).toBe(0);
  });
});
