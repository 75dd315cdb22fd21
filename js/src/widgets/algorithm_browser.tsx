/** The algorithms by category; the Python side is `medilytica_widgets/widgets/algorithm_browser.py`. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { Details, TaskBadges } from "../ui/algorithm_details";
import { above, categories, foldedAtFirst, visibleRows, type Entry, type Row, type Score } from "../ui/algorithm_tree";
import { Icon } from "../ui/icons";
import { useUid } from "../ui/uid";
import type { WidgetProps } from "./_base";

/** From so many lines on it is worth folding all of them at once. */
const MANY = 3;

export function AlgorithmBrowser({ ctx }: WidgetProps) {
  const uid = useUid();
  const catalogue = ctx.trait<Entry[]>("catalogue").value;
  const selected = ctx.trait<string>("selected").value;
  const scores = ctx.trait<Record<string, Score>>("scores").value;
  const closed = keep<ReadonlySet<string>>(`${ctx.id}:closed`, foldedAtFirst(catalogue, selected));
  const about = keep(`${ctx.id}:about`, false);
  const [filter, setFilter] = useState("");
  const [focused, setFocused] = useState<string | null>(null);
  const tree = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const off = ctx.readOnly;

  const chosen = catalogue.find((entry) => entry.id === selected) ?? null;
  const rows = visibleRows(catalogue, filter, closed.value);
  const current = rows.find((row) => row.key === focused) ?? rows.find((row) => row.key === selected) ?? rows[0];
  const shown = rows.find((row) => row.key === focused)?.entry ?? chosen;
  const outer = categories(catalogue);
  const folded = outer.every((key) => closed.value.has(key));

  const reveal = (entry: Entry): void => {
    if (!above(entry).some((key) => closed.value.has(key))) return;
    closed.value = new Set([...closed.value].filter((key) => !above(entry).includes(key)));
  };
  // whoever chose it, the chosen algorithm is in sight: its categories are open and the list is scrolled to it
  useEffect(() => {
    if (chosen) reveal(chosen);
  }, [selected]);
  useEffect(() => {
    const item = tree.current?.querySelector<HTMLElement>("[aria-selected=true]");
    const box = list.current;
    if (!item || !box) return;
    // not scrollIntoView, which would move the notebook too
    const [top, bottom] = [item.offsetTop - box.offsetTop, item.offsetTop - box.offsetTop + item.offsetHeight];
    if (top < box.scrollTop || bottom > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2;
  }, [selected, chosen === null]);

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
      ArrowUp: () => (at === 0 ? search.current?.focus() : focus(rows[at - 1])),
      Home: () => focus(rows[0]),
      End: () => focus(rows[rows.length - 1]),
      ArrowRight: () => {
        if (current.entry) return;
        if (current.open) focus(rows[at + 1]);
        else toggle(current, true);
      },
      ArrowLeft: () => {
        if (!current.entry && current.open && !filter.trim()) toggle(current, false);
        else focus(rows.find((row) => row.key === current.parent));
      },
      Enter: () => choose(current),
      " ": () => choose(current),
      "*": () => (closed.value = new Set()),
      Escape: () => {
        if (!filter) return;
        setFilter("");
        // the line that has the focus must not be folded away under it
        if (current.entry) reveal(current.entry);
      },
    };
    const act = actions[event.key];
    if (act) {
      event.preventDefault();
      act();
    } else if (event.key.length === 1) {
      // a letter goes to the search box: the browser types it where the focus is by then
      search.current?.focus();
    }
  };

  return (
    <section class="mw-card mw-algo" aria-label="Algorithm">
      <h3 class="mw-title">
        Algorithm <span class="mw-spread" />
        {outer.length >= MANY && (
          <button
            class="mw-icon mw-quiet"
            aria-label={folded ? "Unfold all categories" : "Fold all categories"}
            title={folded ? "Unfold all categories" : "Fold all categories"}
            disabled={filter.trim() !== ""}
            onClick={() => (closed.value = folded ? new Set() : new Set(outer))}
          >
            <Icon name={folded ? "collapsed" : "expanded"} />
          </button>
        )}
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
            ref={search}
            type="search"
            class="mw-algo-filter"
            placeholder="Find an algorithm"
            aria-label="Find an algorithm"
            aria-controls={`${uid}-tree`}
            autocomplete="off"
            spellcheck={false}
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape" && filter) {
                event.preventDefault();
                event.stopPropagation();
                setFilter("");
              } else if (event.key === "ArrowDown" || event.key === "Enter") {
                event.preventDefault();
                focus(filter.trim() ? rows.find((row) => row.entry) : current);
              }
            }}
          />
          {rows.length === 0 && (
            <p class="mw-muted mw-algo-none" role="status">
              {filter ? `No algorithm fits “${filter.trim()}”.` : "There are no algorithms."}
            </p>
          )}
          <div ref={list} class="mw-algo-scroll">
            <div ref={tree} id={`${uid}-tree`} role="tree" aria-label="Algorithms" class="mw-tree" onKeyDown={keys}>
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
                    aria-description={blocked || undefined}
                    tabIndex={row === current ? 0 : -1}
                    data-algorithm={row.entry?.id}
                    data-at={row.entry && `algorithm:${row.entry.id}`}
                    title={blocked || undefined}
                    class={`mw-tree-item${row.entry ? "" : " mw-tree-group"}`}
                    style={{ paddingLeft: `${6 + 14 * (row.level - 1)}px` }}
                    onFocus={() => setFocused(row.key)}
                    onClick={() => choose(row)}
                  >
                    {!row.entry && <Icon name={row.open ? "expanded" : "collapsed"} />}
                    <span class="mw-tree-name">{row.name}</span>
                    {!row.entry && !row.open && <span class="mw-tiny mw-tree-count">{row.holds}</span>}
                    {score && (
                      <span
                        class="mw-tiny mw-tree-score"
                        title={`best ${score.metric.replaceAll("_", " ")} on the test rows: ${score.run}`}
                      >
                        {score.value.toFixed(2)}
                      </span>
                    )}
                    {row.entry && <TaskBadges entry={row.entry} />}
                    {row.entry?.unavailable && <Icon name="warning" />}
                  </div>
                );
              })}
            </div>
          </div>
          {shown?.unavailable && (
            <p class="mw-tiny mw-algo-why" role="status">
              {shown.unavailable}
            </p>
          )}
        </div>
        <div
          id={`${uid}-about`}
          class={`mw-algo-details${about.value ? " mw-open" : ""}`}
          role="region"
          aria-label="About the algorithm"
          tabIndex={0}
        >
          {shown && (
            <Details
              key={shown.id}
              entry={shown}
              score={scores[shown.id]}
              use={
                shown.id !== selected && !shown.unavailable && !off
                  ? () => {
                      // the button goes away; the keyboard's place must not go with it
                      focus(rows.find((row) => row.key === shown.id));
                      ctx.tell("algorithm.select", { id: shown.id });
                    }
                  : null
              }
            />
          )}
        </div>
      </div>
    </section>
  );
}
