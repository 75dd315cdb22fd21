/** Envelope, kinds and bodies; the Python side is `medilytica_widgets/wire/messages.py`. */
import type { BufferDescription } from "./buffers";

export const VERSION = 1;

export interface Envelope {
  v: number;
  client: string;
  id: string;
  kind: string;
  body: Record<string, unknown>;
  buffers?: BufferDescription[];
}

export type Scalar = number | string | boolean | null;

export interface LayerSpec {
  kind: string;
  options: Record<string, unknown>;
  name?: string;
  /** Names of earlier layers, or "input"; left out for the layer before. */
  inputs?: string[];
  /** How its weights begin; left out for torch's own way. */
  init?: string;
  frozen?: boolean;
}

/** Body of every request, by kind. */
export interface RequestBodies {
  cancel: { id: string };
  "grid.rows": {
    start: number;
    count: number;
    sort: [string, boolean][];
    search: string;
    filters: Record<string, unknown>[];
    where: string;
    state: number;
  };
  "grid.summary": { column: string; search: string; filters: Record<string, unknown>[]; where: string };
  "grid.export": {
    format: string;
    columns: string[];
    sort: [string, boolean][];
    search: string;
    filters: Record<string, unknown>[];
    where: string;
  };
  "grid.export_read": { job: number; offset: number };
  "curve.read": { run: string; cursor: number };
  "log.read": { run: string; cursor: number };
  "sheet.read": { run: string; cursor: number };
  "boundary.ready": { frame: number };
  "code.read": Record<string, never>;
  "layers.signature": { name: string };
  "predict.row": { values: Record<string, Scalar> };
  "quality.rows": { finding: number };
  "profile.read": { column: string };
  "profile.kind": { column: string; kind: string };
  "algorithm.select": { id: string };
  "hyperparameters.set": { name: string; value: Scalar };
  "hyperparameters.reset": { name: string };
  "preset.apply": { algorithm: string; name: string };
  "preset.save": { algorithm: string; name: string };
  "preset.delete": { algorithm: string; name: string };
  "layers.add": { index: number; layer: LayerSpec };
  "layers.remove": { index: number };
  "layers.move": { index: number; to: number };
  "layers.update": { index: number; options: Record<string, unknown> };
  "layers.template": { name: string };
  "layers.duplicate": { index: number };
  "layers.configure": { index: number; fields: Record<string, unknown> };
  "layers.connect": { index: number; source: number | string; connected: boolean };
  "layers.replace": { layers: LayerSpec[] };
  "layers.own": Record<string, never>;
  "heads.add": { head: Record<string, unknown> };
  "heads.duplicate": { index: number };
  "heads.remove": { index: number };
  "heads.update": { index: number; fields: Record<string, unknown> };
  "split.set": { fields: Record<string, unknown> };
  "steps.add": { step: Record<string, unknown>; index: number };
  "steps.remove": { index: number };
  "steps.move": { index: number; to: number };
  "steps.update": { index: number; fields: Record<string, unknown> };
  "steps.watch": Record<string, never>;
  "steps.stop": Record<string, never>;
  "steps.picture": { step: number; column: string; version: number };
  "spec.undo": Record<string, never>;
  "spec.redo": Record<string, never>;
  "presence.at": { place: string; gone: boolean; name: string; color: string };
  "run.command": { command: "start" | "pause" | "resume" | "stop" | "step" };
  "run.ask": Record<string, never>;
  "chat.share": { view: { row?: number; layer?: string; chart?: string; epoch?: number; run?: string } };
  "run.answer": { to: string; give: boolean };
  "boundary.axes": { x: string; y: string };
  "model.save": { path: string };
  "grid.select": {
    ranges: [number, number][];
    sort: [string, boolean][];
    search: string;
    filters: Record<string, unknown>[];
    where: string;
  };
  "grid.edit": { row: number; column: string; value: string | null };
  "grid.undo": Record<string, never>;
  /** Comes with one buffer: the file's first and last bytes. */
  "upload.open": { name: string; size: number; modified: number; known: string };
  /** Comes with one buffer: the bytes from `offset` on. */
  "upload.chunk": { upload: string; offset: number };
  "upload.cancel": { upload: string };
  "upload.preview": { sha256: string };
  "upload.adopt": { sha256: string; name: string };
  "upload.reread": { sha256: string; options: Record<string, unknown> };
}

