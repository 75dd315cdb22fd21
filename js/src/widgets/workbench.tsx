/** Everything about one experiment on one screen; the parts are widgets of their own. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentType } from "preact";
import { keep } from "../state/local";
import { KIND_BADGES } from "../ui/cells";
import { flash, goToRow, onView, placeOf } from "../state/views";
import { Icon } from "../ui/icons";
import { HereNow } from "../ui/presence_layer";
import { SharedPill, type SharedState } from "../ui/shared_pill";
import { Context, Frame, mountComponent, type WidgetProps } from "./_base";
import { AlgorithmBrowser } from "./algorithm_browser";
import { DataGrid } from "./data_grid";
import { DecisionBoundary } from "./decision_boundary";
import { FoldedHeads } from "./head_editor";
import { HyperparameterPanel } from "./hyperparameter_panel";
import { LayerBuilder } from "./layer_builder";
import { MetricPlots } from "./metric_plots";
import { MetricTiles, PerformanceDashboard } from "./performance_dashboard";
import { PreprocessPanel } from "./preprocess_panel";
import { RunControls } from "./run_controls";
import { TrainingLog, type LogRun } from "./training_log";
import { WeightSheet } from "./weight_sheet";

interface Column {
  name: string;
  kind: string;
  role: string;
  histogram: number[];
  missing: number;
}

interface DataSummary {
  name: string;
  rows: number;
  columns: number;
  target: string | null;
  task: string | null;
  classes: string[];
  features: Column[];
  set_aside: { name: string; reason: string }[];
  quality: number;
  notes: string[];
  findings: { message: string; advice: string }[];
}

interface Activity {
  when: string;
  who: string | null;
  what: string;
}

type PartName =
  | "controls"
  | "algorithms"
  | "layers"
  | "heads"
  | "hyperparameters"
  | "boundary"
  | "curves"
  | "performance"
  | "rows"
  | "preparation"
  | "weights"
  | "log";

const COLUMNS_SHOWN = 7;
const thousands = (value: number): string => value.toLocaleString("en").replace(/,/g, "\u202f");

/** The contexts of the child widgets, by name, once the page has their models. */
function useParts(ctx: Context): Partial<Record<PartName, Context>> {
  const references = ctx.trait<Record<PartName, string>>("parts").value;
  const [parts, setParts] = useState<Partial<Record<PartName, Context>>>({});
  useEffect(() => {
    let current = true;
    const names = Object.keys(references) as PartName[];
    void Promise.all(names.map(async (name) => [name, await ctx.child(references[name])] as const)).then((found) => {
      if (current) setParts(Object.fromEntries(found));
    });
    return () => {
      current = false;
    };
  }, [references]);
  return parts;
}

/** A child widget in its place; a skeleton of about its size until its model is here. */
function Part({ of, view: View, height }: { of?: Context; view: ComponentType<WidgetProps>; height: number }) {
  if (!of) return <div class="mw-skeleton" style={{ height: `${height}px` }} aria-label="loading" />;
  return (
    <Frame ctx={of} inner>
      <View ctx={of} />
    </Frame>
  );
}

function Sparkline({ column, coloured }: { column: Column; coloured: boolean }) {
  const bars = column.histogram;
  if (!bars.length) return <span />;
  const step = 64 / bars.length;
  return (
    <svg class="mw-wb-spark" viewBox="0 0 64 18" aria-hidden="true" preserveAspectRatio="none">
      {bars.map((height, k) => (
        <rect
          x={k * step}
          y={18 - Math.max(0.6, 17 * height)}
          width={Math.max(1, step - 1)}
          height={Math.max(0.6, 17 * height)}
          style={coloured ? { fill: `var(--mw-c${k % 8})` } : undefined}
        />
      ))}
    </svg>
  );
}

