/** One parameter as a form control: drawn, checked and sent by what its table says of it. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Scalar } from "../wire/messages";
import { RequestError } from "../wire/client";
import { Icon } from "./icons";
import { useLatest } from "./latest";
import {
  checkNumber,
  editText,
  formatNumber,
  fromSlider,
  hasSlider,
  mildValue,
  SLIDER_STOPS,
  stepValue,
  toSlider,
  type Parameter,
} from "./number";

/** A sentence under a field, and the nearest value that is allowed. */
export interface Problem {
  message: string;
  nearest: Scalar;
}

/** What the kernel said about a refused value. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RequestError) return { message: error.message, nearest: error.body.nearest ?? null };
  return { message: error instanceof Error ? error.message : String(error), nearest: null };
}

/** A pause in typing after which the value counts. */
const PAUSE_MS = 300;

interface BoxProps {
  parameter: Parameter;
  value: number | null;
  label: string;
  /** Why it cannot be changed; empty where it can. */
  off?: string;
  /** Numbers out of range go to the kernel too, which shows what is wrong with them. */
  lenient?: boolean;
  /** How long typing may pause before the value is sent. */
  pause?: number;
  step?: (value: number, direction: 1 | -1) => number;
  onValue: (value: number | null) => void;
  onProblem: (problem: Problem | null) => void;
  /** Another number here throws away what is typed. */
  clear?: number;
  tabIndex?: number;
  describedBy?: string;
  invalid?: boolean;
  id?: string;
  class?: string;
}

/** A number box; what is being typed stays, whatever the kernel says meanwhile. */
export function NumberBox(props: BoxProps) {
  const { parameter: p, value, pause = PAUSE_MS, lenient = false } = props;
  const [text, redraw] = useState<string | null>(null);
  // two events may come between two drawings, so what is typed is not read from the drawn state
  const typing = useRef<string | null>(null);
  const setText = (next: string | null): void => {
    typing.current = next;
    redraw(next);
  };
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const sent = useRef<string | null>(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLayoutEffect(() => {
    clearTimeout(timer.current);
    sent.current = null;
    setText(null);
  }, [props.clear]);

  const commit = (typed: string): boolean => {
    clearTimeout(timer.current);
    const checked = checkNumber(p, typed);
    const draft = !checked.ok && lenient ? checked.number : null;
    if (!checked.ok && draft === null) {
      props.onProblem({ message: checked.message, nearest: checked.nearest });
      return false;
    }
    props.onProblem(null);
    if (sent.current !== typed) {
      sent.current = typed;
      props.onValue(checked.ok ? checked.value : draft);
    }
    return true;
  };
  const type = (typed: string): void => {
    setText(typed);
    clearTimeout(timer.current);
    const checked = checkNumber(p, typed);
    if (!checked.ok && !checked.unfinished && !lenient) {
      props.onProblem({ message: checked.message, nearest: checked.nearest });
      return;
    }
    props.onProblem(null);
    if (checked.ok && pause === 0) commit(typed);
    else timer.current = setTimeout(() => commit(typed), pause || PAUSE_MS);
  };
  const keys = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    const sizes: Record<string, 0.1 | 1 | 10> = { ArrowUp: 1, ArrowDown: 1, PageUp: 10, PageDown: 10 };
    const size = sizes[event.key];
    const text = typing.current;
    if (event.key === "Enter" && text !== null) {
      if (commit(text)) setText(null);
    } else if (event.key === "Escape" && text !== null) {
      clearTimeout(timer.current);
      sent.current = null;
      setText(null);
      props.onProblem(null);
    } else if (size && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const direction = event.key === "ArrowUp" || event.key === "PageUp" ? 1 : -1;
      const typed = text === null ? null : checkNumber(p, text);
      const from = typed?.ok ? typed.value : (typed?.nearest ?? value);
      const start = from ?? mildValue(p);
      const next = props.step?.(start, direction) ?? stepValue(p, start, direction, event.shiftKey && size === 1 ? 0.1 : size);
      const shown = editText(next, p.kind);
      setText(shown);
      commit(shown);
    }
  };
  const shown = value === null ? "" : editText(value, p.kind);
  return (
    <input
      id={props.id}
      class={`mw-number ${props.class ?? ""}`}
      type="text"
      inputMode={p.kind === "int" ? "numeric" : "decimal"}
      autocomplete="off"
      spellcheck={false}
      aria-label={props.label}
      aria-describedby={props.describedBy}
      aria-invalid={props.invalid || undefined}
      title={props.off || undefined}
      disabled={!!props.off}
      tabIndex={props.tabIndex}
      placeholder={p.optional ? "–" : undefined}
      value={text ?? shown}
      onFocus={(event) => event.currentTarget.select()}
      onInput={(event) => type(event.currentTarget.value)}
      onKeyDown={keys}
      onBlur={() => {
        // a wrong text stays beside its sentence; a right one gives way to the kernel's value
        const text = typing.current;
        if (text !== null && commit(text)) {
          sent.current = null;
          setText(null);
        }
      }}
    />
  );
}

