/** Numbers as people read, type and drag them; the rules of a `Parameter`, as its Python table has them. */
import type { Scalar } from "../wire/messages";

/** `Parameter.to_json()` of `medilytica_widgets/parameters.py`. */
export interface Parameter {
  id: string;
  kind: "float" | "int" | "choice" | "bool";
  default: Scalar;
  low: number | null;
  high: number | null;
  scale: "linear" | "log";
  smallest: number;
  choices: string[];
  unit: string;
  help: string;
  label: string;
  live: boolean;
  optional: boolean;
  /** The heading under which it is folded away; empty for what is always in sight. */
  group?: string;
  /** The tasks for which it has a meaning; empty for all. */
  tasks?: string[];
  /** The id of a choice and the value at which this has an effect. */
  only_if?: [string, string] | null;
}

/** What was typed, judged: a value, or the sentence that says what is wrong and the nearest value allowed. */
export type Checked =
  | { ok: true; value: number | null }
  | { ok: false; message: string; nearest: number | null; number: number | null; unfinished: boolean };

const THIN = "\u202f";

/** 6 979: a count, with narrow spaces that do not break. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** 1 layer, 2 layers, 6 979 parameters. */
export const plural = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** 27 KB: memory at a glance, in steps of 1024. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size >= 10 || unit === 0 ? Math.round(size) : Number(size.toPrecision(2))} ${units[unit]}`;
}

export function roundSignificant(value: number, digits = 3): number {
  return value === 0 || !Number.isFinite(value) ? value : Number(value.toPrecision(digits));
}

const isExtreme = (value: number): boolean => value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6);

const tidyExponent = (text: string): string => text.replace(/\.?0*e\+?/, "e");

/** 0.003, 1e-4, 50: a value for reading, with at most three significant digits. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && !isExtreme(value)) return String(value);
  return isExtreme(value)
    ? tidyExponent(value.toExponential(digits - 1))
    : String(roundSignificant(value, digits));
}

/** The same value with all its digits, for the box it is edited in. */
export function editText(value: number, kind: Parameter["kind"] = "float"): string {
  if (kind === "int" && Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return isExtreme(value) ? tidyExponent(value.toExponential()) : String(value);
}

/**
 * A typed number, or null where the text is none. Blanks between digits and a decimal comma are taken;
 * "1,000" is refused, because it means 1 to one person and 1000 to another.
 */
export function parseNumber(text: string): number | null {
  let plain = text.replace(/[\s\u00a0\u202f]/g, "").replace("\u2212", "-");
  if (/^[+-]?[1-9]\d{0,2},\d{3}$/.test(plain)) return null;
  if (/^[^,.]*,[^,.]*$/.test(plain)) plain = plain.replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : null;
}

/** "a whole number from 1 to 65536": what a parameter takes, in words. */
export function allowedWords(p: Parameter): string {
  const noun = p.kind === "int" ? "a whole number" : "a number";
  const low = p.low === null ? "" : editText(p.low, p.kind);
  const high = p.high === null ? "" : editText(p.high, p.kind);
  if (low && high) return `${noun} from ${low} to ${high}`;
  if (low) return `${noun} of at least ${low}`;
  return high ? `${noun} of at most ${high}` : noun;
}

function clip(p: Parameter, value: number): number {
  const high = p.high === null ? value : Math.min(value, p.high);
  return p.low === null ? high : Math.max(high, p.low);
}

/** Judge what stands in a number box. `unfinished`: more digits could still make it right. */
export function checkNumber(p: Parameter, text: string): Checked {
  const trimmed = text.trim();
  const wrong = (message: string, number: number | null, nearest: number | null, unfinished = false): Checked => ({
    ok: false,
    message: `${message}; it takes ${allowedWords(p)}.`,
    nearest,
    number,
    unfinished,
  });
  if (p.optional && /^(off|none)$/i.test(trimmed)) return { ok: true, value: null };
  if (!trimmed) return wrong("The box is empty", null, null, true);
  const number = parseNumber(trimmed);
  if (number === null) {
    const beginning = /^[+-]?(\d+[.,]?\d*|[.,]\d*)?(e[+-]?)?$/i.test(trimmed) || (p.optional && /^(o|of|n|no|non)$/i.test(trimmed));
    const several = /^[+-]?[1-9]\d{0,2},\d{3}$/.test(trimmed);
    return wrong(several ? `“${trimmed}” can be read in two ways` : `“${trimmed}” is no number`, null, null, beginning && !several);
  }
  const whole = p.kind === "int" ? Math.round(number) : number;
  if (p.low !== null && number < p.low) {
    // 0.00 may be on its way to 0.003, and 1 to 128; an exponent or a minus sign can only lead further away
    const growing = number >= 0 && p.low > 0 && !/e/i.test(trimmed);
    return wrong(`${trimmed} is too small`, number, clip(p, whole), growing);
  }
  if (p.high !== null && number > p.high) return wrong(`${trimmed} is too large`, number, clip(p, whole));
  if (p.kind === "int" && whole !== number) return wrong(`${trimmed} is no whole number`, number, clip(p, whole));
  return { ok: true, value: number };
}

/** Positions of a slider: 0 to this. */
export const SLIDER_STOPS = 1000;

export const hasSlider = (p: Parameter): boolean => p.low !== null && p.high !== null && p.high > p.low;

/** The bounds of the logarithmic part; where 0 is allowed, it is the slider's first stop, apart from these. */
function logBounds(p: Parameter): { first: number; low: number; span: number } {
  const withZero = p.low === 0;
  const low = Math.log(withZero ? Math.min(p.smallest, p.high as number) : (p.low as number));
  return { first: withZero ? 1 : 0, low, span: Math.log(p.high as number) - low };
}

export function toSlider(p: Parameter, value: number): number {
  const bounded = clip(p, value);
  if (p.scale === "linear") {
    return Math.round(((bounded - (p.low as number)) / ((p.high as number) - (p.low as number))) * SLIDER_STOPS);
  }
  const { first, low, span } = logBounds(p);
  if (bounded <= 0) return 0;
  const share = span === 0 ? 1 : (Math.log(bounded) - low) / span;
  return Math.round(first + Math.max(0, share) * (SLIDER_STOPS - first));
}

/** The value at a position, rounded to three significant digits; both ends are exact. */
export function fromSlider(p: Parameter, position: number): number {
  const low = p.low as number;
  const high = p.high as number;
  if (position <= 0) return low;
  if (position >= SLIDER_STOPS) return high;
  let value: number;
  if (p.scale === "linear") {
    value = low + (position / SLIDER_STOPS) * (high - low);
  } else {
    const bounds = logBounds(p);
    value = Math.exp(bounds.low + ((position - bounds.first) / (SLIDER_STOPS - bounds.first)) * bounds.span);
  }
  value = roundSignificant(value);
  return clip(p, p.kind === "int" ? Math.round(value) : value);
}

const decade = (value: number): number => Number(`1e${value.toExponential().split("e")[1]}`);

/**
 * The next value up (1) or down (-1), for arrow keys. On a log scale the leading digit moves
 * (0.003 → 0.004, 0.01 → 0.009); `size` 0.1 moves the second digit, 10 a whole decade.
 */
export function stepValue(p: Parameter, value: number, direction: 1 | -1, size: 0.1 | 1 | 10 = 1): number {
  const up = direction > 0;
  if (p.scale === "linear") {
    const range = p.low !== null && p.high !== null ? p.high - p.low : 20 * Math.max(1, Math.abs(value));
    const base = p.kind === "int" ? 1 : decade(range / 20);
    const unit = p.kind === "int" ? Math.max(1, base * size) : base * size;
    return clip(p, Number((Math.round(value / unit + direction) * unit).toPrecision(10)));
  }
  const smallest = p.low === 0 ? p.smallest : (p.low ?? p.smallest);
  if (value <= 0) return up ? smallest : clip(p, 0);
  if (size === 10) {
    const far = roundSignificant(up ? value * 10 : value / 10);
    return far < smallest ? clip(p, p.low ?? smallest) : clip(p, p.kind === "int" ? Math.round(far) : far);
  }
  const lead = decade(value) * size;
  const unit = p.kind === "int" ? Math.max(1, lead) : lead;
  // below a round 0.01 comes 0.009, not 0
  const finer = !up && value / decade(value) < 1 + 1e-9 ? (p.kind === "int" ? Math.max(1, unit / 10) : unit / 10) : unit;
  const moved = up ? (Math.floor(value / unit + 1e-9) + 1) * unit : (Math.ceil(value / finer - 1e-9) - 1) * finer;
  const next = Number(moved.toPrecision(10));
  return next < smallest ? clip(p, p.low ?? smallest) : clip(p, next);
}

/** A layer's next width: by an eighth of its power of two, so 64 → 72 and 8 → 9. */
export function stepUnits(units: number, direction: 1 | -1): number {
  const at = Math.max(1, direction > 0 ? units : units - 1);
  const unit = Math.max(1, 2 ** (Math.floor(Math.log2(at)) - 3));
  const next = direction > 0 ? (Math.floor(units / unit) + 1) * unit : (Math.ceil(units / unit) - 1) * unit;
  return Math.max(1, next);
}

/** A mild value for an optional number that is switched on for the first time. */
export function mildValue(p: Parameter): number {
  if (typeof p.default === "number") return p.default;
  if (p.scale === "log") return clip(p, p.kind === "int" ? 10 : 1);
  if (!hasSlider(p)) return clip(p, 1);
  const value = roundSignificant((p.low as number) + 0.2 * ((p.high as number) - (p.low as number)), 1);
  return clip(p, p.kind === "int" ? Math.round(value) : value);
}

/** The next value of a box with − and +: an eighth of the size for counts, a twentieth of the range else. */
export function coarseStep(p: Parameter, value: number, direction: 1 | -1): number {
  if (p.kind === "int" && p.scale === "log") return clip(p, stepUnits(value, direction));
  if (p.scale === "log" || p.kind === "int" || !hasSlider(p)) return stepValue(p, value, direction);
  const unit = 5 * decade(((p.high as number) - (p.low as number)) / 20);
  const steps = direction > 0 ? Math.floor(value / unit + 1e-9) + 1 : Math.ceil(value / unit - 1e-9) - 1;
  return clip(p, Number((steps * unit).toPrecision(10)));
}

/** 0.904, 12.3, 4 512: three decimals of what is small, four digits of what is large. */
export function metricText(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (Math.abs(value) < 10) return value.toFixed(3);
  return Math.abs(value) < 1000 ? String(Number(value.toPrecision(4))) : grouped(Math.round(value));
}
