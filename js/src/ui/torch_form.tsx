/** Any class of torch.nn: its name, and a small form made from its signature. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import { problemOf } from "./field";

interface Argument {
  name: string;
  required: boolean;
  /** As it is written in Python. */
  default: string;
}

interface Signature {
  name: string;
  help: string;
  arguments: Argument[];
}

/** What was typed, as plain data: numbers, True, None, "text", (1, 2); anything else is text as it stands. */
export function plainValue(typed: string): unknown {
  const text = typed.trim();
  if (text === "True" || text === "true") return true;
  if (text === "False" || text === "false") return false;
  if (text === "None" || text === "null") return null;
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  if (/^'[^']*'$/.test(text)) return text.slice(1, -1);
  if (/^\(.*\)$/.test(text)) {
    const inner = text.slice(1, -1).trim().replace(/,$/, "");
    return inner === "" ? [] : inner.split(",").map(plainValue);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** A plain value as it is typed. */
export function written(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null || value === undefined) return "None";
  if (Array.isArray(value)) return `(${value.map(written).join(", ")}${value.length === 1 ? "," : ""})`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

interface Options {
  class_?: unknown;
  arguments?: unknown;
}

export function TorchForm({ ctx, uid, off, options, action, send }: {
  ctx: Context;
  uid: string;
  off: string;
  /** The layer's options at present; empty for a new one. */
  options: Options;
  /** What the button says. */
  action: string;
  send: (options: { class_: string; arguments: Record<string, unknown> }) => Promise<unknown> | void;
}) {
  const had = typeof options.class_ === "string" ? options.class_ : "";
  const given = (typeof options.arguments === "object" && options.arguments ? options.arguments : {}) as Record<string, unknown>;
  const [name, setName] = useState(had);
  const [names, setNames] = useState<string[]>([]);
  const [known, setKnown] = useState<Signature | null>(null);
  const [problem, setProblem] = useState("");
  const [typed, setTyped] = useState<Record<string, string>>({});
  const asked = useRef(0);
  const look = async (wanted: string): Promise<void> => {
    const mine = ++asked.current;
    setProblem("");
    try {
      const { body } = await ctx.ask("layers.signature", { name: wanted }, { quiet: true });
      if (mine !== asked.current) return;
      if (wanted === "") setNames((body.names as string[]) ?? []);
      else setKnown(body as Signature);
    } catch (error) {
      if (mine !== asked.current) return;
      setKnown(null);
      setProblem(problemOf(error).message);
    }
  };
  useEffect(() => {
    void look("").then(() => (had ? look(had) : undefined));
  }, [had]);
  // whoever types faster than the list comes
  useEffect(() => {
    if (!known && names.includes(name)) void look(name);
  }, [names]);
  // what the kernel has rules again when it changes there
  useEffect(() => setTyped({}), [JSON.stringify(given), had]);
  const value = (argument: string): string => typed[argument] ?? (argument in given && known?.name === had ? written(given[argument]) : "");
  const submit = (): void => {
    if (!known) {
      if (name.trim()) void look(name.trim());
      return;
    }
    const missing = known.arguments.find((argument) => argument.required && !value(argument.name).trim());
    if (missing) {
      setProblem(`${known.name} needs ${missing.name}.`);
      document.getElementById(`${uid}-${missing.name}`)?.focus();
      return;
    }
    const filled = known.arguments.filter((argument) => value(argument.name).trim());
    setProblem("");
    const sent = send({ class_: known.name, arguments: Object.fromEntries(filled.map((a) => [a.name, plainValue(value(a.name))])) });
    sent?.catch((error: unknown) => setProblem(problemOf(error).message));
  };
  return (
    <form
      class="mw-torch"
      aria-label="Class of torch.nn"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label class="mw-torch-name" for={`${uid}-class`}>
        torch.nn.
        <input
          id={`${uid}-class`}
          data-first
          list={`${uid}-classes`}
          autocomplete="off"
          spellcheck={false}
          placeholder="Hardtanh"
          disabled={!!off}
          aria-invalid={(problem && !known) || undefined}
          value={name}
          onInput={(event) => {
            const next = event.currentTarget.value;
            setName(next);
            setKnown(null);
            setProblem("");
            if (names.includes(next)) void look(next);
          }}
          onBlur={() => !known && name.trim() && void look(name.trim())}
        />
      </label>
      <datalist id={`${uid}-classes`}>
        {names.map((known) => (
          <option key={known} value={known} />
        ))}
      </datalist>
      {known?.arguments.map((argument) => (
        <label key={argument.name} class="mw-torch-argument" for={`${uid}-${argument.name}`}>
          {argument.name}
          {argument.required && <span title="needed"> *</span>}
          <input
            id={`${uid}-${argument.name}`}
            autocomplete="off"
            spellcheck={false}
            required={argument.required}
            disabled={!!off}
            placeholder={argument.required ? "needed" : argument.default}
            value={value(argument.name)}
            onInput={(event) => setTyped({ ...typed, [argument.name]: event.currentTarget.value })}
          />
        </label>
      ))}
      <button type="submit" disabled={!!off || !name.trim()} title={off || undefined}>
        {known ? action : "Look up"}
      </button>
      {known && <p class="mw-tiny mw-torch-help">{known.help}</p>}
      {problem && (
        <p class="mw-error-text mw-torch-help" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
