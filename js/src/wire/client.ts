/** Typed requests over a widget's comm, and the events that come without being asked. */
import { decode, type DecodedArray } from "./buffers";
import { viewerReason } from "../state/viewer";
import {
  ACCESS,
  isEnvelope,
  VERSION,
  type Envelope,
  type ErrorBody,
  type EventBodies,
  type EventKind,
  type RequestBodies,
  type RequestKind,
} from "./messages";
import type { PlainModel } from "../types";

/** One id for a page: answers go to every browser and name the page that asked. */
const PAGE_KEY = Symbol.for("medilytica.client");
const page = globalThis as unknown as Record<symbol, { id: string; next: number } | undefined>;
function identity(): { id: string; next: number } {
  return (page[PAGE_KEY] ??= { id: Math.random().toString(36).slice(2, 12), next: 0 });
}

export const clientId = (): string => identity().id;

/** The kernel refused a request; `body` says what was wrong and what is allowed. */
export class RequestError extends Error {
  constructor(readonly body: ErrorBody) {
    super(body.message);
    this.name = "RequestError";
  }
}

/** The type of the error that a viewer's write gets, here and from the server. */
export const VIEWER_ERROR = "PermissionError";

export interface Answer {
  body: any;
  arrays: Record<string, DecodedArray>;
  /** The bytes as they came, for formats that describe themselves. */
  raw: ArrayBufferView[];
}

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  progress?: (body: any) => void;
  /** Lets go of the caller's abort signal, which may live long. */
  settled: () => void;
}

const cancelled = (): DOMException => new DOMException("The request was cancelled.", "AbortError");

export interface RequestOptions {
  signal?: AbortSignal;
  onProgress?: (body: any) => void;
  /** Bytes that go with the request. */
  buffers?: ArrayBufferView[];
  /** Never sent again by itself: it is large, and its sender sees to what gets lost. */
  once?: boolean;
}

/** Milliseconds after which an unanswered request is sent again, the first time and from then on, and how often. */
const FIRST_REPEAT_MS = 1000;
const REPEAT_MS = 3000;
const REPEATS = 20;

export class Client {
  private waiting = new Map<string, Waiting>();
  private listeners = new Map<string, Set<(answer: Answer) => void>>();

  constructor(private model: PlainModel) {
    model.on("msg:custom", this.receive);
  }

  /** Ask the kernel; rejects with `RequestError` when it refuses. A viewer's writes are refused here, with the reason. */
  request<K extends RequestKind>(
    kind: K,
    body: RequestBodies[K],
    options: RequestOptions = {},
  ): Promise<Answer> {
    const reason = ACCESS[kind] === "write" ? viewerReason().value : "";
    if (reason) return Promise.reject(new RequestError({ message: reason, type: VIEWER_ERROR }));
    const me = identity();
    const id = `${me.id}-${me.next++}`;
    const envelope: Envelope = { v: VERSION, client: me.id, id, kind, body: body as Record<string, unknown> };
    const { signal, buffers = [] } = options;
    return new Promise<Answer>((resolve, reject) => {
      // A signal that has aborted already fires no event.
      if (signal?.aborted) return reject(cancelled());
      const withdraw = (): void => {
        if (!this.waiting.delete(id)) return;
        const cancel: Envelope = { v: VERSION, client: me.id, id: `${me.id}-${me.next++}`, kind: "cancel", body: { id } };
        this.post(cancel);
        reject(cancelled());
      };
      // While a page is being restored JupyterLab loses messages: an answer can come before it knows the comm that
      // it is for. The kernel carries out no request twice, so what stays unanswered is sent again.
      let left = options.once ? 0 : REPEATS;
      const repeat = (): void => {
        if (left-- <= 0 || !this.waiting.has(id)) return;
        this.post(envelope, buffers);
        again = setTimeout(repeat, REPEAT_MS);
      };
      let again = setTimeout(repeat, FIRST_REPEAT_MS);
      this.waiting.set(id, {
        resolve,
        reject,
        progress: options.onProgress,
        settled: () => {
          clearTimeout(again);
          signal?.removeEventListener("abort", withdraw);
        },
      });
      signal?.addEventListener("abort", withdraw, { once: true });
      this.post(envelope, buffers);
    });
  }

  /** Listen to an event; returns the function that stops listening. */
  on<K extends EventKind>(
    kind: K,
    listener: (answer: Answer & { body: EventBodies[K] }) => void,
  ): () => void {
    const set = this.listeners.get(kind) ?? new Set();
    this.listeners.set(kind, set);
    set.add(listener as (answer: Answer) => void);
    return () => set.delete(listener as (answer: Answer) => void);
  }

  /** Reject everything that still waits: the kernel is gone. */
  abandon(message: string): void {
    for (const waiting of this.waiting.values()) {
      waiting.settled();
      waiting.reject(new RequestError({ message, type: "KernelGone" }));
    }
    this.waiting.clear();
  }

  close(): void {
    this.model.off("msg:custom", this.receive);
    this.waiting.forEach((waiting) => waiting.settled());
    this.waiting.clear();
    this.listeners.clear();
  }

  private post(envelope: Envelope, buffers: ArrayBufferView[] = []): void {
    if (buffers.length) this.model.send(envelope, undefined, buffers);
    else this.model.send(envelope);
  }

  private receive = (content: unknown, payload: ArrayBufferView[] = []): void => {
    if (!isEnvelope(content)) return;
    if (content.client === "") {
      const listeners = this.listeners.get(content.kind);
      if (!listeners?.size) return;
      const answer = this.open(content, payload);
      listeners.forEach((listener) => listener(answer));
      return;
    }
    const waiting = this.waiting.get(content.id);
    if (!waiting || content.client !== clientId()) return;
    const answerKind = content.kind.slice(content.kind.lastIndexOf(".") + 1);
    if (answerKind === "progress") {
      waiting.progress?.(content.body);
      return;
    }
    this.waiting.delete(content.id);
    waiting.settled();
    if (answerKind === "result") {
      try {
        waiting.resolve(this.open(content, payload));
      } catch (error) {
        waiting.reject(error as Error);
      }
    } else if (answerKind === "cancelled") {
      waiting.reject(cancelled());
    } else {
      waiting.reject(new RequestError(content.body as unknown as ErrorBody));
    }
  };

  private open(content: Envelope, payload: ArrayBufferView[]): Answer {
    return {
      body: content.body,
      arrays: content.buffers ? decode(content.buffers, payload) : {},
      raw: payload,
    };
  }
}
