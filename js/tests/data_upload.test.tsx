/** Flow control against a kernel that a test plays, and the widget as a person meets it. */
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatRemaining, type Arrived } from "../src/ui/upload_entries";
import { refusal, UploadQueue } from "../src/ui/upload_queue";
import { SAMPLE_BYTES, Transfer, type Ask } from "../src/ui/upload_transfer";
import { Client, RequestError } from "../src/wire/client";
import { dropped, DataUpload } from "../src/widgets/data_upload";
import { FakeModel, settle, show, type Shown } from "./fake_model";

const CHUNK = 10;
const WINDOW = 3;

/** Deterministic bytes, so that a piece in the wrong place is seen. */
const bytes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, k) => (k * 31 + (k >> 8)) % 251);
const fileOf = (size: number, name = "table.csv"): File => new File([bytes(size)], name, { lastModified: 1_700_000_000_000 });

interface Held {
  offset: number;
  answer: () => void;
  lose: () => void;
}

/** A kernel that keeps what comes in order, and holds its answers back where a test wants it. */
class Kernel {
  content = new Uint8Array(0);
  size = 0;
  opens = 0;
  cancels: string[] = [];
  ahead = 0;
  mostAhead = 0;
  sent: number[] = [];
  held: Held[] | null = null;
  busy = 0;
  failure = "";
  /** Offsets whose chunk gets lost, with its answer, the first time. */
  lost = new Set<number>();
  sample: Uint8Array = new Uint8Array(0);
  known: string[] = [];

  readonly ask: Ask = (kind, body, options = {}) =>
    new Promise((resolve, reject) => {
      const say = (told: object): void => resolve({ body: told, arrays: {}, raw: [] });
      options.signal?.addEventListener("abort", () => reject(new DOMException("withdrawn", "AbortError")));
      if (kind === "upload.cancel") {
        this.cancels.push((body as { upload: string }).upload);
        this.content = new Uint8Array(0);
        return say({});
      }
      const raw = options.buffers![0]! as Uint8Array;
      if (kind === "upload.open") {
        this.opens++;
        this.sample = raw;
        const asked = body as { size: number; known: string };
        this.size = asked.size;
        this.known.push(asked.known);
        if (this.failure) return reject(new RequestError({ message: this.failure, type: "DataError" }));
        const state = this.busy-- > 0 ? "busy" : this.content.length === this.size ? "done" : "go";
        return say({ state, upload: "u1", received: this.content.length, chunk: CHUNK, window: WINDOW });
      }
      const { offset } = body as { offset: number };
      expect(options.once).toBe(true);
      this.sent.push(offset);
      if (this.lost.delete(offset)) return;
      this.mostAhead = Math.max(this.mostAhead, ++this.ahead);
      if (offset === this.content.length) {
        const grown = new Uint8Array(offset + raw.length);
        grown.set(this.content);
        grown.set(raw, offset);
        this.content = grown;
      }
      const received = this.content.length;
      const answer = (): void => {
        this.ahead--;
        say({ state: received === this.size ? "done" : "go", received });
      };
      if (this.held) this.held.push({ offset, answer, lose: () => this.ahead-- });
      else queueMicrotask(answer);
    });
}

const until = async (condition: () => boolean): Promise<void> => {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5000, interval: 1 });
};

const shows: Shown[] = [];
beforeEach(() => document.body.setAttribute("data-jp-theme-light", "true"));
afterEach(() => {
  shows.splice(0).forEach((shown) => shown.close());
  vi.useRealTimers();
});

