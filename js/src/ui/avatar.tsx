/** A person as a small disc with initials, in the colour that Jupyter gave them. */

const PALETTE = 8;

/** The same colour for the same person on every page, where the server gave none. */
export function colorOf(id: string, given = ""): string {
  // only what can be nothing but a colour: the text comes from another person
  if (/^(#[0-9a-f]{3,8}|var\(--jp-collaborator-color[1-7]\))$/i.test(given)) return given;
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)!) >>> 0;
  return `var(--mw-c${sum % PALETTE})`;
}

export function initialsOf(name: string, given = ""): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const made = words.length > 1 ? [...words[0]!][0]! + [...words.at(-1)!][0]! : [...(words[0] ?? "?")].slice(0, 2).join("");
  return ([...given.trim()].slice(0, 2).join("") || made).toLocaleUpperCase();
}

export function Avatar({ id, name, initials, color }: { id: string; name: string; initials?: string; color?: string }) {
  return (
    <span class="mw-disc" style={{ "--mw-person": colorOf(id, color) }} aria-hidden="true">
      {initialsOf(name, initials)}
    </span>
  );
}
