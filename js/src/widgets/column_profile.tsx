/** One column at a time; the Python side is `medilytica_widgets/widgets/column_profile.py`. */
import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { keep } from "../state/local";
import { formatDate, formatShort, KIND_BADGES } from "../ui/cells";
import { Icon } from "../ui/icons";
import { grouped, plural } from "../ui/number";
import type { WidgetProps } from "./_base";

export interface Histogram {
  form: "histogram";
  log: boolean;
  dates: boolean;
  edges: number[];
  counts: number[];
}

export interface Categories {
  form: "categories";
  items: [string, number][];
  others: number;
  rest: number;
}

export interface Profile {
  name: string;
  kind: string;
  discrete: boolean;
  role: "feature" | "target" | "set_aside";
  reason: string;
  evidence: string;
  /** What the file says of the column. */
  description?: string;
  unit?: string;
  by_hand: boolean;
  rows: number;
  missing: number;
  distinct: number;
  choices: string[];
  hints: { kind: string; value: string; evidence: string }[];
  statistics: [string, number | string][];
  bars: Histogram | Categories | null;
}

interface ColumnName {
  name: string;
  kind: string;
  role: string;
}

const words = (name: string): string => name.replaceAll("_", " ");
const percent = (part: number, whole: number): string => `${Number(((100 * part) / Math.max(1, whole)).toPrecision(2))} %`;

export function ColumnProfile({ ctx }: WidgetProps) {
  const title = ctx.trait<string>("title").value;
  const columns = ctx.trait<ColumnName[]>("columns").value;
  const first = ctx.trait<Profile>("first").value;
  const code = ctx.trait<string>("code").value;
  const version = ctx.trait<number>("version").value;
  const column = keep<string>(`${ctx.id}:profile-column`, first.name);
  const read = useSignal<{ version: number; profile: Profile } | null>(null);
  const failed = useSignal("");
  const changing = useSignal(false);
  const id = useId();
  const name = columns.some((known) => known.name === column.value) ? column.value : first.name;
  const live = ctx.connection.value === "live";

  useEffect(() => {
    failed.value = "";
    const known = read.peek();
    if (name === first.name || !live || (known?.profile.name === name && known.version === version)) return;
    const abort = new AbortController();
    ctx.ask("profile.read", { column: name }, { quiet: true, signal: abort.signal }).then(
      ({ body }) => (read.value = body as unknown as { version: number; profile: Profile }),
      (error: Error) => {
        if (!abort.signal.aborted) failed.value = error.message;
      },
    );
    return () => abort.abort();
  }, [ctx, name, version, live]);

  async function change(kind: string): Promise<void> {
    changing.value = true;
    try {
      await ctx.ask("profile.kind", { column: name, kind });
    } catch {
      // the notice below says why, and the menu goes back to what holds
    } finally {
      changing.value = false;
    }
  }

  const profile = name === first.name ? first : read.value?.profile.name === name ? read.value.profile : null;
  return (
    <section class="mw-card mw-profile" aria-label={`Column ${name} of ${title}`}>
      <h3 class="mw-title mw-profile-head">
        <label class="mw-sr" for={`${id}-column`}>
          Column
        </label>
        <select id={`${id}-column`} class="mw-profile-column" value={name} onChange={(event) => (column.value = event.currentTarget.value)}>
          {columns.map((known) => (
            <option key={known.name} value={known.name}>
              {known.name}
              {known.role === "target" ? " (target)" : known.role === "set_aside" ? " (set aside)" : ""}
            </option>
          ))}
        </select>
        <span class="mw-tiny">
          <bdi>{title}</bdi> · {plural(columns.length, "column")}
        </span>
        <span class="mw-spread" />
        {profile && <KindMenu id={`${id}-kind`} profile={profile} off={ctx.readOnly} busy={changing.value} onKind={(kind) => void change(kind)} />}
      </h3>
      {failed.value && (
        <div class="mw-notice" role="alert">
          <span class="mw-notice-text">{failed.value}</span>
        </div>
      )}
      {profile ? <Body profile={profile} /> : <div class="mw-skeleton mw-profile-wait" role="status" aria-label="Loading the column" />}
      {code && (
        <p class="mw-tiny mw-profile-code">
          To have this in the notebook: <code>{code}</code>
        </p>
      )}
    </section>
  );
}

interface KindMenuProps {
  id: string;
  profile: Profile;
  /** Why it cannot be changed; empty where it can. */
  off: string;
  busy: boolean;
  onKind: (kind: string) => void;
}

