/** Ticks and names around the decision boundary's picture. */
import { useMemo } from "preact/hooks";
import { AxisScale, tickText, type BoundaryFrame } from "./boundary_canvas";

/** Pixels between the picture and the edges of its box. */
export const LEFT = 46;
export const BOTTOM = 36;
export const TOP = 6;
export const RIGHT = 8;

export function Axes({ frame, width, height }: { frame: BoundaryFrame; width: number; height: number }) {
  const [w, h] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
  const x = useMemo(() => new AxisScale(frame.x_range, frame.x_log), [...frame.x_range, frame.x_log]);
  const y = useMemo(() => new AxisScale(frame.y_range, frame.y_log), [...frame.y_range, frame.y_log]);
  const name = (column: string, log: boolean, room: number): string => {
    const most = Math.max(Math.floor(room / 6.2) - (log ? 6 : 0), 6);
    return (column.length > most ? `${column.slice(0, most - 1)}…` : column) + (log ? " (log)" : "");
  };
  return (
    <svg class="mw-boundary-axes" width={width} height={height} aria-hidden="true">
      <rect x={LEFT - 0.5} y={TOP - 0.5} width={w + 1} height={h + 1} class="mw-boundary-frame" />
      {x.ticks(Math.max(w / 70, 2)).map((tick) => {
        const at = LEFT + x.share(tick) * w;
        return (
          <>
            <line x1={at} x2={at} y1={TOP + h} y2={TOP + h + 4} />
            <text x={at} y={TOP + h + 15} text-anchor="middle">
              {tickText(tick)}
            </text>
          </>
        );
      })}
      {y.ticks(Math.max(h / 55, 2)).map((tick) => {
        const at = TOP + (1 - y.share(tick)) * h;
        return (
          <>
            <line x1={LEFT - 4} x2={LEFT} y1={at} y2={at} />
            <text x={LEFT - 6} y={at + 4} text-anchor="end">
              {tickText(tick)}
            </text>
          </>
        );
      })}
      <text class="mw-boundary-name" x={LEFT + w} y={height - 4} text-anchor="end">
        <title>{frame.x}</title>
        {name(frame.x, frame.x_log, w)}
      </text>
      <text
        class="mw-boundary-name"
        text-anchor="end"
        transform={`translate(10 ${TOP}) rotate(-90)`}
      >
        <title>{frame.y}</title>
        {name(frame.y, frame.y_log, h)}
      </text>
    </svg>
  );
}
