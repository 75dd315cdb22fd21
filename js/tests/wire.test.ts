/** The message contract as the browser holds it, against the golden files that Python wrote. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import answers from "../../tests/golden/answers.json";
import buffers from "../../tests/golden/buffers.json";
import requests from "../../tests/golden/requests.json";
import type { PlainModel } from "../src/types";
import { decode, type BufferDescription } from "../src/wire/buffers";
import { Client, clientId, RequestError } from "../src/wire/client";
import { ACCESS, isEnvelope, type Envelope, type RequestBodies, type RequestKind } from "../src/wire/messages";

/** One body of every request; the compiler holds its fields to `RequestBodies`, the test to Python's. */
const BODIES: { [K in RequestKind]: Required<RequestBodies[K]> } = {
  cancel: { id: "" },
  "grid.rows": { start: 0, count: 1, sort: [["a", true]], search: "", filters: [], where: "", state: 0 },
  "grid.summary": { column: "", search: "", filters: [], where: "" },
  "grid.export": { format: "csv", columns: ["a"], sort: [], search: "", filters: [], where: "" },
  "grid.export_read": { job: 1, offset: 0 },
  "curve.read": { run: "", cursor: 0 },
  "log.read": { run: "", cursor: 0 },
  "sheet.read": { run: "", cursor: 0 },
  "boundary.ready": { frame: -1 },
  "code.read": {},
  "layers.signature": { name: "" },
  "predict.row": { values: {} },
  "quality.rows": { finding: 0 },
  "profile.read": { column: "" },
  "profile.kind": { column: "", kind: "" },
  "algorithm.select": { id: "" },
  "hyperparameters.set": { name: "", value: 1 },
  "hyperparameters.reset": { name: "" },
  "preset.apply": { algorithm: "", name: "" },
  "preset.save": { algorithm: "", name: "" },
  "preset.delete": { algorithm: "", name: "" },
  "layers.add": { index: 0, layer: { kind: "linear", options: {} } },
  "layers.remove": { index: 0 },
  "layers.move": { index: 0, to: 1 },
  "layers.update": { index: 0, options: {} },
  "layers.template": { name: "" },
  "layers.duplicate": { index: 0 },
  "layers.configure": { index: 0, fields: {} },
  "layers.connect": { index: 1, source: 0, connected: true },
  "layers.replace": { layers: [] },
  "layers.own": {},
  "heads.add": { head: {} },
  "heads.duplicate": { index: 0 },
  "heads.remove": { index: 0 },
  "heads.update": { index: 0, fields: {} },
  "split.set": { fields: {} },
  "steps.add": { step: {}, index: 0 },
  "steps.remove": { index: 0 },
  "steps.move": { index: 0, to: 1 },
  "steps.update": { index: 0, fields: {} },
  "steps.watch": {},
  "steps.stop": {},
  "steps.picture": { step: 0, column: "", version: 1 },
  "spec.undo": {},
  "spec.redo": {},
  "presence.at": { place: "", gone: false, name: "", color: "" },
  "run.command": { command: "start" },
  "run.ask": {},
  "chat.share": { view: { row: 0, layer: "", chart: "", epoch: 0, run: "" } },
  "run.answer": { to: "", give: true },
  "boundary.axes": { x: "", y: "" },
  "model.save": { path: "" },
  "grid.select": { ranges: [[0, 1]], sort: [], search: "", filters: [], where: "" },
  "grid.edit": { row: 0, column: "", value: null },
  "grid.undo": {},
  "upload.open": { name: "", size: 1, modified: 0, known: "" },
  "upload.chunk": { upload: "", offset: 0 },
  "upload.cancel": { upload: "" },
  "upload.preview": { sha256: "" },
  "upload.adopt": { sha256: "", name: "" },
  "upload.reread": { sha256: "", options: {} },
};

