/** The algorithms by category; the Python side is `medilytica_widgets/widgets/algorithm_browser.py`. */
import { useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { keep } from "../state/local";
import { Icon } from "../ui/icons";
import { useUid } from "../ui/uid";
import type { WidgetProps } from "./_base";

export interface Entry {
  id: string;
  name: string;
  category: string[];
  summary: string;
  when: string;
  when_not: string;
  references: string[];
  unavailable: string;
}

interface Score {
  value: number;
  metric: string;
  run: string;
}

/** One visible line of the tree: a category, or an algorithm. */
interface Row {
  key: string;
  name: string;
  level: number;
  parent: string | null;
  /** Its place among its siblings, for assistive technology. */
  place: number;
  siblings: number;
  entry: Entry | null;
  open: boolean;
}

const PATH = "\u001f";

/** The tree's visible rows, in order. A category without a match is left out. */
export function visibleRows(catalogue: Entry[], filter: string, closed: ReadonlySet<string>): Row[] {
  const wanted = filter.trim().toLowerCase();
  const matching = wanted
    ? catalogue.filter((e) => [e.name, e.id, ...e.category].some((text) => text.toLowerCase().includes(wanted)))
    : catalogue;
  const rows: Row[] = [];
  const descend = (entries: Entry[], depth: number, parent: string | null): void => {
    const groups = new Map<string, Entry[]>();
    const order: (Entry | string)[] = [];
    for (const entry of entries) {
      const part = entry.category[depth];
      if (part === undefined) {
        order.push(entry);
        continue;
      }
      const group = groups.get(part);
      if (group) group.push(entry);
      else {
        groups.set(part, [entry]);
        order.push(part);
      }
    }
    order.forEach((item, k) => {
      const common = { level: depth + 1, parent, place: k + 1, siblings: order.length };
      if (typeof item !== "string") {
        rows.push({ ...common, key: item.id, name: item.name, entry: item, open: false });
        return;
      }
      const key = parent === null ? `/${item}` : `${parent}${PATH}${item}`;
      const open = wanted !== "" || !closed.has(key);
      rows.push({ ...common, key, name: item, entry: null, open });
      if (open) descend(groups.get(item) ?? [], depth + 1, key);
    });
  };
  descend(matching, 0, null);
  return rows;
}

/** Text with its web addresses and DOIs as links. */
function Linked({ text }: { text: string }) {
  const parts = text.split(/(https?:\/\/[^\s,;]+|doi:10\.[^\s,;]+)/);
  return (
    <>
      {parts.map((part, k): ComponentChildren => {
        if (k % 2 === 0) return part;
        const address = part.startsWith("doi:") ? `https://doi.org/${part.slice(4)}` : part;
        return (
          <a href={address} target="_blank" rel="noopener noreferrer">
            {part}
          </a>
        );
      })}
    </>
  );
}

function Details({ entry, score }: { entry: Entry; score?: Score }) {
  return (
    <>
      <h4>{entry.name}</h4>
      {entry.unavailable && <p class="mw-algo-reason">{entry.unavailable}</p>}
      <p>{entry.summary}</p>
      <dl>
        <dt>When to use it</dt>
        <dd>{entry.when}</dd>
        <dt>When another is better</dt>
        <dd>{entry.when_not}</dd>
        {score && (
          <>
            <dt>Best run so far</dt>
            <dd>
              {score.metric.replaceAll("_", " ")} {score.value.toFixed(3)} in {score.run}
            </dd>
          </>
        )}
      </dl>
      {entry.references.length > 0 && (
        <ul class="mw-tiny mw-algo-references" aria-label="References">
          {entry.references.map((reference) => (
            <li>
              <Linked text={reference} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

export function AlgorithmBrowser({ ctx }: WidgetProps) {
  const uid = useUid();
  const catalogue = ctx.trait<Entry[]>("catalogue").value;
  const selected = ctx.trait<string>("selected").value;
  const scores = ctx.trait<Record<string, Score>>("scores").value;
  const closed = keep<ReadonlySet<string>>(`${ctx.id}:closed`, new Set());
  const about = keep(`${ctx.id}:about`, false);
  const [filter, setFilter] = useState("");
  const [focused, setFocused] = useState<string | null>(null);
  const tree = useRef<HTMLDivElement>(null);
  const off = ctx.readOnly;

  const rows = visibleRows(catalogue, filter, closed.value);
  const current = rows.find((row) => row.key === focused) ?? rows.find((row) => row.key === selected) ?? rows[0];
  const shown = rows.find((row) => row.key === focused)?.entry ?? catalogue.find((e) => e.id === selected) ?? null;

  const focus = (row: Row | undefined): void => {
    if (!row) return;
    setFocused(row.key);
    const items = tree.current?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [];
    items[rows.indexOf(row)]?.focus();
  };
  const toggle = (row: Row, open: boolean): void => {
    const next = new Set(closed.value);
    if (open) next.delete(row.key);
    else next.add(row.key);
    closed.value = next;
  };
  const choose = (row: Row): void => {
    setFocused(row.key);
    if (!row.entry) toggle(row, !row.open);
    else if (!row.entry.unavailable && !off && row.key !== selected) ctx.tell("algorithm.select", { id: row.key });
  };
  const keys = (event: KeyboardEvent): void => {
    if (!current || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = rows.indexOf(current);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focus(rows[at + 1]),
      ArrowUp: () => focus(rows[at - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows[rows.length - 1]),
      ArrowRight: () => {
        if (current.entry) return;
        if (current.open) focus(rows[at + 1]);
        else toggle(current, true);
      },
      ArrowLeft: () => {
        if (!current.entry && current.open) toggle(current, false);
        else focus(rows.find((row) => row.key === current.parent));
      },
      Enter: () => choose(current),
      " ": () => choose(current),
    };
    const act = actions[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return (
    <section class="mw-card mw-algo" aria-label="Algorithm">
      <h3 class="mw-title">
        Algorithm <span class="mw-spread" />
        <button
          class="mw-link mw-tiny mw-algo-about"
          aria-expanded={about.value}
          aria-controls={`${uid}-about`}
          onClick={() => (about.value = !about.value)}
        >
          {about.value ? "hide" : "about"}
        </button>
      </h3>
      <div class="mw-algo-body">
        <div class="mw-algo-list">
          <input
            type="search"
            class={`mw-algo-filter${filter ? " mw-used" : ""}`}
            placeholder="Filter by name"
            aria-label="Filter algorithms by name"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
          {rows.length === 0 && <p class="mw-muted">{filter ? `No algorithm's name holds “${filter.trim()}”.` : "There are no algorithms."}</p>}
          <div ref={tree} role="tree" aria-label="Algorithms" class="mw-tree" onKeyDown={keys}>
            {rows.map((row) => {
              const score = scores[row.key];
              const blocked = row.entry?.unavailable || (row.entry ? off : "");
              return (
                <div
                  key={row.key}
                  role="treeitem"
                  aria-level={row.level}
                  aria-posinset={row.place}
                  aria-setsize={row.siblings}
                  aria-expanded={row.entry ? undefined : row.open}
                  aria-selected={row.entry ? row.key === selected : undefined}
                  aria-disabled={blocked ? true : undefined}
                  tabIndex={row === current ? 0 : -1}
                  data-algorithm={row.entry?.id}
                  title={row.entry && !row.entry.unavailable && off ? off : undefined}
                  class={`mw-tree-item${row.entry ? "" : " mw-tree-group"}`}
                  style={{ paddingLeft: `${6 + 16 * (row.level - 1)}px` }}
                  onFocus={() => setFocused(row.key)}
                  onClick={() => choose(row)}
                >
                  {!row.entry && <Icon name={row.open ? "expanded" : "collapsed"} />}
                  <span class="mw-tree-name">
                    {row.name}
                    {row.entry?.unavailable && <span class="mw-tiny mw-tree-reason">{row.entry.unavailable}</span>}
                  </span>
                  {score && (
                    <span
                      class="mw-tiny mw-tree-score"
                      title={`best ${score.metric.replaceAll("_", " ")} on the test rows: ${score.run}`}
                    >
                      {score.value.toFixed(2)}
                    </span>
                  )}
                </div>
              );
            })}
          </div>
        </div>
        <div id={`${uid}-about`} class={`mw-algo-details${about.value ? " mw-open" : ""}`}>
          {shown && <Details entry={shown} score={scores[shown.id]} />}
        </div>
      </div>
    </section>
  );
}
