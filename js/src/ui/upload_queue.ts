/** The files that a person chose in one view: which are refused, which are on their way, which wait. */
import { signal } from "@preact/signals";
import { formatBytes } from "./number";
import { Transfer, type Ask } from "./upload_transfer";

/** So many files are on their way at a time; more would not be faster, and fewer lets a small one wait for a large one. */
const AT_ONCE = 2;

export interface Refused {
  key: number;
  name: string;
  message: string;
}

export interface Queued {
  key: number;
  transfer: Transfer;
}

export interface Rules {
  limit: number;
  accept: string[];
}

/** Endings as a sentence names them; the compressed ones are not listed one by one. */
export function endingsInWords(accept: string[]): string {
  const plain = accept.filter((one) => !one.endsWith(".gz") || !accept.includes(one.slice(0, -3)));
  return plain.join(", ") + (plain.length < accept.length ? "; text also as .gz" : "");
}

/** Why a file is not taken, as the kernel would say it; empty where it is. */
export function refusal(file: { name: string; size: number }, { limit, accept }: Rules): string {
  const name = file.name.trim().toLowerCase();
  if (!accept.some((ending) => name.endsWith(ending))) return `Not taken here: its name has to end in ${endingsInWords(accept)}.`;
  if (file.size === 0) return "It is empty: there is nothing to upload.";
  if (file.size > limit) return `It has ${formatBytes(file.size)}; ${formatBytes(limit)} are the most here.`;
  return "";
}

export class UploadQueue {
  readonly items = signal<Queued[]>([]);
  readonly refused = signal<Refused[]>([]);
  private running = 0;
  private keys = 0;
  private connected = true;
  private closed = false;

  constructor(
    private readonly ask: Ask,
    private readonly rules: () => Rules,
    private readonly make: (file: File, ask: Ask) => Transfer = (file, ask) => new Transfer(file, ask),
  ) {}

  /** Take files; those that cannot be taken are listed with the reason before a byte of them is sent. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      const message = this.isUnderWay(file) ? "It is on its way already." : refusal(file, this.rules());
      if (message) this.refuse(file.name, message);
      else this.items.value = [...this.items.value, { key: ++this.keys, transfer: this.made(file) }];
    }
    this.start();
  }

  refuse(name: string, message: string): void {
    this.refused.value = [...this.refused.value, { key: ++this.keys, name, message }];
  }

  /** Take an entry off the list; what is on its way is cancelled first. */
  dismiss(key: number): void {
    this.items.value.find((item) => item.key === key)?.transfer.cancel();
    this.items.value = this.items.value.filter((item) => item.key !== key);
    this.refused.value = this.refused.value.filter((one) => one.key !== key);
  }

  /** Once more what failed or was cancelled; the kernel says from where. */
  retry(key: number): void {
    const item = this.items.value.find((one) => one.key === key);
    if (!item?.transfer.ended) return;
    const { file } = item.transfer;
    this.items.value = this.items.value.map((one) => (one.key === key ? { key, transfer: this.made(file) } : one));
    this.start();
  }

  setConnected(connected: boolean): void {
    this.connected = connected;
    this.items.value.forEach(({ transfer }) => transfer.setConnected(connected));
  }

  /** The view is going: stop sending. The kernel keeps what it has. */
  close(): void {
    this.closed = true;
    this.items.value.forEach(({ transfer }) => transfer.close());
  }

  private made(file: File): Transfer {
    const transfer = this.make(file, this.ask);
    transfer.setConnected(this.connected);
    return transfer;
  }

  private isUnderWay({ name, size, lastModified }: File): boolean {
    return this.items.value.some(
      ({ transfer: { ended, file } }) =>
        !ended && file.name === name && file.size === size && file.lastModified === lastModified,
    );
  }

  private start(): void {
    for (const { key, transfer } of this.items.value) {
      if (this.running >= AT_ONCE || this.closed) return;
      if (transfer.state.peek() !== "waiting" || this.begun.has(transfer)) continue;
      this.begun.add(transfer);
      this.running++;
      void transfer.run().then(() => {
        this.running--;
        // what has arrived is listed by the kernel from now on, for everyone
        if (transfer.state.peek() === "done") this.items.value = this.items.value.filter((one) => one.key !== key);
        this.start();
      });
    }
  }
  private readonly begun = new WeakSet<Transfer>();
}
