/** The algorithms as the lines of a tree; nothing here draws. */
import { holdsWords } from "./words";

/** An algorithm's documentation, as `AlgorithmBrowser` sends it. */
export interface Entry {
  id: string;
  name: string;
  category: string[];
  tasks: string[];
  summary: string;
  when: string;
  when_not: string;
  references: string[];
  /** The labels of its hyperparameters. */
  parameters: string[];
  /** Why it cannot do what the target asks for; empty where it can. */
  unavailable: string;
}

export interface Score {
  value: number;
  metric: string;
  run: string;
}

/** One visible line of the tree: a category, or an algorithm. */
export interface Row {
  key: string;
  name: string;
  level: number;
  parent: string | null;
  /** Its place among its siblings, for assistive technology. */
  place: number;
  siblings: number;
  entry: Entry | null;
  open: boolean;
  /** How many algorithms a category holds. */
  holds: number;
}

/** From so many algorithms on, categories are folded at first. */
export const FOLDED_FROM = 12;

const PATH = "\u001f";

/** What an algorithm is for, in a word or two. */
export const TASK_WORDS: Record<string, string> = {
  classification: "classes",
  regression: "numbers",
  clustering: "groups",
  anomaly: "outliers",
  transform: "preparation",
};

/** Whether name, id, category, tasks or summary hold every word that was typed. */
export function matches(entry: Entry, query: string): boolean {
  const words = entry.tasks.flatMap((task) => [task, TASK_WORDS[task] ?? ""]);
  return holdsWords(query, [entry.name, entry.id, ...entry.category], [...words, entry.summary].join(" "));
}

/** The keys of the categories above an algorithm, the outermost first. */
export function above(entry: Entry): string[] {
  return entry.category.map((_, k) => `/${entry.category.slice(0, k + 1).join(PATH)}`);
}

/** The outermost categories' keys, each once, in order. */
export function categories(catalogue: Entry[]): string[] {
  return [...new Set(catalogue.flatMap((entry) => above(entry).slice(0, 1)))];
}

/** What is folded before anybody touched it: in a long catalogue all but where the chosen algorithm is. */
export function foldedAtFirst(catalogue: Entry[], selected: string): ReadonlySet<string> {
  if (catalogue.length < FOLDED_FROM) return new Set();
  const open = catalogue.find((entry) => entry.id === selected);
  return new Set(categories(catalogue).filter((key) => !open || !above(open).includes(key)));
}

/** The tree's visible rows, in order. A category without a match is left out. */
export function visibleRows(catalogue: Entry[], filter: string, closed: ReadonlySet<string>): Row[] {
  const searched = filter.trim() !== "";
  const matching = searched ? catalogue.filter((entry) => matches(entry, filter)) : catalogue;
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
        rows.push({ ...common, key: item.id, name: item.name, entry: item, open: false, holds: 1 });
        return;
      }
      const held = groups.get(item) ?? [];
      const key = parent === null ? `/${item}` : `${parent}${PATH}${item}`;
      const open = searched || !closed.has(key);
      rows.push({ ...common, key, name: item, entry: null, open, holds: held.length });
      if (open) descend(held, depth + 1, key);
    });
  };
  descend(matching, 0, null);
  return rows;
}
