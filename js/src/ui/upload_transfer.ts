/**
 * One file on its way to the kernel, in chunks.
 *
 * A few chunks are ahead of their answers, never more: the kernel and the socket hold no more than that of the file.
 * Whatever goes wrong on the way (an answer that says something else than expected, none for a long time, a connection
 * that broke) ends the attempt; the next one asks the kernel how much it has, and goes on from there.
 */
import { signal } from "@preact/signals";
import type { Answer, RequestOptions } from "../wire/client";
import { RequestError } from "../wire/client";
import type { RequestBodies } from "../wire/messages";

export type UploadKind = "upload.open" | "upload.chunk" | "upload.cancel";
export type Ask = <K extends UploadKind>(kind: K, body: RequestBodies[K], options?: RequestOptions) => Promise<Answer>;

/** What the transfer is at; "elsewhere": another page sends the same file, and this one waits. */
export type UploadState = "waiting" | "asking" | "sending" | "elsewhere" | "away" | "done" | "failed" | "cancelled";

/** Bytes of the file's beginning and of its end, by which the kernel knows it again; `SAMPLE_BYTES` in Python. */
export const SAMPLE_BYTES = 64 * 1024;
/** Without an answer for so long the attempt is given up: even a slow line moves a few chunks in that time. */
const STALL_MS = 30_000;
/** How often a page asks whether the other one is done. */
const ASK_AGAIN_MS = 1500;
/** The rate is that of the last seconds. */
const RATE_MS = 5000;
/** A piece takes about so many seconds, so that a slow line shows its bar move and a fast one is not all messages. */
const PIECE_SECONDS = 0.3;
const SMALLEST_PIECE = 128 * 1024;
/** What is drawn changes so often at most: to draw costs a page without a graphics card more than to send. */
const DRAW_MS = 150;

interface Opened {
  state: "go" | "busy" | "done";
  upload: string;
  received: number;
  chunk: number;
  window: number;
}

export class Transfer {
  readonly state = signal<UploadState>("waiting");
  readonly received = signal(0);
  /** Bytes in a second; 0 while unknown. */
  readonly rate = signal(0);
  readonly message = signal("");
  /** What the kernel calls it; empty before it was asked. */
  upload = "";
  private attempt = new AbortController();
  private stopped: "cancelled" | "closed" | null = null;
  private connected = true;
  private wake: () => void = () => undefined;
  private marks: [time: number, bytes: number][] = [];
  private drawn = -Infinity;

  constructor(
    readonly file: File,
    private readonly ask: Ask,
    private readonly stallMs = STALL_MS,
    private readonly againMs = ASK_AGAIN_MS,
  ) {}

  /** Seconds until all has arrived; null while unknown. */
  get remaining(): number | null {
    return this.rate.value > 0 ? (this.file.size - this.received.value) / this.rate.value : null;
  }

  get ended(): boolean {
    return ["done", "failed", "cancelled"].includes(this.state.value);
  }

  /** Send the file; resolves once it has arrived, failed or was stopped. May be called again after a failure. */
  async run(): Promise<void> {
    this.stopped = null;
    this.message.value = "";
    try {
      const sample = await this.sample();
      while (!this.stopped && !(await this.once(sample)));
    } catch (error) {
      if (this.stopped) return;
      this.message.value =
        error instanceof RequestError ? error.message : `The file could not be read: ${(error as Error).message}`;
      this.state.value = "failed";
    }
  }

  /** Stop and have the kernel remove what came of it. */
  cancel(): void {
    if (this.ended) return;
    this.stop("cancelled");
    this.state.value = "cancelled";
    if (this.upload) this.ask("upload.cancel", { upload: this.upload }).catch(() => undefined);
  }

  /** Stop without a word: the view is going. The kernel keeps what it has. */
  close(): void {
    this.stop("closed");
  }

  /** The connection went or came back; while it is away nothing is sent. */
  setConnected(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    if (!connected) this.attempt.abort();
    this.wake();
  }

  private stop(how: "cancelled" | "closed"): void {
    this.stopped = how;
    this.attempt.abort();
    this.wake();
  }

