/** Moving one of several boxes by pointer: mouse, pen and touch alike, also where the boxes wrap. */
import { useEffect, useRef, useState } from "preact/hooks";

/** A pointer that moves less than this only clicks. */
const SLACK = 4;

export interface Drag {
  from: number;
  /** Where it would stand among the others: before the box that is there now; count means last. */
  gap: number;
  dx: number;
  dy: number;
}

/** The gap nearest to a point, in a row, in rows, or in a column. */
export function gapAt(boxes: readonly DOMRect[], x: number, y: number): number {
  const [first, second] = boxes;
  if (first && second && second.top >= first.bottom && Math.abs(second.left - first.left) < 1) {
    return boxes.filter((box) => (box.top + box.bottom) / 2 < y).length;
  }
  let best = 0;
  let nearest = Infinity;
  boxes.forEach((box, k) => {
    const away = Math.max(box.top - y, y - box.bottom, 0);
    for (const [gap, edge] of [[k, box.left], [k + 1, box.right]] as const) {
      // lines count before columns: a box wraps below, however far to the side
      const distance = away * 1000 + Math.abs(edge - x);
      if (distance < nearest) {
        nearest = distance;
        best = gap;
      }
    }
  });
  return best;
}

/** Where a box ends up that is taken out at `from` and put in at `gap`. */
export const destination = (from: number, gap: number): number => (gap > from ? gap - 1 : gap);

/** The click that a browser makes of a finished drag selects nothing. */
function swallowClick(): void {
  const swallow = (event: Event): void => event.stopPropagation();
  window.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => window.removeEventListener("click", swallow, { capture: true }));
}

/**
 * Returns the drag under way and the handler for a box's `pointerdown`. `boxes` lists the boxes in
 * order; `drop` gets the index and where it goes, only if it goes anywhere.
 */
export function useReorder(
  boxes: () => HTMLElement[],
  drop: (from: number, to: number) => void,
): { drag: Drag | null; grab: (event: PointerEvent, index: number) => void } {
  const [drag, setDrag] = useState<Drag | null>(null);
  const stop = useRef<() => void>(() => undefined);
  useEffect(() => () => stop.current(), []);

  const grab = (event: PointerEvent, index: number): void => {
    const target = event.target as HTMLElement;
    if (event.button !== 0 || target.closest("input, select, button, a")) return;
    const { clientX, clientY, pointerId } = event;
    const box = event.currentTarget as HTMLElement;
    let latest: Drag | null = null;
    const move = (e: PointerEvent): void => {
      if (e.pointerId !== pointerId) return;
      const dx = e.clientX - clientX;
      const dy = e.clientY - clientY;
      if (!latest && Math.hypot(dx, dy) < SLACK) return;
      if (!latest) box.setPointerCapture?.(pointerId);
      e.preventDefault();
      // the moved box lies where it is drawn; its own place is where it was
      const rects = boxes().map((element, k) => {
        const rect = element.getBoundingClientRect();
        return k === index && latest ? new DOMRect(rect.x - latest.dx, rect.y - latest.dy, rect.width, rect.height) : rect;
      });
      latest = { from: index, gap: gapAt(rects, e.clientX, e.clientY), dx, dy };
      setDrag(latest);
    };
    const end = (e: PointerEvent): void => {
      if (e.pointerId !== pointerId) return;
      stop.current();
      if (!latest) return;
      swallowClick();
      if (e.type !== "pointerup") return;
      const to = destination(index, latest.gap);
      if (to !== index) drop(index, to);
    };
    const keys = (e: KeyboardEvent): void => {
      if (e.key === "Escape") stop.current();
    };
    stop.current();
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
    window.addEventListener("keydown", keys, true);
    stop.current = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
      window.removeEventListener("keydown", keys, true);
      stop.current = () => undefined;
      setDrag(null);
    };
  };
  return { drag, grab };
}
