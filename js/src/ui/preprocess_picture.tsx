/** A column before a step and what came of it: the first training rows, and how the values spread. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Context } from "../widgets/_base";
import { formatDate, formatShort } from "./cells";
import { plural } from "./number";
import { useUid } from "./uid";

interface Bars {
  form: "histogram" | "categories";
  dates?: boolean;
  edges?: number[];
  counts?: number[];
  items?: [string, number][];
  others?: number;
  rest?: number;
}

interface ShownColumn {
  name: string;
  cells: (string | number | null)[];
  bars: Bars | null;
}

export interface Picture {
  version: number;
  step: number;
  column: string;
  names: string[];
  unnamed: number;
  before: ShownColumn[];
  after: ShownColumn[];
  more: number;
}

/** The bars of a column: heights, and what they say in words. */
function heights(bars: Bars): { counts: number[]; from: string; to: string; label: (place: number) => string } {
  if (bars.form === "categories") {
    const items = bars.items ?? [];
    const counts = [...items.map(([, count]) => count), ...(bars.rest ? [bars.rest] : [])];
    const name = (place: number): string => items[place]?.[0] ?? plural(bars.others ?? 0, "other value");
    return { counts, from: name(0), to: counts.length > 1 ? name(counts.length - 1) : "", label: name };
  }
  const edges = bars.edges ?? [];
  const text = (place: number): string =>
    bars.dates ? formatDate(Math.floor(edges[place]! / 86_400_000) * 86_400_000) : formatShort(Number(edges[place]!.toPrecision(3)));
  return {
    counts: bars.counts ?? [],
    from: text(0),
    to: text(edges.length - 1),
    label: (place) => `${text(place)} to ${text(place + 1)}`,
  };
}

function MiniBars({ column, when }: { column: ShownColumn; when: string }) {
  if (!column.bars) return <div class="mw-prep-bars mw-tiny">nothing to draw</div>;
  const { counts, from, to, label } = heights(column.bars);
  const top = Math.max(1, ...counts);
  return (
    <div class="mw-prep-bars">
      <div class="mw-prep-bars-box" role="img" aria-label={`How ${column.name} spreads ${when}: from ${from}${to ? ` to ${to}` : ""}`}>
        {counts.map((count, place) => (
          <i key={place} title={`${label(place)}: ${plural(count, "row")}`} style={{ height: count ? `max(1px, ${(100 * count) / top}%)` : "0" }} />
        ))}
      </div>
      <span class="mw-tiny mw-prep-ends" aria-hidden="true">
        <bdi>{from}</bdi>
        <bdi>{to}</bdi>
      </span>
    </div>
  );
}

const cellText = (cell: string | number | null): string => (cell === null ? "–" : typeof cell === "number" ? formatShort(cell) : cell);

function Side({ columns, when, more }: { columns: ShownColumn[]; when: string; more: number }) {
  const rows = Math.max(0, ...columns.map((column) => column.cells.length));
  return (
    <figure class="mw-prep-side">
      <figcaption class="mw-tiny">{when}</figcaption>
      {columns.length === 0 ? (
        <p class="mw-muted mw-prep-gone">The column is taken out.</p>
      ) : (
        <div class="mw-prep-scroll" tabIndex={0} role="group" aria-label={`First training rows ${when} the step`}>
          <table class="mw-prep-table">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column.name} scope="col" title={column.name}>
                    <bdi class="mw-prep-name">{column.name}</bdi>
                    <MiniBars column={column} when={when} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {Array.from({ length: rows }, (_, row) => (
                <tr key={row}>
                  {columns.map((column) => (
                    <td key={column.name} class={typeof column.cells[row] === "number" ? "mw-prep-number" : undefined}>
                      <bdi>{cellText(column.cells[row] ?? null)}</bdi>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more > 0 && <p class="mw-tiny">and {plural(more, "more column")}</p>}
    </figure>
  );
}

export function StepPicture({ ctx, step, version, ready }: {
  ctx: Context;
  /** Its place; -1 for the default preparation. */
  step: number;
  version: number;
  /** Whether this version of the step is computed. */
  ready: boolean;
}) {
  const uid = useUid();
  const column = useSignal("");
  const read = useSignal<Picture | null>(null);
  const failed = useSignal("");
  useEffect(() => {
    if (!ready) return;
    const abort = new AbortController();
    failed.value = "";
    ctx.ask("steps.picture", { step, column: column.value, version }, { quiet: true, signal: abort.signal }).then(
      ({ body }) => (read.value = body as unknown as Picture),
      (error: Error) => {
        if (!abort.signal.aborted) failed.value = error.message;
      },
    );
    return () => abort.abort();
  }, [ctx, step, version, ready, column.value]);
  const picture = read.value;
  if (failed.value) return <p class="mw-tiny">{failed.value}</p>;
  if (!picture) return ready ? <div class="mw-skeleton mw-prep-wait" role="status" aria-label="Loading the rows" /> : null;
  if (!picture.names.length) return <p class="mw-tiny">This step touches no column of this table.</p>;
  return (
    <div class={`mw-prep-picture${ready && picture.version === version ? "" : " mw-prep-stale"}`}>
      <div class="mw-prep-choose">
        <label for={`${uid}-shown`}>look at</label>
        <select id={`${uid}-shown`} value={picture.column} onChange={(event) => (column.value = event.currentTarget.value)}>
          {picture.names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        {picture.unnamed > 0 && <span class="mw-tiny">{plural(picture.unnamed, "more column")} not listed</span>}
      </div>
      <div class="mw-prep-sides">
        <Side columns={picture.before} when="before" more={0} />
        <span class="mw-prep-arrow" aria-hidden="true">
          →
        </span>
        <Side columns={picture.after} when="after" more={picture.more} />
      </div>
    </div>
  );
}
