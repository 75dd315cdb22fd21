/** Links that restore a view: what a place in a widget is called in one, and where a link that was followed leads. */
import { signal } from "@preact/signals";
import { VIEW_EVENT, type SharedView } from "../lab/service";

/** A row that somebody was sent to; `round` tells a second time from the first. */
export interface Destination {
  subject: string;
  row: number;
  round: number;
}

/** Where a followed link leads in the tables of this page; null before the first. */
export const destination = signal<Destination | null>(null);

/** The part of a link that names a place within an experiment: `layer:2`, `row:17`, `chart:curves`. */
export function viewOf(place: string): SharedView {
  const [kind, ...rest] = place.split(":");
  const name = rest.join(":");
  if (kind === "row" && /^\d+$/.test(name)) return { row: Number(name) };
  if (kind === "layer" && name) return { layer: name };
  if (kind === "chart" && name) return { chart: name };
  return {};
}

/** The place that a link names, in the same words; empty where it names the experiment as a whole. */
export function placeOf(view: SharedView): string {
  if (view.row !== undefined) return `row:${view.row}`;
  if (view.layer !== undefined) return `layer:${view.layer}`;
  if (view.chart !== undefined) return `chart:${view.chart}`;
  return view.run !== undefined || view.epoch !== undefined ? "chart:curves" : "";
}

/** Hear of links that somebody followed; a listener says whether it shows the view. Returns the function that stops. */
export function onView(listener: (view: SharedView) => boolean): () => void {
  const heard = (event: WindowEventMap[typeof VIEW_EVENT]): void => {
    if (listener(event.detail)) event.preventDefault();
  };
  window.addEventListener(VIEW_EVENT, heard);
  return () => window.removeEventListener(VIEW_EVENT, heard);
}

let rounds = 0;
export function goToRow(subject: string, row: number): void {
  destination.value = { subject, row, round: ++rounds };
}

const FLASH_MS = 2500;
const PATIENCE_MS = 8000;
const LOOK_MS = 100;

/** Bring a place into sight and mark it for a moment, as soon as it is drawn. */
export function flash(root: HTMLElement, place: string): void {
  const until = performance.now() + PATIENCE_MS;
  const look = (): void => {
    const target = [...root.querySelectorAll<HTMLElement>("[data-at]")].find((one) => one.dataset["at"] === place);
    if (!target) {
      if (performance.now() < until) setTimeout(look, LOOK_MS);
      return;
    }
    target.scrollIntoView?.({ block: "center", inline: "nearest" });
    target.classList.add("mw-flash");
    setTimeout(() => target.classList.remove("mw-flash"), FLASH_MS);
  };
  look();
}
