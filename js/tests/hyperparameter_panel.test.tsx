/** The form against a fake kernel: typing, dragging, refusals, and what others change meanwhile. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { box, button, close, find, key, open, sentence, setValues, shown, slider, type, wait } from "./panel_support";

beforeEach(() => open());
afterEach(close);

describe("typing", () => {
  test("counts after a pause of 300 ms", async () => {
    type(box("learning rate"), "0.01");
    await wait(250);
    expect(shown.model.asked).toEqual([]);
    await wait(60);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "learning_rate", value: 0.01 }]]);
  });

  test("counts at Enter and is not sent again at blur", async () => {
    const input = box("epochs");
    type(input, "7");
    key(input, "Enter");
    input.blur();
    await wait(500);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "epochs", value: 7 }]]);
  });

  test("counts at blur", async () => {
    const input = box("epochs");
    type(input, "8");
    input.blur();
    await wait(10);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "epochs", value: 8 }]]);
  });

  test("a wrong value is named at once, stays out of the kernel, and its button sends the nearest", async () => {
    const input = box("learning rate");
    type(input, "-1");
    await wait(10);
    expect(sentence()).toContain("-1 is too small; it takes a number from 1e-6 to 10.");
    expect(input.getAttribute("aria-invalid")).toBe("true");
    await wait(500);
    expect(shown.model.asked).toEqual([]);
    button("use 1e-6")?.click();
    await wait(10);
    expect(shown.model.asked).toEqual([["hyperparameters.set", { name: "learning_rate", value: 1e-6 }]]);
    expect(sentence()).toBe("");
    expect(input.value).toBe("1e-6");
  });

  test("what is on its way to being right is not called wrong", async () => {
    type(box("learning rate"), "0.00");
    await wait(100);
    expect(sentence()).toBe("");
    await wait(300);
    expect(sentence()).toContain("too small");
  });

  test("Escape brings the kernel's value back", async () => {
    const input = box("learning rate");
    type(input, "abc");
    await wait(10);
    expect(sentence()).toContain("no number");
    key(input, "Escape");
    await wait(400);
    expect([input.value, sentence()]).toEqual(["0.003", ""]);
    expect(shown.model.asked).toEqual([]);
  });

  test("is not overwritten from outside, while other fields follow", async () => {
    const input = box("learning rate");
    type(input, "0.0");
    setValues({ learning_rate: 5, epochs: 99 });
    await wait(50);
    expect(input.value).toBe("0.0");
    expect(box("epochs").value).toBe("99");
  });

  test("arrow keys move the leading digit and send the last value", async () => {
    const input = box("learning rate");
    input.focus();
    for (let k = 0; k < 8; k++) key(input, "ArrowUp");
    await wait(200);
    shown.model.answerAll();
    await wait(200);
    expect(input.value).toBe("0.02");
    expect(shown.model.asked.at(-1)).toEqual(["hyperparameters.set", { name: "learning_rate", value: 0.02 }]);
    expect(shown.model.asked.length).toBeLessThan(8);
  });
});

describe("dragging", () => {
  const drag = (position: number): void => {
    const input = slider("learning rate");
    input.value = String(position);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };

  test("sends at most 20 a second and always the last", async () => {
    for (let k = 1; k <= 100; k++) {
      drag(500 + k);
      await wait(10);
      shown.model.answerAll();
    }
    await wait(100);
    shown.model.answerAll();
    expect(shown.model.sent.length).toBeLessThanOrEqual(21);
    expect(shown.model.sent.length).toBeGreaterThan(10);
    const last = shown.model.asked.at(-1)?.[1] as { value: number };
    expect(last.value).toBe(Number(box("learning rate").value));
    expect(last.value).toBeGreaterThan(0.003);
  });

  test("has one message under way when the kernel is slow", async () => {
    for (let k = 1; k <= 100; k++) {
      drag(500 + k);
      await wait(10);
    }
    // what is not answered is sent again, under its id
    const under = () => new Set(shown.model.sent.map(({ id }) => id)).size;
    expect(under()).toBe(1);
    shown.model.answerAll();
    await wait(60);
    expect(under()).toBe(2);
  });

  test("a late echo does not pull the knob back", async () => {
    drag(600);
    await wait(1);
    const first = (shown.model.asked[0]?.[1] as { value: number }).value;
    drag(700);
    await wait(20);
    const position = slider("learning rate").value;
    setValues({ learning_rate: first });
    await wait(20);
    expect(slider("learning rate").value).toBe(position);
    shown.model.answerAll();
    await wait(60);
    const second = (shown.model.asked[1]?.[1] as { value: number }).value;
    setValues({ learning_rate: second });
    shown.model.answerAll();
    await wait(20);
    setValues({ learning_rate: 1 });
    await wait(20);
    expect(box("learning rate").value).toBe("1");
  });
});

describe("other controls", () => {
  test("a choice and a switch are sent as they are", async () => {
    const select = find<HTMLSelectElement>("select[aria-label=optimizer]");
    select.value = "sgd";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    find("input[role=switch]").click();
    await wait(10);
    expect(shown.model.asked).toEqual([
      ["hyperparameters.set", { name: "optimizer", value: "sgd" }],
      ["hyperparameters.set", { name: "shuffle", value: false }],
    ]);
  });

  test("an optional number is switched on mildly and off again, and on where it was", async () => {
    const use = find("input[aria-label='use patience']");
    expect(shown.root.textContent).toContain("off");
    use.click();
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: 10 });
    await wait(60);
    const text = box("patience");
    type(text, "25");
    key(text, "Enter");
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: 25 });
    await wait(60);
    use.click();
    await wait(10);
    shown.model.answerAll();
    setValues({ patience: null });
    await wait(60);
    use.click();
    await wait(60);
    expect(shown.model.asked.map(([, body]) => (body as { value: number | null }).value)).toEqual([10, 25, null, 25]);
  });

  test("a refusal stands under its field with the kernel's nearest value", async () => {
    const select = find<HTMLSelectElement>("select[aria-label=optimizer]");
    select.value = "sgd";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await wait(10);
    shown.model.answer(shown.model.sent[0]!, "error", {
      message: "optimizer is 'sgd'; that does not fit.",
      type: "ParameterError",
      parameter: "optimizer",
      nearest: "adam",
    });
    await wait(50);
    expect(sentence()).toContain("that does not fit");
    expect(button("use adam")).toBeDefined();
    expect(select.value).toBe("adam");
    expect(shown.root.querySelector(".mw-notice")).toBeNull();
  });
});
