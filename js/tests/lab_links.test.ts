/** Links that restore a view. */
import { afterEach, describe, expect, test } from "vitest";
import { decodeView, followLinks } from "../src/lab/links";
import { VIEW_EVENT, type SharedView } from "../src/lab/service";

const encode = (plain: unknown): string => {
  const bytes = new TextEncoder().encode(JSON.stringify(plain));
  return `#medilytica=${btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
};

describe("decoding", () => {
  test("what a link names, letters of all kinds included", () => {
    expect(decodeView(encode({ workspace: "team.medilytica", experiment: "Größe ≥ 3", epoch: 12, row: 0 }))).toEqual({
      workspace: "team.medilytica",
      experiment: "Größe ≥ 3",
      epoch: 12,
      row: 0,
    });
  });

  test("an unknown field and one of a wrong type are left out", () => {
    expect(decodeView(encode({ run: "r1", epoch: "12", evil: "x", workspace: { a: 1 } }))).toEqual({ run: "r1" });
  });

  test.each(["", "#other", "#medilytica=", "#medilytica=%%%", encode([1]), encode("x"), encode({}), encode({ run: "x".repeat(600) }), encode({ epoch: -1 }), encode({ row: 1.5 }), encode({ workspace: "../x" }), encode({ workspace: "/x" })])(
    "%j names no view",
    (text) => expect(decodeView(text)).toBeNull(),
  );
});

describe("following", () => {
  let stop = (): void => undefined;
  afterEach(() => {
    stop();
    document.body.replaceChildren();
  });

  test("a click on such a link opens its view and goes nowhere; another link is left alone", () => {
    const opened: SharedView[] = [];
    stop = followLinks((view) => opened.push(view));
    document.body.innerHTML = `<a id="ours" href="${encode({ run: "r1" })}"><b>run</b></a><a id="other" href="#elsewhere">x</a>`;
    const click = (id: string): boolean => {
      const at = document.querySelector(`#${id} b`) ?? document.getElementById(id)!;
      return at.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, composed: true }));
    };
    expect(click("ours")).toBe(false);
    expect(click("other")).toBe(true);
    expect(opened).toEqual([{ run: "r1" }]);
  });

  test("the event that widgets listen to has the view in it", async () => {
    const { announceView } = await import("../src/lab/links");
    const heard: SharedView[] = [];
    const listener = (event: CustomEvent<SharedView>): void => void heard.push(event.detail);
    window.addEventListener(VIEW_EVENT, listener);
    expect(announceView({ chart: "loss", epoch: 3 })).toBe(false);
    window.removeEventListener(VIEW_EVENT, listener);
    expect(heard).toEqual([{ chart: "loss", epoch: 3 }]);
  });
});
