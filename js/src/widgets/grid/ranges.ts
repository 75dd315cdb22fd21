/** Sets of rows as ranges `[start, end)`, in order and apart from each other: a million rows are one pair. */
export type Range = [number, number];

export const holds = (ranges: readonly Range[], row: number): boolean => ranges.some(([start, end]) => row >= start && row < end);

export const counted = (ranges: readonly Range[]): number => ranges.reduce((sum, [start, end]) => sum + end - start, 0);

export function joined(ranges: readonly Range[], [start, end]: Range): Range[] {
  const apart = ranges.filter((one) => one[1] < start || one[0] > end);
  const near = ranges.filter((one) => one[1] >= start && one[0] <= end);
  const whole: Range = [Math.min(start, ...near.map((one) => one[0])), Math.max(end, ...near.map((one) => one[1]))];
  return [...apart, whole].sort((a, b) => a[0] - b[0]);
}

export function without(ranges: readonly Range[], [start, end]: Range): Range[] {
  return ranges.flatMap(([a, b]): Range[] =>
    b <= start || a >= end ? [[a, b]] : ([[a, Math.min(b, start)], [Math.max(a, end), b]] as Range[]).filter(([x, y]) => x < y),
  );
}

export const toggledRow = (ranges: readonly Range[], row: number): Range[] =>
  holds(ranges, row) ? without(ranges, [row, row + 1]) : joined(ranges, [row, row + 1]);