describe("flow control", () => {
  test("a file arrives whole, whatever its last piece is", async () => {
    for (const size of [1, CHUNK, 3 * CHUNK, 3 * CHUNK + 7]) {
      const kernel = new Kernel();
      const transfer = new Transfer(fileOf(size), kernel.ask);
      await transfer.run();
      expect([transfer.state.value, transfer.received.value]).toEqual(["done", size]);
      expect(kernel.content).toEqual(bytes(size));
    }
  });

  test("never more than the window is ahead of its answers", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const running = new Transfer(fileOf(10 * CHUNK), kernel.ask).run();
    await until(() => kernel.held!.length === WINDOW);
    await settle();
    expect(kernel.sent).toEqual([0, 10, 20]);
    kernel.held[0]!.answer();
    await until(() => kernel.sent.length === 4);
    await settle();
    expect(kernel.sent).toEqual([0, 10, 20, 30]);
    const [, ...rest] = kernel.held;
    kernel.held = null;
    rest.forEach(({ answer }) => answer());
    await running;
    expect(kernel.mostAhead).toBe(WINDOW);
  });

  test("answers may come out of order", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const transfer = new Transfer(fileOf(5 * CHUNK), kernel.ask);
    const running = transfer.run();
    await until(() => kernel.held!.length === WINDOW);
    const three = kernel.held;
    kernel.held = null;
    [...three].reverse().forEach(({ answer }) => answer());
    await running;
    expect(kernel.content).toEqual(bytes(50));
    expect(kernel.opens).toBe(1);
    expect(kernel.sent).toEqual([0, 10, 20, 30, 40]);
  });

  test("a lost piece is found by the next answer, and the kernel asked from where to go on", async () => {
    const kernel = new Kernel();
    kernel.lost.add(20);
    const transfer = new Transfer(fileOf(6 * CHUNK), kernel.ask);
    await transfer.run();
    expect(kernel.content).toEqual(bytes(60));
    expect(kernel.known).toEqual(["", "u1"]);
    expect(transfer.state.value).toBe("done");
  });

  test("without any answer the attempt is given up and made again", async () => {
    const kernel = new Kernel();
    [0, 10, 20].forEach((offset) => kernel.lost.add(offset));
    const transfer = new Transfer(fileOf(4 * CHUNK), kernel.ask, 20);
    await transfer.run();
    expect(kernel.content).toEqual(bytes(40));
    expect(kernel.opens).toBe(2);
  });

  test("what is here already is not sent again", async () => {
    const kernel = new Kernel();
    kernel.content = bytes(60).slice(0, 30);
    const transfer = new Transfer(fileOf(60), kernel.ask);
    await transfer.run();
    expect(kernel.sent).toEqual([30, 40, 50]);
    expect(kernel.content).toEqual(bytes(60));
  });

  test("nothing is sent while the connection is away, and it goes on where the kernel stands", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const transfer = new Transfer(fileOf(6 * CHUNK), kernel.ask);
    const running = transfer.run();
    await until(() => kernel.held!.length === WINDOW);
    transfer.setConnected(false);
    await until(() => transfer.state.value === "away");
    await settle();
    expect(kernel.sent).toEqual([0, 10, 20]);
    kernel.held = null;
    transfer.setConnected(true);
    await running;
    expect(kernel.sent).toEqual([0, 10, 20, 30, 40, 50]);
    expect(kernel.content).toEqual(bytes(60));
  });

  test("a cancelled one stops at once and has the kernel remove it", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const transfer = new Transfer(fileOf(100 * CHUNK), kernel.ask);
    const running = transfer.run();
    await until(() => kernel.held!.length === WINDOW);
    transfer.cancel();
    await running;
    expect(transfer.state.value).toBe("cancelled");
    expect(kernel.cancels).toEqual(["u1"]);
    expect(kernel.sent.length).toBe(WINDOW);
  });

  test("a closed view stops without removing anything", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const transfer = new Transfer(fileOf(100 * CHUNK), kernel.ask);
    const running = transfer.run();
    await until(() => kernel.held!.length === WINDOW);
    transfer.close();
    await running;
    expect(kernel.cancels).toEqual([]);
    expect(kernel.content.length).toBe(WINDOW * CHUNK);
  });

  test("while another page sends the same file this one waits and sends nothing", async () => {
    const kernel = new Kernel();
    kernel.busy = 2;
    const states: string[] = [];
    const transfer = new Transfer(fileOf(2 * CHUNK), kernel.ask, 1000, 5);
    transfer.state.subscribe((state) => states.push(state));
    const running = transfer.run();
    await until(() => kernel.opens === 2);
    kernel.content = bytes(2 * CHUNK);
    await running;
    expect(kernel.sent).toEqual([]);
    expect(states).toEqual(["waiting", "asking", "elsewhere", "done"]);
  });

  test("a refusal ends it with the kernel's sentence", async () => {
    const kernel = new Kernel();
    kernel.failure = "The disk is full.";
    const transfer = new Transfer(fileOf(20), kernel.ask);
    await transfer.run();
    expect([transfer.state.value, transfer.message.value]).toEqual(["failed", "The disk is full."]);
  });

  test("a file that the browser cannot read any more fails with a sentence", async () => {
    const file = fileOf(20);
    file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("It was changed.", "NotReadableError")) }) as never;
    const transfer = new Transfer(file, new Kernel().ask);
    await transfer.run();
    expect(transfer.message.value).toBe("The file could not be read: It was changed.");
  });

  test("the kernel knows a file by its first and last bytes", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    const size = 3 * SAMPLE_BYTES;
    const transfer = new Transfer(fileOf(size), kernel.ask);
    void transfer.run();
    await until(() => kernel.opens === 1);
    const all = bytes(size);
    const ends = Buffer.concat([all.subarray(0, SAMPLE_BYTES), all.subarray(size - SAMPLE_BYTES)]);
    expect(ends.equals(Buffer.from(kernel.sample))).toBe(true);
    transfer.close();
  });

  test.each([
    [1000, 131_072],
    [10, 1 << 20],
  ])("pieces of a line that takes %d ms for each are of %d bytes in the end", async (pace, expected) => {
    const sizes: number[] = [];
    let time = 0;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => time);
    const file = new File([new Uint8Array(30 << 20)], "a.csv");
    const ask: Ask = async (kind, body, options = {}) => {
      if (kind !== "upload.chunk") {
        return { body: { state: "go", upload: "u", received: 0, chunk: 1 << 20, window: 1 }, arrays: {}, raw: [] };
      }
      const length = options.buffers![0]!.byteLength;
      if (sizes.push(length) === 40) transfer.close();
      time += pace;
      return { body: { state: "go", received: (body as { offset: number }).offset + length }, arrays: {}, raw: [] };
    };
    const transfer = new Transfer(file, ask);
    await transfer.run();
    clock.mockRestore();
    expect([sizes[0], sizes.at(-1)]).toEqual([131_072, expected]);
  });

  test("rate and remaining time follow the answers", async () => {
    const kernel = new Kernel();
    kernel.held = [];
    let time = 0;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => time);
    const transfer = new Transfer(fileOf(4 * CHUNK), kernel.ask);
    const running = transfer.run();
    await until(() => kernel.held!.length === WINDOW);
    expect(transfer.remaining).toBeNull();
    time = 500;
    kernel.held[0]!.answer();
    await until(() => transfer.received.value === CHUNK);
    expect([transfer.rate.value, transfer.remaining]).toEqual([20, 1.5]);
    transfer.close();
    await running;
    clock.mockRestore();
  });
});

describe("the bytes on the wire", () => {
  test("buffers go with the request, and one that is sent once is not repeated", () => {
    vi.useFakeTimers();
    const model = new FakeModel({});
    const send = vi.spyOn(model, "send");
    const client = new Client(model);
    const piece = bytes(4);
    void client.request("upload.chunk", { upload: "u", offset: 0 }, { buffers: [piece], once: true });
    void client.request("upload.open", { name: "", size: 1, modified: 0, known: "" }, { buffers: [piece] });
    vi.advanceTimersByTime(1500);
    const calls = send.mock.calls as unknown as [{ kind: string }, unknown, Uint8Array[]][];
    expect(calls.map(([{ kind }]) => kind)).toEqual(["upload.chunk", "upload.open", "upload.open"]);
    expect(calls.every(([, , buffers]) => buffers[0] === piece)).toBe(true);
    client.close();
  });
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
    expect(shown.root.querySelector<HTMLButtonElement>(".mw-upload-choose")!.disabled).toBe(true);
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
