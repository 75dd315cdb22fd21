/** A line of text and a list to choose from, each with its sentence where the kernel refuses. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Scalar } from "../wire/messages";
import { problemOf, type Problem } from "./field";

interface FieldProps {
  id: string;
  label: string;
  value: string;
  off: string;
  help?: string;
  send: (value: string) => Promise<unknown>;
}

/** What is wrong, and the nearest value that is right. */
export function Refusal({ id, problem, off, take }: {
  id: string;
  problem: Problem | null;
  off: string;
  take: (value: Scalar) => void;
}) {
  if (!problem) return null;
  const { nearest } = problem;
  return (
    <span id={id} class="mw-error-text mw-refusal" role="alert">
      {problem.message}{" "}
      {nearest !== null && nearest !== undefined && nearest !== "" && !off && (
        <button class="mw-link" type="button" onClick={() => take(nearest)}>
          use {String(nearest)}
        </button>
      )}
    </span>
  );
}

/** Text that counts on Enter or when one leaves; Escape brings the kernel's back. */
export function TextField({ id, label, value, off, help, placeholder, send }: FieldProps & { placeholder?: string }) {
  const [typed, redraw] = useState<string | null>(null);
  // two events may come between two drawings, so what is typed is not read from the drawn state
  const text = useRef<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const sent = useRef<string | null>(null);
  const setTyped = (next: string | null): void => {
    text.current = next;
    redraw(next);
  };
  const take = (next: string): void => {
    if (sent.current === next) return;
    if (next === value) {
      setProblem(null);
      setTyped(null);
      return;
    }
    sent.current = next;
    send(next).then(
      () => {
        sent.current = null;
        setProblem(null);
        setTyped(null);
      },
      (error: unknown) => {
        sent.current = null;
        setProblem(problemOf(error));
      },
    );
  };
  useEffect(() => {
    if (problem === null && sent.current === null) setTyped(null);
  }, [value]);
  return (
    <span class="mw-editor-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="mw-text"
        autocomplete="off"
        spellcheck={false}
        maxLength={80}
        placeholder={placeholder}
        disabled={!!off}
        title={off || help}
        aria-invalid={!!problem || undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        value={typed ?? value}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && text.current !== null) take(text.current.trim());
          else if (event.key === "Escape" && (text.current !== null || problem)) {
            event.stopPropagation();
            setProblem(null);
            setTyped(null);
          }
        }}
        onBlur={() => text.current !== null && !problem && take(text.current.trim())}
      />
      <Refusal id={`${id}-problem`} problem={problem} off={off} take={(next) => take(String(next))} />
    </span>
  );
}

/** A list to choose from; a refused choice goes back to the last valid one and says why. */
export function SelectField({ id, label, value, off, help, send, children }: FieldProps & { children: ComponentChildren }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const take = (next: string): void => {
    setAsked(next);
    send(next)
      .then(
        () => setProblem(null),
        (error: unknown) => setProblem(problemOf(error)),
      )
      .finally(() => setAsked(null));
  };
  useEffect(() => setProblem(null), [value]);
  return (
    <span class="mw-editor-field">
      <label for={id}>{label}</label>
      <select
        id={id}
        disabled={!!off}
        title={off || help}
        aria-invalid={!!problem || undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        value={asked ?? value}
        onChange={(event) => take(event.currentTarget.value)}
      >
        {children}
      </select>
      <Refusal id={`${id}-problem`} problem={problem} off={off} take={(next) => take(String(next))} />
    </span>
  );
}
