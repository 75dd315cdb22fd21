import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answerAt, answerColours, AxisScale, tickText, type BoundaryFrame } from "../src/ui/boundary_canvas";
import { contrast, mix, parseColour, ramp, readable, symbolPath, type Palette, type Rgb } from "../src/ui/palette";
import { DecisionBoundary } from "../src/widgets/decision_boundary";
import { FakeModel, settle, show, type Reply, type Shown } from "./run_support";

const CLASSES = ["confirmed", "candidate", "<b>false</b>"];

function frame(number: number, learned = true): Required<Pick<Reply, "body" | "arrays">> {
  const points = {
    px: { data: Float32Array.of(1, 10, 100), shape: [3] },
    py: { data: Float32Array.of(1, 2, 3), shape: [3] },
    label: { data: Uint8Array.of(0, 1, 2), shape: [3] },
  };
  const answers = {
    wrong: { data: Uint8Array.of(0, 1, 0), shape: [3] },
    classes: { data: Uint8Array.of(0, 1, 2, 2), shape: [2, 2] },
    confidence: { data: Uint8Array.of(255, 204, 128, 90), shape: [2, 2] },
  };
  return {
    body: {
      frame: number,
      epoch: learned ? 34 : null,
      x: "period",
      y: "radius",
      x_range: [1, 1000],
      y_range: [0, 4],
      x_log: true,
      y_log: false,
      value_range: null,
    },
    arrays: learned ? { ...points, ...answers } : points,
  };
}

const axes = { x: "period", y: "radius", columns: ["period", "radius", "depth"], reason: "" };

let shown: Shown;
beforeEach(() => {
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 400 });
});
afterEach(() => shown?.close());

async function open(traits: Record<string, unknown> = {}, first: Reply = frame(1)): Promise<Shown> {
  const model = new FakeModel(
    {
      axes,
      classes: CLASSES,
      target: "disposition",
      held: "All others held at their median.",
      run: { name: "run 1", status: "running", unit: "epoch" },
      ...traits,
    },
    (kind, body) => (kind === "boundary.ready" && body.frame < 0 ? first : {}),
  );
  shown = await show(DecisionBoundary, model);
  await settle();
  return shown;
}

const card = (): HTMLElement => shown.root.querySelector<HTMLElement>(".mw-boundary")!;

test("a page asks for the latest frame, paints it and says so", async () => {
  const { model } = await open();
  expect(model.of("boundary.ready")).toEqual([{ frame: -1 }, { frame: 1 }]);
  expect(card().dataset["frame"]).toBe("1");
  expect(card().textContent).toContain("epoch 34");
});

test("each painted frame is acknowledged once, and of several only the latest", async () => {
  const { model } = await open();
  for (const n of [2, 3, 4]) {
    const { body, arrays } = frame(n);
    model.event("boundary.frame", body!, arrays);
  }
  await settle();
  expect(model.of("boundary.ready").map((b) => b.frame)).toEqual([-1, 1, 4]);
});

test("a page that is not looked at acknowledges nothing", async () => {
  const { model } = await open();
  Object.defineProperty(document, "hidden", { configurable: true, value: true });
  const { body, arrays } = frame(2);
  model.event("boundary.frame", body!, arrays);
  await settle();
  expect(model.of("boundary.ready").at(-1)).toEqual({ frame: 1 });
  Object.defineProperty(document, "hidden", { configurable: true, value: false });
  document.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect(model.of("boundary.ready").at(-1)).toEqual({ frame: 2 });
});

test("before training there are points and a word of what to do", async () => {
  await open({ run: null }, frame(1, false));
  expect(card().textContent).toContain("Train to see the boundary");
  expect(card().textContent).not.toContain("epoch 34");
});

test("a table that cannot be drawn says why", async () => {
  const { model } = await open({ axes: { ...axes, reason: "The boundary needs two columns of numbers." } });
  expect(card().textContent).toContain("needs two columns");
  expect(model.asked).toEqual([]);
});

test("columns are chosen for everyone; choosing the other axis's swaps them", async () => {
  const { model, root } = await open();
  const [x] = [...root.querySelectorAll("select")];
  const choose = async (name: string): Promise<void> => {
    x!.value = name;
    await act(async () => {
      x!.dispatchEvent(new Event("change", { bubbles: true }));
    });
  };
  await choose("depth");
  await choose("radius");
  expect(model.of("boundary.axes")).toEqual([
    { x: "depth", y: "radius" },
    { x: "radius", y: "period" },
  ]);
});

test("the logarithm is said at the column", async () => {
  const { root } = await open();
  const shownOption = (k: number): string => root.querySelectorAll("select")[k]!.selectedOptions[0]!.textContent!;
  expect([shownOption(0), shownOption(1)]).toEqual(["period (log)", "radius"]);
});

