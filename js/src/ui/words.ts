/** Finding things by what was typed. */

/**
 * Whether every word of a query is in the names, or begins a word of the prose. Within prose a few letters
 * stand in nearly everything: "dd" in "adds".
 */
export function holdsWords(query: string, names: string[], prose: string): boolean {
  const name = names.join(" ").toLowerCase();
  const text = ` ${prose.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ")}`;
  return query
    .trim()
    .toLowerCase()
    .split(/\s+/)
    .every((word) => name.includes(word) || text.includes(` ${word}`));
}