/** A slider over the same values as its box; arrow keys step as the box does. */
function Slider({ parameter: p, value, off, onValue, describedBy }: {
  parameter: Parameter;
  value: number;
  off: string;
  onValue: (value: number) => void;
  describedBy?: string;
}) {
  const position = toSlider(p, value);
  const keys = (event: KeyboardEvent): void => {
    const ends: Record<string, number | null> = { Home: p.low, End: p.high };
    const moves: Record<string, [1 | -1, 1 | 10]> = {
      ArrowRight: [1, 1],
      ArrowUp: [1, 1],
      ArrowLeft: [-1, 1],
      ArrowDown: [-1, 1],
      PageUp: [1, 10],
      PageDown: [-1, 10],
    };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const end = ends[event.key];
    const move = moves[event.key];
    if (end === undefined && !move) return;
    event.preventDefault();
    if (move) onValue(stepValue(p, value, move[0], event.shiftKey && move[1] === 1 ? 0.1 : move[1]));
    else if (typeof end === "number") onValue(end);
  };
  return (
    <input
      type="range"
      class="mw-slider"
      min={0}
      max={SLIDER_STOPS}
      step={1}
      value={position}
      disabled={!!off}
      title={off || undefined}
      style={{ "--mw-fill": `${(100 * position) / SLIDER_STOPS}%` }}
      aria-label={`adjust ${p.label}`}
      aria-valuetext={`${formatNumber(value)}${p.unit ? ` ${p.unit}` : ""}`}
      aria-describedby={describedBy}
      onInput={(event) => onValue(fromSlider(p, Number(event.currentTarget.value)))}
      onKeyDown={keys}
    />
  );
}

export interface FieldProps {
  parameter: Parameter;
  value: Scalar;
  /** Unique on the page. */
  id: string;
  send: (value: Scalar) => Promise<unknown>;
  /** Why it cannot be changed; empty where it can. */
  off?: string;
  changed?: boolean;
  /** True where the value counts only from the next run. */
  nextRun?: boolean;
  reset?: () => void;
  clear?: number;
  lenient?: boolean;
  /** Called when what stands in the field becomes wrong or right again. */
  onWrong?: (wrong: boolean) => void;
}

