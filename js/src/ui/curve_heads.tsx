/** Which head's curves are shown, where a network has several. */
import { formatNumber } from "./number";
import { decimate, type CurveStore } from "./curve_store";
import type { Figure } from "./plotly_theme";

/** One head of the latest run, as `MetricPlots.heads` has it. */
export interface CurveHead {
  name: string;
  /** Its two curves: the columns without `train_` and `val_`. */
  loss: string;
  metric: string;
  /** Null where it is learned: then there is a column of it. */
  weight: number | null;
  figures: Figure[];
}

/** What stands in one of the two places for charts. */
export interface CurvePanel {
  /** Of the columns, without `train_` and `val_`. */
  curve: string;
  /** "loss", "mean absolute error": without the head's name. */
  words: string;
  figure: Figure;
}

/** The value that stands for all heads together; no head's name is empty. */
export const TOTAL = "";
const LETTERS = 40;
const [WIDTH, HEIGHT] = [72, 16];

/** A name in a sentence that is read out: whoever wants all of it finds it at the button. */
const short = (name: string): string => (name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name);

const inWords = (column: string): string => column.replaceAll("_", " ");

/** The chosen head; undefined for all together, and where a later run has no head of that name. */
export function headOf(heads: readonly CurveHead[], chosen: string): CurveHead | undefined {
  return heads.length > 1 && chosen !== TOTAL ? heads.find((head) => head.name === chosen) : undefined;
}

/** What is drawn: the head's loss and metric, or those of the whole run. */
export function panelsOf(figures: readonly Figure[], metric: string, head: CurveHead | undefined): CurvePanel[] {
  if (!head) {
    return figures.map((figure, k) => ({ curve: k ? metric : "loss", words: k ? inWords(metric) : "loss", figure }));
  }
  const own = head.metric.startsWith(`${head.name}_`) ? head.metric.slice(head.name.length + 1) : head.metric;
  return head.figures.map((figure, k) => ({
    curve: k ? head.metric : head.loss,
    words: k ? inWords(own) : "loss",
    figure,
  }));
}

/** Whose curves are shown: a head's name, "all heads"; empty where there is one head. */
export function whose(heads: readonly CurveHead[], head: CurveHead | undefined): string {
  return head ? short(head.name) : heads.length > 1 ? "all heads" : "";
}

/** The curves in a sentence, for who cannot see them. */
export function summary(
  store: CurveStore,
  panels: readonly CurvePanel[],
  unit: string,
  heads: readonly CurveHead[] = [],
  head?: CurveHead,
): string {
  const epoch = store.last("epoch");
  if (epoch === null) return "";
  const parts: string[] = [];
  panels.forEach(({ curve, words }, k) => {
    // beside the sum of all losses stands the main head's metric
    const which = heads.length > 1 && !head ? (k ? `${short(heads[0]!.name)} ` : "total ") : "";
    for (const [part, name] of [
      ["train", "training"],
      ["val", "validation"],
    ] as const) {
      const value = store.last(`${part}_${curve}`);
      if (value !== null) parts.push(`${name} ${which}${words} ${formatNumber(value)}`);
    }
  });
  const weight = head?.weight === null ? store.last(`weight_${head.name}`) : null;
  if (weight !== null) parts.push(`learned weight ${formatNumber(weight)}`);
  return `${[whose(heads, head), `${unit} ${epoch}`].filter(Boolean).join(", ")}: ${parts.join(", ")}`;
}