function DataCard({ data, ctx }: { data: DataSummary; ctx: Context }) {
  const all = keep(`${ctx.id}:columns`, false);
  const findings = keep(`${ctx.id}:findings`, false);
  const inputs = data.features.filter((column) => column.role !== "target");
  const target = data.features.filter((column) => column.role === "target");
  const shown = [...(all.value ? inputs : inputs.slice(0, COLUMNS_SHOWN)), ...target];
  const hidden = inputs.length - Math.min(inputs.length, COLUMNS_SHOWN);
  return (
    <section class="mw-card" aria-label="Data">
      <h3 class="mw-title">
        Data <span class="mw-spread" />
        <button
          class={`mw-wb-quality mw-pill${data.quality < 90 ? " mw-wb-warn" : ""}`}
          aria-expanded={findings.value}
          title="What is worth knowing about this table"
          onClick={() => (findings.value = !findings.value)}
        >
          quality {data.quality}
        </button>
      </h3>
      {findings.value && (
        <ul class="mw-wb-findings">
          {data.findings.length === 0 && <li>Nothing to remark.</li>}
          {data.findings.map((finding) => (
            <li>
              {finding.message} <span class="mw-muted">{finding.advice}</span>
            </li>
          ))}
        </ul>
      )}
      <ul class="mw-wb-columns">
        {shown.map((column) => {
          const isTarget = column.role === "target";
          return (
            <li key={column.name} title={column.missing ? `${thousands(column.missing)} missing` : undefined}>
              <span class="mw-wb-badge" title={isTarget ? "target" : column.kind}>
                {isTarget ? "◎" : (KIND_BADGES[column.kind] ?? column.kind)}
              </span>
              <span class="mw-wb-name" title={column.name}>
                {column.name}
              </span>
              <Sparkline column={column} coloured={isTarget && data.task === "classification"} />
            </li>
          );
        })}
      </ul>
      {hidden > 0 && (
        <button class="mw-link mw-tiny" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? "show fewer" : `and ${hidden} more`}
        </button>
      )}
      {data.set_aside.length > 0 && (
        <details class="mw-wb-aside">
          <summary class="mw-tiny">{asideSentence(data.set_aside)}</summary>
          <dl>
            {data.set_aside.map(({ name, reason }) => (
              <>
                <dt>{name}</dt>
                <dd class="mw-muted">{reason}</dd>
              </>
            ))}
          </dl>
        </details>
      )}
    </section>
  );
}

function asideSentence(aside: { reason: string }[]): string {
  return `${aside.length} ${aside.length === 1 ? "column" : "columns"} set aside, with reasons`;
}

