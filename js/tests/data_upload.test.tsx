/** The queue of uploads, and the widget as a person meets it. */
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatRemaining, type Arrived } from "../src/ui/upload_entries";
import { refusal, UploadQueue } from "../src/ui/upload_queue";
import { Transfer } from "../src/ui/upload_transfer";
import { dropped, DataUpload } from "../src/widgets/data_upload";
import { settle, show, type Shown } from "./fake_model";
import { bytes, fileOf, Kernel, until, WINDOW } from "./upload_support";

const shows: Shown[] = [];
beforeEach(() => document.body.setAttribute("data-jp-theme-light", "true"));
afterEach(() => {
  shows.splice(0).forEach((shown) => shown.close());
  vi.useRealTimers();
});

describe("the queue", () => {
  const rules = { limit: 1000, accept: [".csv", ".parquet"] };

  test.each([
    ["a.csv", 10, ""],
    ["A.CSV ", 1000, ""],
    ["a.csv", 1001, "are the most here"],
    ["a.csv", 0, "empty"],
    ["a.exe", 10, "has to end in .csv, .parquet"],
    ["csv", 10, "has to end in"],
  ])("%s of %d bytes", (name, size, said) => {
    const found = refusal({ name, size }, rules);
    said ? expect(found).toContain(said) : expect(found).toBe("");
  });

  test("compressed text is one word of the list, and a dialog is asked for what stands behind the last dot", async () => {
    const accept = [".csv", ".json", ".xlsx", ".csv.gz", ".json.gz"];
    expect(refusal({ name: "a.exe", size: 1 }, { limit: 1, accept })).toContain("in .csv, .json, .xlsx; text also as .gz.");
    expect(refusal({ name: "a.csv.gz", size: 1 }, { limit: 1, accept })).toBe("");
    expect(refusal({ name: "a.gz", size: 1 }, { limit: 1, accept })).not.toBe("");
    const { root } = await widget({ accept });
    expect(root.querySelector("input")!.accept).toBe(".csv,.json,.xlsx,.gz");
  });

  test("two at a time; what is too large is refused before a byte is sent", async () => {
    const kernels: Kernel[] = [];
    const queue = new UploadQueue(new Kernel().ask, () => rules, (file) => {
      const kernel = new Kernel();
      kernel.held = [];
      kernels.push(kernel);
      return new Transfer(file, kernel.ask);
    });
    queue.add([fileOf(40, "a.csv"), fileOf(2000, "b.csv"), fileOf(50, "c.csv"), fileOf(60, "d.csv"), fileOf(40, "a.csv")]);
    expect(queue.refused.value.map(({ name, message }) => [name, message])).toEqual([
      ["b.csv", "It has 2 KB; 1000 B are the most here."],
      ["a.csv", "It is on its way already."],
    ]);
    await until(() => kernels[1]!.held!.length === WINDOW);
    expect(kernels.map(({ opens }) => opens)).toEqual([1, 1, 0]);
    const waiting = kernels[0]!.held!;
    kernels[0]!.held = null;
    waiting.forEach(({ answer }) => answer());
    await until(() => kernels[2]!.opens === 1);
    expect(queue.items.value.map(({ transfer }) => transfer.file.name)).toEqual(["c.csv", "d.csv"]);
    queue.close();
  });

  test("what failed can be tried again, and what was cancelled leaves the list", async () => {
    const kernel = new Kernel();
    kernel.failure = "The disk is full.";
    const queue = new UploadQueue(kernel.ask, () => rules);
    queue.add([fileOf(40)]);
    const { key } = queue.items.value[0]!;
    await until(() => queue.items.value[0]!.transfer.state.value === "failed");
    kernel.failure = "";
    queue.retry(key);
    await until(() => queue.items.value.length === 0);
    expect(kernel.content).toEqual(bytes(40));
    kernel.held = [];
    kernel.content = new Uint8Array(0);
    queue.add([fileOf(500)]);
    await until(() => kernel.held!.length === WINDOW);
    queue.dismiss(queue.items.value[0]!.key);
    expect(queue.items.value).toEqual([]);
    expect(kernel.cancels).toEqual(["u1"]);
  });
});

const HOSTILE = "../../<img src=x onerror=alert(1)>.csv";
const here = (more: Partial<Arrived> = {}): Arrived => ({
  sha256: "ab", name: "stars.csv", size: 5000, state: "read", rows: 9564, columns: 50, error: "", ...more,
});

async function widget(traits: Record<string, unknown> = {}): Promise<Shown> {
  const shown = show(DataUpload, { limit: 1000, accept: [".csv"], arrived: [], arriving: [], ...traits });
  shows.push(shown);
  await settle();
  return shown;
}

async function choose({ root }: Shown, ...files: File[]): Promise<void> {
  const input = root.querySelector<HTMLInputElement>("input[type=file]")!;
  Object.defineProperty(input, "files", { value: files, configurable: true });
  await act(async () => void input.dispatchEvent(new Event("change", { bubbles: true })));
  await settle();
}