/** One button for all heads together and one for each; where they would not fit, a list. */
export function HeadChoice(props: { heads: CurveHead[]; chosen: string; choose: (name: string) => void; id: string }) {
  const { heads, chosen, choose, id } = props;
  const names = [TOTAL, ...heads.map((head) => head.name)];
  const at = Math.max(names.indexOf(chosen), 0);
  const word = (name: string): string => (name === TOTAL ? "total" : name);
  const hint = (name: string, k: number): string => {
    if (name === TOTAL) return "all heads: their losses added up, each times its weight";
    return k === 1 ? `${name} (the main head)` : name;
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const forward = event.key === "ArrowRight" || event.key === "ArrowDown";
    const back = event.key === "ArrowLeft" || event.key === "ArrowUp";
    const last = names.length - 1;
    const next = forward
      ? (at + 1) % names.length
      : back
        ? (at + last) % names.length
        : event.key === "Home"
          ? 0
          : event.key === "End"
            ? last
            : -1;
    if (next < 0) return;
    event.preventDefault();
    choose(names[next]!);
    ((event.currentTarget as HTMLElement).children[next] as HTMLElement).focus();
  };
  return (
    <div class={`mw-curves-heads${heads.length > 5 ? " mw-curves-many" : ""}`}>
      <span class="mw-tiny" id={`${id}-heads`}>
        curves of
      </span>
      <div class="mw-curves-choice" role="radiogroup" aria-labelledby={`${id}-heads`} onKeyDown={onKey}>
        {names.map((name, k) => (
          <button
            type="button"
            role="radio"
            aria-checked={k === at}
            tabIndex={k === at ? 0 : -1}
            title={hint(name, k)}
            onClick={() => choose(name)}
          >
            {word(name)}
          </button>
        ))}
      </div>
      <select
        aria-labelledby={`${id}-heads`}
        value={String(at)}
        title={hint(names[at]!, at)}
        onChange={(event) => choose(names[Number(event.currentTarget.value)]!)}
      >
        {names.map((name, k) => (
          <option value={String(k)} title={hint(name, k)}>
            {word(name).length > LETTERS ? short(name) : word(name)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** The points of a small line through all finite values, in a box of `WIDTH` by `HEIGHT`. */
function sparkline(values: Float64Array): string {
  const rows = decimate(values, 0, values.length, WIDTH);
  const shown = rows.map((k) => values[k]!).filter(Number.isFinite);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  return shown
    .map((v, k) => {
      const x = (k / Math.max(shown.length - 1, 1)) * (WIDTH - 2) + 1;
      const y = HEIGHT - 2 - ((v - low) / (high - low || 1)) * (HEIGHT - 4);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

/** The line under the choice: what the total is made of, or with what weight the head is in it. */
export function HeadNote(props: { heads: CurveHead[]; head: CurveHead | undefined; store: CurveStore }) {
  const { heads, head, store } = props;
  if (!head) {
    const main = heads[0]!.name;
    return (
      <p class="mw-tiny mw-curves-note" title={main}>
        The losses of {heads.length === 2 ? "both" : `all ${heads.length}`} heads added up, each times its weight;
        beside it the metric of {short(main)}, the main head.
        {heads.some((one) => one.weight === null) &&
          " A learned weight adds a term of its own, so the total may fall below zero."}
      </p>
    );
  }
  if (head.weight !== null) {
    return (
      <p class="mw-tiny mw-curves-note">
        In the total its loss counts {formatNumber(head.weight)} {head.weight === 1 ? "time" : "times"}.
      </p>
    );
  }
  const values = store.column(`weight_${head.name}`);
  const [first, last] = [values.find(Number.isFinite), store.last(`weight_${head.name}`)];
  return (
    <p class="mw-tiny mw-curves-note">
      {last === null || first === undefined ? (
        "Its weight in the total is learned."
      ) : (
        <>
          Its weight in the total is learned: now <b>{formatNumber(last)}</b>, at first {formatNumber(first)}
          {values.length > 1 && (
            <svg
              class="mw-curves-weight"
              viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
              width={WIDTH}
              height={HEIGHT}
              aria-hidden="true"
            >
              <polyline points={sparkline(values)} fill="none" stroke="currentColor" stroke-width="1.5" />
            </svg>
          )}
        </>
      )}
    </p>
  );
}
