/** The search field; it waits for a pause in the typing. */
import { useEffect, useId, useRef } from "preact/hooks";

const SEARCH_DELAY = 200;
const LONGEST_SEARCH = 500;

export function Search({ value, disabled, onSearch }: { value: string; disabled: string; onSearch: (text: string) => void }) {
  const id = useId();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const box = useRef<HTMLInputElement>(null);
  const asked = useRef(value);
  useEffect(() => () => clearTimeout(timer.current), []);
  // Cleared by a button elsewhere; what is being typed here stays.
  useEffect(() => {
    if (value !== asked.current && box.current) box.current.value = value;
    asked.current = value;
  }, [value]);

  function send(): void {
    clearTimeout(timer.current);
    const text = box.current?.value.trim() ?? "";
    if (text === asked.current) return;
    asked.current = text;
    onSearch(text);
  }

  return (
    <>
      <label class="mw-sr" for={id}>
        Search all columns
      </label>
      <input
        id={id}
        ref={box}
        type="search"
        class="mw-grid-search"
        placeholder="Search all columns"
        maxLength={LONGEST_SEARCH}
        defaultValue={value}
        disabled={Boolean(disabled)}
        title={disabled || "Rows of which any cell contains these words, whatever their case"}
        onInput={() => {
          clearTimeout(timer.current);
          timer.current = setTimeout(send, SEARCH_DELAY);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") send();
          if (event.key === "Escape" && box.current?.value) {
            box.current.value = "";
            send();
            event.preventDefault();
            event.stopPropagation();
          }
        }}
      />
    </>
  );
}
