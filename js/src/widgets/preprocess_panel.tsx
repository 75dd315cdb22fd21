/** How a table is prepared; the Python side is `medilytica_widgets/widgets/preprocess_panel.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { Icon } from "../ui/icons";
import { grouped, plural, type Parameter } from "../ui/number";
import { StepMenu } from "../ui/preprocess_add";
import {
  actsEarlier,
  DEFAULT_STEP,
  SPLIT_STEP,
  type CatalogueEntry,
  type Column,
  type Facts,
  type Split,
  type Step,
  type Way,
} from "../ui/preprocess_parts";
import { StepPicture } from "../ui/preprocess_picture";
import { SplitForm } from "../ui/preprocess_split";
import { StepCard } from "../ui/preprocess_step";
import { useReorder } from "../ui/reorder";
import type { WidgetProps } from "./_base";

const NO_FACTS: Facts = { version: -1, state: "busy", done: 0, total: 1, rows: 0, of: 0, split: null, width: null, widths: [], error: null };
/** No step is open, by nobody's or by somebody's doing; -1 is the default preparation. */
const NONE = -2;
const CLOSED = -3;

export function PreprocessPanel({ ctx }: WidgetProps) {
  const steps = ctx.trait<Step[]>("steps").value;
  const forms = ctx.trait<Record<string, Parameter[]>>("forms").value;
  const catalogue = ctx.trait<CatalogueEntry[]>("catalogue").value;
  const columns = ctx.trait<Column[]>("columns").value;
  const usual = ctx.trait<string[]>("usual").value;
  const version = ctx.trait<number>("version").value;
  const told = ctx.trait<Partial<Facts>>("facts").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  const pending = ctx.trait<boolean>("pending").value;
  const task = ctx.trait<string>("task").value;
  const split = ctx.trait<Split>("split").value;
  const ways = ctx.trait<Way[]>("ways").value;
  const facts = told.state ? (told as Facts) : NO_FACTS;
  const fresh = facts.version === version;
  const open = keep<number>(`${ctx.id}:open-step`, NONE);
  const [adding, setAdding] = useState(false);
  const [said, setSaid] = useState("");
  const [removed, setRemoved] = useState("");
  const [moves, setMoves] = useState(0);
  const focusNext = useRef<number | null>(null);
  const list = useRef<HTMLOListElement>(null);
  const plus = useRef<HTMLButtonElement>(null);
  const off = ctx.readOnly;
  const live = ctx.connection.value === "live";

  // what the steps do is computed only while somebody looks
  useEffect(() => {
    if (live) ctx.ask("steps.watch", {}, { quiet: true }).catch(() => undefined);
  }, [ctx, version, live]);
  useEffect(() => {
    if (focusNext.current === null) return;
    const place = Math.min(focusNext.current, steps.length - 1);
    focusNext.current = null;
    (list.current?.querySelector<HTMLElement>(`[data-step="${place}"]`) ?? plus.current)?.focus();
  }, [moves, steps]);

  /** Ask for other steps; the notice beside the widget says why where it cannot be. */
  const change = (asked: Promise<unknown>, words: string, then: () => void): void => {
    setRemoved("");
    asked.then(
      () => {
        setSaid(words);
        then();
        setMoves((n) => n + 1);
      },
      () => undefined,
    );
  };
  const name = (index: number): string => steps[index]?.name ?? "step";
  const move = (from: number, to: number): void =>
    change(ctx.ask("steps.move", { index: from, to }), `${name(from)} is step ${to + 1} of ${steps.length}`, () => {
      if (open.value === from) open.value = to;
      else if (open.value >= 0) open.value = NONE;
      focusNext.current = to;
    });
  const remove = (index: number): void => {
    const gone = name(index);
    change(ctx.ask("steps.remove", { index }), `${gone} removed; undo brings it back`, () => {
      if (open.value >= index) open.value = NONE;
      setRemoved(gone);
      focusNext.current = index;
    });
  };
  const add = (id: string): void => {
    const index = steps.length;
    const chosen = catalogue.find((entry) => entry.id === id)?.name ?? id;
    change(ctx.ask("steps.add", { step: { id }, index }), `${chosen} added as step ${index + 1}`, () => {
      setAdding(false);
      open.value = index;
      focusNext.current = index;
    });
  };
  const travel = (kind: "spec.undo" | "spec.redo"): void => {
    setRemoved("");
    ctx.tell(kind, {});
  };
  const boxes = (): HTMLElement[] => [...(list.current?.querySelectorAll<HTMLElement>("[data-step-box]") ?? [])];
  const { drag, grab } = useReorder(boxes, move);
  const failed = fresh ? facts.error : null;
  // without any step the default is all there is to see
  const defaultOpen = open.value === DEFAULT_STEP || (open.value === NONE && !steps.length);
  const gapClass = (k: number): string => {
    if (!drag || drag.from === k) return "";
    if (drag.gap === k) return " mw-prep-gap-before";
    return drag.gap === steps.length && k === steps.length - 1 ? " mw-prep-gap-after" : "";
  };
  return (
    <section
      class="mw-card mw-prep"
      aria-label="Preparation"
      onKeyDown={(event) => {
        const key = event.key.toLowerCase();
        const command = (event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y");
        if (!command || off || (event.target as HTMLElement).closest("input:not([type=checkbox], [type=range])")) return;
        event.preventDefault();
        travel(key === "y" || event.shiftKey ? "spec.redo" : "spec.undo");
      }}
    >
      <h3 class="mw-title">
        Preparation
        {pending && (
          <span class="mw-pill mw-next-pill" title="A run is going on that began with another preparation">
            next run
          </span>
        )}
        <span class="mw-spread" />
        <Progress facts={facts} fresh={fresh} off={off} stop={() => ctx.tell("steps.stop", {})} again={() => ctx.tell("steps.watch", {})} />
        <button class="mw-icon mw-quiet" aria-label="Undo" title={off || "Undo the last change"} disabled={!!off || !canUndo} onClick={() => travel("spec.undo")}>
          <Icon name="undo" />
        </button>
        <button class="mw-icon mw-quiet" aria-label="Redo" title={off || "Bring back what was undone"} disabled={!!off || !canRedo} onClick={() => travel("spec.redo")}>
          <Icon name="redo" />
        </button>
      </h3>
      <div class="mw-prep-grid">
        <SplitForm
          ctx={ctx}
          split={split}
          ways={ways}
          columns={columns}
          facts={facts.split}
          stale={!fresh}
          error={failed?.step === SPLIT_STEP ? failed.message : ""}
        />
        <section class="mw-prep-steps" aria-label="Steps">
          <h4 class="mw-prep-heading">
            Steps
            {facts.rows < facts.of && (
              <span class="mw-tiny" title="A run fits the steps on all of its training rows">
                shown on {grouped(facts.rows)} of {grouped(facts.of)} training rows
              </span>
            )}
          </h4>
          <div class="mw-prep-step mw-prep-default">
            <div class="mw-prep-head">
              <button
                class="mw-quiet mw-prep-toggle"
                aria-expanded={defaultOpen}
                onClick={() => (open.value = defaultOpen ? CLOSED : DEFAULT_STEP)}
              >
                <Icon name={defaultOpen ? "expanded" : "collapsed"} />
                <b>Default preparation</b>
                <span class="mw-tiny mw-prep-for">what happens without any step</span>
              </button>
              <span class={`mw-tiny mw-prep-width${fresh ? "" : " mw-prep-stale"}`}>{facts.width === null ? "…" : `→ ${plural(facts.width, "column")}`}</span>
            </div>
            {failed?.step === DEFAULT_STEP && (
              <p class="mw-error-text mw-prep-error" role="alert">
                {failed.message}
              </p>
            )}
            {defaultOpen && (
              <div class="mw-prep-body">
                <p class="mw-prep-empty">
                  {!steps.length && "No step is added. "}Each column is prepared by what it holds, fitted on the training rows only:
                </p>
                <ul class="mw-prep-usual">
                  {usual.map((words) => (
                    <li key={words}>{words}</li>
                  ))}
                </ul>
                <StepPicture ctx={ctx} step={DEFAULT_STEP} version={version} ready={fresh && facts.width !== null} />
              </div>
            )}
          </div>
          <ol ref={list} class="mw-prep-list">
            {steps.map((step, k) => (
              <li
                key={`${k}/${step.id}`}
                data-step-box
                class={`mw-prep-step${drag?.from === k ? " mw-prep-dragged" : ""}${gapClass(k)}`}
                style={drag?.from === k ? { transform: `translateY(${drag.dy}px)` } : undefined}
                onPointerDown={(event) => {
                  if (!off && (event.target as HTMLElement).closest(".mw-prep-grip")) grab(event, k);
                }}
              >
                <StepCard
                  ctx={ctx}
                  step={step}
                  index={k}
                  count={steps.length}
                  form={forms[step.id] ?? []}
                  entry={catalogue.find((entry) => entry.id === step.id)}
                  columns={columns}
                  task={task}
                  facts={facts}
                  version={version}
                  open={open.value === k}
                  earlier={actsEarlier(k, steps, catalogue)}
                  toggle={() => (open.value = open.value === k ? NONE : k)}
                  move={(to) => move(k, to)}
                  remove={() => remove(k)}
                />
              </li>
            ))}
          </ol>
          {removed && !off && (
            <p class="mw-tiny mw-removed">
              {removed} removed.{" "}
              <button class="mw-link" onClick={() => travel("spec.undo")}>
                Undo
              </button>
            </p>
          )}
          <button ref={plus} class="mw-prep-plus" aria-expanded={adding} disabled={!!off} title={off || "Add a step behind the others"} onClick={() => setAdding(!adding)}>
            <Icon name="plus" /> step
          </button>
          {adding && !off && (
            <StepMenu
              catalogue={catalogue}
              choose={add}
              close={() => {
                setAdding(false);
                plus.current?.focus();
              }}
            />
          )}
        </section>
      </div>
      <span class="mw-sr" role="status">
        {said}
      </span>
    </section>
  );
}

/** How far the kernel is with the steps; it can be stopped and begun again. */
function Progress({ facts, fresh, off, stop, again }: { facts: Facts; fresh: boolean; off: string; stop: () => void; again: () => void }) {
  if (fresh && facts.state === "stopped") {
    return (
      <span class="mw-tiny mw-prep-progress">
        stopped
        <button class="mw-link" disabled={!!off} onClick={again}>
          Compute
        </button>
      </span>
    );
  }
  if (fresh && facts.state !== "busy") return null;
  return (
    <span class="mw-tiny mw-prep-progress">
      <progress max={facts.total} value={fresh ? facts.done : 0} aria-label="Steps computed" />
      {fresh && facts.total > 1 ? `${Math.min(facts.done + 1, facts.total)} of ${facts.total}` : ""}
      <button class="mw-link" disabled={!!off || !fresh} onClick={stop}>
        Stop
      </button>
    </span>
  );
}
