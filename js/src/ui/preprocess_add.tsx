/** The steps that there are, by category, to choose one from. */
import { useEffect, useRef, useState } from "preact/hooks";
import { byCategory, type CatalogueEntry } from "./preprocess_parts";
import { useUid } from "./uid";
import { holdsWords } from "./words";

export function StepMenu({ catalogue, choose, close }: {
  catalogue: CatalogueEntry[];
  choose: (id: string) => void;
  close: () => void;
}) {
  const uid = useUid();
  const [query, setQuery] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const find = useRef<HTMLInputElement>(null);
  useEffect(() => find.current?.focus(), []);
  const found = query.trim()
    ? catalogue.filter((entry) => holdsWords(query, [entry.name, entry.id, entry.category], `${entry.summary} ${entry.when}`))
    : catalogue;
  const walk = (event: KeyboardEvent): void => {
    const buttons = [...(box.current?.querySelectorAll<HTMLButtonElement>(".mw-prep-entry") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Enter" && at < 0 && buttons[0]) {
      event.preventDefault();
      buttons[0].click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = event.key === "ArrowDown" ? buttons[at + 1] : at > 0 ? buttons[at - 1] : find.current;
      next?.focus();
    }
  };
  return (
    <div ref={box} class="mw-prep-menu" role="group" aria-label="Steps to add" onKeyDown={walk}>
      <input
        ref={find}
        type="search"
        class="mw-prep-find"
        placeholder="Find a step …"
        aria-label="Find a step"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      <span class="mw-sr" role="status">
        {query.trim() ? `${found.length} of ${catalogue.length} steps found` : ""}
      </span>
      <div class="mw-prep-entries">
        {byCategory(found).map(([category, entries]) => (
          <div key={category} role="group" aria-labelledby={`${uid}-${category}`}>
            <h5 id={`${uid}-${category}`} class="mw-tiny mw-prep-category">
              {category}
            </h5>
            {entries.map((entry) => (
              <button key={entry.id} class="mw-prep-entry" title={entry.when} onClick={() => choose(entry.id)}>
                <b>{entry.name}</b>
                <span class="mw-tiny">{entry.summary}</span>
              </button>
            ))}
          </div>
        ))}
        {!found.length && <p class="mw-muted">No step fits “{query.trim()}”.</p>}
      </div>
    </div>
  );
}
