/**
 * What this browser keeps over a reload of the page, by key. A key begins with the id of a kernel's model, so
 * that after a restart of the kernel nobody asks for it any more: of all entries the last ones used stay.
 */

const PREFIX = "medilytica:";
const MOST_ENTRIES = 200;
const MOST_LETTERS = 200_000;

interface Entry {
  /** When it was written, in milliseconds since 1970. */
  at: number;
  value: unknown;
}

/** A browser may refuse its storage: in a private window, or full. The page then keeps its values to itself. */
function storage(): Storage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

function parse(text: string | null): Entry | null {
  try {
    const entry = JSON.parse(text ?? "null") as Entry | null;
    return entry && typeof entry === "object" && typeof entry.at === "number" ? entry : null;
  } catch {
    return null;
  }
}

function prune(place: Storage): void {
  const keys: string[] = [];
  for (let k = 0; k < place.length; k++) {
    const key = place.key(k);
    if (key?.startsWith(PREFIX)) keys.push(key);
  }
  if (keys.length <= MOST_ENTRIES) return;
  const ages = keys.map((key) => ({ key, at: parse(place.getItem(key))?.at ?? 0 })).sort((a, b) => a.at - b.at);
  ages.slice(0, keys.length - MOST_ENTRIES).forEach(({ key }) => place.removeItem(key));
}

/** What was stored under a key; undefined where there is nothing that can be read. */
export const recall = (key: string): unknown => {
  try {
    return parse(storage()?.getItem(PREFIX + key) ?? null)?.value;
  } catch {
    return undefined;
  }
};

/** Store a plain value; null takes it away. */
export function store(key: string, value: unknown): void {
  const place = storage();
  try {
    if (!place) return;
    const text = value === null ? "" : JSON.stringify({ at: Date.now(), value } satisfies Entry);
    if (!text || text.length > MOST_LETTERS) place.removeItem(PREFIX + key);
    else {
      place.setItem(PREFIX + key, text);
      prune(place);
    }
  } catch {
    // the page goes on without
  }
}
