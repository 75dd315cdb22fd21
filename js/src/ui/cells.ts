/** A table's cells and column kinds as text. */

/** What stands for a column's kind in its header. */
export const KIND_BADGES: Record<string, string> = {
  numeric: "123",
  categorical: "abc",
  text: "abc",
  binary: "0-1",
  datetime: "date",
  identifier: "id",
  constant: "=",
  empty: "∅",
};

export interface Cell {
  /** What is drawn, short. */
  text: string;
  /** The whole value, for the tooltip, the status line and the clipboard; empty where it is missing. */
  full: string;
  missing: boolean;
}

const MISSING: Cell = { text: "–", full: "", missing: true };
/** Longer texts are cut before they reach the page; the column's width cuts them further. */
const LONGEST = 160;

/** A value as it came from Arrow. Dates come as milliseconds, whole numbers of 64 bits as bigints. */
export function formatCell(value: unknown, isDate = false): Cell {
  if (value === null || value === undefined) return MISSING;
  if (typeof value === "number") {
    if (Number.isNaN(value)) return MISSING;
    if (isDate) return plain(formatDate(value));
    return { text: formatShort(value), full: String(value), missing: false };
  }
  return plain(String(value));
}

function plain(full: string): Cell {
  if (full.length <= LONGEST) return { text: full, full, missing: false };
  // Not in the middle of a pair of surrogates: half an emoji is no character.
  const end = /[\ud800-\udbff]/.test(full.charAt(LONGEST - 1)) ? LONGEST - 1 : LONGEST;
  return { text: `${full.slice(0, end)}…`, full, missing: false };
}

/** Six significant digits, more where the whole part needs them; powers of ten for the very large and small. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return String(value);
  if (size >= 1e12 || size < 1e-4) return value.toExponential(5).replace(/\.?0*e\+?/, "e");
  const digits = Math.max(6, Math.floor(Math.log10(size)) + 3);
  return String(Number(value.toPrecision(digits)));
}

/** 2009-05-13, with the time of day where there is one. */
export function formatDate(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return String(milliseconds);
  const text = date.toISOString();
  const [day, time] = [text.slice(0, text.indexOf("T")), text.slice(text.indexOf("T") + 1, -1)];
  return time === "00:00:00.000" ? day : `${day} ${time.replace(/\.000$/, "")}`;
}