const texts = (root: HTMLElement): string[] => [...root.querySelectorAll("li")].map((line) => line.textContent ?? "");
const press = async (root: HTMLElement, label: string): Promise<void> => {
  const button = [...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") || one.textContent) === label)!;
  await act(async () => button.click());
  await settle();
};

describe("the widget", () => {
  test("a chosen file is asked for by name and size, and a refused one never", async () => {
    const shown = await widget();
    await choose(shown, fileOf(30), fileOf(5000, "big.csv"), fileOf(9, HOSTILE.replace(".csv", "")));
    await until(() => shown.model.sent.length > 0);
    expect(shown.model.asked).toEqual([
      ["upload.open", { name: "table.csv", size: 30, modified: 1_700_000_000_000, known: "" }],
    ]);
    expect(texts(shown.root).some((text) => text.startsWith("big.csv") && text.includes("are the most here"))).toBe(true);
    expect(shown.root.querySelector("img")).toBeNull();
    const bar = shown.root.querySelector("[role=progressbar]")!;
    expect([bar.getAttribute("aria-label"), bar.getAttribute("aria-valuenow")]).toEqual(["Upload of table.csv", "0"]);
  });

  test("a cancelled file says so and can be sent again", async () => {
    const shown = await widget();
    await choose(shown, fileOf(30));
    await press(shown.root, "Cancel the upload of table.csv");
    expect(texts(shown.root)[0]).toContain("Cancelled");
    await press(shown.root, "Upload table.csv again");
    await until(() => shown.model.asked.filter(([kind]) => kind === "upload.open").length === 2);
  });

  test("what has arrived says rows and columns, or what is wrong with it", async () => {
    const wrong = here({ sha256: "cd", name: HOSTILE, state: "unreadable", error: "Line 70 000 has 3 fields." });
    const { root, model } = await widget({ arrived: [here(), wrong, here({ sha256: "ef", state: "reading" })] });
    const [third, second, first] = texts(root);
    expect(first).toContain("9\u202f564 rows × 50 columns");
    expect(second).toContain(HOSTILE);
    expect(second).toContain("it cannot be read: Line 70 000 has 3 fields.");
    expect(third).toContain("reading it");
    await act(async () => model.set({ arrived: [here({ rows: 1, columns: 1 })] }));
    await settle();
    expect(texts(root)[0]).toContain("1 row × 1 column");
    expect(root.querySelector("[aria-live]")!.textContent).toBe("stars.csv: has 1 row and 1 column");
  });

  test("the first rows are shown on request, as text", async () => {
    const { root, model } = await widget({ arrived: [here()] });
    await press(root, "Show the first rows of stars.csv");
    expect(model.asked).toEqual([["upload.preview", { sha256: "ab" }]]);
    const preview = { names: ["<b>x</b>", "y"], kinds: ["numeric", "text"], cells: [[1.5, "<i>a</i>"], [null, "b"]], rows: 9564, columns: 50 };
    await act(async () => model.answer(model.sent[0]!, "result", preview));
    await settle();
    const cells = [...root.querySelectorAll("th, td")].map((cell) => cell.textContent);
    expect(cells).toEqual(["123 <b>x</b>", "abc y", "and 48 more columns", "1.5", "<i>a</i>", "…", "–", "b", "…"]);
    await press(root, "Hide the first rows of stars.csv");
    expect(root.querySelector("td")).toBeNull();
  });

  test("a file is read in another way, and its rows come anew", async () => {
    const file = here({ found: { delimiter: ",", header: 0, encoding: "utf-8" }, options: {}, sheets: [] });
    const { root, model } = await widget({ arrived: [file, here({ sha256: "cd", name: "a.parquet" })] });
    expect(root.querySelectorAll('[aria-label^="Read "]').length).toBe(1);
    await press(root, "Read stars.csv differently");
    const select = [...root.querySelectorAll("select")].find((one) => one.labels![0]!.textContent === "Cells are divided by")!;
    expect(select.options[0]!.textContent).toBe("detected: comma ,");
    await act(async () => model.answer(model.sent[0]!, "result", { names: ["x"], kinds: ["text"], cells: [["1;2"]], rows: 1, columns: 1 }));
    await settle();
    expect(root.querySelector("td")!.textContent).toBe("1;2");
    select.value = "1";
    await act(async () => void select.dispatchEvent(new Event("change", { bubbles: true })));
    expect(model.asked.at(-1)).toEqual(["upload.reread", { sha256: "ab", options: { delimiter: ";" } }]);
    await act(async () => model.answer(model.sent.at(-1)!, "result", {}));
    await act(async () => model.set({ arrived: [{ ...file, options: { delimiter: ";" }, columns: 2 }] }));
    await settle();
    expect(model.asked.at(-1)![0]).toBe("upload.preview");
    await act(async () => model.answer(model.sent.at(-1)!, "result", { names: ["x", "y"], kinds: ["numeric", "numeric"], cells: [[1, 2]], rows: 1, columns: 2 }));
    await settle();
    expect([...root.querySelectorAll("td")].map((cell) => cell.textContent)).toEqual(["1", "2"]);
    expect(root.querySelector("code")!.textContent).toBe('mw.load_dataset("stars.csv", delimiter=";")');
  });

  test("what the kernel refuses of a reading is said beside the form, and an unreadable file has one too", async () => {
    const { root, model } = await widget({ arrived: [here({ state: "unreadable", error: "Line 3.", options: { header: null } })] });
    await press(root, "Read stars.csv differently");
    const select = [...root.querySelectorAll("select")].find((one) => one.labels![0]!.textContent === "Names")!;
    expect(select.selectedOptions[0]!.textContent).toBe("no names");
    select.value = "";
    await act(async () => void select.dispatchEvent(new Event("change", { bubbles: true })));
    expect(model.asked.at(-1)).toEqual(["upload.reread", { sha256: "ab", options: {} }]);
    await act(async () => model.answer(model.sent.at(-1)!, "error", { message: "It is gone.", type: "InputError" }));
    await settle();
    expect(root.querySelector("[role=alert]")!.textContent).toBe("It is gone.");
  });

  test("what was uploaded before can be used again", async () => {
    const { root, model } = await widget({ before_told: [{ sha256: "ef", name: HOSTILE, size: 5 }] });
    expect(root.querySelector("summary")!.textContent).toBe("Uploaded before: 1 file");
    await press(root, `Use ${HOSTILE}`);
    expect(model.asked.at(-1)).toEqual(["upload.adopt", { sha256: "ef", name: HOSTILE }]);
    expect(root.querySelector("img")).toBeNull();
  });

  test("what other pages send is seen, and what they left unfinished", async () => {
    const one = { upload: "x1", name: "far.csv", size: 1000, received: 250, silent: false };
    const { root } = await widget({ arriving: [one, { ...one, upload: "x2", name: "left.csv", silent: true }] });
    expect(texts(root)[0]).toContain("from another page");
    expect(texts(root)[1]).toContain("choose the same file again to go on");
    expect(root.querySelector("[role=progressbar]")!.getAttribute("aria-valuenow")).toBe("25");
  });

  test("while the kernel is gone nothing can be chosen", async () => {
    const shown = await widget();
    shown.assets.comm_live = false;
    await act(async () => shown.assets.fire("comm_live_update"));
    const button = shown.root.querySelector<HTMLButtonElement>(".mw-upload-choose")!;
    // it keeps the focus, which a disabled one would lose
    expect([button.getAttribute("aria-disabled"), button.disabled]).toEqual(["true", false]);
    const opened = vi.fn();
    shown.root.querySelector("input")!.click = opened;
    await act(async () => button.click());
    expect(opened).not.toHaveBeenCalled();
    await choose(shown, fileOf(30));
    expect(shown.model.sent).toEqual([]);
  });

  test("a drag of files, or of anything else, is answered by words and by the cursor", async () => {
    const { root } = await widget();
    const zone = root.querySelector(".mw-upload-zone")!;
    const drag = async (type: string, types: string[]): Promise<{ dropEffect: string; kept: boolean }> => {
      const event = new Event(type, { bubbles: true, cancelable: true });
      const data = { types, dropEffect: "", items: [] };
      Object.assign(event, { dataTransfer: data });
      await act(async () => void zone.dispatchEvent(event));
      return { dropEffect: data.dropEffect, kept: event.defaultPrevented };
    };
    expect(await drag("dragenter", ["Files"])).toEqual({ dropEffect: "copy", kept: true });
    expect(zone.textContent).toContain("Drop to upload");
    await drag("dragleave", ["Files"]);
    expect(zone.textContent).toContain("Drop files here");
    expect((await drag("dragenter", ["text/plain"])).dropEffect).toBe("none");
    expect(zone.className).toContain("mw-upload-refused");
    await drag("drop", ["text/plain"]);
    expect(zone.className).not.toContain("mw-upload-refused");
  });

  test("a dropped folder is told apart from files", () => {
    const item = (name: string, isDirectory: boolean) => ({
      kind: "file", webkitGetAsEntry: () => ({ isDirectory, name }), getAsFile: () => new File(["x"], name),
    });
    const found = dropped({ items: [item("a.csv", false), item("folder", true), { kind: "string" }] } as never);
    expect([found.files.map(({ name }) => name), found.folders]).toEqual([["a.csv"], ["folder"]]);
  });

  test.each([[0.2, "1 s"], [59, "59 s"], [61, "2 min"], [4800, "1 h 20 min"]])("%d seconds are %s", (seconds, words) => {
    expect(formatRemaining(seconds)).toBe(words);
  });
});
