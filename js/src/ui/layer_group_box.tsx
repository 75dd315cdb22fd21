/** Layers folded together: one box in the row, the form that folds them, and the mark over an open group. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { Icon } from "./icons";
import type { Group } from "./layer_groups";
import { called, shapeText, type LayerState } from "./layer_state";
import { formatBytes, grouped, plural } from "./number";

export function GroupBox({ group, layers, current, failing, describedBy, hold, toggle, dissolve, onFocus, onKeyDown }: {
  group: Group;
  layers: LayerState[];
  current: boolean;
  failing: boolean;
  describedBy: string;
  hold: RefObject<(HTMLElement | null)[]>;
  toggle: () => void;
  dissolve: () => void;
  onFocus: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
}) {
  const members = layers.slice(group.start, group.end);
  const parameters = members.reduce((sum, layer) => sum + layer.parameters, 0);
  const bytes = members.reduce((sum, layer) => sum + layer.bytes, 0);
  const words = [
    `Group ${group.name}: layers ${group.start + 1} to ${group.end}`,
    ...members.map((layer) => layer.name || layer.title),
    `${parameters} parameters`,
    `output ${shapeText(members.at(-1)?.shape)}`,
    ...(failing ? ["cannot be built"] : []),
    "Enter opens it",
  ].join(", ");
  return (
    <div
      ref={(element) => {
        if (hold.current) hold.current[group.start] = element;
      }}
      class={`mw-layer mw-group-box${failing ? " mw-failing" : ""}`}
      role="group"
      aria-roledescription="group of layers"
      aria-label={words}
      aria-describedby={describedBy}
      data-group={group.name}
      tabIndex={current ? 0 : -1}
      onFocusIn={onFocus}
      onKeyDown={onKeyDown}
      onDblClick={toggle}
    >
      <b class="mw-layer-name">
        {failing && <Icon name="warning" />} {group.name}
      </b>
      <span class="mw-layer-note mw-tiny">{plural(members.length, "layer")}</span>
      <span class="mw-layer-note mw-tiny">
        {grouped(parameters)} · {formatBytes(bytes)}
      </span>
      <span class="mw-layer-note">
        <button class="mw-link" tabIndex={current ? 0 : -1} aria-label={`Open the group ${group.name}`} onClick={toggle}>
          open
        </button>
        <button class="mw-link" tabIndex={current ? 0 : -1} aria-label={`Ungroup ${group.name}`} onClick={dissolve}>
          ungroup
        </button>
      </span>
    </div>
  );
}

/** Over the first layer of an open group. */
export function GroupMark({ group, close }: { group: Group; close: () => void }) {
  return (
    <button class="mw-group-mark" aria-expanded="true" title={`Fold layers ${group.start + 1} to ${group.end} together`} onClick={close}>
      <Icon name="expanded" /> {group.name}
    </button>
  );
}

/** Which layers to fold together, and what to call them. */
export function GroupForm({ layers, from, to, make, close }: {
  layers: LayerState[];
  from: number;
  to: number;
  make: (start: number, end: number, name: string) => void;
  close: () => void;
}) {
  const [start, setStart] = useState(from);
  const [last, setLast] = useState(Math.max(from, to));
  const [name, setName] = useState("");
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const options = layers.map((layer, k) => (
    <option key={k} value={k}>
      {k + 1}: {called(layer, k)}
    </option>
  ));
  return (
    <form
      class="mw-insert mw-group-form"
      aria-label="Fold layers together"
      onKeyDown={(event) => event.key === "Escape" && close()}
      onSubmit={(event) => {
        event.preventDefault();
        const [a, b] = [Math.min(start, last), Math.max(start, last)];
        make(a, b + 1, name.trim() || `layers ${a + 1} to ${b + 1}`);
      }}
    >
      <label>
        Fold{" "}
        <select aria-label="from layer" value={start} onChange={(event) => setStart(Number(event.currentTarget.value))}>
          {options}
        </select>
      </label>
      <label>
        to{" "}
        <select aria-label="to layer" value={last} onChange={(event) => setLast(Number(event.currentTarget.value))}>
          {options}
        </select>
      </label>
      <label>
        as{" "}
        <input
          ref={first}
          aria-label="name of the group"
          maxLength={60}
          placeholder="encoder"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Fold</button>
      <span class="mw-tiny">Only your own view changes.</span>
      <span class="mw-spread" />
      <button type="button" class="mw-icon mw-quiet" aria-label="Close" onClick={close}>
        <Icon name="close" />
      </button>
    </form>
  );
}
