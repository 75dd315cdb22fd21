/**
 * Who is where in this kernel's widgets. This page says where its person is; the kernel tells all pages by the hidden
 * assets model. Outside JupyterLab, where nobody else can be, nothing is said.
 */
import { signal, type ReadonlySignal } from "@preact/signals";
import { labService } from "../lab/service";
import type { PlainModel } from "../types";
import { clientId } from "../wire/client";
import type { RequestBodies } from "../wire/messages";

export interface Here {
  page: string;
  id: string;
  name: string;
  color: string;
  subject: string;
  place: string;
}

/** What sends a word to the kernel: any widget's context will do. */
type Speak = (body: RequestBodies["presence.at"]) => void;

const BEAT_MS = 15_000;
const SETTLE_MS = 120;

const people = signal<Here[]>([]);
const followed = new WeakSet<PlainModel>();

let speaker: Speak | null = null;
let place = "";
let pending: ReturnType<typeof setTimeout> | undefined;
let beat: ReturnType<typeof setInterval> | undefined;

/** Everybody's pages but this one. */
export function others(): Here[] {
  return people.value.filter((one) => one.page !== clientId());
}

export const everybody: ReadonlySignal<Here[]> = people;

function say(gone = false): void {
  clearTimeout(pending);
  pending = undefined;
  const lab = labService();
  if (!speaker || !lab) return;
  speaker({ place: gone ? "" : place, gone, name: lab.me?.display_name ?? "", color: lab.me?.color ?? "" });
}

/** Follow the kernel's list; `speak` is used from now on. Safe to call for every widget of a page. */
export function followPeople(assets: PlainModel, speak: Speak): void {
  if (!labService()) return;
  const first = speaker === null;
  speaker = speak;
  if (!followed.has(assets)) {
    followed.add(assets);
    const update = (): void => {
      const told = assets.get("people");
      people.value = Array.isArray(told) ? (told as Here[]) : [];
      // somebody came while this page had been silent for long
      if (people.value.length > 0 && !people.value.some((one) => one.page === clientId()) && !document.hidden) say();
    };
    assets.on("change:people", update);
    update();
  }
  if (first) {
    // one message now and then, and only while there is somebody to read it: it keeps the kernel from idling
    beat = setInterval(() => {
      if (!document.hidden && others().length > 0) say();
    }, BEAT_MS);
    addEventListener("pagehide", () => say(true));
    say();
  }
}

/** The last place in particular that this page's person was at. */
export const lastPlace = signal("");

/** This page's person is at a place now; an empty one for nothing in particular. */
export function moveTo(subject: Speak, next: string): void {
  if (!labService()) return;
  if (next) {
    speaker = subject;
    lastPlace.value = next;
  }
  if (next === place) return;
  place = next;
  clearTimeout(pending);
  pending = setTimeout(say, SETTLE_MS);
}

/** For tests: as a page that was just opened. */
export function resetPresence(): void {
  clearTimeout(pending);
  clearInterval(beat);
  speaker = null;
  place = lastPlace.value = "";
  people.value = [];
}