  /** The first and the last bytes. */
  private async sample(): Promise<Uint8Array> {
    const { file } = this;
    const parts = [file.slice(0, SAMPLE_BYTES), file.slice(Math.max(0, file.size - SAMPLE_BYTES))];
    const [head, tail] = await Promise.all(parts.map((part) => part.arrayBuffer()));
    const sample = new Uint8Array(head!.byteLength + tail!.byteLength);
    sample.set(new Uint8Array(head!));
    sample.set(new Uint8Array(tail!), head!.byteLength);
    return sample;
  }

  /** One attempt; true when the file has arrived. */
  private async once(sample: Uint8Array): Promise<boolean> {
    if (!this.connected) {
      this.state.value = "away";
      await this.news();
      return false;
    }
    this.attempt = new AbortController();
    const { name, size, lastModified: modified } = this.file;
    if (this.state.peek() !== "elsewhere") this.state.value = "asking";
    let opened: Opened;
    try {
      const answer = await this.ask(
        "upload.open",
        { name, size, modified, known: this.upload },
        { buffers: [sample], signal: this.attempt.signal },
      );
      opened = answer.body as Opened;
    } catch (error) {
      if (this.attempt.signal.aborted) return false;
      throw error;
    }
    if (this.stopped) {
      // cancelled before the kernel had a name for it
      if (this.stopped === "cancelled") this.ask("upload.cancel", { upload: opened.upload }).catch(() => undefined);
      return false;
    }
    this.upload = opened.upload;
    this.received.value = opened.received;
    if (opened.state === "done") return this.done();
    if (opened.state === "busy") {
      this.state.value = "elsewhere";
      this.rate.value = 0;
      await this.news(this.againMs);
      return false;
    }
    this.state.value = "sending";
    this.marks = [[now(), opened.received]];
    return (await this.send(opened)) && this.done();
  }

  private done(): boolean {
    this.received.value = this.file.size;
    this.state.value = "done";
    return true;
  }

  /** Send from where the kernel stands; true when all has arrived, false when the kernel has to be asked again. */
  private async send({ upload, received, chunk, window }: Opened): Promise<boolean> {
    const { file, attempt } = this;
    let next = received;
    let ahead = 0;
    let outcome: boolean | null = null;
    let failure: unknown = null;
    let stall: ReturnType<typeof setTimeout> | undefined;
    const end = (how: boolean, error: unknown = null): void => {
      outcome ??= how;
      failure ??= error;
      this.wake();
    };
    const watch = (): void => {
      clearTimeout(stall);
      stall = setTimeout(() => end(false), this.stallMs);
    };
    const post = (offset: number, bytes: Uint8Array): void => {
      ahead++;
      this.ask("upload.chunk", { upload, offset }, { buffers: [bytes], signal: attempt.signal, once: true }).then(
        ({ body }) => {
          ahead--;
          if (outcome !== null) return;
          watch();
          if (body.state === "done") return end(true);
          if (body.state !== "go" || body.received < offset + bytes.byteLength) return end(false);
          this.progress(body.received);
          this.wake();
        },
        (error: unknown) => (attempt.signal.aborted ? end(false) : end(false, error)),
      );
    };
    watch();
    try {
      while (outcome === null && !attempt.signal.aborted) {
        if (next < file.size && ahead < window) {
          const piece = Math.min(chunk, Math.max(SMALLEST_PIECE, Math.round(this.rate.peek() * PIECE_SECONDS)));
          const bytes = new Uint8Array(await file.slice(next, next + piece).arrayBuffer());
          if (outcome !== null || attempt.signal.aborted) break;
          post(next, bytes);
          next += bytes.byteLength;
        } else {
          await this.news();
        }
      }
    } finally {
      clearTimeout(stall);
    }
    if (failure) throw failure;
    // what is still ahead belongs to this attempt
    if (outcome !== true) attempt.abort();
    return outcome === true;
  }

  private progress(received: number): void {
    const time = now();
    if (received <= this.received.peek() || time - this.drawn < DRAW_MS) return;
    this.drawn = time;
    this.marks.push([time, received]);
    while (this.marks.length > 2 && this.marks[0]![0] < time - RATE_MS) this.marks.shift();
    const [since, before] = this.marks[0]!;
    this.received.value = received;
    if (time - since > 200) this.rate.value = ((received - before) * 1000) / (time - since);
  }

  /** Resolves at the next news, or after some time. */
  private news(timeout?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeout === undefined ? undefined : setTimeout(resolve, timeout);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const now = (): number => performance.now();
