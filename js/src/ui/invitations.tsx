/** Inviting people to this server, and the invitations that there are. */
import { useSignal } from "@preact/signals";
import { ServerError, askServer, baseUrl, type Invitation, type Role } from "../state/server";
import { useUid } from "./uid";
import { Icon } from "./icons";
import { plural } from "./number";

const LASTING = [
  { seconds: 3600, words: "an hour" },
  { seconds: 24 * 3600, words: "a day" },
  { seconds: 7 * 24 * 3600, words: "a week" },
  { seconds: 30 * 24 * 3600, words: "30 days" },
];

/** What roles protect and what they do not, in the words that every dialog of ours uses. */
export const PROTECTS: Record<Role, string> = {
  viewer: "A viewer sees live widgets, curves, tables and the chat, and can change nothing.",
  editor: "An editor can run code, and code runs as this server's owner: with every file and secret that the owner has here.",
  owner: "An owner can do all that an editor can, and decides who else may.",
};

interface Props {
  invitations: Invitation[];
  kind: string;
  changed: () => Promise<void>;
}

export function Invitations({ invitations, kind, changed }: Props) {
  const role = useSignal<Role>("viewer");
  const seconds = useSignal(LASTING[2]!.seconds);
  const uses = useSignal("1");
  const label = useSignal("");
  const made = useSignal<{ link: string; role: Role } | null>(null);
  const copied = useSignal(false);
  const wrong = useSignal("");
  const busy = useSignal(false);
  const id = useUid();
  const count = Number(uses.value);
  const badCount = !/^\d+$/.test(uses.value.trim()) || count < 1 || count > 100;

  const act = async (work: () => Promise<void>): Promise<void> => {
    busy.value = true;
    wrong.value = "";
    try {
      await work();
      await changed();
    } catch (error) {
      wrong.value = error instanceof ServerError ? error.message : String(error);
    } finally {
      busy.value = false;
    }
  };
  const invite = (event: Event): void => {
    event.preventDefault();
    if (badCount || busy.value) return;
    void act(async () => {
      const wanted = kind === "link" ? { role: role.value, seconds: seconds.value, uses: count, label: label.value.trim() } : { role: role.value, seconds: seconds.value };
      const answer = await askServer<{ link?: string; code?: string; url?: string }>("POST", "invitations", wanted);
      made.value = { link: new URL(answer.link ?? answer.url ?? "", baseUrl()).href, role: role.value };
      copied.value = false;
      label.value = "";
    });
  };
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(made.value!.link);
      copied.value = true;
    } catch {
      wrong.value = "The browser does not let this page copy; mark the link and copy it by hand.";
    }
  };
  const open = invitations.filter((one) => one.state === "open");

  return (
    <div class="mw-roles-part">
      <h4>Invite</h4>
      <form class="mw-roles-form" onSubmit={invite}>
        <label>
          <span>As</span>
          <select aria-label="Role of who is invited" aria-describedby={`${id}-protects`} value={role.value} onChange={(e) => (role.value = e.currentTarget.value as Role)}>
            <option value="viewer">viewer</option>
            <option value="editor">editor</option>
            <option value="owner">owner</option>
          </select>
        </label>
        <label>
          <span>for</span>
          <select aria-label="How long the invitation lasts" value={String(seconds.value)} onChange={(e) => (seconds.value = Number(e.currentTarget.value))}>
            {LASTING.map((one) => (
              <option key={one.seconds} value={String(one.seconds)}>
                {one.words}
              </option>
            ))}
          </select>
        </label>
        {kind === "link" && (
          <>
            <label>
              <span>people</span>
              <input
                class="mw-roles-uses"
                aria-label="How many people may use it"
                inputMode="numeric"
                value={uses.value}
                aria-invalid={badCount}
                onInput={(e) => (uses.value = e.currentTarget.value)}
              />
            </label>
            <label class="mw-roles-label">
              <span>note</span>
              <input aria-label="A note for the list, for example for whom it is" maxLength={100} placeholder="for whom" value={label.value} onInput={(e) => (label.value = e.currentTarget.value)} />
            </label>
          </>
        )}
        <button type="submit" class="mw-primary" disabled={badCount || busy.value}>
          Make a link
        </button>
      </form>
      {badCount && <p class="mw-roles-wrong">Between 1 and 100 people may use one invitation.</p>}
      <p id={`${id}-protects`} class={role.value === "viewer" ? "mw-tiny mw-muted" : "mw-roles-warn"}>
        {role.value !== "viewer" && <Icon name="warning" />} {PROTECTS[role.value]}
      </p>
      {wrong.value && (
        <p class="mw-roles-wrong" role="alert">
          {wrong.value}
        </p>
      )}
      {made.value && (
        <div class="mw-roles-made" role="status">
          <p>
            This link lets in whoever opens it, as <b>{made.value.role}</b>. It is shown only now: copy it and send it to the person.
          </p>
          <div class="mw-roles-link">
            <input readOnly aria-label="Invitation link" value={made.value.link} onFocus={(e) => e.currentTarget.select()} />
            <button onClick={() => void copy()}>
              <Icon name={copied.value ? "check" : "copy"} /> {copied.value ? "Copied" : "Copy"}
            </button>
            <button class="mw-icon" aria-label="Put the link away" onClick={() => (made.value = null)}>
              <Icon name="close" />
            </button>
          </div>
        </div>
      )}
      {open.length > 0 && (
        <ul class="mw-roles-list" aria-label="Open invitations">
          {open.map((one) => (
            <li key={one.id}>
              <span class="mw-roles-name">
                <bdi>{one.label || `for ${one.role}s`}</bdi>
                <small class="mw-muted">
                  {one.role} · {one.used} of {plural(one.uses, "person").replace("persons", "people")} came · until {new Date(one.expires * 1000).toLocaleString()}
                </small>
              </span>
              <button
                disabled={busy.value}
                aria-label={`Revoke the invitation ${one.label || one.id}`}
                onClick={() => void act(async () => void (await askServer("DELETE", `invitations?id=${encodeURIComponent(one.id)}`)))}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
