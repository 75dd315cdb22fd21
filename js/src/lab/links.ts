/**
 * Links into a view: `#medilytica=` and a small JSON object in URL-safe base64. Whoever follows one gets the
 * workspace opened, and the widgets are told what to show by an event.
 */
import { VIEW_EVENT, type SharedView } from "./service";

const PREFIX = "medilytica=";
/** A link is a handful of short names; anything larger was not made by us. */
const LONGEST = 4096;

const LONGEST_TEXT = 500;

/** A workspace is named by its path below the server's folder. */
const isOutside = (path: string): boolean => path.startsWith("/") || path.includes("\\") || path.split("/").includes("..");

const KINDS: Record<keyof SharedView, "string" | "number"> = {
  workspace: "string",
  experiment: "string",
  run: "string",
  chart: "string",
  epoch: "number",
  layer: "string",
  row: "number",
  explanation: "string",
};

/** The view that a link's fragment names; null where it names none, or not one of ours. */
export function decodeView(fragment: string): SharedView | null {
  const at = fragment.indexOf("#");
  const text = at < 0 ? "" : fragment.slice(at + 1);
  const part = text.split("&").find((piece) => piece.startsWith(PREFIX));
  if (!part || part.length > LONGEST) return null;
  try {
    const base64 = part.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const plain: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof plain === "object" && plain !== null && !Array.isArray(plain) ? pick(plain as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function pick(plain: Record<string, unknown>): SharedView | null {
  const view: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const value = plain[name];
    const fits = typeof value === "string" ? value !== "" && value.length <= LONGEST_TEXT : Number.isSafeInteger(value) && Number(value) >= 0;
    if (typeof value === kind && fits && !(name === "workspace" && isOutside(String(value)))) view[name] = value;
  }
  return Object.keys(view).length ? (view as SharedView) : null;
}

/** Tell the widgets; returns whether one that is in sight shows it. */
export function announceView(view: SharedView): boolean {
  return !window.dispatchEvent(new CustomEvent(VIEW_EVENT, { detail: view, cancelable: true }));
}

/** Follow every such link that is clicked anywhere on the page, and the one that the page was opened with. */
export function followLinks(open: (view: SharedView) => void): () => void {
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.composedPath().find((el): el is HTMLAnchorElement => el instanceof HTMLAnchorElement);
    const view = link ? decodeView(link.getAttribute("href") ?? "") : null;
    if (!view) return;
    event.preventDefault();
    event.stopPropagation();
    open(view);
  };
  // JupyterLab's own link handler would look for a file of that name
  document.addEventListener("click", onClick, true);
  const first = decodeView(location.hash);
  if (first) open(first);
  return () => document.removeEventListener("click", onClick, true);
}
