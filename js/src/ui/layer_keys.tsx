/** What the keys do in the builder, said in one place and shown on "?". */
import { Popover } from "./popover";

export const KEYS: [string, string][] = [
  ["← →", "walk from box to box; Home and End go to the ends"],
  ["Shift+← Shift+→", "move the layer"],
  ["Enter", "open its options, or a folded group"],
  ["F2 or N", "name it, there in the box"],
  ["D", "duplicate"],
  ["Delete", "remove; undo brings it back"],
  ["I, A", "insert a layer before it, or after it"],
  ["C", "connect it from another layer"],
  ["F", "freeze its weights, or let them be trained"],
  ["G", "fold layers together under a name"],
  ["M", "everything that can be done with it"],
  ["Ctrl+Z, Ctrl+Y", "undo, redo"],
  ["Tab", "into the box: its numbers, its list, its menu"],
  ["↑ ↓ in a number", "one step; with PageUp and PageDown a larger one"],
];

export function KeysHelp({ anchor, close }: { anchor: HTMLElement; close: (refocus: boolean) => void }) {
  return (
    <Popover anchor={anchor} label="Keys of the network" close={close}>
      <div class="mw-keys">
        <p>
          <b>With the mouse or a finger:</b> drag a box by its name; press + on a line to insert; double-press a name to change it;
          Shift-press a second box to fold all between.
        </p>
        <dl>
          {KEYS.map(([keys, words]) => (
            <div key={keys}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{words}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Popover>
  );
}
