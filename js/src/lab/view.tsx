/** What opening a workspace file shows: experiments, runs, notes, people, history. */
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { People } from "./people";
import { words, type ExperimentView, type PersonView, type RunView, type StepView, type WorkspaceData } from "./read";

export interface ViewActions {
  rename(field: "name" | "description", value: string): void;
  openNotebook(): void;
  openChat(): void;
}

export interface ViewProps {
  data: ReadonlySignal<WorkspaceData>;
  people: ReadonlySignal<PersonView[]>;
  /** The file's name without its folder and ending. */
  title: ReadonlySignal<string>;
  /** Why this person may only look; empty for those who may change things. */
  reason: ReadonlySignal<string>;
  /** What went wrong with the last button; empty after one that went well. */
  error: ReadonlySignal<string>;
  actions: ViewActions;
  /** Puts the notes' editor into the element; returns the function that takes it away. */
  mountNotes: (host: HTMLElement) => () => void;
  mountPreview: (host: HTMLElement) => () => void;
}

interface LineProps {
  label: string;
  value: string;
  placeholder: string;
  reason: string;
  class: string;
  onChange: (value: string) => void;
}

/** A line that is edited where it stands: Enter or leaving it writes, Escape takes the typing back. */
function Line({ label, value, placeholder, reason, class: name, onChange }: LineProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const dropped = useRef(false);
  const finish = (): void => {
    if (typed !== null && !dropped.current) onChange(typed.trim());
    dropped.current = false;
    setTyped(null);
  };
  return (
    <input
      class={`mw-line ${name}`}
      aria-label={label}
      placeholder={reason ? "" : placeholder}
      value={typed ?? value}
      readOnly={Boolean(reason)}
      aria-disabled={reason ? "true" : undefined}
      title={reason || undefined}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onBlur={finish}
      onKeyDown={(event) => {
        dropped.current = event.key === "Escape";
        if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
      }}
    />
  );
}

const STATUS_WORDS: Record<string, string> = { finished: "✓ finished", failed: "✕ failed", running: "▶ running", paused: "⏸ paused", stopped: "■ stopped", queued: "… queued" };
const MOST_METRICS = 5;

