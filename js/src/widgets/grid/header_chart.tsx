/** A column's histogram or most frequent values in its header: seen behind the rest of the table, and a filter to brush. */
import { useRef, useState } from "preact/hooks";
import { formatDate, formatShort } from "../../ui/cells";
import { grouped } from "../../ui/number";
import type { Filter } from "../../ui/row_source";
import type { Summary } from "./summaries";

interface ChartProps {
  column: string;
  storage: string;
  summary: Summary | undefined;
  filter: Filter | undefined;
  onFilter: (filter: Filter | null) => void;
}

export function HeaderChart(props: ChartProps) {
  const { summary } = props;
  if (!summary) return <div class="mw-grid-chart mw-grid-chart-wait" aria-hidden="true" />;
  if (summary.kind === "empty") return <div class="mw-grid-chart mw-muted">no values</div>;
  return summary.kind === "histogram" ? <Bars {...props} summary={summary} /> : <Top {...props} summary={summary} />;
}

/** An end of a range as the filter holds it: dates as text, in which milliseconds keep their order. */
export function bound(value: number, storage: string): number | string {
  return storage === "datetime" ? new Date(value).toISOString().replace("Z", "") : value;
}

const asNumber = (value: number | string): number => (typeof value === "string" ? Date.parse(`${value}${value.includes("T") ? "Z" : ""}`) : value);

export const showBound = (value: number, storage: string): string => (storage === "datetime" ? formatDate(value) : formatShort(value));

/** The range filter of the bars `first` to `last`; the last bar of all holds its own end. */
export function barFilter(column: string, storage: string, edges: number[], first: number, last: number): Filter {
  const end = last >= edges.length - 2;
  return {
    column,
    kind: "range",
    low: first <= 0 ? null : bound(edges[first]!, storage),
    high: end ? null : bound(edges[last + 1]!, storage),
    open_end: !end,
  };
}

function Bars({ column, storage, summary, filter, onFilter }: ChartProps & { summary: Summary }) {
  const from = useRef<number | null>(null);
  const [brush, setBrush] = useState<[number, number] | null>(null);
  const most = Math.max(1, ...summary.all);
  const low = filter?.kind === "range" && filter.low !== null ? asNumber(filter.low) : -Infinity;
  const high = filter?.kind === "range" && filter.high !== null ? asNumber(filter.high) : Infinity;
  const inside = (k: number): boolean =>
    brush ? k >= brush[0] && k <= brush[1] : summary.edges[k + 1]! > low && summary.edges[k]! < high;
  const at = (event: PointerEvent): number => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const share = (event.clientX - box.left) / Math.max(1, box.width);
    return Math.max(0, Math.min(summary.all.length - 1, Math.floor(share * summary.all.length)));
  };
  const span = (k: number): [number, number] => [Math.min(from.current!, k), Math.max(from.current!, k)];
  const title = "Drag over the bars to keep those rows; click a bar for it alone, again for all.";
  return (
    <div
      class={`mw-grid-chart mw-grid-bars${filter ? " mw-grid-filtered" : ""}`}
      role="img"
      aria-label={`distribution from ${showBound(summary.edges[0]!, storage)} to ${showBound(summary.edges.at(-1)!, storage)}`}
      title={title}
      onClick={(event) => event.stopPropagation()}
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture?.(event.pointerId);
        from.current = at(event);
        setBrush(span(from.current));
      }}
      onPointerMove={(event) => {
        if (from.current !== null) setBrush(span(at(event)));
      }}
      onPointerUp={(event) => {
        if (from.current === null) return;
        const [first, last] = span(at(event));
        from.current = null;
        setBrush(null);
        const next = barFilter(column, storage, summary.edges, first, last);
        const same = JSON.stringify(next) === JSON.stringify(filter);
        const whole = first === 0 && last === summary.all.length - 1;
        onFilter(same || whole ? null : next);
      }}
      onPointerCancel={() => {
        from.current = null;
        setBrush(null);
      }}
    >
      <svg viewBox={`0 0 ${summary.all.length} 30`} preserveAspectRatio="none" aria-hidden="true">
        {summary.all.map((count, k) => {
          const full = count ? Math.max(1, (30 * count) / most) : 0;
          const now = summary.here[k] ? Math.max(1, (30 * summary.here[k]!) / most) : 0;
          return (
            <g key={k} class={inside(k) ? undefined : "mw-grid-out"}>
              <rect class="mw-grid-bar-all" x={k + 0.06} width={0.88} y={30 - full} height={full} />
              <rect class="mw-grid-bar" x={k + 0.06} width={0.88} y={30 - now} height={now} />
            </g>
          );
        })}
      </svg>
      <span class="mw-grid-ends" aria-hidden="true">
        <span>{showBound(summary.edges[0]!, storage)}</span>
        <span>{showBound(summary.edges.at(-1)!, storage)}</span>
      </span>
    </div>
  );
}

/** The next set filter when a value is clicked: it alone, then with others, and none when nothing is left. */
export function toggled(column: string, filter: Filter | undefined, value: string | number | boolean | null): Filter | null {
  const now = filter?.kind === "set" && !filter.exclude ? filter.values : [];
  const values = now.includes(value) ? now.filter((one) => one !== value) : [...now, value];
  return values.length ? { column, kind: "set", values } : null;
}

function Top({ column, summary, filter, onFilter }: ChartProps & { summary: Summary }) {
  const total = Math.max(1, summary.all.reduce((sum, count) => sum + count, 0) + summary.other_all);
  // Where nearly every value is another one, a bar of each says nothing.
  if (summary.values.length > 2 && summary.all[0]! <= 1) {
    return <div class="mw-grid-chart mw-muted mw-grid-all-different">{grouped(summary.facts.distinct)} different</div>;
  }
  const chosen = filter?.kind === "set" && !filter.exclude ? filter.values : null;
  return (
    <div class={`mw-grid-chart mw-grid-top${filter ? " mw-grid-filtered" : ""}`} onClick={(event) => event.stopPropagation()}>
      {summary.values.slice(0, 3).map((value, k) => (
        <button
          key={k}
          tabIndex={-1}
          class={chosen && !chosen.includes(value) ? "mw-grid-out" : undefined}
          aria-pressed={chosen?.includes(value) ?? false}
          title={`${String(value)}: ${grouped(summary.here[k]!)} of ${grouped(summary.all[k]!)} rows. Click to keep them.`}
          onClick={() => onFilter(toggled(column, filter, value))}
        >
          <span class="mw-grid-top-all" style={{ width: `${(100 * summary.all[k]!) / total}%` }} />
          <span class="mw-grid-top-now" style={{ width: `${(100 * summary.here[k]!) / total}%` }} />
          <bdi>{value === "" ? "“”" : String(value).slice(0, 80)}</bdi>
        </button>
      ))}
    </div>
  );
}
