/** What the menu of a box offers, and the list of what it may be connected from. */
import { called, INPUT, sources, type LayerKind, type LayerState } from "./layer_state";
import type { MenuItem } from "./popover";

export interface LayerActs {
  name: (index: number) => void;
  copy: (index: number) => void;
  insert: (index: number) => void;
  move: (from: number, to: number) => void;
  freeze: (index: number) => void;
  group: (index: number) => void;
  remove: (index: number) => void;
  /** Open the list of what the layer may be connected from. */
  connections: (index: number) => void;
  connect: (index: number, source: number | string, connected: boolean, label: string) => void;
}

export function menuOf(layers: readonly LayerState[], index: number, act: LayerActs): MenuItem[] {
  const frozen = layers[index]?.frozen === true;
  const last = layers.length - 1;
  return [
    { label: "Name…", icon: "pen", keys: "F2", act: () => act.name(index) },
    { label: "Connect from…", icon: "link", keys: "C", act: () => act.connections(index) },
    { label: "Duplicate", icon: "copy", keys: "D", act: () => act.copy(index) },
    { label: "Insert before…", icon: "plus", keys: "I", act: () => act.insert(index) },
    { label: "Insert after…", icon: "plus", keys: "A", act: () => act.insert(index + 1) },
    { label: "Move left", icon: "left", keys: "Shift+←", off: index === 0 ? "it is the first" : "", act: () => act.move(index, index - 1) },
    { label: "Move right", icon: "right", keys: "Shift+→", off: index === last ? "it is the last" : "", act: () => act.move(index, index + 1) },
    { label: frozen ? "Let it be trained" : "Freeze its weights", icon: frozen ? "unlock" : "lock", keys: "F", act: () => act.freeze(index) },
    { label: "Fold together…", icon: "group", keys: "G", act: () => act.group(index) },
    { label: "Remove", icon: "trash", keys: "Del", act: () => act.remove(index) },
  ];
}

export function connectionsOf(layers: readonly LayerState[], index: number, act: LayerActs): MenuItem[] {
  const taken = sources(layers, index);
  const entry = (label: string, source: number): MenuItem => {
    const mine = taken.find((one) => one.at === source);
    const implied = mine !== undefined && (layers[index]?.inputs.length ?? 0) === 0;
    return {
      label,
      checked: mine !== undefined,
      off: implied ? "the layer before is taken as long as none is named" : "",
      stays: true,
      act: () => act.connect(index, mine ? mine.name : source, !mine, label),
    };
  };
  return [entry("the network's input", INPUT), ...layers.slice(0, index).map((layer, k) => entry(called(layer, k), k))];
}

export const connectNote = (kind: LayerKind | undefined): string =>
  !kind?.takes || kind.takes[1] !== 1 ? "It takes several inputs." : `${kind.name} takes one input: another one replaces it.`;