test("classes have a mark and a name as text, and the picture has a sentence", async () => {
  const { root } = await open();
  expect(root.querySelector(".mw-boundary-legend")!.textContent).toContain("<b>false</b>");
  expect(root.querySelectorAll(".mw-boundary-legend svg").length).toBe(4);
  expect(root.querySelector('[role="img"]')!.getAttribute("aria-label")).toContain("1 of 3 test rows shown are wrong");
});

test("arrow keys read off what the model answers", async () => {
  const { root } = await open();
  const plot = root.querySelector<HTMLElement>('[role="img"]')!;
  const press = (key: string): Promise<void> =>
    act(async () => {
      plot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    });
  await press("ArrowUp");
  expect(root.querySelector(".mw-boundary-readout")!.textContent).toContain("candidate · 80 %");
  await press("Escape");
  expect(root.querySelector(".mw-boundary-readout")).toBeNull();
});

test("after a lost connection the frame is asked for again", async () => {
  const { model, ctx } = await open();
  ctx.connection.value = "reconnecting";
  ctx.connection.value = "live";
  await settle();
  expect(model.of("boundary.ready").filter((b) => b.frame === -1)).toHaveLength(2);
});

describe("scales", () => {
  test.each([
    [[0, 10], false, 5, [0, 2, 4, 6, 8, 10]],
    [[-1, 1], false, 4, [-1, -0.5, 0, 0.5, 1]],
    [[0.5, 2000], true, 4, [1, 10, 100, 1000]],
    [[1, 120], true, 8, [1, 2, 5, 10, 20, 50, 100]],
    [[1e-9, 1e9], true, 6, [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]],
    [[200, 300], true, 4, [200, 250, 300]],
  ] as [[number, number], boolean, number, number[]][])("ticks of %j, log %s", (range, log, wanted, ticks) => {
    const found = new AxisScale(range, log).ticks(wanted);
    expect(found.map((t) => Number(t.toPrecision(6)))).toEqual(ticks);
  });

  test("there and back", () => {
    for (const log of [false, true]) {
      const scale = new AxisScale([2, 500], log);
      expect(scale.value(scale.share(37))).toBeCloseTo(37);
    }
  });

  test("a range of one value still draws", () => {
    expect(new AxisScale([3, 3], false).share(3)).toBe(0);
  });

  test.each([
    [0, "0"],
    [0.02, "0.02"],
    [20_000, "20k"],
    [1e-5, "1e-5"],
  ])("the label of %d", (value, words) => expect(tickText(value)).toBe(words));
});

test("what the model answers at a place counts rows from the top", () => {
  const { body, arrays } = frame(1);
  const at = { ...body, arrays } as unknown as BoundaryFrame;
  expect(answerAt(at, 0.1, 0.9)).toEqual({ index: 0, confidence: 1 });
  expect(answerAt(at, 0.9, 0.1)!.index).toBe(2);
});

describe("colours", () => {
  const palette: Palette = {
    bg: [255, 255, 255],
    ink: [28, 33, 39],
    ink2: [80, 90, 100],
    ink3: [100, 110, 120],
    line: [220, 225, 230],
    grid: [236, 239, 243],
    series: [[0, 114, 178], [230, 159, 0], [0, 158, 115], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
  };

  test.each([
    ["rgb(1, 2, 3)", [1, 2, 3]],
    ["rgba(1, 2, 3, 0.5)", [1, 2, 3]],
    ["color(srgb 1 0.5 0)", [255, 128, 0]],
    ["#0072b2", [0, 114, 178]],
  ])("%s is read", (text, colour) => expect(parseColour(text)).toEqual(colour));

  test("the surer, the stronger", () => {
    const table = answerColours(palette, 2);
    const red = (c: number): number => table[c]! & 255;
    expect([red(128) > red(200), red(200) > red(255), red(0)]).toEqual([true, true, red(127)]);
  });

  test("text in a series' colour is readable", () => {
    expect(contrast(readable(palette.series[1]!, palette), palette.bg)).toBeGreaterThanOrEqual(4.5);
  });

  test("values go from the surface to the ink", () => {
    const light = (c: Rgb): number => c[0] + c[1] + c[2];
    const shades = ramp(palette).map(light);
    expect(shades).toHaveLength(256);
    expect(shades.every((v, k) => k === 0 || v <= shades[k - 1]! + 1e-9)).toBe(true);
    expect(mix([10, 10, 10], [20, 20, 20], 0.5)).toEqual([15, 15, 15]);
  });

  test("eleven classes have eleven marks", () => {
    expect(new Set(Array.from({ length: 11 }, (_, k) => symbolPath(k, 4))).size).toBe(11);
  });
});
