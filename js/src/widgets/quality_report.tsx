/** What may be wrong with a table; the Python side is `medilytica_widgets/widgets/quality_report.py`. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { keep } from "../state/local";
import { Icon } from "../ui/icons";
import { formatBytes, grouped, plural } from "../ui/number";
import type { Context, WidgetProps } from "./_base";

export interface ToldFinding {
  kind: string;
  severity: Severity;
  columns: string[];
  message: string;
  advice: string;
  /** Rows concerned altogether. */
  count: number;
  /** Example rows that can be asked for. */
  examples: number;
}

export interface Part {
  name: string;
  points: number;
  most: number;
  reason: string;
}

export interface Report {
  score: number;
  rows: number;
  columns: number;
  parts: Part[];
  memory: { table: number; training: number; available: number | null } | null;
  total: number;
  findings: ToldFinding[];
}

interface Examples {
  rows: number[];
  columns: { name: string; about: boolean }[];
  cells: string[][];
}

const SEVERITIES = [
  { id: "error", one: "error", icon: "error" },
  { id: "warning", one: "warning", icon: "warning" },
  { id: "note", one: "note", icon: "info" },
] as const;
type Severity = (typeof SEVERITIES)[number]["id"];

const words = (kind: string): string => kind.replaceAll("_", " ");

/** What the score says in a word, so that colour is not the only carrier. */
export function verdict(score: number): { word: string; level: "good" | "warn" | "bad" } {
  if (score >= 90) return { word: "sound", level: "good" };
  if (score >= 70) return { word: "usable, with care", level: "warn" };
  return { word: "needs work", level: "bad" };
}

export function QualityReport({ ctx }: WidgetProps) {
  const report = ctx.trait<Report>("report").value;
  const title = ctx.trait<string>("title").value;
  const hidden = keep<Severity[]>(`${ctx.id}:quality-hidden`, []);
  const shown = report.findings.map((finding, place) => ({ finding, place })).filter(({ finding }) => !hidden.value.includes(finding.severity));
  const count = (severity: Severity): number => report.findings.filter((finding) => finding.severity === severity).length;
  const toggle = (severity: Severity): void => {
    hidden.value = hidden.value.includes(severity) ? hidden.value.filter((known) => known !== severity) : [...hidden.value, severity];
  };
  return (
    <section class="mw-card mw-quality" aria-label={`Quality of ${title}`}>
      <h3 class="mw-title">
        Quality of <bdi>{title}</bdi>
        <span class="mw-spread" />
        <span class="mw-muted mw-tiny">
          {grouped(report.rows)} rows × {grouped(report.columns)} columns
        </span>
      </h3>
      <Score report={report} />
      {report.findings.length === 0 ? (
        <div class="mw-empty mw-quality-none">
          <span>
            <Icon name="check" /> Nothing was found that needs attention.
          </span>
        </div>
      ) : (
        <>
          <div class="mw-quality-filters" role="group" aria-label="Findings shown">
            {SEVERITIES.map(({ id, one, icon }) => (
              <button
                key={id}
                class={`mw-quality-filter mw-quality-${id}`}
                aria-pressed={!hidden.value.includes(id)}
                disabled={count(id) === 0}
                onClick={() => toggle(id)}
              >
                <Icon name={icon} /> {plural(count(id), one)}
              </button>
            ))}
          </div>
          <ul class="mw-quality-list">
            {shown.map(({ finding, place }) => (
              <Finding key={`${place}/${finding.kind}`} ctx={ctx} finding={finding} place={place} />
            ))}
          </ul>
          {shown.length === 0 && <p class="mw-muted mw-quality-hidden">Every finding is of a kind that is hidden.</p>}
          {report.total > report.findings.length && (
            <p class="mw-tiny">
              {grouped(report.total - report.findings.length)} more findings are in <code>data.quality().findings</code>.
            </p>
          )}
        </>
      )}
    </section>
  );
}

