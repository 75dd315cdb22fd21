/** How well the latest ended run does on rows it has never seen; saving its model and asking it about one row. */
import { useEffect, useState } from "preact/hooks";
import { problemOf } from "../ui/field";
import { formatNumber, grouped, metricText } from "../ui/number";
import { PredictRow, type Form } from "../ui/predict_row";
import type { Context, WidgetProps } from "./_base";

export interface Tile {
  id: string;
  label: string;
  value: number | null;
  /** Half the width of the 95 % interval. */
  half: number | null;
  note: string;
}

export interface ClassScore {
  class: string;
  precision: number;
  recall: number;
  f1: number;
  support: number;
}

export interface EvaluationState {
  task: "classification" | "regression" | "clustering" | "anomaly" | "transform";
  n: number;
  sentence: string;
  tiles: Tile[];
  classes: string[];
  confusion: number[][];
  per_class: ClassScore[];
}

interface DashboardRun {
  id: string;
  name: string;
  status: string;
  /** A later run that is still training, by name. */
  training: string;
}

/** "± 0.013": as many decimals as the value beside it shows. */
export function halfText(half: number, value: number | null): string {
  if (value === null || Math.abs(value) < 10) return `± ${half >= 0.0005 ? half.toFixed(3) : "<0.001"}`;
  return `± ${half < 100 ? formatNumber(half, 2) : grouped(half)}`;
}

/** The metrics and the plain sentence alone, for the Workbench beside the curves. */
export function MetricTiles({ ctx }: WidgetProps) {
  const evaluation = ctx.trait<EvaluationState | null>("evaluation").value;
  const run = ctx.trait<DashboardRun | null>("run").value;
  const about = ctx.trait<string | null>("about").value;
  return (
    <div class="mw-perf-summary">
      {evaluation ? <Tiles tiles={evaluation.tiles} /> : <EmptyTiles />}
      <p class="mw-perf-sentence">{evaluation ? evaluation.sentence : emptySentence(run)}</p>
      {evaluation && about && <p class="mw-tiny mw-perf-note">{about}</p>}
      {evaluation && <p class="mw-tiny mw-perf-note">{rowsNote(evaluation, run)}</p>}
    </div>
  );
}

