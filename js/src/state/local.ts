/** State that belongs to this browser alone: the theme it shows, an open tab, a scroll position. */
import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { recall, store } from "./stored";

const dark = signal(false);

function readTheme(): boolean {
  const told = document.body?.getAttribute("data-jp-theme-light");
  if (told) return told === "false";
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

let watching = false;

/** True while the page shows a dark theme; follows JupyterLab's switch. */
export function isDark(): ReadonlySignal<boolean> {
  if (!watching && document.body) {
    watching = true;
    dark.value = readTheme();
    new MutationObserver(() => (dark.value = readTheme())).observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"],
    });
  }
  return dark;
}

const kept = new Map<string, Signal<unknown>>();

/**
 * A value that outlives a view's redrawing but not the page, by key (use the model's id in it), so
 * that a second view or a re-run of the output comes up where the person left it.
 */
export function keep<T>(key: string, initial: T): Signal<T> {
  let known = kept.get(key);
  if (!known) {
    known = signal<unknown>(initial);
    kept.set(key, known);
  }
  return known as Signal<T>;
}

/**
 * The same for a value that outlives the page too: it is read from the browser's storage at first and
 * written there at every change. `fits` says whether what was found there is such a value.
 */
export function keepStored<T>(key: string, initial: T, fits: (found: unknown) => found is T): Signal<T> {
  if (kept.has(key)) return keep(key, initial);
  const found = recall(key);
  const value = keep(key, fits(found) ? found : initial);
  const plain = JSON.stringify(initial);
  let last = JSON.stringify(value.peek());
  effect(() => {
    const text = JSON.stringify(value.value);
    if (text === last) return;
    last = text;
    store(key, text === plain ? null : value.peek());
  });
  return value;
}

/** True where the person asked for less motion. */
export function reducedMotion(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}