function KindMenu({ id, profile, off, busy, onKind }: KindMenuProps) {
  if (off || profile.choices.length < 2) {
    return (
      <span class="mw-pill" title={off}>
        <b>{KIND_BADGES[profile.kind]}</b> {profile.kind}
        {profile.discrete && ", discrete"}
      </span>
    );
  }
  return (
    <>
      <label for={`${id}`} class="mw-muted">
        Kind
      </label>
      <select
        // the choice that the kernel refused must not stay in the menu
        key={`${profile.name}/${profile.kind}/${busy}`}
        id={id}
        value={profile.kind}
        disabled={busy}
        onChange={(event) => onKind(event.currentTarget.value)}
      >
        {profile.choices.map((kind) => (
          <option key={kind} value={kind}>
            {kind}
          </option>
        ))}
      </select>
      {profile.by_hand && (
        <button class="mw-link" disabled={busy} title="Back to the kind that the values speak for" onClick={() => onKind("")}>
          Detect again
        </button>
      )}
    </>
  );
}

function Body({ profile }: { profile: Profile }) {
  const { missing, rows, distinct } = profile;
  return (
    <>
      <p class="mw-profile-evidence">
        <span class="mw-pill">{words(profile.role)}</span> {profile.description && <b class="mw-profile-about"><bdi>{profile.description}</bdi> · </b>}
        {profile.evidence}.{" "}
        {profile.role === "set_aside" && <span class="mw-muted">Set aside: {profile.reason}.</span>}
      </p>
      <div class="mw-profile-grid">
        <div class="mw-profile-picture">
          {profile.bars === null ? (
            <div class="mw-empty">There is nothing to draw of such a column.</div>
          ) : profile.bars.form === "histogram" ? (
            <HistogramBars bars={profile.bars} name={profile.name} />
          ) : (
            <CategoryBars bars={profile.bars} rows={rows - missing} />
          )}
        </div>
        <dl class="mw-profile-numbers">
          <dt>missing</dt>
          <dd>
            {missing ? `${grouped(missing)} (${percent(missing, rows)})` : "none"}
            <span class="mw-profile-share" aria-hidden="true">
              <i style={{ width: `${(100 * missing) / Math.max(1, rows)}%` }} />
            </span>
          </dd>
          <dt>different values</dt>
          <dd>{grouped(distinct)}</dd>
          {profile.statistics.map(([label, value]) => [
            <dt key={label}>{label}</dt>,
            <dd key={`${label}/value`}>{typeof value === "number" ? formatShort(value) : value}</dd>,
          ])}
        </dl>
      </div>
      {profile.hints.length > 0 && (
        <ul class="mw-profile-hints" aria-label="What the column seems to mean">
          {profile.hints.map((hint) => (
            <li key={hint.kind}>
              <Icon name="info" /> <b>{words(hint.kind)}</b>
              {hint.value && `: ${hint.value}`} <span class="mw-muted">({hint.evidence})</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** A histogram's edge as text. */
export function edgeText(bars: Histogram, place: number): string {
  const edge = bars.edges[place]!;
  return bars.dates ? formatDate(Math.floor(edge / 86_400_000) * 86_400_000) : formatShort(Number(edge.toPrecision(4)));
}

function HistogramBars({ bars, name }: { bars: Histogram; name: string }) {
  const top = Math.max(1, ...bars.counts);
  const most = bars.counts.indexOf(Math.max(...bars.counts));
  const last = bars.counts.length;
  const alt = `Histogram of ${name}: values from ${edgeText(bars, 0)} to ${edgeText(bars, last)}, most of them between ${edgeText(bars, most)} and ${edgeText(bars, most + 1)}`;
  return (
    <figure class="mw-profile-histogram">
      <div class="mw-profile-bars" role="img" aria-label={alt}>
        {bars.counts.map((count, place) => (
          <span key={place} title={`${edgeText(bars, place)} to ${edgeText(bars, place + 1)}: ${plural(count, "row")}`}>
            <i style={{ height: count ? `max(1px, ${(100 * count) / top}%)` : "0" }} />
          </span>
        ))}
      </div>
      <figcaption class="mw-tiny">
        <span>{edgeText(bars, 0)}</span>
        {bars.log && <span>logarithmic</span>}
        <span>{edgeText(bars, last)}</span>
      </figcaption>
    </figure>
  );
}

function CategoryBars({ bars, rows }: { bars: Categories; rows: number }) {
  const top = Math.max(1, ...bars.items.map(([, count]) => count));
  return (
    <table class="mw-profile-categories">
      <caption class="mw-sr">Most frequent values and their rows</caption>
      <tbody>
        {bars.items.map(([label, count]) => (
          <tr key={label}>
            <th scope="row" title={label}>
              <bdi>{label}</bdi>
            </th>
            <td class="mw-profile-track">
              <i aria-hidden="true" style={{ width: `${(100 * count) / top}%` }} />
            </td>
            <td>{grouped(count)}</td>
            <td class="mw-muted">{percent(count, rows)}</td>
          </tr>
        ))}
        {bars.others > 0 && (
          <tr class="mw-muted">
            <th scope="row">{plural(bars.others, "other value")}</th>
            <td />
            <td>{grouped(bars.rest)}</td>
            <td>{percent(bars.rest, rows)}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