function Tiles({ tiles }: { tiles: Tile[] }) {
  return (
    <dl class="mw-perf-tiles">
      {tiles.map((tile) => (
        <div class="mw-perf-tile">
          <dt class="mw-tiny">{tile.label}</dt>
          <dd>
            <b>{metricText(tile.value)}</b>
            <span class="mw-tiny" title={tile.half !== null ? "95 % interval" : undefined}>
              {tile.half !== null ? halfText(tile.half, tile.value) : tile.note || "\u00a0"}
            </span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Four quiet places of the tiles' size, so that nothing jumps when the numbers come. */
function EmptyTiles() {
  return (
    <div class="mw-perf-tiles" aria-hidden="true">
      {[0, 1, 2, 3].map(() => (
        <div class="mw-perf-tile mw-perf-empty">
          <span class="mw-tiny">&nbsp;</span>
          <b>–</b>
          <span class="mw-tiny">&nbsp;</span>
        </div>
      ))}
    </div>
  );
}

function emptySentence(run: DashboardRun | null): string {
  if (!run) return "Train a model, and how well it does on rows it has never seen stands here.";
  if (run.training) return `When ${run.training} has ended, it is tested on rows it has never seen.`;
  if (run.status === "failed") return `${run.name} failed before there was a model to test.`;
  return run.id ? `Testing ${run.name} on rows it has never seen…` : "Nothing was learned yet.";
}

function rowsNote(evaluation: EvaluationState, run: DashboardRun | null): string {
  const rows = `held-out test rows: ${grouped(evaluation.n)}`;
  const which = run?.name ? `${run.name} · ` : "";
  return which + rows + (run?.training ? ` · ${run.training} is training` : "");
}

export function PerformanceDashboard({ ctx }: WidgetProps) {
  const evaluation = ctx.trait<EvaluationState | null>("evaluation").value;
  const compact = ctx.trait<boolean>("compact").value;
  const path = ctx.trait<string>("path").value;
  const form = ctx.trait<Form | null>("form").value;
  const classification = evaluation?.task === "classification";
  return (
    <section class="mw-card mw-perf" aria-label="Performance on held-out rows" data-at="chart:performance">
      <h3 class="mw-title">Performance</h3>
      <MetricTiles ctx={ctx} />
      {!compact && evaluation && (
        <>
          {classification && (
            <div class="mw-perf-tables">
              <Confusion matrix={evaluation.confusion} classes={evaluation.classes} />
              <PerClass rows={evaluation.per_class} />
            </div>
          )}
          {path && <SaveModel ctx={ctx} suggested={path} />}
          {form && <PredictRow ctx={ctx} form={form} />}
        </>
      )}
    </section>
  );
}

/** Rows are the true classes, columns what the model said; shaded by the share of the row. */
function Confusion({ matrix, classes }: { matrix: number[][]; classes: string[] }) {
  return (
    <div class="mw-perf-scroll" role="region" tabIndex={0} aria-label="Confusion matrix">
      <table class="mw-perf-table mw-perf-confusion">
        <caption>
          Confusion matrix <span class="mw-tiny">rows true, columns predicted</span>
        </caption>
        <thead>
          <tr>
            <td />
            {classes.map((name) => (
              <th scope="col" title={`predicted ${name}`}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.map((row, i) => {
            const total = row.reduce((a, b) => a + b, 0) || 1;
            return (
              <tr>
                <th scope="row" title={`true ${classes[i]}`}>
                  {classes[i]}
                </th>
                {row.map((n, j) => (
                  <td
                    class={i === j ? "mw-perf-right" : n ? "mw-perf-wrong" : "mw-perf-none"}
                    style={{ "--mw-share": `${Math.round((80 * n) / total)}%` }}
                    title={`${n} of ${total} ${classes[i]} ${i === j ? "rightly called so" : `taken for ${classes[j]}`}`}
                  >
                    {grouped(n)}
                    <span class="mw-perf-percent">{Math.round((100 * n) / total)} %</span>
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function PerClass({ rows }: { rows: ClassScore[] }) {
  return (
    <div class="mw-perf-scroll" role="region" tabIndex={0} aria-label="Scores of each class">
      <table class="mw-perf-table mw-perf-scores">
        <caption>Each class</caption>
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col" title="of the rows called so, the share that is">
              precision
            </th>
            <th scope="col" title="of the rows that are so, the share that was found">
              recall
            </th>
            <th scope="col" title="harmonic mean of precision and recall">
              F1
            </th>
            <th scope="col" title="true rows of the class in the test split">
              support
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, k) => (
            <tr>
              <th scope="row">
                <i class="mw-perf-swatch" style={{ background: `var(--mw-c${k % 8})` }} aria-hidden="true" />
                {row.class}
              </th>
              {[row.precision, row.recall, row.f1].map((score) => (
                <td>{score.toFixed(3)}</td>
              ))}
              <td>{grouped(row.support)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SaveModel({ ctx, suggested }: { ctx: Context; suggested: string }) {
  const [path, setPath] = useState(suggested);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ good: boolean; text: string } | null>(null);
  useEffect(() => setPath(suggested), [suggested]);
  const save = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    ctx
      .ask("model.save", { path: path.trim() }, { quiet: true })
      .then((answer) => setSaid({ good: true, text: String(answer.body.sentence) }))
      .catch((error: unknown) => setSaid({ good: false, text: problemOf(error).message }))
      .finally(() => setBusy(false));
  };
  const id = `${ctx.id}-path`;
  return (
    <form class="mw-perf-save" onSubmit={save}>
      <label for={id}>Save model as</label>
      <input
        id={id}
        type="text"
        spellcheck={false}
        value={path}
        disabled={Boolean(ctx.readOnly)}
        onInput={(event) => setPath(event.currentTarget.value)}
      />
      <button type="submit" disabled={busy || Boolean(ctx.readOnly) || !path.trim()} title={ctx.readOnly || undefined}>
        {busy ? "Saving…" : "Save"}
      </button>
      <span class={said?.good === false ? "mw-error-text" : "mw-tiny"} role="status">
        {said?.text}
      </span>
    </form>
  );
}
