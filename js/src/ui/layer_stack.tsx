/** The row of boxes from input to head, and what a person does with it. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import type { Context } from "../widgets/_base";
import type { LayerSpec, Scalar } from "../wire/messages";
import { problemOf, type Problem } from "./field";
import { Arcs } from "./layer_arcs";
import { LayerBox } from "./layer_box";
import { connectionsOf, connectNote, menuOf, type LayerActs } from "./layer_choices";
import { LayerEditor } from "./layer_editor";
import { Edge, HeadBox, StackFoot, type Template } from "./layer_ends";
import { GroupBox, GroupForm, GroupMark } from "./layer_group_box";
import { useFolding } from "./layer_folding";
import { withGroup } from "./layer_groups";
import { LayerMenu } from "./layer_menu";
import { shortcutOf, type Shortcut } from "./layer_shortcuts";
import { arcs, INPUT, shapeAt, sources, states, straight, type LayerKind, type Network } from "./layer_state";
import { plural } from "./number";
import { Menu } from "./popover";
import { destination, useReorder } from "./reorder";
import { useUid } from "./uid";

type Panel = { kind: "insert"; at: number } | { kind: "group"; from: number; to: number } | null;
type Opened = { kind: "menu" | "connect"; index: number; anchor: HTMLElement } | null;

export function Stack({ ctx, network, off }: { ctx: Context; network: Network; off: string }) {
  const kinds = ctx.trait<LayerKind[]>("kinds").value;
  const inits = ctx.trait<string[] | undefined>("inits").value ?? [""];
  const templates = ctx.trait<Template[]>("templates").value;
  const uid = useUid();
  const selection = keep<number | null>(`${ctx.id}:layer`, null);
  const [current, setCurrent] = useState(0);
  const [panel, setPanel] = useState<Panel>(null);
  const [opened, setOpened] = useState<Opened>(null);
  const [naming, setNaming] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [said, setSaid] = useState("");
  const [removed, setRemoved] = useState("");
  const [structure, setStructure] = useState(0);
  const row = useRef<HTMLDivElement>(null);
  const ends = useRef<{ input: HTMLElement | null; head: HTMLElement | null }>({ input: null, head: null });
  const boxes = useRef<(HTMLElement | null)[]>([]);
  const focusNext = useRef<number | null>(null);
  const busy = useRef(false);

  const layers = useMemo(() => states(network), [network]);
  const texts = useMemo(() => network.layers.map((layer) => JSON.stringify(layer)), [network]);
  const drawnArcs = useMemo(() => arcs(network, layers), [network]);
  const { groups, shown, itemOf, setGroups } = useFolding(ctx.id, texts);
  const count = layers.length;
  const selected = selection.value !== null && selection.value < count ? selection.value : null;
  const at = shown[Math.max(0, itemOf(Math.min(current, count - 1)))]?.start ?? 0;
  boxes.current.length = count;

  // the boxes are keyed by structure, so that what is half typed in one never ends up in another
  useLayoutEffect(() => {
    if (focusNext.current === null) return;
    boxes.current[shown[itemOf(focusNext.current)]?.start ?? 0]?.focus();
    focusNext.current = null;
  }, [structure]);

  /** Ask for a change of the stack's order or length, and take focus and selection along. */
  const change = async (ask: () => Promise<unknown>, then: number | null, words: string, focus = true): Promise<boolean> => {
    if (busy.current || off) return false;
    busy.current = true;
    setProblem(null);
    setRemoved("");
    try {
      await ask();
      if (then !== null) setCurrent(then);
      if (selection.value !== null || !focus) selection.value = then;
      setSaid(words);
      if (focus) focusNext.current = then;
      setStructure((n) => n + 1);
      return true;
    } catch {
      // the notice beside the widget says why
      return false;
    } finally {
      busy.current = false;
    }
  };
  const name = (index: number): string => layers[index]?.name || layers[index]?.title || "";
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= count || from === to) return;
    void change(() => ctx.ask("layers.move", { index: from, to }), to, `${name(from)} moved to place ${to + 1} of ${count}`);
  };
  const remove = (index: number): void => {
    const then = count > 1 ? Math.min(index, count - 2) : null;
    const what = name(index);
    void change(() => ctx.ask("layers.remove", { index }), then, `${what} removed; undo brings it back`).then((done) => done && setRemoved(what));
  };
  const add = (index: number, layer: LayerSpec): void => {
    setPanel(null);
    void change(() => ctx.ask("layers.add", { index, layer }), index, `layer added at place ${index + 1}`);
  };
  const copy = (index: number): void =>
    void change(() => ctx.ask("layers.duplicate", { index }), index + 1, `${name(index)} duplicated at place ${index + 2}`);
  const travel = (kind: "spec.undo" | "spec.redo"): void => {
    void change(() => ctx.ask(kind, {}), at, kind === "spec.undo" ? "the last change is taken back" : "the change is back");
  };
  const update = (index: number, options: Record<string, unknown>): Promise<unknown> =>
    ctx.ask("layers.update", { index, options }, { quiet: true });
  const configure = (index: number, fields: Record<string, unknown>): Promise<unknown> =>
    ctx.ask("layers.configure", { index, fields }, { quiet: true });
  const connect = (index: number, source: number | string, connected: boolean): Promise<unknown> =>
    ctx.ask("layers.connect", { index, source, connected }, { quiet: true });
  const told = (asked: Promise<unknown>, words: string): void => {
    setProblem(null);
    asked.then(
      () => setSaid(words),
      (error: unknown) => setProblem(problemOf(error)),
    );
  };
  const freeze = (index: number): void => {
    const frozen = !layers[index]?.frozen;
    told(configure(index, { frozen }), `${name(index)} ${frozen ? "frozen" : "is trained again"}`);
  };

  const visible = (): HTMLElement[] => shown.map((item) => boxes.current[item.start]).filter((box) => box !== null && box !== undefined);
  // a drag knows boxes in sight, the stack knows layers
  const gapIndex = (gap: number): number => shown[gap]?.start ?? count;
  const { drag, grab } = useReorder(visible, (from, to) => {
    const start = shown[from]?.start ?? 0;
    move(start, destination(start, gapIndex(to >= from ? to + 1 : to)));
  });
  const target = drag && destination(drag.from, drag.gap) !== drag.from ? gapIndex(drag.gap) : null;
  const inserting = panel?.kind === "insert" ? panel.at : null;
  const marked = target ?? inserting;

  const focusItem = (place: number): void => {
    const next = shown[Math.max(0, Math.min(shown.length - 1, place))];
    if (!next) return;
    setCurrent(next.start);
    if (selected !== null && !next.group) selection.value = next.start;
    boxes.current[next.start]?.focus();
  };
  const open = (kind: "menu" | "connect", index: number, anchor?: HTMLElement | null): void => {
    const beside = anchor ?? boxes.current[index];
    if (beside && !off) setOpened({ kind, index, anchor: beside });
  };
  const toggleGroup = (id: number): void => {
    setGroups(groups.map((group) => (group.id === id ? { ...group, open: !group.open } : group)));
    focusNext.current = groups.find((group) => group.id === id)?.start ?? null;
    setStructure((n) => n + 1);
  };
  const dissolve = (id: number): void => setGroups(groups.filter((group) => group.id !== id));
  const fold = (from: number): void => setPanel({ kind: "group", from, to: Math.min(count - 1, from + 1) });
  const keys = (event: KeyboardEvent, index: number): void => {
    const place = itemOf(index);
    const group = shown[place]?.group ?? null;
    const pressed = shortcutOf(event, group !== null, !!off);
    if (!pressed) return;
    event.preventDefault();
    const deeds: Record<Shortcut, () => void> = {
      undo: () => travel("spec.undo"),
      redo: () => travel("spec.redo"),
      back: () => focusItem(place - 1),
      on: () => focusItem(place + 1),
      "move-back": () => move(index, index - 1),
      "move-on": () => move(index, index + 1),
      first: () => focusItem(0),
      last: () => focusItem(shown.length - 1),
      toggle: () => {
        if (group) toggleGroup(group.id);
        else selection.value = selected === index ? null : index;
      },
      escape: () => (selection.value = null),
      ungroup: () => group && dissolve(group.id),
      remove: () => remove(index),
      name: () => setNaming(index),
      copy: () => copy(index),
      insert: () => setPanel({ kind: "insert", at: index }),
      append: () => setPanel({ kind: "insert", at: index + 1 }),
      connect: () => open("connect", index),
      freeze: () => freeze(index),
      group: () => fold(index),
      menu: () => open("menu", index),
    };
    deeds[pressed]();
  };

  const acts: LayerActs = {
    name: setNaming,
    copy,
    insert: (index) => setPanel({ kind: "insert", at: index }),
    move,
    freeze,
    group: fold,
    remove,
    connections: (index) => open("connect", index, opened?.anchor),
    connect: (index, source, connected, label) =>
      told(connect(index, source, connected), `${label} ${connected ? "connected to" : "disconnected from"} ${name(index)}`),
  };

  const failing = network.failing;
  const sentence = problem?.message ?? network.error;
  const failingHere = (start: number, end: number): boolean => failing !== null && failing >= start && failing < end;
  const hint = `${uid}-hint`;
  const place = (index: number): HTMLElement | null | undefined =>
    index === INPUT ? ends.current.input : index === count ? ends.current.head : boxes.current[shown[itemOf(index)]?.start ?? -1];
  const kindOf = (index: number): LayerKind | undefined => kinds.find((kind) => kind.kind === layers[index]?.kind);
  return (
    <>
      <div ref={row} class={`mw-layers${drawnArcs.length ? " mw-with-arcs" : ""}`} role="group" aria-label="Layers, from input to output">
        {drawnArcs.length > 0 && <Arcs row={row} arcs={drawnArcs} place={place} redraw={`${structure} ${texts.join("")} ${JSON.stringify([drawnArcs, shown])} ${selected}`} />}
        <div class="mw-layer mw-end" ref={(element) => void (ends.current.input = element)}>
          <b class="mw-layer-name">Input</b>
          <span class="mw-layer-note mw-tiny">{plural(network.inputs, "feature")}</span>
        </div>
        {shown.map((item, position) => {
          const k = item.start;
          const layer = layers[k];
          if (!layer) return null;
          const starts = groups.find((group) => group.open && group.start === k);
          const inside = groups.some((group) => group.open && k >= group.start && k < group.end);
          const edge = (
            <Edge
              shape={straight(network, layers, k) ? shapeAt(network, layers, k - 1) : null}
              marked={marked === k}
              off={off}
              before={`layer ${k + 1}`}
              onAdd={() => setPanel({ kind: "insert", at: k })}
            />
          );
          if (item.group) {
            const { group } = item;
            return (
              <div class="mw-layer-slot" key={`${structure}-group-${group.id}`}>
                {edge}
                <GroupBox
                  group={group}
                  layers={layers}
                  current={k === at}
                  failing={failingHere(item.start, item.end)}
                  describedBy={failingHere(item.start, item.end) ? `${uid}-error` : hint}
                  hold={boxes}
                  toggle={() => toggleGroup(group.id)}
                  dissolve={() => dissolve(group.id)}
                  onFocus={() => setCurrent(k)}
                  onKeyDown={(event) => keys(event, k)}
                />
              </div>
            );
          }
          return (
            <div class={`mw-layer-slot${inside ? " mw-grouped" : ""}`} key={`${structure}-${k}`}>
              {edge}
              {starts && <GroupMark group={starts} close={() => toggleGroup(starts.id)} />}
              <LayerBox
                layer={layer}
                kind={kindOf(k)}
                index={k}
                count={count}
                current={k === at}
                selected={k === selected}
                failing={failing === k}
                off={off}
                describedBy={`${hint}${failing === k ? ` ${uid}-error` : ""}`}
                from={layer.inputs.length ? sources(layers, k).filter((one) => one.at !== k - 1).map((one) => ({ name: one.name, known: one.at !== null })) : []}
                naming={naming === k}
                shift={drag?.from === position ? drag : null}
                hold={boxes}
                update={(options) => update(k, options as Record<string, Scalar>)}
                rename={(next) => configure(k, { name: next })}
                stopNaming={(refocus) => {
                  setNaming(null);
                  if (refocus) boxes.current[k]?.focus();
                }}
                disconnect={(source) => told(connect(k, source, false), `${source} disconnected from ${name(k)}`)}
                onProblem={setProblem}
                onSelect={(event) => {
                  if (event.shiftKey && current !== k) setPanel({ kind: "group", from: Math.min(current, k), to: Math.max(current, k) });
                  else selection.value = k;
                }}
                onName={() => setNaming(k)}
                onMenu={(anchor) => open("menu", k, anchor)}
                onFocus={() => setCurrent(k)}
                onKeyDown={(event) => keys(event, k)}
                onPointerDown={(event) => {
                  if (event.shiftKey) event.preventDefault();
                  else if (!off) grab(event, position);
                }}
              />
            </div>
          );
        })}
        <div class="mw-layer-slot">
          <Edge
            shape={straight(network, layers, count) ? shapeAt(network, layers, count - 1) : null}
            marked={marked === count}
            off={off}
            before="the head"
            onAdd={() => setPanel({ kind: "insert", at: count })}
          />
          <HeadBox network={network} hold={(element) => void (ends.current.head = element)} />
        </div>
      </div>
      <span class="mw-sr" role="status">
        {said}
      </span>
      {sentence && (
        <p id={`${uid}-error`} class="mw-error-text mw-network-error" role="alert">
          {sentence}
        </p>
      )}
      {removed && !off && (
        <p class="mw-tiny mw-removed">
          {removed} removed.{" "}
          <button class="mw-link" onClick={() => travel("spec.undo")}>
            Undo
          </button>
        </p>
      )}
      {opened && layers[opened.index] && (
        <Menu
          key={opened.kind}
          anchor={opened.anchor}
          label={opened.kind === "menu" ? `Layer ${opened.index + 1}` : `Layer ${opened.index + 1} takes input from`}
          note={opened.kind === "connect" ? connectNote(kindOf(opened.index)) : undefined}
          entries={(opened.kind === "menu" ? menuOf : connectionsOf)(layers, opened.index, acts)}
          close={(refocus) => {
            setOpened(null);
            if (refocus) boxes.current[opened.index]?.focus();
          }}
        />
      )}
      {panel?.kind === "insert" && !off && (
        <LayerMenu
          ctx={ctx}
          uid={uid}
          kinds={kinds}
          layers={layers}
          index={Math.min(panel.at, count)}
          move={(index) => setPanel({ kind: "insert", at: index })}
          add={add}
          close={() => setPanel(null)}
        />
      )}
      {panel?.kind === "group" && (
        <GroupForm
          key={`${panel.from}-${panel.to}`}
          layers={layers}
          from={panel.from}
          to={panel.to}
          make={(start, end, words) => {
            setGroups(withGroup(groups, start, end, words));
            setPanel(null);
            setSaid(`layers ${start + 1} to ${end} folded together as ${words}`);
            focusNext.current = start;
            setStructure((n) => n + 1);
          }}
          close={() => setPanel(null)}
        />
      )}
      {selected !== null && (
        <LayerEditor
          key={`${structure}-${selected}-${layers[selected]?.kind ?? ""}`}
          ctx={ctx}
          uid={uid}
          layers={layers}
          kind={kindOf(selected)}
          inits={inits}
          index={selected}
          off={off}
          update={(options) => update(selected, options)}
          configure={(fields) => configure(selected, fields)}
          connect={(source, connected) => connect(selected, source, connected)}
          move={(to) => move(selected, to)}
          copy={() => copy(selected)}
          remove={() => remove(selected)}
          close={() => (selection.value = null)}
        />
      )}
      <StackFoot
        hint={hint}
        count={count}
        off={off}
        adding={inserting !== null}
        add={() => setPanel(inserting === null ? { kind: "insert", at: selected === null ? count : selected + 1 } : null)}
        templates={templates}
        take={(chosen) => {
          setPanel(null);
          void change(() => ctx.ask("layers.template", { name: chosen }), null, `template ${chosen}`, false);
        }}
      />
    </>
  );
}
