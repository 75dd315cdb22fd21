/** What of the stack is folded together in this browser, also after the page was loaded again. */
import { useLayoutEffect, useMemo } from "preact/hooks";
import { keepStored } from "../state/local";
import { follow, isGrouping, items, NO_GROUPS, type Group, type Item } from "./layer_groups";

export interface Folding {
  groups: Group[];
  /** What stands in the row: single layers, and folded groups in one. */
  shown: Item[];
  /** The place in the row where a layer is shown. */
  itemOf: (layer: number) => number;
  setGroups: (groups: Group[]) => void;
}

/** `id` names the builder, `texts` are its layers, each as text. */
export function useFolding(id: string, texts: readonly string[]): Folding {
  const grouping = keepStored(`${id}:groups`, NO_GROUPS, isGrouping);
  const known = useMemo(() => follow(grouping.value, texts), [grouping.value, texts]);
  useLayoutEffect(() => {
    if (known !== grouping.value) grouping.value = known;
  }, [known]);
  const shown = useMemo(() => items(known.groups, texts.length), [known.groups, texts.length]);
  return {
    groups: known.groups,
    shown,
    itemOf: (layer) => shown.findIndex((item) => layer >= item.start && layer < item.end),
    setGroups: (groups) => {
      grouping.value = groups.length === 0 ? NO_GROUPS : { groups, layers: [...texts] };
    },
  };
}
