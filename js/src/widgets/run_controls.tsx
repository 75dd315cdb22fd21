/** Train, pause, resume, step and stop; where the run stands and what to do when it failed. */
import { useState } from "preact/hooks";
import { labService } from "../lab/service";
import { Icon } from "../ui/icons";
import { grouped } from "../ui/number";
import type { RequestBodies, Scalar } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

/** A change of one hyperparameter that is likely to cure a failed run. */
export interface Remedy {
  label: string;
  name: string;
  value: Scalar;
}

export interface RunState {
  id: string;
  name: string;
  status: "queued" | "running" | "paused" | "finished" | "stopped" | "failed";
  epoch: number;
  epochs: number;
  /** What the algorithm counts: "epoch", "tree", … */
  unit: string;
  samples_per_second: number | null;
  remaining_seconds: number | null;
  device: string;
  /** What carries out the steps: "compiled", "general", "staged", …; empty before the start. */
  path: string;
  error: string | null;
  remedy: Remedy | null;
}

/** Who holds the run controls, as `medilytica_widgets/widgets/_holding.py` tells. */
export interface Hold {
  holder: { id: string; name: string } | null;
  asking: { id: string; name: string }[];
}

type Command = RequestBodies["run.command"]["command"];

const ACTIVE = ["queued", "running", "paused"];

