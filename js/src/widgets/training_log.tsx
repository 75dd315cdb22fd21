/** What happened in a run, line by line; the Python side is `medilytica_widgets/widgets/training_log.py`. */
import { Component } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { Icon, type IconName } from "../ui/icons";
import { asText, clock, LEVEL_WORDS, LogStore, place } from "../ui/log_store";
import { grouped, plural } from "../ui/number";
import type { LogLine } from "../wire/messages";
import type { Context, WidgetProps } from "./_base";

export interface LogRun {
  id: string;
  name: string;
  status: string;
  unit: string;
  /** Warnings and errors so far. */
  warnings: number;
  algorithm: string;
}

type Level = LogLine["level"];

const LEVELS: { id: Level; words: string; icon: IconName }[] = [
  { id: "training", words: "Progress", icon: "progress" },
  { id: "info", words: "Info", icon: "info" },
  { id: "warning", words: "Warnings", icon: "warning" },
  { id: "error", words: "Errors", icon: "error" },
];
const ICONS = Object.fromEntries(LEVELS.map(({ id, icon }) => [id, icon])) as Record<Level, IconName>;
const ENDED = ["finished", "stopped", "failed"];

/** Lines drawn at first, lines that the button adds, and the most that are drawn at once. */
const PAGE = 500;
const MOST = 3000;
const MS_BETWEEN_DRAWINGS = 100;
/** Nearer than this to the bottom counts as at the bottom. */
const NEAR_PX = 24;

/** Keep a store level with the kernel: the whole log once, then only what is new; returns the function that stops. */
export function followLog(ctx: Context, store: LogStore, changed: (fresh: LogLine[]) => void): () => void {
  const run = ctx.trait<LogRun | null>("run");
  const abort = new AbortController();
  let asking = "";

  const ask = async (): Promise<void> => {
    const id = store.run;
    if (!id || asking === id) return;
    asking = id;
    try {
      let total = Infinity;
      while (store.cursor < total && !abort.signal.aborted && store.run === id) {
        const { body } = await ctx.ask("log.read", { run: id, cursor: store.cursor }, { signal: abort.signal });
        if (store.run !== id) return;
        const before = store.cursor;
        store.take(body.cursor, body.next, body.entries);
        total = store.cursor === before ? 0 : body.total;
        changed([]);
      }
    } catch {
      // the notice beside the widget says why; the next line asks again
    } finally {
      if (asking === id) asking = "";
    }
  };

  const stopEvents = ctx.client.on("log.lines", ({ body }) => {
    if (body.run !== store.run) store.reset(body.run);
    const taken = store.take(body.cursor, body.next, body.entries);
    if (taken === "behind") void ask();
    else if (taken === "taken") changed(body.entries);
  });
  const stopRun = run.subscribe((now) => {
    const id = now?.id ?? "";
    if (id !== store.run) {
      store.reset(id);
      changed([]);
    }
    if (id && store.cursor === 0) void ask();
  });
  return () => {
    abort.abort();
    stopEvents();
    stopRun();
  };
}

/** One line; it never changes, so it is drawn once. */
class Line extends Component<{ line: LogLine; unit: string }> {
  override shouldComponentUpdate(next: { line: LogLine }): boolean {
    return next.line !== this.props.line;
  }
  override render() {
    const { line, unit } = this.props;
    return (
      <li class={`mw-log-line mw-log-${line.level}`}>
        <span class="mw-log-when" title={`${clock(line.time)}, step ${grouped(line.step)}`}>
          {place(line, unit)}
        </span>
        <span class="mw-log-level">
          <Icon name={ICONS[line.level]} /> {LEVEL_WORDS[line.level]}
        </span>
        <span class="mw-log-words">
          {line.message}
          {line.advice && <span class="mw-log-advice">{line.advice}</span>}
        </span>
      </li>
    );
  }
}

