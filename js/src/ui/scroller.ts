/**
 * Which rows and columns of a table are seen, and where they lie on its scroll area. Browsers carry a few
 * million pixels; a taller table scrolls in proportion, and then by whole rows.
 */

export const MAX_PIXELS = 8e6;

/** Rows of a table, the height of one, and the height in which they are seen, in pixels. */
export interface Extent {
  rows: number;
  rowHeight: number;
  viewport: number;
}

export const isProportional = ({ rows, rowHeight }: Extent): boolean => rows * rowHeight > MAX_PIXELS;

export const contentHeight = ({ rows, rowHeight }: Extent): number => Math.min(rows * rowHeight, MAX_PIXELS);

/** The first row of the last screen. */
export function lastTop(extent: Extent): number {
  const last = Math.max(0, extent.rows - extent.viewport / extent.rowHeight);
  return isProportional(extent) ? Math.ceil(last) : last;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

/** The row at the top of the area: with its fraction, or a whole one where scrolling is proportional. */
export function topAt(scrollTop: number, extent: Extent): number {
  if (!isProportional(extent)) return clamp(scrollTop / extent.rowHeight, 0, lastTop(extent));
  const range = contentHeight(extent) - extent.viewport;
  return Math.round(clamp(scrollTop / range, 0, 1) * lastTop(extent));
}

/** The scroll position at which a row stands at the top; the inverse of `topAt`. */
export function scrollFor(top: number, extent: Extent): number {
  const inside = clamp(top, 0, lastTop(extent));
  if (!isProportional(extent)) return inside * extent.rowHeight;
  return (inside / lastTop(extent)) * (contentHeight(extent) - extent.viewport);
}

export interface Window {
  /** The first one drawn and how many. */
  first: number;
  count: number;
  /** Pixels in front of the first and behind the last. */
  before: number;
  after: number;
}

/** The rows to draw when `top` stands at the top of the area. */
export function visibleRows(top: number, scrollTop: number, extent: Extent, overscan = 6): Window {
  const { rows, rowHeight, viewport } = extent;
  const whole = isProportional(extent);
  const first = whole ? top : Math.max(0, Math.floor(top) - overscan);
  const end = Math.min(rows, Math.ceil(top + viewport / rowHeight) + (whole ? 1 : overscan));
  const count = Math.max(0, end - first);
  const before = whole ? scrollTop : first * rowHeight;
  return { first, count, before, after: Math.max(0, contentHeight(extent) - before - count * rowHeight) };
}

/** Where each column begins, and at the end where the last one ends. */
export function columnOffsets(widths: readonly number[]): number[] {
  const offsets = [0];
  for (const width of widths) offsets.push(offsets[offsets.length - 1]! + width);
  return offsets;
}

/** The columns to draw between two positions. */
export function visibleColumns(offsets: readonly number[], left: number, width: number, overscan = 2): Window {
  const columns = offsets.length - 1;
  if (columns <= 0) return { first: 0, count: 0, before: 0, after: 0 };
  const at = (position: number): number => {
    let [low, high] = [0, columns - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (offsets[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const first = Math.max(0, at(left) - overscan);
  const end = Math.min(columns, at(left + width) + 1 + overscan);
  return { first, count: end - first, before: offsets[first]!, after: offsets[columns]! - offsets[end]! };
}

/** The nearest scroll position at which `start` to `end` lies within a view of `size`. */
export function reveal(position: number, size: number, start: number, end: number): number {
  if (start < position) return start;
  return end > position + size ? Math.min(start, end - size) : position;
}