function ActivityCard({ ctx }: { ctx: Context }) {
  const entries = ctx.trait<Activity[]>("activity").value;
  const { undo, redo } = ctx.trait<{ undo: boolean; redo: boolean }>("history").value;
  const off = ctx.readOnly;
  return (
    <section class="mw-card" aria-label="Activity">
      <h3 class="mw-title">
        Activity <span class="mw-spread" />
        <button class="mw-icon" aria-label="Undo" title={off || "Undo the last change"} disabled={!undo || !!off} onClick={() => ctx.tell("spec.undo", {})}>
          <Icon name="undo" />
        </button>
        <button class="mw-icon" aria-label="Redo" title={off || "Redo"} disabled={!redo || !!off} onClick={() => ctx.tell("spec.redo", {})}>
          <Icon name="redo" />
        </button>
      </h3>
      {entries.length === 0 ? (
        <p class="mw-tiny mw-wb-quiet">Runs and changes made while they train appear here.</p>
      ) : (
        <ol class="mw-wb-activity" tabIndex={0} aria-label="What happened, newest first">
          {entries.map((entry) => (
            <li>
              <span class="mw-wb-when">{entry.when}</span>
              {entry.who && <span class="mw-wb-who">{entry.who}</span>}
              <span>{entry.what}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const TABS = ["Curves", "Performance", "Rows", "Preparation", "Weights", "Log"] as const;
type Tab = (typeof TABS)[number];

/** How many warnings and errors of the latest run nobody has looked at here; while the log is open, none. */
function useUnread(ctx: Context, log: Context | undefined, open: boolean): number {
  const run = log?.trait<LogRun | null>("run").value ?? null;
  const read = keep<{ run: string; count: number }>(`${ctx.id}:log-read`, { run: "", count: 0 });
  useEffect(() => {
    if (open && run) read.value = { run: run.id, count: run.warnings };
  }, [open, run?.id, run?.warnings]);
  if (!run || open) return 0;
  return Math.max(0, run.warnings - (read.value.run === run.id ? read.value.count : 0));
}

function Answers({ ctx, parts }: { ctx: Context; parts: Partial<Record<PartName, Context>> }) {
  const tab = keep<Tab>(`${ctx.id}:tab`, "Curves");
  const unread = useUnread(ctx, parts.log, tab.value === "Log");
  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(tab.value) + step + TABS.length) % TABS.length] as Tab;
    tab.value = next;
    const list = (event.currentTarget as HTMLElement).children;
    (list[TABS.indexOf(next)] as HTMLElement).focus();
  };
  return (
    <section class="mw-card mw-wb-tabs" aria-label="Answers">
      <div class="mw-wb-tablist" role="tablist" aria-label="Answers" onKeyDown={move}>
        {TABS.map((name) => (
          <button
            role="tab"
            id={`${ctx.id}-tab-${name}`}
            aria-selected={tab.value === name}
            aria-controls={`${ctx.id}-panel`}
            tabIndex={tab.value === name ? 0 : -1}
            onClick={() => (tab.value = name)}
          >
            {name}
            {name === "Log" && unread > 0 && (
              <span class="mw-wb-unread" title={`${unread} new ${unread === 1 ? "warning" : "warnings"}`}>
                <Icon name="warning" /> {unread}
                <span class="mw-sr"> new {unread === 1 ? "warning" : "warnings"}</span>
              </span>
            )}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${ctx.id}-panel`} aria-labelledby={`${ctx.id}-tab-${tab.value}`}>
        {tab.value === "Curves" && (
          <div class="mw-wb-curves">
            <Part of={parts.curves} view={MetricPlots} height={220} />
            <Part of={parts.performance} view={MetricTiles} height={160} />
          </div>
        )}
        {tab.value === "Performance" && <Part of={parts.performance} view={PerformanceDashboard} height={260} />}
        {tab.value === "Rows" && <Part of={parts.rows} view={DataGrid} height={360} />}
        {tab.value === "Preparation" && <Part of={parts.preparation} view={PreprocessPanel} height={300} />}
        {tab.value === "Weights" && <Part of={parts.weights} view={WeightSheet} height={300} />}
        {tab.value === "Log" && <Part of={parts.log} view={TrainingLog} height={380} />}
      </div>
    </section>
  );
}

interface Lab {
  version: number;
  openTab(tab: { id: string; title: string; mount: (host: HTMLElement) => () => void }): void;
}

function openInTab(ctx: Context, lab: Lab, title: string): void {
  lab.openTab({
    id: `medilytica-${ctx.id}`,
    title,
    mount: (host) => {
      const own = new Context(ctx.model, ctx.options, ctx.id);
      const unmount = mountComponent(Workbench, own, host);
      return () => {
        unmount();
        own.close();
      };
    },
  });
}

export function Workbench({ ctx }: WidgetProps) {
  const parts = useParts(ctx);
  const data = ctx.trait<DataSummary>("data").value;
  const meta = ctx.trait<{ name: string; description: string; task: string }>("meta").value;
  const shared = ctx.trait<SharedState | null | undefined>("shared").value;
  const top = useRef<HTMLDivElement>(null);
  const tab = keep<Tab>(`${ctx.id}:tab`, "Curves");
  useEffect(() => onView((view) => {
    const known = ctx.trait<SharedState | null | undefined>("shared").peek();
    if (!known || view.workspace !== known.path || (view.experiment && view.experiment !== known.experiment)) return false;
    // behind another tab it would be shown to nobody
    if (!top.current?.getClientRects().length) return false;
    const place = placeOf(view);
    if (place.startsWith("chart:")) tab.value = place === "chart:performance" ? "Performance" : "Curves";
    if (view.row !== undefined) {
      tab.value = "Rows";
      goToRow(ctx.trait<string>("subject").peek(), view.row);
    }
    flash(top.current, place);
    return true;
  }), [ctx]);
  const lab = (globalThis as unknown as Record<symbol, Lab | undefined>)[Symbol.for("medilytica.lab")];
  const classes = data.task === "classification" ? ` · ${data.classes.length} classes` : "";
  return (
    <div class="mw-wb" ref={top}>
      <header class="mw-card mw-wb-head">
        <div class="mw-wb-what">
          <b title={meta.description || undefined}>{meta.name}</b>
          <span class="mw-pill">
            {thousands(data.rows)} × {data.columns}
          </span>
          <span class="mw-pill mw-wb-target" title={`target ${data.target}`}>
            target {data.target}
            {classes}
          </span>
          {shared && <SharedPill shared={shared} ctx={ctx} />}
          <HereNow />
          {lab && (
            <button
              class="mw-icon"
              aria-label="Open in a tab of its own"
              title="Open in a tab of its own"
              onClick={() => openInTab(ctx, lab, meta.name)}
            >
              <Icon name="open-in-tab" />
            </button>
          )}
        </div>
        <Part of={parts.controls} view={RunControls} height={56} />
      </header>
      <div class="mw-wb-side">
        <DataCard data={data} ctx={ctx} />
        <Part of={parts.algorithms} view={AlgorithmBrowser} height={220} />
      </div>
      <div class="mw-wb-knobs">
        <Part of={parts.layers} view={LayerBuilder} height={150} />
        <Part of={parts.heads} view={FoldedHeads} height={34} />
        <Part of={parts.hyperparameters} view={HyperparameterPanel} height={220} />
      </div>
      <div class="mw-wb-log">
        <ActivityCard ctx={ctx} />
      </div>
      <div class="mw-wb-bound">
        <Part of={parts.boundary} view={DecisionBoundary} height={460} />
      </div>
      <div class="mw-wb-answers">
        <Answers ctx={ctx} parts={parts} />
      </div>
    </div>
  );
}
