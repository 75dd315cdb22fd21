/** Who changed what on this server, and what was refused, newest first. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ServerError, askServer, type AuditEntry } from "../state/server";

interface Page {
  entries: AuditEntry[];
  next: number | null;
  lost: number;
}

const PAGE = 50;
const short = (value: unknown): string => {
  const text = value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** `round` changes when the panel is refreshed. */
export function AuditLog({ round }: { round: number }) {
  const entries = useSignal<AuditEntry[]>([]);
  const next = useSignal<number | null>(null);
  const lost = useSignal(0);
  const wrong = useSignal("");
  const ready = useSignal(false);
  const refusedOnly = useSignal(false);
  const older = useSignal(false);
  const load = async (before: number | null): Promise<void> => {
    try {
      const page = await askServer<Page>("GET", `audit?limit=${PAGE}${before === null ? "" : `&before=${before}`}`);
      entries.value = before === null ? page.entries : [...entries.value, ...page.entries];
      next.value = page.next;
      lost.value = page.lost;
      wrong.value = "";
      ready.value = true;
    } catch (error) {
      wrong.value = error instanceof ServerError ? error.message : String(error);
    }
  };
  useEffect(() => {
    // who reads older pages is not sent back to the first
    if (!older.value) void load(null);
  }, [round]);
  const shown = entries.value.filter((entry) => !refusedOnly.value || entry.outcome === "refused");
  return (
    <div class="mw-roles-audit">
      <label class="mw-roles-check">
        <input type="checkbox" checked={refusedOnly.value} onChange={(e) => (refusedOnly.value = e.currentTarget.checked)} /> only what was refused
      </label>
      {wrong.value && (
        <p class="mw-roles-wrong" role="alert">
          {wrong.value}
        </p>
      )}
      {lost.value > 0 && <p class="mw-roles-warn">{lost.value} entries could not be written: look at the disk of the server.</p>}
      {ready.value && shown.length === 0 && <p class="mw-muted">{entries.value.length ? "Nothing was refused here." : "Nothing has happened yet."}</p>}
      {shown.length > 0 && (
        <div class="mw-roles-scroll" tabIndex={0} role="region" aria-label="Audit log">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">Outcome</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((entry, place) => (
                <tr key={`${entry.time}/${place}`} class={entry.outcome === "refused" ? "mw-roles-refused" : ""}>
                  <td>{new Date(entry.time).toLocaleString()}</td>
                  <td>
                    <bdi>{entry.name || entry.user || "nobody"}</bdi>
                    {entry.role && <small class="mw-muted"> {entry.role}</small>}
                  </td>
                  <td>
                    {entry.action} <bdi>{short(entry.object)}</bdi>
                    {(short(entry.before) || short(entry.after)) && (
                      <small class="mw-muted">
                        {" "}
                        {short(entry.before)} → {short(entry.after)}
                      </small>
                    )}
                  </td>
                  <td>
                    {entry.outcome}
                    {entry.reason && <small class="mw-muted"> {short(entry.reason)}</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {next.value !== null && next.value > 0 && (
        <button
          onClick={() => {
            older.value = true;
            void load(next.value);
          }}
        >
          Older
        </button>
      )}
    </div>
  );
}