class FakeModel {
  sent: Envelope[] = [];
  private handlers = new Map<string, Set<(...values: any[]) => void>>();
  on(event: string, handler: (...values: any[]) => void): void {
    if (!this.handlers.has(event)) this.handlers.set(event, new Set());
    this.handlers.get(event)!.add(handler);
  }
  off(event: string, handler: (...values: any[]) => void): void {
    this.handlers.get(event)?.delete(handler);
  }
  widget_manager: { kernel: unknown } = { kernel: null };
  get(name: string): unknown {
    return name === "self_id" ? "model-1" : undefined;
  }
  send(content: unknown): void {
    this.sent.push(content as Envelope);
  }
  receive(content: unknown, payload?: (ArrayBufferView | ArrayBuffer)[]): void {
    this.handlers.get("msg:custom")?.forEach((handler) => handler(content, payload));
  }
  answer(request: Envelope, kind: string, body: object = {}): void {
    this.receive({ v: 1, client: request.client, id: request.id, kind: `${request.kind}.${kind}`, body });
  }
}

function connected(): { model: FakeModel; client: Client } {
  const model = new FakeModel();
  return { model, client: new Client(model as unknown as PlainModel) };
}

afterEach(() => vi.restoreAllMocks());

describe("messages", () => {
  test("kinds and their access are Python's", () => {
    expect(ACCESS).toEqual(Object.fromEntries(Object.entries(requests).map(([kind, told]) => [kind, told.access])));
  });

  test.each(Object.entries(requests))("%s has Python's fields", (kind, told) => {
    expect(Object.keys(BODIES[kind as RequestKind]).sort()).toEqual([...told.fields].sort());
  });

  test.each(Object.entries(requests))("%s is sent as Python reads it", (kind, told) => {
    const { model, client } = connected();
    void client.request(kind as RequestKind, told.message.body as never);
    const [sent] = model.sent as [Envelope];
    expect(sent).toEqual({ ...told.message, client: clientId(), id: sent.id });
    expect(sent.id).not.toBe("");
  });

  test("every answer and event of Python's is an envelope", () => {
    const { events, ...others } = answers;
    for (const message of [...Object.values(others), ...Object.values(events)]) expect(isEnvelope(message)).toBe(true);
  });

  test.each([
    null,
    "text",
    [],
    {},
    { ...answers.result, v: 2 },
    { ...answers.result, client: 1 },
    { ...answers.result, id: undefined },
    { ...answers.result, kind: null },
    { ...answers.result, body: null },
  ])("%j is no envelope", (content) => {
    expect(isEnvelope(content)).toBe(false);
  });
});

describe("buffers", () => {
  const content = new Uint8Array(readFileSync(resolve(__dirname, "../../tests/golden/buffers.bin"))).buffer;

  test.each(buffers.buffers.map((golden) => [golden.description.name, golden] as const))(
    "%s is read at an odd offset as Python wrote it",
    (name, golden) => {
      expect(golden.offset % 2).toBe(1);
      const view = new DataView(content, golden.offset, golden.bytes);
      const { data, shape } = decode([golden.description as BufferDescription], [view])[name]!;
      const read = golden.description.dtype === "i8" ? BigInt : Number;
      expect([...data]).toEqual(golden.values.map((text) => read(text)));
      expect(shape).toEqual(golden.description.shape);
    },
  );

  test("a plain ArrayBuffer is read too", () => {
    const raw = new Float64Array([1, 2]).buffer;
    expect([...decode([{ name: "x", dtype: "f8", shape: [2] }], [raw])["x"]!.data]).toEqual([1, 2]);
  });

  test.each([
    [{ dtype: "f4", shape: [3] }, "needs 12"],
    [{ dtype: "f2", shape: [4] }, "unknown dtype f2"],
    [{ dtype: "constructor", shape: [1] }, "unknown dtype constructor"],
    [{ dtype: "u1", shape: [-2, -4] }, "must be whole numbers"],
    [{ dtype: "u1", shape: [0.5, 16] }, "must be whole numbers"],
  ])("%j is refused", (wrong, said) => {
    const about = { name: "x", ...wrong } as BufferDescription;
    expect(() => decode([about], [new Uint8Array(8)])).toThrow(said);
  });

  test("count and names must fit", () => {
    const about: BufferDescription = { name: "x", dtype: "u1", shape: [1] };
    expect(() => decode([about], [])).toThrow("1 buffers are described, 0 came");
    expect(() => decode([about, about], [new Uint8Array(1), new Uint8Array(1)])).toThrow("Two buffers are called x");
  });
});