export type RequestKind = keyof RequestBodies;

/** Access of every request: a viewer of a shared session may only read. */
export const ACCESS: Record<RequestKind, "read" | "write"> = {
  cancel: "read",
  "grid.rows": "read",
  "grid.summary": "read",
  "grid.export": "read",
  "grid.export_read": "read",
  "curve.read": "read",
  "log.read": "read",
  "sheet.read": "read",
  "boundary.ready": "read",
  "code.read": "read",
  "layers.signature": "read",
  "predict.row": "read",
  "quality.rows": "read",
  "profile.read": "read",
  "profile.kind": "write",
  "algorithm.select": "write",
  "hyperparameters.set": "write",
  "hyperparameters.reset": "write",
  "preset.apply": "write",
  "preset.save": "write",
  "preset.delete": "write",
  "layers.add": "write",
  "layers.remove": "write",
  "layers.move": "write",
  "layers.update": "write",
  "layers.template": "write",
  "layers.duplicate": "write",
  "layers.configure": "write",
  "layers.connect": "write",
  "layers.replace": "write",
  "layers.own": "write",
  "heads.add": "write",
  "heads.duplicate": "write",
  "heads.remove": "write",
  "heads.update": "write",
  "split.set": "write",
  "steps.add": "write",
  "steps.remove": "write",
  "steps.move": "write",
  "steps.update": "write",
  "steps.watch": "read",
  "steps.stop": "write",
  "steps.picture": "read",
  "spec.undo": "write",
  "spec.redo": "write",
  "presence.at": "read",
  "run.command": "write",
  "run.ask": "write",
  "chat.share": "write",
  "run.answer": "write",
  "boundary.axes": "write",
  "model.save": "write",
  "grid.select": "write",
  "grid.edit": "write",
  "grid.undo": "write",
  "upload.open": "write",
  "upload.chunk": "write",
  "upload.cancel": "write",
  "upload.preview": "read",
  "upload.adopt": "write",
  "upload.reread": "write",
};

/** Body of every event the kernel sends to all browsers. */
export interface EventBodies {
  "curve.rows": { run: string; cursor: number; marks: Mark[] };
  "log.lines": { run: string; cursor: number; next: number; entries: LogLine[] };
  "sheet.values": SheetNews;
  "boundary.frame": Record<string, unknown>;
}

export type EventKind = keyof EventBodies;

/** A line of a run's log; `LogEntry` of `medilytica_widgets/engine/log.py`. */
export interface LogLine {
  number: number;
  /** Seconds since 1970. */
  time: number;
  level: "info" | "warning" | "error" | "training";
  epoch: number;
  step: number;
  message: string;
  advice: string;
}

/** What is to be said of one cell of a weight sheet. */
export interface CellRemark {
  row: number;
  column: string;
  level: "warning" | "note";
  words: string;
}

/** A weight sheet's place in its run; its values come as an array beside it. */
export interface SheetNews {
  run: string;
  /** Sheets of the run so far. */
  count: number;
  epoch: number;
  step: number;
  remarks: CellRemark[];
}

/** A change that a person made while a run was training. */
export interface Mark {
  epoch: number;
  name: string;
  before: Scalar;
  after: Scalar;
  author: string | null;
}

/** What an error reply carries. */
export interface ErrorBody {
  message: string;
  type: string;
  parameter?: string;
  nearest?: Scalar;
  layer?: number;
}

/** True for an envelope of this contract's version. */
export function isEnvelope(content: unknown): content is Envelope {
  const message = content as Envelope | null;
  return (
    typeof message === "object" &&
    message !== null &&
    message.v === VERSION &&
    typeof message.client === "string" &&
    typeof message.id === "string" &&
    typeof message.kind === "string" &&
    typeof message.body === "object" &&
    message.body !== null
  );
}