/** A time as this person's browser writes it. */
export function when(seconds: number): string {
  return new Date(1000 * seconds).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function Runs({ runs, of }: { runs: RunView[]; of: string }) {
  const columns = [...new Set(runs.flatMap((run) => run.metrics.map(([name]) => name)))].slice(0, MOST_METRICS);
  return (
    <div class="mw-runs" tabIndex={0} role="region" aria-label={`Runs of ${of}`}>
      <table>
        <thead>
          <tr>
            {["Run", "Status", "By", ...columns.map((name) => name.replaceAll("_", " "))].map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => {
            const metrics = new Map(run.metrics);
            return (
              <tr key={run.id}>
                <th scope="row">{run.name}</th>
                <td class={`mw-run-${run.status}`} title={run.error || undefined}>
                  {STATUS_WORDS[run.status] ?? run.status}
                </td>
                <td>{run.author || "–"}</td>
                {columns.map((name) => (
                  <td key={name} class="mw-number">
                    {words(metrics.get(name))}
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

const MOST_HYPERPARAMETERS = 6;

function Experiment({ it }: { it: ExperimentView }) {
  const uid = useId();
  const facts: [string, string][] = [
    ["Algorithm", it.algorithm],
    ["Layers", it.layers],
    ["Heads", it.heads],
    ...it.hyperparameters.slice(0, MOST_HYPERPARAMETERS).map(([name, value]): [string, string] => [name.replaceAll("_", " "), value]),
  ];
  return (
    <article class="mw-card" aria-labelledby={uid}>
      <h3 id={uid} class="mw-experiment-name">
        {it.name}
        <span class="mw-muted">{it.runs.length === 1 ? "1 run" : `${it.runs.length} runs`}</span>
      </h3>
      {it.description && <p class="mw-muted">{it.description}</p>}
      <dl class="mw-facts">
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name} class={name === "Layers" ? "mw-wide" : undefined}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {it.runs.length > 0 && <Runs runs={it.runs} of={it.name} />}
    </article>
  );
}

function Notes({ mountNotes, mountPreview, reason }: Pick<ViewProps, "mountNotes" | "mountPreview"> & { reason: string }) {
  const [shown, setShown] = useState(true);
  const editor = useRef<HTMLDivElement>(null);
  const preview = useRef<HTMLDivElement>(null);
  useEffect(() => mountNotes(editor.current!), []);
  useEffect(() => (shown ? mountPreview(preview.current!) : undefined), [shown]);
  return (
    <section class="mw-card mw-notes" aria-label="Notes">
      <h2 class="mw-title">
        Notes
        <span class="mw-muted">{reason ? "" : "Markdown, everybody writes here at once"}</span>
        <span class="mw-spread" />
        <button aria-pressed={shown} onClick={() => setShown(!shown)}>
          Preview
        </button>
      </h2>
      <div class="mw-notes-editor" ref={editor} title={reason || undefined} />
      {shown && <div class="mw-notes-preview" ref={preview} role="region" aria-label="Preview of the notes" />}
    </section>
  );
}

const FIRST_STEPS = 12;

function History({ steps }: { steps: StepView[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? steps : steps.slice(0, FIRST_STEPS);
  return (
    <section class="mw-card" aria-label="History">
      <h2 class="mw-title">History</h2>
      {steps.length === 0 && <p class="mw-muted">No change yet. Who changed what will stand here.</p>}
      <ol class="mw-steps">
        {shown.map((step) => (
          <li key={step.id}>
            <span class="mw-step-who">{step.who}:</span> {step.label || "changed"}
            {step.experiment && <span class="mw-muted"> in {step.experiment}</span>}
            <time class="mw-muted" dateTime={new Date(1000 * step.time).toISOString()}>
              {when(step.time)}
            </time>
            {step.changes.length > 0 && <span class="mw-step-changes">{step.changes.slice(0, 4).join("; ")}</span>}
          </li>
        ))}
      </ol>
      {steps.length > shown.length && (
        <button class="mw-link" onClick={() => setAll(true)}>
          Show all {steps.length}
        </button>
      )}
    </section>
  );
}

export function WorkspaceView(props: ViewProps) {
  const { actions } = props;
  const data = props.data.value;
  const reason = props.reason.value;
  return (
    <main class="mw-workspace" aria-label={`Workspace ${data.name || props.title.value}`}>
      <header class="mw-workspace-head">
        <div class="mw-workspace-names">
          <Line
            class="mw-workspace-name"
            label="Name of the workspace"
            value={data.name}
            placeholder={props.title.value}
            reason={reason}
            onChange={(value) => actions.rename("name", value)}
          />
          <Line
            class="mw-workspace-description"
            label="Description of the workspace"
            value={data.description}
            placeholder="Describe what this workspace is about"
            reason={reason}
            onChange={(value) => actions.rename("description", value)}
          />
        </div>
        <div class="mw-workspace-actions">
          <button class="mw-primary" onClick={actions.openNotebook}>
            Open in notebook
          </button>
          <button onClick={actions.openChat} disabled={!data.chat} title={data.chat ? undefined : "No chat yet: ws.chat.send(…) in a notebook begins one"}>
            Chat
          </button>
        </div>
      </header>
      {reason && (
        <p class="mw-banner" role="status">
          {reason}
        </p>
      )}
      {props.error.value && (
        <p class="mw-notice" role="alert">
          <span class="mw-notice-text">{props.error.value}</span>
        </p>
      )}
      <People people={props.people.value} />
      <div class="mw-workspace-columns">
        <section aria-label="Experiments" class="mw-experiments">
          {data.experiments.length === 0 && (
            <div class="mw-card">
              <h2 class="mw-title">Experiments</h2>
              <p>No experiment yet. Open the notebook and bind one:</p>
              <pre>{'exp = mw.Experiment(mw.load_dataset("spiral"), name="First try")\nws.bind(exp)'}</pre>
            </div>
          )}
          {data.experiments.map((it) => (
            <Experiment key={it.id} it={it} />
          ))}
        </section>
        <div class="mw-workspace-side">
          <Notes mountNotes={props.mountNotes} mountPreview={props.mountPreview} reason={reason} />
          <History steps={data.history} />
        </div>
      </div>
    </main>
  );
}

export interface UnreadableProps {
  message: string;
  /** Why this person may only look; empty for those who may change things. */
  reason: string;
  /** Reads and writes the file itself; absent where there is nothing to put right in it. */
  file?: { read(): Promise<string>; write(text: string): Promise<void> };
}

/**
 * Shown in place of a workspace that cannot be shown. Its text opens right here: a text editor of JupyterLab's would
 * join another room for the same file, and two rooms overwrite each other.
 */
export function Unreadable({ message, reason, file }: UnreadableProps) {
  const [text, setText] = useState<string | null>(null);
  const [failed, setFailed] = useState("");
  const attempt = (action: Promise<void>): void => {
    setFailed("");
    action.catch((error: Error) => setFailed(error.message));
  };
  return (
    <main class="mw-workspace">
      <div class="mw-notice" role="alert">
        <span class="mw-notice-text">{failed || message}</span>
        {file && text === null && <button onClick={() => attempt(file.read().then(setText))}>Open as text</button>}
      </div>
      {file && text !== null && (
        <form
          class="mw-source"
          onSubmit={(event) => {
            event.preventDefault();
            if (!reason) attempt(file.write(text));
          }}
        >
          <textarea aria-label="The file's text" spellcheck={false} readOnly={Boolean(reason)} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <button type="submit" class="mw-primary" disabled={Boolean(reason)} title={reason || undefined}>
            Save the text
          </button>
        </form>
      )}
    </main>
  );
}
