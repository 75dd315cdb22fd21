/**
 * State that the kernel owns. A browser reads it as signals and never writes it: it asks, with a
 * typed request, and the answer comes back to everyone as a changed trait.
 */
import { signal, type ReadonlySignal } from "@preact/signals";
import type { PlainModel } from "../types";

export class Synced {
  private signals = new Map<string, ReadonlySignal<unknown>>();
  private stops: (() => void)[] = [];

  constructor(private model: PlainModel) {}

  /** The trait as a signal that follows the kernel. */
  get<T>(name: string): ReadonlySignal<T> {
    let known = this.signals.get(name);
    if (!known) {
      const fresh = signal<unknown>(this.model.get(name));
      const update = (): void => {
        fresh.value = this.model.get(name);
      };
      this.model.on(`change:${name}`, update);
      this.stops.push(() => this.model.off(`change:${name}`, update));
      this.signals.set(name, fresh);
      known = fresh;
    }
    return known as ReadonlySignal<T>;
  }

  close(): void {
    this.stops.forEach((stop) => stop());
    this.stops = [];
    this.signals.clear();
  }
}
