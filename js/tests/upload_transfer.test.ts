/** Flow control against a kernel that a test plays. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { SAMPLE_BYTES, Transfer, type Ask } from "../src/ui/upload_transfer";
import { Client } from "../src/wire/client";
import { FakeModel, settle } from "./fake_model";
import { bytes, CHUNK, fileOf, Kernel, until, WINDOW } from "./upload_support";

afterEach(() => vi.useRealTimers());

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
