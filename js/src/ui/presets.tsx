/** The presets of an algorithm: apply one, save the values as one's own, delete it. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import type { Scalar } from "../wire/messages";
import { problemOf } from "./field";
import { Icon } from "./icons";
import { formatNumber, type Parameter } from "./number";

/** `Preset.to_json()` of `medilytica_widgets/presets.py`. */
export interface Preset {
  name: string;
  /** What applying it sets. */
  values: Record<string, Scalar>;
  /** Whether a person saved it. */
  own: boolean;
  about: string;
  /** Why it cannot be applied; empty where it can. */
  problem: string;
}

type Values = Record<string, Scalar>;
const LONGEST = 80;
const NAMED = 4;

/** The preset whose values stand in the form; null when there is none. */
export function inForce(presets: Preset[], values: Values): Preset | null {
  const holds = (preset: Preset): boolean => {
    const entries = Object.entries(preset.values);
    return !preset.problem && entries.length > 0 && entries.every(([id, value]) => (values[id] ?? null) === value);
  };
  return presets.find(holds) ?? null;
}

const inWords = (value: Scalar): string => {
  if (value === null) return "off";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "number" ? formatNumber(value) : value.replaceAll("_", " ");
};

/** "epochs 50 → 200, L2 penalty 0 → 0.001": what applying it would change now. */
export function changeWords(preset: Preset, form: Parameter[], values: Values): string {
  const changes = form
    .filter((p) => p.id in preset.values && preset.values[p.id] !== (values[p.id] ?? null))
    .map((p) => `${p.label} ${inWords(values[p.id] ?? null)} → ${inWords(preset.values[p.id] ?? null)}`);
  if (!changes.length) return "these values stand now";
  const more = changes.length - NAMED;
  return changes.slice(0, NAMED).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

interface Props {
  ctx: Context;
  id: string;
  presets: Preset[];
  form: Parameter[];
  values: Values;
  algorithm: { id: string; name: string };
  /** Brings the kernel's values into the fields, whatever is typed there, and asks. */
  wholesale: (ask: () => Promise<unknown>) => () => void;
  close: () => void;
}

/** A saved preset's button to delete it; it asks back in its own place. */
function Delete({ name, off, act }: { name: string; off: string; act: () => void }) {
  const [asking, setAsking] = useState(false);
  return (
    <button
      class={asking ? "mw-preset-sure" : "mw-icon mw-quiet"}
      aria-label={asking ? `Really delete the preset ${name}` : `Delete the preset ${name}`}
      title={off || (asking ? "Press again to delete it for good" : "Delete this preset")}
      disabled={!!off}
      onBlur={() => setAsking(false)}
      onClick={() => (asking ? act() : setAsking(true))}
    >
      {asking ? "Delete?" : <Icon name="trash" />}
    </button>
  );
}

/** All presets, one under the other, and a line to save the values of now. */
export function PresetList({ ctx, id, presets, form, values, algorithm, wholesale, close }: Props) {
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState("");
  const [said, setSaid] = useState("");
  const box = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const off = ctx.readOnly;
  const current = inForce(presets, values);
  const tidy = name.trim().replace(/\s+/g, " ").normalize("NFC");
  const known = presets.find((p) => p.name === tidy);
  const body = (of: string) => ({ algorithm: algorithm.id, name: of });
  useEffect(() => {
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>(".mw-preset") ?? [])];
    (buttons.find((b) => b.getAttribute("aria-pressed") === "true") ?? buttons[0] ?? box.current)?.focus();
  }, []);

  const save = (event: Event): void => {
    event.preventDefault();
    if (!tidy || off) return;
    ctx.ask("preset.save", body(tidy), { quiet: true }).then(
      () => {
        box.current?.focus();
        setName("");
        setWrong("");
        setSaid(`Saved “${tidy}”.`);
      },
      (error: unknown) => setWrong(problemOf(error).message),
    );
  };
  const remove = (preset: Preset): void => {
    // its row, and with it the keyboard's place, is about to go
    box.current?.focus();
    ctx.ask("preset.delete", body(preset.name)).then(
      () => setSaid(`Deleted “${preset.name}”.`),
      () => undefined,
    );
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>(".mw-preset") ?? [])];
    const at = buttons.indexOf(event.target as HTMLElement);
    if (!step || at < 0) return;
    event.preventDefault();
    (buttons[at + step] ?? (step > 0 ? box.current : null))?.focus();
  };

  return (
    <div id={id} class="mw-presets" role="group" aria-label={`Presets of ${algorithm.name}`} onKeyDown={keys}>
      <ul ref={list}>
        {presets.map((preset) => {
          const blocked = off || preset.problem;
          const words = changeWords(preset, form, values);
          return (
            <li key={`${preset.own ? "own" : "package"}/${preset.name}`}>
              <button
                class="mw-preset"
                aria-pressed={preset === current}
                aria-disabled={blocked ? true : undefined}
                title={blocked || words}
                onClick={() => {
                  if (!blocked) wholesale(() => ctx.ask("preset.apply", body(preset.name)))();
                }}
              >
                <span class="mw-preset-mark">{preset === current && <Icon name="check" />}</span>
                <span class="mw-preset-name">{preset.name}</span>
                <span class="mw-tiny mw-preset-about">
                  {preset.problem ? (
                    <>
                      <Icon name="warning" /> {preset.problem}
                    </>
                  ) : (
                    preset.about || words
                  )}
                </span>
              </button>
              {preset.own && <Delete name={preset.name} off={off} act={() => remove(preset)} />}
            </li>
          );
        })}
        {presets.length === 0 && <li class="mw-muted">{algorithm.name} has no presets yet.</li>}
      </ul>
      <form class="mw-preset-save" onSubmit={save}>
        <input
          ref={box}
          type="text"
          maxLength={LONGEST}
          autocomplete="off"
          spellcheck={false}
          aria-label="Name for a preset of these values"
          aria-describedby={wrong ? `${id}-wrong` : undefined}
          aria-invalid={wrong ? true : undefined}
          placeholder="Save these values as …"
          disabled={!!off}
          title={off || undefined}
          value={name}
          onInput={(event) => {
            setName(event.currentTarget.value);
            setWrong("");
            setSaid("");
          }}
        />
        <button type="submit" disabled={!!off || !tidy} title={off || undefined}>
          {known?.own ? "Replace" : "Save"}
        </button>
      </form>
      {wrong && (
        <p id={`${id}-wrong`} class="mw-error-text" role="alert">
          {wrong}
        </p>
      )}
      <p class="mw-tiny" role="status">
        {said}
      </p>
    </div>
  );
}
