/** Layers that a person folded together under a name: this browser's own view of the stack. */

export interface Group {
  id: number;
  name: string;
  /** The first layer, and the one after the last. */
  start: number;
  end: number;
  open: boolean;
}

export interface Grouping {
  groups: Group[];
  /** The layers that the places refer to, each as text. */
  layers: string[];
}

export const NO_GROUPS: Grouping = { groups: [], layers: [] };

const isPlace = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** Whether something read from the browser's storage is a grouping. */
export function isGrouping(found: unknown): found is Grouping {
  const { groups, layers } = (found ?? {}) as Partial<Grouping>;
  return (
    Array.isArray(groups) &&
    Array.isArray(layers) &&
    layers.every((text) => typeof text === "string") &&
    groups.every(
      (group: Partial<Group> | null) =>
        typeof group === "object" &&
        group !== null &&
        isPlace(group.id) &&
        typeof group.name === "string" &&
        typeof group.open === "boolean" &&
        isPlace(group.start) &&
        isPlace(group.end) &&
        group.start < group.end &&
        group.end <= layers.length,
    )
  );
}

const kept = (groups: Group[]): Group[] => groups.filter((group) => group.end - group.start >= 1);

/** Places after `count` layers were inserted before `at`; inside a group they belong to it. */
export const afterInsert = (groups: readonly Group[], at: number, count: number): Group[] =>
  groups.map((group) => ({
    ...group,
    start: group.start >= at ? group.start + count : group.start,
    end: group.end > at ? group.end + count : group.end,
  }));

/** Places after `count` layers were removed at `at`; an empty group is none. */
export const afterRemoval = (groups: readonly Group[], at: number, count: number): Group[] => {
  const place = (k: number): number => (k <= at ? k : Math.max(at, k - count));
  return kept(groups.map((group) => ({ ...group, start: place(group.start), end: place(group.end) })));
};

/** Places after one layer was moved. */
export function afterMove(groups: readonly Group[], from: number, to: number): Group[] {
  return groups.flatMap((group) => {
    const inside = from >= group.start && from < group.end;
    // a group of one layer goes where its layer goes
    if (inside && group.end - group.start === 1) return [{ ...group, start: to, end: to + 1 }];
    if (inside && to >= group.start && to < group.end) return [group];
    return afterInsert(afterRemoval([group], from, 1), to, 1);
  });
}

/** Bring the places along after the stack changed, whoever changed it. */
export function follow(before: Grouping, layers: readonly string[]): Grouping {
  if (before.groups.length === 0) return NO_GROUPS;
  const old = before.layers;
  const shorter = Math.min(old.length, layers.length);
  let head = 0;
  while (head < shorter && old[head] === layers[head]) head++;
  let tail = 0;
  while (tail < shorter - head && old[old.length - 1 - tail] === layers[layers.length - 1 - tail]) tail++;
  if (head === old.length && head === layers.length) return before;
  const grown = layers.length - old.length;
  const last = old.length - tail - 1;
  let groups = before.groups;
  if (grown === 0) {
    const part = (list: readonly string[], from: number, to: number): string => list.slice(from, to).join("\n");
    if (head < last && part(old, head, last) === part(layers, head + 1, last + 1)) groups = afterMove(groups, last, head);
    else if (head < last && part(old, head + 1, last + 1) === part(layers, head, last)) groups = afterMove(groups, head, last);
  } else if (head === 0 && tail === 0) groups = [];
  else if (grown > 0) groups = afterInsert(groups, head, grown);
  else groups = afterRemoval(groups, head, -grown);
  return groups.length === 0 ? NO_GROUPS : { groups, layers: [...layers] };
}

/** A new group over layers `start` to `end`; what it covers of others it takes over. */
export function withGroup(groups: readonly Group[], start: number, end: number, name: string): Group[] {
  const id = 1 + groups.reduce((most, group) => Math.max(most, group.id), 0);
  const apart = groups.filter((group) => group.end <= start || group.start >= end);
  return [...apart, { id, name, start, end, open: false }].sort((a, b) => a.start - b.start);
}

export interface Item {
  /** The first layer, and the one after the last. */
  start: number;
  end: number;
  group: Group | null;
}

/** What stands in the row: single layers, and folded groups in one. */
export function items(groups: readonly Group[], count: number): Item[] {
  const found: Item[] = [];
  for (let k = 0; k < count; ) {
    const group = groups.find((g) => !g.open && g.start === k && g.end <= count);
    found.push({ start: k, end: group ? group.end : k + 1, group: group ?? null });
    k = group ? group.end : k + 1;
  }
  return found;
}
