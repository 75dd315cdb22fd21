/** The condition typed in SQL: tried before it is applied, so that a wrong one changes nothing but the line below it. */
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface WhereProps {
  value: string;
  disabled: string;
  /** Rejects with what is wrong. */
  attempt: (text: string) => Promise<void>;
}

export function WhereBox({ value, disabled, attempt }: WhereProps) {
  const id = useId();
  const box = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const tries = useRef(0);
  useEffect(() => {
    if (box.current && document.activeElement !== box.current) box.current.value = value;
  }, [value]);

  async function apply(text: string): Promise<void> {
    const mine = ++tries.current;
    setBusy(true);
    try {
      await attempt(text.trim());
      if (mine === tries.current) setWrong("");
    } catch (error) {
      if (mine === tries.current) setWrong((error as Error).message);
    } finally {
      if (mine === tries.current) setBusy(false);
    }
  }

  return (
    <form
      class="mw-grid-where"
      onSubmit={(event) => {
        event.preventDefault();
        void apply(box.current?.value ?? "");
      }}
    >
      <label for={id}>WHERE</label>
      <input
        id={id}
        ref={box}
        class="mw-mono"
        placeholder="price > 10 and name like 'A%'"
        maxLength={4000}
        spellcheck={false}
        autocomplete="off"
        defaultValue={value}
        disabled={Boolean(disabled)}
        title={disabled || "One condition in SQL. Names with blanks stand in double quotes, text in single ones."}
        aria-invalid={wrong ? true : undefined}
        aria-describedby={wrong ? `${id}-wrong` : undefined}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !box.current?.value) return;
          box.current.value = "";
          void apply("");
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <button type="submit" disabled={Boolean(disabled)} aria-busy={busy}>
        Apply
      </button>
      {wrong && (
        <p id={`${id}-wrong`} class="mw-field-error" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
}
