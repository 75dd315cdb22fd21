/** Which rows are for what: the way to divide them, and what comes of it in numbers. */
import { useEffect, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import { ParameterField } from "./field";
import { formatShort } from "./cells";
import { Icon } from "./icons";
import { grouped, type Parameter } from "./number";
import type { Column, Split, SplitFacts, Way } from "./preprocess_parts";
import { SelectField } from "./text_field";
import { useUid } from "./uid";

const PARTS = ["train", "validation", "test"];
const GROUPED = ["grouped", "group_kfold"];
const FOLDED = ["kfold", "group_kfold"];
/** What the column of a way says. */
const COLUMN_LABEL: Record<string, string> = { grouped: "groups by", group_kfold: "groups by", time: "time", column: "says the part" };

const share = (id: string, label: string, help: string, usual: number): Parameter => ({
  id,
  kind: "float",
  default: usual,
  low: 0.01,
  high: 0.9,
  scale: "linear",
  smallest: 0.01,
  choices: [],
  unit: "",
  help,
  label,
  live: false,
  optional: false,
});
const VALIDATION = share("validation", "validation share", "The share of all rows by which training is watched and stopped.", 0.16);
const TEST = share("test", "test share", "The share of all rows that nothing is learned from, for the last word.", 0.2);
const FOLDS: Parameter = { ...share("folds", "folds", "Of how many equal parts one is tested on.", 5), kind: "int", low: 2, high: 20 };

interface Props {
  ctx: Context;
  split: Split;
  ways: Way[];
  columns: Column[];
  facts: SplitFacts | null;
  stale: boolean;
  error: string;
}

export function SplitForm({ ctx, split, ways, columns, facts, stale, error }: Props) {
  const uid = useUid();
  // a way that needs a column waits here until one is named
  const [draft, setDraft] = useState("");
  useEffect(() => setDraft(""), [split.method, split.column]);
  const off = ctx.readOnly;
  const method = draft || split.method;
  const label = COLUMN_LABEL[method];
  const way = ways.find((known) => known.id === method);
  const send = (fields: Record<string, unknown>): Promise<unknown> => ctx.ask("split.set", { fields }, { quiet: true });
  const choose = (next: string): Promise<unknown> => {
    const keeps = GROUPED.includes(next) && GROUPED.includes(split.method);
    setDraft("");
    if (!COLUMN_LABEL[next] || keeps || next === split.method) return send({ method: next });
    setDraft(next);
    return Promise.resolve();
  };
  return (
    <section class="mw-prep-split" aria-label="Split">
      <h4 class="mw-prep-heading">Split</h4>
      <div class="mw-prep-split-form">
        <SelectField id={`${uid}-method`} label="way" value={method} off={off} help={way?.help} send={choose}>
          {ways.map((known) => (
            <option key={known.id} value={known.id}>
              {known.label}
            </option>
          ))}
        </SelectField>
        {label && (
          <SelectField
            id={`${uid}-column`}
            label={label}
            value={draft ? "" : split.column}
            off={off}
            send={(column) => (column ? send({ method, column }) : Promise.resolve())}
          >
            {draft && <option value="">choose a column …</option>}
            {columns
              .filter((column) => column.role !== "target")
              .map((column) => (
                <option key={column.name} value={column.name}>
                  {column.name}
                </option>
              ))}
          </SelectField>
        )}
        {FOLDED.includes(method) && !draft && (
          <>
            <ParameterField
              id={`${uid}-folds`}
              parameter={FOLDS}
              value={split.folds}
              off={off}
              changed={split.folds !== FOLDS.default}
              reset={() => void send({ folds: FOLDS.default, fold: Math.min(split.fold, 4) }).catch(() => undefined)}
              send={(folds) => send({ folds, fold: Math.min(split.fold, Number(folds) - 1) })}
            />
            <SelectField id={`${uid}-fold`} label="tested on" value={String(split.fold)} off={off} send={(fold) => send({ fold: Number(fold) })}>
              {Array.from({ length: split.folds }, (_, fold) => (
                <option key={fold} value={String(fold)}>
                  fold {fold + 1} of {split.folds}
                </option>
              ))}
            </SelectField>
          </>
        )}
        {!draft &&
          [VALIDATION, TEST]
            .filter((p) => p === VALIDATION || !(FOLDED.includes(method) || method === "column"))
            .map((p) => (
              <ParameterField
                key={p.id}
                id={`${uid}-${p.id}`}
                parameter={p}
                value={split[p.id as "validation" | "test"]}
                off={off}
                changed={split[p.id as "validation" | "test"] !== p.default}
                reset={() => void send({ [p.id]: p.default }).catch(() => undefined)}
                send={(value) => send({ [p.id]: value })}
              />
            ))}
      </div>
      {way && <p class="mw-tiny mw-prep-help">{way.help}</p>}
      {error && (
        <p class="mw-error-text" role="alert">
          {error}
        </p>
      )}
      {!error && (facts ? <SplitNumbers facts={facts} stale={stale} /> : <div class="mw-skeleton mw-prep-wait" role="status" aria-label="Dividing the rows" />)}
    </section>
  );
}

const percent = (part: number, whole: number): string => `${Number(((100 * part) / Math.max(1, whole)).toPrecision(2))} %`;

/** Rows of each part as a bar, and under it what tells whether the parts are alike. */
export function SplitNumbers({ facts, stale }: { facts: SplitFacts; stale: boolean }) {
  const total = facts.parts.reduce((sum, rows) => sum + rows, 0);
  const words = PARTS.map((part, k) => `${part} ${grouped(facts.parts[k]!)}`).join(", ");
  return (
    <div class={stale ? "mw-prep-stale" : undefined}>
      <div class="mw-prep-parts" role="img" aria-label={`Rows: ${words}`}>
        {PARTS.map((part, k) => (
          <span key={part} class={`mw-prep-part-${k}`} style={{ flexGrow: facts.parts[k] }} />
        ))}
      </div>
      <table class="mw-prep-balance">
        <caption class="mw-sr">Rows of each part</caption>
        <thead>
          <tr>
            <td />
            {PARTS.map((part, k) => (
              <th key={part} scope="col">
                <i class={`mw-prep-key mw-prep-part-${k}`} aria-hidden="true" /> {part}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">rows</th>
            {facts.parts.map((rows, k) => (
              <td key={k}>
                {grouped(rows)} <span class="mw-muted">{percent(rows, total)}</span>
              </td>
            ))}
          </tr>
          {facts.groups.length > 0 && (
            <tr>
              <th scope="row">groups</th>
              {facts.groups.map((count, k) => (
                <td key={k}>{grouped(count)}</td>
              ))}
            </tr>
          )}
          {facts.means.length > 0 && (
            <tr>
              <th scope="row">average target</th>
              {facts.means.map((mean, k) => (
                <td key={k}>{formatShort(mean)}</td>
              ))}
            </tr>
          )}
          {facts.classes.map((one) => (
            <tr key={one.name}>
              <th scope="row" title={one.name}>
                <bdi>{one.name}</bdi>
              </th>
              {one.rows.map((rows, k) => (
                <td key={k}>
                  {grouped(rows)} <span class="mw-muted">{percent(rows, facts.parts[k]!)}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {facts.others > 0 && <p class="mw-tiny">{grouped(facts.others)} rarer {facts.others === 1 ? "class" : "classes"} not shown.</p>}
      {facts.notes.map((note) => (
        <p class="mw-tiny" key={note}>
          <Icon name="info" /> {note}
        </p>
      ))}
    </div>
  );
}