/** What stands in place of the lines where there are none. */
function emptyWords(run: LogRun | null): string {
  if (!run) return "Press Train, and what happens is told here, line by line.";
  return ENDED.includes(run.status) ? "This run has no log." : "The first line is on its way…";
}

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export function TrainingLog({ ctx }: WidgetProps) {
  const run = ctx.trait<LogRun | null>("run").value;
  const hidden = keep<Level[]>(`${ctx.id}:log-hidden`, []);
  const store = useMemo(() => new LogStore(), [ctx]);
  const [, redraw] = useState(0);
  const [spoken, setSpoken] = useState("");
  const [copied, setCopied] = useState("");
  // the number of the first line drawn while a person reads further up; null while the view follows the end
  const [reading, setReading] = useState<{ first: number; seen: number } | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const fromBottom = useRef<number | null>(null);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = followLog(ctx, store, (fresh) => {
      const alarm = fresh.filter((line) => line.level === "warning" || line.level === "error").pop();
      if (alarm) setSpoken([`${LEVEL_WORDS[alarm.level]}: ${alarm.message}`, alarm.advice].filter(Boolean).join(" "));
      timer ??= setTimeout(() => {
        timer = undefined;
        redraw((n) => n + 1);
      }, MS_BETWEEN_DRAWINGS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [ctx]);
  useEffect(() => setReading(null), [run?.id]);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(""), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  const unit = run?.unit ?? "epoch";
  const lines = store.lines.filter((line) => !hidden.value.includes(line.level));
  const at = reading ? lines.findIndex((line) => line.number >= reading.first) : -1;
  const start = at >= 0 ? at : Math.max(0, lines.length - PAGE);
  const drawn = lines.slice(start, start + MOST);
  const later = reading ? lines.filter((line) => line.number > reading.seen).length : 0;

  // following the end, or holding still what a person reads while earlier lines come above it
  useLayoutEffect(() => {
    const el = list.current;
    if (!el) return;
    if (fromBottom.current !== null) el.scrollTop = el.scrollHeight - fromBottom.current;
    else if (!reading) el.scrollTop = el.scrollHeight;
    fromBottom.current = null;
  });

  // another width wraps the lines anew
  const following = useRef(true);
  following.current = reading === null;
  useEffect(() => {
    const el = list.current;
    if (!el) return;
    const sized = new ResizeObserver(() => {
      if (following.current) el.scrollTop = el.scrollHeight;
    });
    sized.observe(el);
    return () => sized.disconnect();
  }, [store.lines.length > 0]);

  const onScroll = (): void => {
    const el = list.current;
    if (!el || !drawn.length) return;
    const whole = start + drawn.length >= lines.length;
    const atEnd = whole && el.scrollHeight - el.scrollTop - el.clientHeight < NEAR_PX;
    if (atEnd && reading) setReading(null);
    else if (!atEnd && !reading) setReading({ first: drawn[0]!.number, seen: store.last?.number ?? 0 });
  };
  const earlier = (): void => {
    const el = list.current;
    const first = lines[Math.max(0, start - PAGE)];
    if (!el || !first) return;
    fromBottom.current = el.scrollHeight - el.scrollTop;
    setReading({ first: first.number, seen: reading?.seen ?? store.last?.number ?? 0 });
  };
  const toggle = (level: Level): void => {
    hidden.value = hidden.value.includes(level) ? hidden.value.filter((known) => known !== level) : [...hidden.value, level];
  };
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(asText(lines, unit));
      setCopied("Copied");
    } catch {
      // without https a page has no clipboard of its own; the person's copy command works on the selection
      if (list.current) getSelection()?.selectAllChildren(list.current);
      setCopied("Selected: press Ctrl+C");
    }
  };
  const counts = (level: Level): number => store.lines.reduce((n, line) => n + Number(line.level === level), 0);
  return (
    <section class="mw-card mw-log" aria-label="Training log">
      <h3 class="mw-title">
        Log
        {run && <span class="mw-pill">{run.name}</span>}
        <span class="mw-spread" />
        <span class="mw-tiny" role="status">
          {copied}
        </span>
        <button class="mw-icon mw-quiet" aria-label="Copy the lines" title="Copy the lines shown" disabled={!lines.length} onClick={() => void copy()}>
          <Icon name={copied === "Copied" ? "check" : "copy"} />
        </button>
        <button
          class="mw-icon mw-quiet"
          aria-label="Save the lines"
          title="Save the lines shown as a text file"
          disabled={!lines.length}
          onClick={() => save(`${(run?.name ?? "run").replaceAll(" ", "_")}_log.txt`, asText(lines, unit))}
        >
          <Icon name="save" />
        </button>
      </h3>
      {store.lines.length === 0 ? (
        <div class="mw-empty">
          <span>{emptyWords(run)}</span>
        </div>
      ) : (
        <>
          <div class="mw-log-filters" role="group" aria-label="Lines shown">
            {LEVELS.map(({ id, words, icon }) => {
              const on = !hidden.value.includes(id);
              return (
                <button
                  key={id}
                  class={`mw-log-filter mw-log-${id}`}
                  aria-pressed={on}
                  title={on ? `Hide: ${words.toLowerCase()}` : `Show: ${words.toLowerCase()}`}
                  onClick={() => toggle(id)}
                >
                  <Icon name={icon} /> {words} <span class="mw-log-count">{grouped(counts(id))}</span>
                </button>
              );
            })}
          </div>
          <div class="mw-log-body">
            <div
              class="mw-log-lines"
              tabIndex={0}
              role="log"
              aria-live="off"
              aria-label={`Lines of ${run?.name ?? "the run"}`}
              ref={list}
              onScroll={onScroll}
            >
              <ol>
                {start === 0 && store.missing > 0 && (
                  <li class="mw-log-note mw-tiny">
                    {plural(store.missing, "line")} of long ago, mostly progress, {store.missing === 1 ? "is" : "are"} no longer kept.
                  </li>
                )}
                {start > 0 && (
                  <li class="mw-log-note">
                    <button class="mw-link" onClick={earlier}>
                      Show earlier lines ({grouped(start)})
                    </button>
                  </li>
                )}
                {lines.length === 0 && <li class="mw-log-note mw-muted">Every line is of a kind that is hidden.</li>}
                {drawn.map((line) => (
                  <Line key={`${store.run}/${line.number}`} line={line} unit={unit} />
                ))}
              </ol>
            </div>
            {reading && (
              <button class="mw-log-newest" onClick={() => setReading(null)}>
                <Icon name="down" /> {later > 0 ? plural(later, "new line") : "To the end"}
              </button>
            )}
          </div>
        </>
      )}
      <p class="mw-sr" aria-live="polite">
        {spoken}
      </p>
    </section>
  );
}
