/** Which layer to add, and where: every kind there is, by group, found by what one types. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { LayerSpec } from "../wire/messages";
import type { Context } from "../widgets/_base";
import { Icon } from "./icons";
import { called, type LayerKind, type LayerState } from "./layer_state";
import { TorchForm } from "./torch_form";

/** Kinds of which every word that was typed is the beginning of a word, names before help. */
export function found(kinds: readonly LayerKind[], typed: string): LayerKind[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...kinds];
  const names = (kind: LayerKind): string => `${kind.name} ${kind.kind} ${kind.group ?? ""}`.toLowerCase();
  const fits = (text: string): boolean => words.every((word) => text.split(/[\s_.\-,()]+/).some((part) => part.startsWith(word)) || text.includes(` ${word}`));
  const byName = kinds.filter((kind) => fits(names(kind)));
  const byHelp = kinds.filter((kind) => !byName.includes(kind) && fits(`${names(kind)} ${kind.help.toLowerCase()}`));
  return [...byName, ...byHelp];
}

export const defaults = (kind: LayerKind): LayerSpec => ({
  kind: kind.kind,
  options: Object.fromEntries(kind.parameters.map((p) => [p.id, p.default])),
});

const OTHER = "Other";

export function LayerMenu({ ctx, uid, kinds, layers, index, move, add, close }: {
  ctx: Context;
  uid: string;
  kinds: LayerKind[];
  layers: LayerState[];
  index: number;
  move: (index: number) => void;
  add: (index: number, layer: LayerSpec) => void;
  close: () => void;
}) {
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState("");
  const [open, setOpen] = useState<LayerKind | null>(null);
  useLayoutEffect(() => search.current?.focus(), []);
  const shown = useMemo(() => found(kinds, typed), [kinds, typed]);
  const groups = useMemo(() => {
    const all = new Map<string, LayerKind[]>();
    for (const kind of shown) all.set(kind.group || OTHER, [...(all.get(kind.group || OTHER) ?? []), kind]);
    return [...all];
  }, [shown]);
  const take = (kind: LayerKind): void => {
    if (kind.open) setOpen(kind);
    else add(index, defaults(kind));
  };
  const walk = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key] ?? 0;
    const inSearch = event.target === search.current;
    if (!step || (inSearch && event.key !== "ArrowDown")) return;
    event.preventDefault();
    const buttons = [...(list.current?.querySelectorAll<HTMLButtonElement>("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (at <= 0 && step < 0) search.current?.focus();
    else buttons[Math.min(buttons.length - 1, at + step)]?.focus();
  };
  return (
    <div class="mw-insert" role="group" aria-label="Add a layer" onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="mw-insert-head" onKeyDown={walk}>
        <label>
          Add{" "}
          <select value={String(index)} onChange={(event) => move(Number(event.currentTarget.value))}>
            {layers.map((layer, k) => (
              <option key={k} value={String(k)}>
                before {called(layer, k)}
              </option>
            ))}
            <option value={String(layers.length)}>at the end</option>
          </select>
        </label>
        <input
          ref={search}
          type="search"
          class="mw-insert-search"
          aria-label="Search layers"
          aria-controls={`${uid}-kinds`}
          placeholder="search, for example norm"
          value={typed}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setOpen(null);
          }}
          onKeyDown={(event) => {
            const first = shown[0];
            if (event.key !== "Enter" || !first || !typed.trim()) return;
            event.preventDefault();
            take(first);
          }}
        />
        <span class="mw-spread" />
        <button class="mw-icon mw-quiet" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      {open ? (
        <div class="mw-insert-open">
          <p class="mw-tiny">
            {open.help}{" "}
            <button class="mw-link" onClick={() => setOpen(null)}>
              back to the list
            </button>
          </p>
          <TorchForm
            ctx={ctx}
            uid={`${uid}-new`}
            off={ctx.readOnly}
            options={{}}
            action="Add"
            send={(options) => add(index, { kind: open.kind, options })}
          />
        </div>
      ) : (
        <div ref={list} id={`${uid}-kinds`} class="mw-kinds" onKeyDown={walk}>
          {groups.map(([group, members]) => (
            <section key={group} aria-label={group}>
              {groups.length > 1 && <h4>{group}</h4>}
              <div class="mw-kinds-grid">
                {members.map((kind) => (
                  <button key={kind.kind} class="mw-kind" aria-label={kind.name} aria-describedby={`${uid}-kind-${kind.kind}`} title={kind.help} onClick={() => take(kind)}>
                    <b>{kind.name}</b>
                    <span id={`${uid}-kind-${kind.kind}`} class="mw-tiny">
                      {kind.help}
                    </span>
                  </button>
                ))}
              </div>
            </section>
          ))}
          {shown.length === 0 && (
            <p class="mw-tiny" role="status">
              No layer is called so. Any class of torch.nn can be had too: search for torch.
            </p>
          )}
        </div>
      )}
    </div>
  );
}
