/** The connections that skip boxes, drawn as arcs above the row with the shape that flows along each. */
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Arc } from "./layer_state";

const RISE = 16;
const STEP = 5;
const MOST = 34;
/** Left of all boxes. */
const GUTTER = 2;

interface Drawn {
  path: string;
  x: number;
  y: number;
  shape: string;
  key: string;
}

/** Draws into the row's own coordinates; `place` gives the box that stands for a layer, -1 the input, the count the head. */
export function Arcs({ row, arcs, place, redraw }: {
  row: RefObject<HTMLElement | null>;
  arcs: Arc[];
  place: (index: number) => HTMLElement | null | undefined;
  /** Another value whenever boxes may have moved. */
  redraw: unknown;
}) {
  const [drawn, setDrawn] = useState<{ arcs: Drawn[]; width: number; height: number }>({ arcs: [], width: 0, height: 0 });
  const measure = (): void => {
    const element = row.current;
    if (!element) return;
    const frame = element.getBoundingClientRect();
    const left = frame.left + element.clientLeft - element.scrollLeft;
    const top = frame.top + element.clientTop - element.scrollTop;
    const found = arcs.flatMap((arc, k): Drawn[] => {
      const from = place(arc.from)?.getBoundingClientRect();
      const to = place(arc.to)?.getBoundingClientRect();
      if (!from || !to || place(arc.from) === place(arc.to)) return [];
      const x1 = from.left + from.width * 0.6 - left;
      const x2 = to.left + to.width * 0.4 - left;
      const [y1, y2] = [from.top - top, to.top - top];
      const upright = Math.abs(from.left - to.left) < 1 && to.top >= from.bottom;
      const key = `${arc.from}-${arc.to}`;
      if (upright) {
        const side = Math.min(from.left, to.left) - left;
        const away = Math.max(4, side - RISE - STEP * (k % 3));
        const [a, b] = [from.top + from.height / 2 - top, to.top + to.height / 2 - top];
        return [{ key, shape: arc.shape, path: `M${side} ${a}C${away} ${a} ${away} ${b} ${side} ${b}`, x: Math.max(12, away), y: (a + b) / 2 }];
      }
      if (to.top >= from.bottom) {
        // to another line of boxes: through the gaps between lines, and down along the left edge where lines lie between
        const [start, end] = [from.bottom - top, y2];
        const between = end - start < 2 * MOST;
        const [leave, arrive] = [start + 10 + 3 * (k % 3), end - 12 - 3 * (k % 3)];
        const bend = between
          ? `C${x1} ${start + 26} ${x2} ${end - 30} ${x2} ${end}`
          : `L${x1} ${leave}L${GUTTER} ${leave}L${GUTTER} ${arrive}L${x2} ${arrive}L${x2} ${end}`;
        return [{ key, shape: arc.shape, path: `M${x1} ${start}${bend}`, x: between ? (x1 + x2) / 2 : (GUTTER + x2) / 2, y: between ? (start + end) / 2 : arrive }];
      }
      const rise = Math.min(MOST, RISE + STEP * (k % 4));
      const [h1, h2] = [y1 - rise, y2 - rise];
      return [{ key, shape: arc.shape, path: `M${x1} ${y1}C${x1} ${h1} ${x2} ${h2} ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 - rise * 0.75 }];
    });
    setDrawn({ arcs: found, width: element.scrollWidth, height: element.scrollHeight });
  };
  useLayoutEffect(() => {
    measure();
    const element = row.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const sized = new ResizeObserver(measure);
    sized.observe(element);
    return () => sized.disconnect();
  }, [redraw]);
  return (
    <svg class="mw-arcs" width={drawn.width} height={drawn.height} aria-hidden="true">
      {drawn.arcs.map((arc) => (
        <g key={arc.key}>
          <path d={arc.path} />
          <text x={arc.x} y={arc.y - 2}>
            {arc.shape}
          </text>
        </g>
      ))}
    </svg>
  );
}
