/** What an algorithm does, when to use it and when not, its references and its hyperparameters. */
import type { ComponentChildren } from "preact";
import { TASK_WORDS, type Entry, type Score } from "./algorithm_tree";
import { Icon } from "./icons";
import { plural } from "./number";

/** What it can be used for, as small words in a row. */
export function TaskBadges({ entry }: { entry: Entry }) {
  return (
    <span class="mw-algo-tasks">
      {entry.tasks.map((task) => (
        <span class="mw-pill" key={task} title={task}>
          {TASK_WORDS[task] ?? task}
        </span>
      ))}
    </span>
  );
}

/** Text with its web addresses and DOIs as links. */
function Linked({ text }: { text: string }) {
  const parts = text.split(/(https?:\/\/[^\s,;]+|doi:10\.[^\s,;]+)/);
  return (
    <>
      {parts.map((part, k): ComponentChildren => {
        if (k % 2 === 0) return part;
        const address = part.startsWith("doi:") ? `https://doi.org/${part.slice(4)}` : part;
        return (
          <a href={address} target="_blank" rel="noopener noreferrer">
            {part}
          </a>
        );
      })}
    </>
  );
}

export function Details({ entry, score, use }: {
  entry: Entry;
  score?: Score;
  /** Chooses it; null where it is chosen already or cannot be. */
  use: (() => void) | null;
}) {
  return (
    <>
      <div class="mw-algo-head">
        <h4>{entry.name}</h4>
        <TaskBadges entry={entry} />
        <span class="mw-spread" />
        {use && <button onClick={use}>Use it</button>}
      </div>
      {entry.unavailable && (
        <p class="mw-algo-reason">
          <Icon name="warning" /> {entry.unavailable}
        </p>
      )}
      <p>{entry.summary}</p>
      <dl>
        <dt>When to use it</dt>
        <dd>{entry.when}</dd>
        <dt>When another is better</dt>
        <dd>{entry.when_not}</dd>
        {score && (
          <>
            <dt>Best run so far</dt>
            <dd>
              {score.metric.replaceAll("_", " ")} {score.value.toFixed(3)} in {score.run}
            </dd>
          </>
        )}
        {entry.parameters.length > 0 && (
          <>
            <dt>{plural(entry.parameters.length, "hyperparameter")}</dt>
            <dd>{entry.parameters.join(", ")}</dd>
          </>
        )}
      </dl>
      {entry.references.length > 0 && (
        <ul class="mw-tiny mw-algo-references" aria-label="References">
          {entry.references.map((reference) => (
            <li>
              <Linked text={reference} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
