/** Other people's places in a widget: a frame in their colour around what they are at, with their name. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { others, type Here } from "../state/presence";
import { Avatar, colorOf } from "./avatar";

const FOLLOW_MS = 400;

interface Mark {
  key: string;
  name: string;
  color: string;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where to draw whom, in the root's own coordinates; people at one place share a frame. */
export function marksIn(root: HTMLElement, here: Here[]): Mark[] {
  const found = new Map<string, Mark>();
  const origin = root.getBoundingClientRect();
  const places = [...root.querySelectorAll<HTMLElement>("[data-at]")];
  for (const one of here) {
    const known = found.get(one.place);
    if (known) {
      known.name += `, ${one.name}`;
      continue;
    }
    const target = places.find((element) => element.dataset["at"] === one.place);
    const box = target?.getBoundingClientRect();
    if (!target || !box || box.width === 0) continue;
    found.set(one.place, {
      key: one.place,
      name: one.name,
      color: colorOf(one.id, one.color),
      left: box.left - origin.left,
      top: box.top - origin.top,
      width: box.width,
      height: box.height,
    });
  }
  return [...found.values()];
}

export function PresenceLayer({ subject }: { subject: string }) {
  const layer = useRef<HTMLDivElement>(null);
  const marks = useSignal<Mark[]>([]);
  const here = subject ? others().filter((one) => one.subject === subject && one.place) : [];
  const key = here.map((one) => `${one.page}/${one.place}`).join(" ");
  useEffect(() => {
    const root = layer.current?.closest<HTMLElement>(".mw-root");
    if (!root || here.length === 0) {
      marks.value = [];
      return;
    }
    let last = "";
    const draw = (): void => {
      const next = marksIn(root, here);
      const text = JSON.stringify(next);
      if (text === last) return;
      last = text;
      marks.value = next;
    };
    draw();
    // what is marked may scroll, fold or move: a look now and then is cheaper than an observer for each
    const timer = setInterval(draw, FOLLOW_MS);
    return () => clearInterval(timer);
  }, [key]);
  return (
    <div class="mw-presence" ref={layer} aria-hidden="true">
      {marks.value.map((mark) => (
        <div
          key={mark.key}
          class="mw-presence-mark"
          style={{ "--mw-person": mark.color, left: `${mark.left}px`, top: `${mark.top}px`, width: `${mark.width}px`, height: `${mark.height}px` }}
        >
          <span>{mark.name}</span>
        </div>
      ))}
    </div>
  );
}

/** Everybody else who has this kernel's widgets open, one disc a person. */
export function HereNow() {
  const seen = new Map<string, Here>();
  for (const one of others()) if (!seen.get(one.id)?.place) seen.set(one.id, one);
  if (seen.size === 0) return null;
  const shown = [...seen.values()].slice(0, 6);
  const names = [...seen.values()].map((one) => (one.place ? `${one.name} at ${placeWords(one.place)}` : one.name));
  return (
    <span class="mw-here" role="img" aria-label={`Also here: ${names.join("; ")}`} title={names.join("\n")}>
      {shown.map((one) => (
        <Avatar key={one.id} {...one} />
      ))}
      {seen.size > shown.length && <span class="mw-tiny">+{seen.size - shown.length}</span>}
    </span>
  );
}

/** `hyperparameter:learning_rate` as a person says it. */
export function placeWords(place: string): string {
  const [kind = "", ...rest] = place.split(":");
  return [kind, rest.join(":")].join(" ").replaceAll("_", " ").trim();
}
