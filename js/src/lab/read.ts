/** The workspace document as plain data for the view. What is not as expected is left out, never an error. */
import type { YWorkspace } from "./document";

export interface RunView {
  id: string;
  name: string;
  number: number;
  status: string;
  author: string;
  error: string;
  metrics: [string, number][];
}

export interface ExperimentView {
  id: string;
  name: string;
  description: string;
  algorithm: string;
  layers: string;
  heads: string;
  hyperparameters: [string, string][];
  runs: RunView[];
}

export interface StepView {
  id: string;
  /** Seconds since 1970. */
  time: number;
  who: string;
  label: string;
  experiment: string;
  changes: string[];
}

export interface WorkspaceData {
  name: string;
  description: string;
  /** Why the file can't be shown, as the server says; empty for one that can. */
  error: string;
  experiments: ExperimentView[];
  chat: string;
  /** The newest first. */
  history: StepView[];
}

export interface PersonView {
  /** The user name, or the connection's number where there is none. */
  id: string;
  name: string;
  initials: string;
  color: string;
  avatar: string;
  /** What the person is at, as words. */
  at: string;
  me: boolean;
}

type Plain = Record<string, unknown>;

const isPlain = (value: unknown): value is Plain => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const entries = (value: unknown): [string, Plain][] =>
  isPlain(value) ? Object.entries(value).filter((entry): entry is [string, Plain] => isPlain(entry[1])) : [];

/** In order of the fractional positions; equal ones by id, as every other reader has it. */
function inOrder(value: unknown): [string, Plain][] {
  return entries(value).sort(([a, x], [b, y]) => {
    const [p, q] = [text(x.position), text(y.position)];
    return p < q || (p === q && a < b) ? -1 : 1;
  });
}

const SHOWN_OPTIONS = ["units", "channels", "filters", "heads", "p", "kernel_size", "activation"];

function layerWords(layer: Plain): string {
  const options = isPlain(layer.options) ? layer.options : layer;
  const shown = SHOWN_OPTIONS.map((name) => options[name]).filter((value) => typeof value === "number" || typeof value === "string");
  return [text(layer.kind), ...shown].join(" ");
}

export function words(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  return JSON.stringify(value);
}

/** Numbers and texts that Yjs can't hold as they are stand in marks; see `medilytica_widgets/collab/encoding.py`. */
export function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (!isPlain(value)) return value;
  const keys = Object.keys(value);
  const mark = keys.length === 1 ? keys[0] : "";
  if (mark === "$float" || mark === "$int") return Number(value[mark]);
  if (mark === "$text") return "…";
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.startsWith("$$") ? key.slice(1) : key, decode(inner)]));
}

function runOf([id, run]: [string, Plain]): RunView {
  const metrics = isPlain(run.metrics) ? run.metrics : {};
  return {
    id,
    name: text(run.name) || id.slice(0, 8),
    number: typeof run.number === "number" ? run.number : 0,
    status: text(run.status) || "unknown",
    author: isPlain(run.author) ? text(run.author.name) : text(run.author),
    error: text(run.error),
    metrics: Object.entries(metrics).filter((entry): entry is [string, number] => typeof entry[1] === "number" && Number.isFinite(entry[1])),
  };
}

function experimentOf([id, held]: [string, Plain]): ExperimentView {
  const spec = isPlain(held.spec) ? held.spec : {};
  const hyperparameters = isPlain(spec.hyperparameters) ? spec.hyperparameters : {};
  const newest = (a: RunView, b: RunView): number => b.number - a.number;
  return {
    id,
    name: text(held.name) || text(spec.name) || "Unnamed experiment",
    description: text(held.description),
    algorithm: text(spec.algorithm),
    layers: inOrder(held.layers).map(([, layer]) => layerWords(layer)).join(" → "),
    heads: inOrder(held.heads).map(([, head]) => [text(head.kind), text(head.name) || text(head.target)].filter(Boolean).join(" ")).join(", "),
    hyperparameters: Object.entries(hyperparameters).map(([name, value]) => [name, words(value)]),
    runs: entries(held.runs).map(runOf).sort(newest),
  };
}