/** Label, control and, under them, what is wrong and what would be right. */
export function ParameterField(props: FieldProps) {
  const { parameter: p, id, off = "", changed = false, nextRun = false } = props;
  const [problem, setProblem] = useState<Problem | null>(null);
  const [helping, setHelping] = useState(false);
  const [cleared, setCleared] = useState(0);
  const { shown, push } = useLatest<Scalar>(props.value, props.send, (error) => setProblem(problemOf(error)));
  const lastOn = useRef<number | null>(null);
  if (typeof shown === "number") lastOn.current = shown;
  useLayoutEffect(() => setProblem(null), [props.clear]);
  useLayoutEffect(() => props.onWrong?.(problem !== null), [problem !== null]);
  useLayoutEffect(() => () => props.onWrong?.(false), []);

  const set = (value: Scalar): void => {
    setProblem(null);
    push(value);
  };
  const moved = (value: Scalar): void => {
    setCleared((n) => n + 1);
    set(value);
  };
  // the button that was pressed goes away with its reason; without this the keyboard's place would go with it
  const back = (act: () => void) => (): void => {
    document.getElementById(id)?.focus();
    act();
  };
  const number = p.kind === "float" || p.kind === "int";
  const describedBy = `${id}-help ${id}-state${problem ? ` ${id}-problem` : ""}`;
  const acts = p.live ? "Acts at once on a run that is training." : "";
  const help = [p.help, acts].filter(Boolean).join(" ");
  const state = [changed && "changed from the default", nextRun && "counts from the next run"].filter(Boolean).join(", ");
  const common = { id, "aria-label": p.label, "aria-describedby": describedBy, disabled: !!off, title: off || undefined };

  return (
    <div class={`mw-field${changed ? " mw-changed" : ""}${problem ? " mw-wrong" : ""}`} data-parameter={p.id} data-at={`hyperparameter:${p.id}`}>
      <span class="mw-field-name">
        <label for={id} title={help} onDblClick={() => !off && changed && props.reset?.()}>
          {p.label}
          {p.live && (
            <span class="mw-live" aria-hidden="true" title={acts}>
              {"\u00a0"}
              <Icon name="live" />
            </span>
          )}
          {changed && (
            <span class="mw-dot" aria-hidden="true" title="changed from the default">
              {"\u00a0•"}
            </span>
          )}
        </label>
        <span class="mw-field-tools">
          {changed && props.reset && !off && (
            <button class="mw-mini" aria-label={`Reset ${p.label}`} title="Back to the default" onClick={back(props.reset)}>
              <Icon name="reset" />
            </button>
          )}
          <button
            class="mw-mini"
            aria-label={`About ${p.label}`}
            aria-expanded={helping}
            title={help}
            onClick={() => setHelping(!helping)}
          >
            ?
          </button>
        </span>
      </span>
      <span id={`${id}-help`} class="mw-sr">
        {help}
      </span>
      <span id={`${id}-state`} class="mw-sr">
        {state}
      </span>
      {p.kind === "choice" && (
        <select
          {...common}
          class="mw-field-wide"
          value={shown === null ? "" : String(shown)}
          onChange={(event) => set(event.currentTarget.value || null)}
        >
          {p.optional && <option value="">off</option>}
          {p.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice.replaceAll("_", " ")}
            </option>
          ))}
        </select>
      )}
      {p.kind === "bool" && (
        <input
          {...common}
          class="mw-field-wide mw-switch"
          type="checkbox"
          role="switch"
          checked={shown === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      )}
      {number && (
        <>
          <span class="mw-field-middle">
            {p.optional && (
              <label class="mw-use">
                <input
                  type="checkbox"
                  aria-label={`use ${p.label}`}
                  disabled={!!off}
                  title={off || (shown === null ? `${p.label} is off` : `switch ${p.label} off`)}
                  checked={shown !== null}
                  onChange={(event) => moved(event.currentTarget.checked ? (lastOn.current ?? mildValue(p)) : null)}
                />
                {shown === null && <span class="mw-tiny">off</span>}
              </label>
            )}
            {typeof shown === "number" && hasSlider(p) && (
              <Slider parameter={p} value={shown} off={off} onValue={moved} describedBy={`${id}-help`} />
            )}
          </span>
          <NumberBox
            id={id}
            parameter={p}
            value={typeof shown === "number" ? shown : null}
            label={p.label}
            off={off}
            lenient={props.lenient}
            describedBy={describedBy}
            invalid={!!problem}
            onValue={set}
            onProblem={setProblem}
            clear={cleared + (props.clear ?? 0)}
          />
        </>
      )}
      {nextRun && (
        <span class="mw-next" aria-hidden="true">
          next run
        </span>
      )}
      {problem && (
        <span id={`${id}-problem`} class="mw-error-text mw-field-note" role="alert">
          {problem.message}{" "}
          {problem.nearest !== null && !off && (
            <button class="mw-link" title="The nearest allowed value" onClick={back(() => moved(problem.nearest))}>
              use {typeof problem.nearest === "number" ? editText(problem.nearest, p.kind) : String(problem.nearest)}
            </button>
          )}
        </span>
      )}
      {helping && (
        <span class="mw-tiny mw-field-note" aria-hidden="true">
          {help}
        </span>
      )}
    </div>
  );
}
