/** One step of a preparation: its options, the columns that it is for, and what it does. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import { ParameterField, problemOf, type Problem } from "./field";
import { applies } from "./form_search";
import { Icon } from "./icons";
import { grouped, plural, type Parameter } from "./number";
import { whereWords, type CatalogueEntry, type Column, type Facts, type Step } from "./preprocess_parts";
import { StepPicture } from "./preprocess_picture";
import { Refusal } from "./text_field";
import { useUid } from "./uid";

/** So many names are listed; a search finds the others. */
const LISTED = 60;

interface WhereProps {
  step: Step;
  columns: Column[];
  off: string;
  send: (fields: Record<string, unknown>) => Promise<unknown>;
}

/** Which columns a step is for: all, those of a kind, or some by their names. */
export function WhereField({ step, columns, off, send }: WhereProps) {
  const uid = useUid();
  const stands = step.columns.length ? "columns" : step.kind ? "kind" : "all";
  // columns and kinds are chosen in two moves; in between nothing is sent
  const [mode, setMode] = useState("");
  const [query, setQuery] = useState("");
  // what was ticked stands until the kernel has answered, so that a second tick builds on the first
  const [wished, setWished] = useState<string[] | null>(null);
  const latest = useRef(0);
  // those that were named at first come first; a tick moves nothing from under the hand
  const begun = useRef(new Set(step.columns));
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => setProblem(null), [step.columns.join("\n"), step.kind]);
  const shown = mode || stands;
  const ask = (fields: Record<string, unknown>): void => {
    setProblem(null);
    const turn = ++latest.current;
    send(fields)
      .catch((error: unknown) => setProblem(problemOf(error)))
      .finally(() => {
        if (turn === latest.current) setWished(null);
      });
  };
  const choose = (next: string): void => {
    setMode(next);
    if (next === "all" && stands !== "all") ask({ columns: [], kind: "" });
  };
  const own = columns.filter((column) => column.role !== "target");
  const kinds = [...new Set(own.map((column) => column.kind))].sort();
  const sought = query.trim().toLowerCase();
  const fitting = own.filter((column) => column.name.toLowerCase().includes(sought));
  const standing = wished ?? step.columns;
  const named = new Set(standing);
  const listed = [true, false].flatMap((on) => fitting.filter((column) => begun.current.has(column.name) === on)).slice(0, LISTED);
  const toggle = (name: string, on: boolean): void => {
    const next = on ? [...standing, name] : standing.filter((known) => known !== name);
    setWished(next);
    ask({ columns: next });
  };
  const describedBy = problem ? `${uid}-problem` : undefined;
  return (
    <div class="mw-prep-where">
      <label for={`${uid}-where`}>for</label>
      <select id={`${uid}-where`} disabled={!!off} title={off || undefined} value={shown} aria-describedby={describedBy} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="all">all columns that it can treat</option>
        <option value="kind">columns of one kind</option>
        <option value="columns">columns by their names</option>
      </select>
      {shown === "kind" && (
        <select
          aria-label="Kind of columns"
          disabled={!!off}
          value={step.kind}
          aria-describedby={describedBy}
          onChange={(event) => event.currentTarget.value && ask({ kind: event.currentTarget.value })}
        >
          {!step.kind && <option value="">choose a kind …</option>}
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
        </select>
      )}
      {shown === "columns" && (
        <fieldset class="mw-prep-columns" disabled={!!off} aria-describedby={describedBy}>
          <legend class="mw-sr">Columns</legend>
          {own.length > 12 && (
            <input
              type="search"
              class="mw-prep-find"
              placeholder="Find a column …"
              aria-label="Find a column"
              value={query}
              onInput={(event) => setQuery(event.currentTarget.value)}
            />
          )}
          <div class="mw-prep-checks" tabIndex={-1}>
            {listed.map((column) => (
              <label key={column.name}>
                <input type="checkbox" checked={named.has(column.name)} onChange={(event) => toggle(column.name, event.currentTarget.checked)} />
                <bdi>{column.name}</bdi> <span class="mw-tiny">{column.kind}</span>
              </label>
            ))}
          </div>
          {fitting.length > LISTED && <p class="mw-tiny">{grouped(fitting.length - LISTED)} more; type a part of the name.</p>}
          {sought && !fitting.length && <p class="mw-tiny">No column has “{query.trim()}” in its name.</p>}
          {!named.size && <p class="mw-tiny">Until one is chosen, the step is for all columns that it can treat.</p>}
        </fieldset>
      )}
      <Refusal id={`${uid}-problem`} problem={problem} off={off} take={(name) => ask({ columns: [String(name)] })} />
    </div>
  );
}