/** A path of the document without what every path of its kind begins with. */
function placeOf(path: string[]): string {
  const [root, , part] = path;
  if (root === "notes") return "notes";
  const rest = root === "experiments" ? path.slice(part === "spec" ? 3 : 2) : path.slice(1);
  return rest.join(".").replaceAll("_", " ") || "experiment";
}

/** One change as a line: which value became which. */
function changeWords(change: unknown): string {
  if (!isPlain(change)) return "";
  const { path, before, after } = change;
  const where = Array.isArray(path) ? placeOf(path.map(String)) : "";
  const short = (value: unknown): string => {
    const long = words(value);
    return long.length > 60 ? `${long.slice(0, 59)}…` : long;
  };
  return `${where}: ${short(before)} → ${short(after)}`;
}

function stepOf(step: unknown, names: Map<string, string>): StepView[] {
  if (!isPlain(step)) return [];
  const author = isPlain(step.author) ? step.author : {};
  const experiment = text(step.experiment);
  return [
    {
      id: text(step.id),
      time: typeof step.time === "number" ? step.time : 0,
      who: text(author.name) || text(author.id) || "Somebody",
      label: text(step.label),
      experiment: experiment && (names.get(experiment) ?? ""),
      changes: Array.isArray(step.changes) ? step.changes.map(changeWords).filter(Boolean) : [],
    },
  ];
}

export function readWorkspace(document: YWorkspace): WorkspaceData {
  const meta = decode(document.meta.toJSON()) as Plain;
  const experiments = inOrder(decode(document.experiments.toJSON())).map(experimentOf);
  const names = new Map(experiments.map(({ id, name }) => [id, name]));
  return {
    name: text(meta.name),
    description: text(meta.description),
    error: text(meta.error),
    experiments,
    chat: text(document.chat.get("path")),
    history: (decode(document.log.toJSON()) as unknown[]).flatMap((step) => stepOf(step, names)).reverse(),
  };
}

const PLACES = ["widget", "field", "layer", "chart", "row", "epoch"];

/** The words for what a person is at: the awareness field "medilytica", which kernels and widgets set. */
function placeWords(state: Plain, names: Map<string, string>): string {
  const place = isPlain(state.medilytica) ? state.medilytica : {};
  const short = (value: unknown): string => (typeof value === "number" ? String(Math.trunc(value)) : text(value).slice(0, 60));
  const experiment = text(place.experiment);
  const parts = PLACES.filter((name) => short(place[name])).map((name) =>
    name === "widget" ? short(place[name]) : `${name} ${short(place[name]).replaceAll("_", " ")}`,
  );
  const where = [names.get(experiment) ?? "", ...parts].filter(Boolean).join(", ");
  // the shared editor of the notes tells where its cursors are
  return where || (Array.isArray(state.cursors) && state.cursors.length ? "the notes" : "");
}

/** Who is here: one line for each person, whatever number of pages and kernels somebody has. */
export function readPeople(document: YWorkspace, experiments: ExperimentView[] = []): PersonView[] {
  const names = new Map(experiments.map(({ id, name }) => [id, name]));
  const mine = document.awareness.clientID;
  const people = new Map<string, PersonView>();
  for (const [client, state] of document.awareness.getStates() as Map<number, Plain>) {
    const user = isPlain(state.user) ? state.user : null;
    if (!user) continue;
    const name = text(user.display_name) || text(user.name) || text(user.username);
    const id = text(user.username) || String(client);
    const color = text(user.color);
    const known = people.get(id);
    const me = client === mine || Boolean(known?.me);
    people.set(id, {
      id,
      name: name || "Somebody",
      initials: text(user.initials) || name.split(/\s+/).map((word) => word[0] ?? "").join("").slice(0, 2).toUpperCase(),
      // a colour out of JupyterLab's own list or a plain one: it goes into a style
      color: /^(#[0-9a-f]{3,8}|var\(--[\w-]+\)|[a-z]+|rgb\([\d ,.%]+\)|hsl\([\d ,.%deg]+\))$/i.test(color) ? color : "",
      avatar: /^(https?:|data:image\/|\/)/.test(text(user.avatar_url)) ? text(user.avatar_url) : "",
      at: placeWords(state, names) || known?.at || "",
      me,
    });
  }
  return [...people.values()].sort((a, b) => (a.me !== b.me ? (a.me ? -1 : 1) : a.name.localeCompare(b.name)));
}