describe("client", () => {
  test("a result resolves with body, arrays and raw bytes", async () => {
    const { model, client } = connected();
    const asked = client.request("curve.read", { run: "run-1", cursor: 0 });
    const { client: me, id } = model.sent[0]!;
    const described: BufferDescription[] = [{ name: "epoch", dtype: "f8", shape: [1] }];
    const raw = new Float64Array([3]);
    model.receive({ v: 1, client: me, id, kind: "curve.read.result", body: { cursor: 1 }, buffers: described }, [raw]);
    const answer = await asked;
    expect(answer.body).toEqual({ cursor: 1 });
    expect([...answer.arrays["epoch"]!.data]).toEqual([3]);
    expect(answer.raw).toEqual([raw]);
  });

  test("bytes that describe themselves come raw", async () => {
    const { model, client } = connected();
    const asked = client.request("grid.rows", BODIES["grid.rows"]);
    const { client: me, id } = model.sent[0]!;
    const raw = new DataView(new ArrayBuffer(5));
    model.receive({ v: 1, client: me, id, kind: "grid.rows.result", body: {} }, [raw]);
    expect((await asked).raw).toEqual([raw]);
  });

  test("a refusal rejects with what the kernel knows of it", async () => {
    const { model, client } = connected();
    const asked = client.request("hyperparameters.set", { name: "learning_rate", value: 11 });
    model.answer(model.sent[0]!, "error", answers.error.body);
    const error = await asked.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestError);
    expect((error as RequestError).body).toEqual(answers.error.body);
  });

  test("buffers that do not fit reject the request that asked for them", async () => {
    const { model, client } = connected();
    const asked = client.request("curve.read", { run: "run-1", cursor: 0 });
    const { client: me, id } = model.sent[0]!;
    model.receive({ v: 1, client: me, id, kind: "curve.read.result", body: {}, buffers: [{ name: "x", dtype: "f8", shape: [2] }] }, []);
    await expect(asked).rejects.toThrow("1 buffers are described, 0 came");
  });

  test("progress is told and leaves the request waiting", async () => {
    const { model, client } = connected();
    const told: unknown[] = [];
    const asked = client.request("code.read", {}, { onProgress: (body) => told.push(body) });
    model.answer(model.sent[0]!, "progress", { done: 0.5 });
    model.answer(model.sent[0]!, "result", { code: "x" });
    expect((await asked).body).toEqual({ code: "x" });
    expect(told).toEqual([{ done: 0.5 }]);
  });

  test("an aborted request is withdrawn in the kernel, and its late answer is dropped", async () => {
    const { model, client } = connected();
    const abort = new AbortController();
    const asked = client.request("code.read", {}, { signal: abort.signal });
    abort.abort();
    await expect(asked).rejects.toMatchObject({ name: "AbortError" });
    const [first, second] = model.sent as [Envelope, Envelope];
    expect(second).toMatchObject({ kind: "cancel", body: { id: first.id }, client: first.client });
    expect(second.id).not.toBe(first.id);
    model.answer(first, "cancelled");
    model.answer(second, "result");
  });

  test("a request whose signal has aborted is never sent", async () => {
    const { model, client } = connected();
    await expect(client.request("code.read", {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    expect(model.sent).toEqual([]);
  });

  test("aborting after the answer withdraws nothing", async () => {
    const { model, client } = connected();
    const abort = new AbortController();
    const asked = client.request("code.read", {}, { signal: abort.signal });
    model.answer(model.sent[0]!, "result");
    await asked;
    abort.abort();
    expect(model.sent).toHaveLength(1);
  });

  test("a request the kernel cancelled rejects as aborted", async () => {
    const { model, client } = connected();
    const asked = client.request("code.read", {});
    model.answer(model.sent[0]!, "cancelled");
    await expect(asked).rejects.toMatchObject({ name: "AbortError" });
  });

  test("answers to another page, of another version or to nobody are ignored", async () => {
    const { model, client } = connected();
    const asked = client.request("code.read", {});
    const [request] = model.sent as [Envelope];
    model.answer({ ...request, client: "another page" }, "result", { from: "another" });
    model.answer({ ...request, id: "unknown" }, "result", { from: "nobody" });
    model.receive({ ...answers.result, v: 2, client: request.client, id: request.id });
    model.receive("not an envelope");
    model.answer(request, "result", { from: "the kernel" });
    expect((await asked).body).toEqual({ from: "the kernel" });
  });

  test("ids are unique across the widgets of a page", () => {
    const one = connected();
    const two = connected();
    for (const { client } of [one, two, one]) void client.request("code.read", {});
    const ids = [...one.model.sent, ...two.model.sent].map((message) => message.id);
    expect(new Set(ids).size).toBe(3);
  });

  test("an event reaches its listeners until they stop, and no others", () => {
    const { model, client } = connected();
    const heard: unknown[] = [];
    const stop = client.on("curve.rows", (answer) => heard.push([answer.body, [...answer.arrays["epoch"]!.data]]));
    client.on("boundary.frame", () => heard.push("wrong kind"));
    const raw = new Float64Array([1, 2]);
    model.receive(answers.events["curve.rows"], [raw]);
    stop();
    model.receive(answers.events["curve.rows"], [raw]);
    expect(heard).toEqual([[answers.events["curve.rows"].body, [1, 2]]]);
  });

  test("a kernel that is gone rejects everything that waits", async () => {
    const { client } = connected();
    const asked = client.request("code.read", {});
    client.abandon("The kernel is gone.");
    await expect(asked).rejects.toThrow("The kernel is gone.");
  });

  test("a closed client listens to nothing", () => {
    const { model, client } = connected();
    const heard = vi.fn();
    client.on("curve.rows", heard);
    client.close();
    model.receive(answers.events["curve.rows"], [new Float64Array(2)]);
    expect(heard).not.toHaveBeenCalled();
  });
});

describe("a message that was lost", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const lost: [RequestKind, object][] = [
    ["curve.read", { run: "r", cursor: 0 }],
    ["layers.remove", { index: 0 }],
  ];
  test.each(lost)("%s is sent again under its id, and no more once an answer came", async (kind, body) => {
    vi.useFakeTimers();
    const { model, client } = connected();
    const answer = client.request(kind, body as never);
    vi.advanceTimersByTime(1100);
    expect(model.sent.map((message) => message.kind)).toEqual([kind, kind]);
    const [first, second] = model.sent as [Envelope, Envelope];
    expect(second.id).toBe(first.id);
    model.receive({ ...first, kind: `${kind}.result`, body: { total: 0 } });
    await expect(answer).resolves.toMatchObject({ body: { total: 0 } });
    vi.advanceTimersByTime(30_000);
    expect(model.sent).toHaveLength(2);
    client.close();
  });

  test("is not sent for ever", () => {
    vi.useFakeTimers();
    const { model, client } = connected();
    void client.request("layers.remove", { index: 0 }).catch(() => undefined);
    vi.advanceTimersByTime(3_600_000);
    expect(model.sent).toHaveLength(21);
    client.close();
  });
});