function Score({ report }: { report: Report }) {
  const { word, level } = verdict(report.score);
  const { memory } = report;
  return (
    <div class="mw-quality-top">
      <div class={`mw-quality-score mw-quality-is-${level}`}>
        <strong>{report.score}</strong>
        <span>of 100</span>
        <em>{word}</em>
      </div>
      <dl class="mw-quality-parts">
        {report.parts.map((part) => (
          <div key={part.name} class="mw-quality-part" title={part.reason || "nothing found"}>
            <dt>{part.name}</dt>
            <dd>
              <span class="mw-quality-bar" aria-hidden="true">
                <i style={{ width: `${(100 * part.points) / part.most}%` }} />
              </span>
              <span class="mw-quality-points">
                {Number(part.points.toFixed(1))} of {part.most}
              </span>
              <span class="mw-quality-why">{part.reason}</span>
            </dd>
          </div>
        ))}
      </dl>
      {memory && (
        <p class="mw-tiny mw-quality-memory">
          The table takes {formatBytes(memory.table)}, preparing it for training about {formatBytes(memory.training)}
          {memory.available !== null && `; ${formatBytes(memory.available)} are left`}.
        </p>
      )}
    </div>
  );
}

function Finding({ ctx, finding, place }: { ctx: Context; finding: ToldFinding; place: number }) {
  const open = keep<boolean>(`${ctx.id}:quality-open-${place}`, finding.severity === "error" && place === 0);
  const { icon, one } = SEVERITIES.find(({ id }) => id === finding.severity)!;
  const id = `${ctx.id}-finding-${place}`;
  return (
    <li class={`mw-quality-item mw-quality-${finding.severity}`}>
      <button class="mw-quality-head" aria-expanded={open.value} aria-controls={id} onClick={() => (open.value = !open.value)}>
        <Icon name={open.value ? "expanded" : "collapsed"} />
        <span class="mw-quality-mark">
          <Icon name={icon} /> <span class="mw-sr">{one}: </span>
        </span>
        <span class="mw-quality-kind">{words(finding.kind)}</span>
        <span class="mw-quality-message">{finding.message}</span>
      </button>
      {open.value && (
        <div class="mw-quality-body" id={id}>
          <p class="mw-quality-said">{finding.message}</p>
          <p class="mw-quality-advice">
            <b>What to do:</b> {finding.advice}
          </p>
          {finding.columns.length > 0 && (
            <p class="mw-quality-columns" aria-label="Columns concerned">
              {finding.columns.map((name) => (
                <span class="mw-pill" key={name}>
                  <bdi>{name}</bdi>
                </span>
              ))}
            </p>
          )}
          {finding.examples > 0 && <Rows ctx={ctx} finding={finding} place={place} />}
        </div>
      )}
    </li>
  );
}

/** Some of the rows, asked for when the finding is opened. */
function Rows({ ctx, finding, place }: { ctx: Context; finding: ToldFinding; place: number }) {
  const examples = useSignal<Examples | null>(null);
  const failed = useSignal("");
  const live = ctx.connection.value === "live";
  useEffect(() => {
    if (!live || examples.peek()) return;
    const abort = new AbortController();
    ctx.ask("quality.rows", { finding: place }, { quiet: true, signal: abort.signal }).then(
      ({ body }) => {
        examples.value = body as unknown as Examples;
        failed.value = "";
      },
      (error: Error) => {
        if (!abort.signal.aborted) failed.value = error.message;
      },
    );
    return () => abort.abort();
  }, [ctx, place, live]);
  if (failed.value) return <p class="mw-error-text" role="alert">{`The rows could not be loaded. ${failed.value}`}</p>;
  if (!examples.value) return <div class="mw-skeleton mw-quality-wait" role="status" aria-label="Loading rows" />;
  const { rows, columns, cells } = examples.value;
  return (
    <div class="mw-quality-scroll" role="region" tabIndex={0} aria-label={`Rows of: ${finding.message}`}>
      <table class="mw-quality-table">
        <caption>{rows.length < finding.count ? `The first ${rows.length} of ${grouped(finding.count)} rows` : plural(finding.count, "row")}</caption>
        <thead>
          <tr>
            <th scope="col">row</th>
            {columns.map(({ name, about }) => (
              <th scope="col" key={name} class={about ? "mw-quality-about" : ""}>
                <bdi>{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, line) => (
            <tr key={row}>
              <th scope="row">{grouped(row)}</th>
              {columns.map(({ name, about }, column) => (
                <td key={name} class={about ? "mw-quality-about" : ""}>
                  {cells[line]![column]}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