interface StepProps {
  ctx: Context;
  step: Step;
  index: number;
  count: number;
  form: Parameter[];
  entry?: CatalogueEntry;
  columns: Column[];
  task: string;
  facts: Facts;
  version: number;
  open: boolean;
  /** It acts before the steps above it. */
  earlier: boolean;
  toggle: () => void;
  move: (to: number) => void;
  remove: () => void;
}

export function StepCard(props: StepProps) {
  const { ctx, step, index, count, form, entry, columns, task, facts, version, open } = props;
  const uid = useUid();
  const off = ctx.readOnly;
  const fresh = facts.version === version;
  const width = facts.widths.length === count ? facts.widths[index] : null;
  const error = fresh && facts.error?.step === index ? facts.error : null;
  const named = `Step ${index + 1}, ${step.name}`;
  const send = (fields: Record<string, unknown>): Promise<unknown> => ctx.ask("steps.update", { index, fields }, { quiet: true });
  const changed = (p: Parameter): boolean => (step.options[p.id] ?? null) !== p.default;
  const fields = form.filter((p) => applies(p, step.options, task) || changed(p));
  return (
    <>
      <div class="mw-prep-head">
        <span class="mw-prep-grip" aria-hidden="true" title={off || "Drag to move the step"}>
          <Icon name="menu" />
        </span>
        <button
          class="mw-quiet mw-prep-toggle"
          data-step={index}
          aria-expanded={open}
          aria-controls={open ? `${uid}-body` : undefined}
          aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown Delete"
          title={entry?.summary}
          onClick={props.toggle}
          onKeyDown={(event) => {
            const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
            if (event.altKey && by && !off) {
              event.preventDefault();
              const to = index + by;
              if (to >= 0 && to < count) props.move(to);
            } else if (event.key === "Delete" && !off) {
              event.preventDefault();
              props.remove();
            }
          }}
        >
          <Icon name={open ? "expanded" : "collapsed"} />
          <span class="mw-prep-number-of">{index + 1}</span>
          <b>{step.name}</b>
          <span class="mw-tiny mw-prep-for">{whereWords(step)}</span>
        </button>
        {error ? (
          <span class="mw-pill mw-prep-wrong">
            <Icon name="warning" /> cannot be fitted
          </span>
        ) : (
          <span class={`mw-tiny mw-prep-width${fresh ? "" : " mw-prep-stale"}`} title="Columns after this step">
            {width === null || width === undefined ? "…" : `→ ${plural(width, "column")}`}
          </span>
        )}
        <span class="mw-prep-tools">
          <button class="mw-mini" aria-label={`Move ${named} up`} title={off || "Move up (Alt+↑)"} disabled={!!off || index === 0} onClick={() => props.move(index - 1)}>
            <Icon name="up" />
          </button>
          <button class="mw-mini" aria-label={`Move ${named} down`} title={off || "Move down (Alt+↓)"} disabled={!!off || index === count - 1} onClick={() => props.move(index + 1)}>
            <Icon name="down" />
          </button>
          <button class="mw-mini" aria-label={`Remove ${named}`} title={off || "Remove (Delete)"} disabled={!!off} onClick={props.remove}>
            <Icon name="trash" />
          </button>
        </span>
      </div>
      {error && !(open && error.parameter) && (
        <p class="mw-error-text mw-prep-error" role="alert">
          {error.message}
        </p>
      )}
      {open && (
        <div class="mw-prep-body" id={`${uid}-body`}>
          {entry && <p class="mw-tiny mw-prep-help">{entry.summary}</p>}
          {props.earlier && (
            <p class="mw-tiny mw-prep-help">
              <Icon name="info" /> It acts on the table's own columns, so before the steps above that act on prepared ones.
            </p>
          )}
          <WhereField step={step} columns={columns} off={off} send={send} />
          {fields.length > 0 && (
            <div class="mw-fields">
              {fields.map((p) => (
                <div key={`${step.id}/${p.id}`} class="mw-prep-field">
                  <ParameterField
                    id={`${uid}-${p.id}`}
                    parameter={p}
                    value={step.options[p.id] ?? null}
                    changed={changed(p)}
                    off={off}
                    send={(value) => send({ options: { [p.id]: value } })}
                    reset={() => ctx.tell("steps.update", { index, fields: { options: { [p.id]: p.default } } })}
                  />
                  {error?.parameter === p.id && (
                    <p class="mw-error-text mw-prep-error" role="alert">
                      {error.message}
                    </p>
                  )}
                </div>
              ))}
            </div>
          )}
          {error?.parameter && !fields.some((p) => p.id === error.parameter) && (
            <p class="mw-error-text mw-prep-error" role="alert">
              {error.message}
            </p>
          )}
          {!error && <StepPicture ctx={ctx} step={index} version={version} ready={fresh && width !== null && width !== undefined} />}
        </div>
      )}
    </>
  );
}
