/** One column's menu: what may be in its cells, where it stands, and what is known of it. */
import { useId, useState } from "preact/hooks";
import { formatDate, formatShort } from "../../ui/cells";
import type { ColumnInfo } from "../../ui/grid_header";
import { grouped } from "../../ui/number";
import { Popover } from "../../ui/popover";
import type { Filter } from "../../ui/row_source";
import { toggled } from "./header_chart";
import type { Summary } from "./summaries";

export interface ColumnActs {
  sort: (down: boolean) => void;
  pin: () => void;
  hide: () => void;
  move: (by: number) => void;
}

interface MenuProps {
  anchor: HTMLElement;
  column: ColumnInfo;
  pinned: boolean;
  summary: Summary | undefined;
  filter: Filter | undefined;
  onFilter: (filter: Filter | null) => void;
  acts: ColumnActs;
  close: (refocus: boolean) => void;
}

type Kind = Filter["kind"] | "";
const WORDS: Record<Exclude<Kind, "">, string> = {
  range: "in a range",
  set: "one of",
  contains: "contains",
  regex: "matches (regular expression)",
  null: "missing",
  not_null: "present",
};

/** What typed ends of a range mean; a text says what is wrong. */
export function readRange(column: string, storage: string, low: string, high: string): Filter | null | string {
  const ends: (number | string | null)[] = [];
  for (const text of [low.trim(), high.trim()]) {
    if (!text) ends.push(null);
    else if (storage === "datetime") {
      if (Number.isNaN(Date.parse(text))) return `“${text}” is no date. Write it like 2024-05-31.`;
      ends.push(text);
    } else {
      const value = Number(text);
      if (Number.isNaN(value)) return `“${text}” is no number. A decimal point is a dot.`;
      ends.push(value);
    }
  }
  return ends[0] === null && ends[1] === null ? null : { column, kind: "range", low: ends[0]!, high: ends[1]! };
}

export function ColumnMenu({ anchor, column, pinned, summary, filter, onFilter, acts, close }: MenuProps) {
  const id = useId();
  const measured = column.storage === "number" || column.storage === "datetime";
  const [kind, setKind] = useState<Kind>(filter?.kind ?? (measured ? "range" : summary?.values.length ? "set" : "contains"));
  const [low, setLow] = useState(filter?.kind === "range" && filter.low !== null ? String(filter.low) : "");
  const [high, setHigh] = useState(filter?.kind === "range" && filter.high !== null ? String(filter.high) : "");
  const [text, setText] = useState(filter && "text" in filter ? filter.text : "");
  const [cases, setCases] = useState(Boolean(filter && "case" in filter && filter.case));
  const [wrong, setWrong] = useState("");
  const kinds: Kind[] = [...(measured ? (["range"] as const) : []), "set", "contains", "regex", "null", "not_null"];
  const facts = summary?.facts;

  function apply(): void {
    let next: Filter | null | string = null;
    if (kind === "range") next = readRange(column.name, column.storage, low, high);
    else if (kind === "contains" || kind === "regex") next = text ? { column: column.name, kind, text, case: cases } : null;
    else if (kind === "null" || kind === "not_null") next = { column: column.name, kind };
    else if (kind === "set") return close(true);
    if (typeof next === "string") return setWrong(next);
    onFilter(next);
    close(true);
  }

  const act = (work: () => void) => () => {
    close(true);
    work();
  };
  return (
    <Popover anchor={anchor} label={`Column ${column.name}`} close={close}>
      <form
        class="mw-grid-menu"
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <div class="mw-grid-menu-row">
          <button type="button" onClick={act(() => acts.sort(false))}>▲ Ascending</button>
          <button type="button" onClick={act(() => acts.sort(true))}>▼ Descending</button>
        </div>
        <div class="mw-grid-menu-row">
          <button type="button" onClick={act(acts.pin)}>{pinned ? "Unpin" : "Pin"}</button>
          <button type="button" onClick={act(acts.hide)}>Hide</button>
          <button type="button" aria-label="Move left" onClick={act(() => acts.move(-1))}>←</button>
          <button type="button" aria-label="Move right" onClick={act(() => acts.move(1))}>→</button>
        </div>
        <label for={`${id}-kind`}>Keep rows whose cell is</label>
        <select id={`${id}-kind`} data-first value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
          {kinds.map((one) => (
            <option key={one} value={one}>{WORDS[one as Exclude<Kind, "">]}</option>
          ))}
        </select>
        {kind === "range" && (
          <div class="mw-grid-menu-row">
            <input aria-label="From" placeholder="from" value={low} onInput={(event) => setLow(event.currentTarget.value)} />
            <input aria-label="To" placeholder="to" value={high} onInput={(event) => setHigh(event.currentTarget.value)} />
          </div>
        )}
        {(kind === "contains" || kind === "regex") && (
          <>
            <input aria-label="Text" value={text} maxLength={500} onInput={(event) => setText(event.currentTarget.value)} />
            <label class="mw-grid-check">
              <input type="checkbox" checked={cases} onChange={(event) => setCases(event.currentTarget.checked)} /> upper and lower case differ
            </label>
          </>
        )}
        {kind === "set" && (
          <div class="mw-grid-values">
            {[...(summary?.kind === "top" ? summary.values : []), null].map((value) => (
              <label class="mw-grid-check" key={String(value)}>
                <input
                  type="checkbox"
                  checked={filter?.kind === "set" && filter.values.includes(value)}
                  onChange={() => onFilter(toggled(column.name, filter, value))}
                />
                {value === null ? <i>missing</i> : <bdi>{String(value).slice(0, 80)}</bdi>}
              </label>
            ))}
          </div>
        )}
        {wrong && <p class="mw-field-error" role="alert">{wrong}</p>}
        <div class="mw-grid-menu-row">
          <button type="submit" class="mw-primary">Apply</button>
          <button type="button" disabled={!filter} onClick={act(() => onFilter(null))}>Clear</button>
        </div>
        {facts && (
          <dl class="mw-grid-facts mw-muted">
            <dt>present</dt><dd>{grouped(facts.count)}</dd>
            <dt>missing</dt><dd>{grouped(facts.missing)}</dd>
            <dt>different, about</dt><dd>{grouped(facts.distinct)}</dd>
            {facts.min !== null && facts.max !== null && (
              <>
                <dt>lowest, highest</dt>
                <dd>{[facts.min, facts.max].map((v) => (column.storage === "datetime" ? formatDate(v) : formatShort(v))).join(" … ")}</dd>
              </>
            )}
            {facts.mean !== null && (
              <>
                <dt>mean ± deviation</dt><dd>{formatShort(facts.mean)} ± {facts.std === null ? "–" : formatShort(facts.std)}</dd>
              </>
            )}
          </dl>
        )}
      </form>
    </Popover>
  );
}
