/** Finding hyperparameters by their words. */
import type { RefObject } from "preact";
import type { Scalar } from "../wire/messages";
import type { Parameter } from "./number";
import { holdsWords } from "./words";

/** From so many rows on a form is searched, not read. */
export const SEARCHED_FROM = 6;

/** Whether label, id, group, choices and help hold every word that was typed. */
export function fits(p: Parameter, query: string): boolean {
  return holdsWords(query, [p.label, p.id], [p.group ?? "", ...p.choices, p.help].join(" "));
}

/** Whether a parameter has an effect; the form leaves it out otherwise. */
export function applies(p: Parameter, values: Record<string, Scalar>, task: string): boolean {
  if (p.tasks?.length && !p.tasks.includes(task)) return false;
  return !p.only_if || values[p.only_if[0]] === p.only_if[1];
}

/** Why a parameter that was looked for is not in the form. */
export function whyAbsent(p: Parameter, form: Parameter[], task: string): string {
  if (p.tasks?.length && !p.tasks.includes(task)) return `${p.label} has a meaning for ${p.tasks.join(" and ")} only.`;
  if (!p.only_if) return "";
  const [other, value] = p.only_if;
  const label = form.find((row) => row.id === other)?.label ?? other;
  return `${p.label} has an effect only where ${label} is ${value.replaceAll("_", " ")}.`;
}

export function SearchBox({ query, set, into, input }: {
  query: string;
  set: (query: string) => void;
  /** Moves on to the first field that was found. */
  into: () => void;
  input: RefObject<HTMLInputElement | null>;
}) {
  return (
    <input
      ref={input}
      type="search"
      class="mw-find"
      placeholder="Find …"
      aria-label="Find a hyperparameter"
      title="Find a hyperparameter by its name or by what it does ( / )"
      autocomplete="off"
      spellcheck={false}
      value={query}
      onInput={(event) => set(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape" && query) {
          event.preventDefault();
          event.stopPropagation();
          set("");
        } else if (event.key === "ArrowDown" || event.key === "Enter") {
          event.preventDefault();
          into();
        }
      }}
    />
  );
}
