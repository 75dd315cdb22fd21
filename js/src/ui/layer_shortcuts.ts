/** What a key means at a layer's box. */

export type Shortcut =
  | "undo"
  | "redo"
  | "back"
  | "on"
  | "move-back"
  | "move-on"
  | "first"
  | "last"
  | "toggle"
  | "escape"
  | "ungroup"
  | "remove"
  | "name"
  | "copy"
  | "insert"
  | "append"
  | "connect"
  | "freeze"
  | "group"
  | "menu";

/** In a narrow column the row stands upright. */
const STEPS: Record<string, -1 | 1> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
const ANYWHERE: Record<string, Shortcut> = { Home: "first", End: "last", Enter: "toggle", " ": "toggle", Escape: "escape" };
const EDITS: Record<string, Shortcut> = {
  Delete: "remove",
  Backspace: "remove",
  F2: "name",
  n: "name",
  d: "copy",
  i: "insert",
  a: "append",
  c: "connect",
  f: "freeze",
  g: "group",
  m: "menu",
};

/** `folded` where the box is a group's, `off` where the stack is only shown; null for a key that is not the box's. */
export function shortcutOf(event: KeyboardEvent, folded: boolean, off: boolean): Shortcut | null {
  const target = event.target as HTMLElement;
  const travel = (event.ctrlKey || event.metaKey) && !event.altKey ? event.key.toLowerCase() : "";
  if (travel === "z" || travel === "y") {
    // a field has its own undo
    if (target.closest("input")) return null;
    return travel === "y" || event.shiftKey ? "redo" : "undo";
  }
  if (target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return null;
  const step = STEPS[event.key];
  if (step && event.shiftKey && !folded) return step < 0 ? "move-back" : "move-on";
  if (step) return step < 0 ? "back" : "on";
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const anywhere = ANYWHERE[key];
  if (anywhere) return anywhere;
  if (folded) return key === "g" ? "ungroup" : null;
  return off ? null : (EDITS[key] ?? null);
}
