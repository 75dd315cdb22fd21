/** A kernel that a test plays for uploads, and files whose bytes are known. */
import { expect, vi } from "vitest";
import type { Ask } from "../src/ui/upload_transfer";
import { RequestError } from "../src/wire/client";

export const CHUNK = 10;
export const WINDOW = 3;

/** Deterministic bytes, so that a piece in the wrong place is seen. */
export const bytes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, k) => (k * 31 + (k >> 8)) % 251);
export const fileOf = (size: number, name = "table.csv"): File => new File([bytes(size)], name, { lastModified: 1_700_000_000_000 });

export interface Held {
  offset: number;
  answer: () => void;
  lose: () => void;
}

/** A kernel that keeps what comes in order, and holds its answers back where a test wants it. */
export class Kernel {
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

export const until = async (condition: () => boolean): Promise<void> => {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5000, interval: 1 });
};
