/** Sending a value that moves faster than the wire should. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

/**
 * At most one message under way and 20 a second; what is newest goes next and the last one always goes.
 * A kernel that is busy with a long cell thus finds one message waiting, not a thousand.
 */
export class Latest<T> {
  private next: { value: T } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sentAt = -Infinity;
  private under = 0;

  constructor(
    private readonly send: (value: T) => Promise<unknown>,
    private readonly idle: () => void = () => undefined,
    private readonly gap = 50,
    /** An answer that never comes must not block the knob for good. */
    private readonly patience = 5000,
  ) {}

  /** True while something waits or is under way. */
  get busy(): boolean {
    return this.next !== null || this.under > 0;
  }

  push(value: T): void {
    this.next = { value };
    this.plan();
  }

  /** Forget what was not sent yet. */
  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.next = null;
  }

  private plan(): void {
    if (this.timer !== undefined || this.next === null) return;
    const since = Date.now() - this.sentAt;
    const wait = this.under > 0 ? this.patience - since : this.gap - since;
    if (wait <= 0) return this.go();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.go();
    }, wait);
  }

  private go(): void {
    if (this.next === null) return;
    const { value } = this.next;
    this.next = null;
    this.sentAt = Date.now();
    this.under++;
    const done = (): void => {
      this.under--;
      clearTimeout(this.timer);
      this.timer = undefined;
      if (this.next !== null) this.plan();
      else if (!this.busy) this.idle();
    };
    this.send(value).then(done, done);
  }
}

/** How long a view shows what it sent when the kernel's echo does not come. */
const ECHO_MS = 1000;

/**
 * The value to show and the function that changes it. What this person set stands until the kernel says
 * the same, so that late echoes of a drag do not pull the knob back; then the kernel's value rules again.
 */
export function useLatest<T>(
  value: T,
  send: (value: T) => Promise<unknown>,
  fail: (error: unknown) => void,
): { shown: T; push: (value: T) => void } {
  const [held, setHeld] = useState<{ value: T } | null>(null);
  const now = useRef({ value, held, send, fail });
  now.current = { value, held, send, fail };
  const release = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const sender = useMemo(() => {
    const free = (): void => setHeld(null);
    return new Latest<T>(
      (next) =>
        now.current.send(next).catch((error: unknown) => {
          free();
          now.current.fail(error);
        }),
      () => {
        clearTimeout(release.current);
        if (now.current.held && Object.is(now.current.held.value, now.current.value)) free();
        else release.current = setTimeout(free, ECHO_MS);
      },
    );
  }, []);
  useEffect(() => () => clearTimeout(release.current), []);
  useEffect(() => {
    if (held && Object.is(held.value, value) && !sender.busy) setHeld(null);
  }, [value]);
  return {
    shown: held ? held.value : value,
    push: (next) => {
      clearTimeout(release.current);
      setHeld({ value: next });
      sender.push(next);
    },
  };
}