/** 412 k, 1.3 M: a rate at a glance. */
export function rate(perSecond: number): string {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toPrecision(2)} M`;
  if (perSecond >= 1e3) {
    return `${perSecond >= 1e4 ? Math.round(perSecond / 1e3) : (perSecond / 1e3).toPrecision(2)} k`;
  }
  return String(Math.round(perSecond));
}

/** 11 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** What the pill says. */
export function statusText(run: RunState | null): string {
  if (!run) return "ready";
  const at = `${run.unit} ${grouped(run.epoch)}`;
  switch (run.status) {
    case "queued":
      return "starting…";
    case "running":
      return run.epochs > 0 ? `training · ${at} / ${grouped(run.epochs)}` : `training · ${at}`;
    case "paused":
      return run.epochs > 0 ? `paused · ${at} / ${grouped(run.epochs)}` : `paused · ${at}`;
    case "finished":
      return `finished · ${at}`;
    case "stopped":
      return `stopped · ${at}`;
    default:
      return run.epoch > 0 ? `failed · ${at}` : "failed";
  }
}

export function RunControls({ ctx }: WidgetProps) {
  const run = ctx.trait<RunState | null>("run").value;
  const blocked = ctx.trait<string>("blocked").value;
  const hold = ctx.trait<Hold | undefined>("hold").value;
  const me = labService()?.me.username ?? "";
  const held = hold?.holder && hold.holder.id !== me ? hold.holder : null;
  const readOnly = ctx.readOnly || (held && me ? `${held.name} holds the run controls.` : "");
  const [waiting, setWaiting] = useState<Command | "remedy" | "">("");

  const send = (name: Command | "remedy", work: () => Promise<unknown>): void => {
    setWaiting(name);
    work()
      .catch(() => undefined) // the notice beside the widget says why
      .finally(() => setWaiting(""));
  };
  const command = (name: Command): void => send(name, () => ctx.ask("run.command", { command: name }));
  const cure = (remedy: Remedy): void =>
    send("remedy", async () => {
      await ctx.ask("hyperparameters.set", { name: remedy.name, value: remedy.value });
      await ctx.ask("run.command", { command: "start" });
    });

  const status = run?.status ?? "ready";
  const active = ACTIVE.includes(status);
  // who holds the controls is said in a line of its own
  const reason = ctx.readOnly || (active || held ? "" : blocked);
  const off = (extra = ""): { disabled: boolean; title?: string } => {
    const why = readOnly || extra;
    return { disabled: Boolean(why) || waiting !== "", ...(why && { title: why }) };
  };
  const done = run && run.epochs > 0 ? Math.min(run.epoch / run.epochs, 1) : 0;

  return (
    <section class={`mw-card mw-run mw-run-${status}`} aria-label="Training" data-at="run controls">
      <div class="mw-run-row">
        <span class="mw-pill mw-run-status">
          <span class="mw-run-dot" aria-hidden="true" />
          {statusText(run)}
        </span>
        {/* a reader is told of changes of state, not of every epoch */}
        <span class="mw-sr" role="status">
          {run ? `${run.name} ${run.status}` : "ready to train"}
        </span>
        <span class="mw-spread" />
        <div class="mw-run-buttons" role="group" aria-label="Training controls">
          {status === "running" || status === "queued" ? (
            <button class="mw-primary" {...off()} onClick={() => command("pause")}>
              <Icon name="pause" /> Pause
            </button>
          ) : status === "paused" ? (
            <button class="mw-primary" {...off()} onClick={() => command("resume")}>
              <Icon name="play" /> Resume
            </button>
          ) : (
            <button
              class="mw-primary"
              {...off(blocked)}
              aria-describedby={reason ? `${ctx.id}-blocked` : undefined}
              onClick={() => command("start")}
            >
              <Icon name="play" /> {waiting === "start" ? "Starting…" : run ? "Train again" : "Train"}
            </button>
          )}
          <button
            class="mw-icon"
            aria-label={`Train one ${run?.unit ?? "epoch"}, then pause`}
            {...off(status === "paused" ? "" : `One ${run?.unit ?? "epoch"} at a time, while a run is paused`)}
            onClick={() => command("step")}
          >
            <Icon name="step" />
          </button>
          <button
            class="mw-icon"
            aria-label="Stop and keep what was learned"
            {...off(active ? "" : "Nothing is training")}
            onClick={() => command("stop")}
          >
            <Icon name="stop" />
          </button>
        </div>
      </div>
      <div
        class="mw-run-bar"
        role="progressbar"
        aria-label="Training progress"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * done)}
        aria-valuetext={statusText(run)}
      >
        <i style={{ width: `${100 * done}%` }} />
      </div>
      {hold && me && <Holder hold={hold} me={me} off={Boolean(ctx.readOnly)} ctx={ctx} />}
      <div class="mw-run-foot mw-tiny">{foot(run, reason, ctx.id)}</div>
      {run?.status === "failed" && run.error && (
        <div class="mw-notice mw-run-error" role="alert">
          <span class="mw-notice-text">{run.error}</span>
          {run.remedy && (
            <button {...off(blocked)} onClick={() => cure(run.remedy!)}>
              {run.remedy.label}
            </button>
          )}
        </div>
      )}
    </section>
  );
}

/** Who holds the controls, where that is somebody else; who asks for them, where one holds them oneself. */
function Holder({ hold, me, off, ctx }: { hold: Hold; me: string; off: boolean; ctx: Context }) {
  if (!hold.holder) return null;
  if (hold.holder.id !== me) {
    const asked = hold.asking.some((one) => one.id === me);
    return (
      <div class="mw-run-hold" role="status">
        <span class="mw-grow">
          <bdi>{hold.holder.name}</bdi> holds the run controls.
        </span>
        <button disabled={off || asked} onClick={() => ctx.tell("run.ask", {})}>
          {asked ? "Asked; waiting for an answer" : "Ask for them"}
        </button>
      </div>
    );
  }
  return (
    <>
      {hold.asking.map((one) => (
        <div key={one.id} class="mw-run-hold" role="alert">
          <span class="mw-grow">
            <bdi>{one.name}</bdi> asks for the run controls.
          </span>
          <button onClick={() => ctx.tell("run.answer", { to: one.id, give: true })}>Give</button>
          <button onClick={() => ctx.tell("run.answer", { to: one.id, give: false })}>Keep</button>
        </div>
      ))}
    </>
  );
}

/** The quiet line: why nothing can start, else how fast and how long still. */
function foot(run: RunState | null, reason: string, id: string) {
  if (reason) {
    return (
      <span id={`${id}-blocked`} class="mw-run-reason">
        {reason}
      </span>
    );
  }
  if (!run) return <span>Nothing has been trained yet.</span>;
  const parts: string[] = [];
  const speed = run.samples_per_second ? `${rate(run.samples_per_second)} rows/s` : "";
  const how = [run.path && `${run.path} path`, run.device && `on ${run.device}`].filter(Boolean).join(" ");
  if (run.status === "running" && run.remaining_seconds !== null) {
    parts.push(`${duration(run.remaining_seconds)} left`);
  }
  if (run.device) parts.push(run.device);
  return (
    <>
      {speed && <span title={how ? `Trained by the ${how}` : undefined}>{speed}</span>}
      {parts.map((part) => (
        <span>{part}</span>
      ))}
      <span class="mw-spread" />
      <span>{run.name}</span>
    </>
  );
}
