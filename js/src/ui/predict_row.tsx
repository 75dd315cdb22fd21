/** A form of one row, and what the model makes of it: one answer, or one of every head. */
import { useEffect, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import type { Scalar } from "../wire/messages";
import { problemOf } from "./field";
import { metricText, parseNumber } from "./number";

export interface Field {
  name: string;
  kind: "number" | "choice";
  value: Scalar;
  choices: string[];
}

export interface Form {
  fields: Field[];
  held: string;
}

interface HeadPrediction {
  prediction: string | number;
  probabilities: [string, number][];
}

/** What a row is predicted to be; by every head, where a network has several. */
interface Prediction extends HeadPrediction {
  /** Whose answer it is: the main head's. */
  head?: string;
  further?: (HeadPrediction & { head: string })[];
}

/** What a field's text says: a number, words, or nothing (a missing value). */
export function fieldValue(field: Field, text: string): Scalar {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (field.kind === "choice") return trimmed;
  // what is no number goes as it is, so that the kernel can say which column it was
  const number = parseNumber(trimmed);
  return number !== null && Number.isFinite(number) ? number : trimmed;
}

export function PredictRow({ ctx, form }: { ctx: Context; form: Form }) {
  const initial = (): Record<string, string> =>
    Object.fromEntries(form.fields.map((f) => [f.name, f.value === null ? "" : String(f.value)]));
  const [texts, setTexts] = useState(initial);
  const [answer, setAnswer] = useState<Prediction | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const names = form.fields.map((f) => f.name).join("\n");
  useEffect(() => {
    setTexts(initial());
    setAnswer(null);
  }, [names]);
  const predict = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    const values = Object.fromEntries(form.fields.map((f) => [f.name, fieldValue(f, texts[f.name] ?? "")]));
    ctx
      .ask("predict.row", { values }, { quiet: true })
      .then((reply) => {
        setAnswer(reply.body as Prediction);
        setProblem("");
      })
      .catch((error: unknown) => setProblem(problemOf(error).message))
      .finally(() => setBusy(false));
  };
  const edit = (name: string, text: string): void => setTexts((before) => ({ ...before, [name]: text }));
  return (
    <details class="mw-perf-predict">
      <summary>Predict a row</summary>
      <form onSubmit={predict}>
        <div class="mw-perf-fields">
          {form.fields.map((field, k) => {
            const id = `${ctx.id}-field-${k}`;
            return (
              <div class="mw-perf-field">
                <label for={id} title={field.name}>
                  {field.name}
                </label>
                {field.kind === "choice" ? (
                  <select
                    id={id}
                    value={texts[field.name]}
                    onChange={(event) => edit(field.name, event.currentTarget.value)}
                  >
                    <option value="">missing</option>
                    {field.choices.map((choice) => (
                      <option value={choice}>{choice}</option>
                    ))}
                  </select>
                ) : (
                  <input
                    id={id}
                    type="text"
                    inputMode="decimal"
                    placeholder="missing"
                    value={texts[field.name]}
                    onInput={(event) => edit(field.name, event.currentTarget.value)}
                  />
                )}
              </div>
            );
          })}
        </div>
        <div class="mw-perf-ask">
          <button type="submit" disabled={busy || Boolean(ctx.away)} title={ctx.away || undefined}>
            Predict
          </button>
          <span class="mw-tiny">{form.held}</span>
        </div>
      </form>
      <div role="status">
        {problem && <p class="mw-error-text">{problem}</p>}
        {answer && <Answers answer={answer} />}
      </div>
    </details>
  );
}

/** The answer, or where several heads give one, each under its head's name. */
function Answers({ answer }: { answer: Prediction }) {
  if (!answer.further?.length) return <Answer answer={answer} />;
  const all = [{ ...answer, head: answer.head ?? "" }, ...answer.further];
  return (
    <dl class="mw-perf-heads">
      {all.map((one, k) => (
        <div key={one.head}>
          <dt title={one.head}>
            {one.head}
            {k === 0 && <span class="mw-tiny"> (the main head)</span>}
          </dt>
          <dd>
            <Answer answer={one} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Answer({ answer }: { answer: HeadPrediction }) {
  if (answer.probabilities.length === 0) {
    return (
      <p class="mw-perf-answer">
        predicted <b>{typeof answer.prediction === "number" ? metricText(answer.prediction) : answer.prediction}</b>
      </p>
    );
  }
  return (
    <ul class="mw-perf-answer mw-perf-bars" aria-label={`predicted ${answer.prediction}`}>
      {answer.probabilities.map(([name, p], k) => (
        <li class={name === String(answer.prediction) ? "mw-perf-chosen" : ""}>
          <span class="mw-perf-name">{name}</span>
          <span class="mw-perf-bar" aria-hidden="true">
            <i style={{ width: `${100 * p}%`, background: `var(--mw-c${k % 8})` }} />
          </span>
          <span>{(100 * p).toFixed(1)} %</span>
        </li>
      ))}
    </ul>
  );
}
