/** People and roles of the server behind the page; the Python side is `medilytica_widgets/widgets/people_panel.py`. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ServerError, askServer, type Invitation, type Me, type Member, type Role } from "../state/server";
import { AuditLog } from "../ui/audit_log";
import { Avatar } from "../ui/avatar";
import { Icon } from "../ui/icons";
import { Invitations, PROTECTS } from "../ui/invitations";
import type { WidgetProps } from "./_base";

const ROUND_MS = 10_000;
const ROLES: Role[] = ["owner", "editor", "viewer"];

interface Told {
  me: Me;
  people: Member[];
  invitations: Invitation[];
  note: string;
}

async function ask(): Promise<Told> {
  const me = await askServer<Me>("GET", "me");
  const told: Told = { me, people: [], invitations: [], note: "" };
  if (!me.sharing.enabled || me.role === null) return told;
  const { people, note } = await askServer<{ people: Member[]; note: string }>("GET", "people");
  told.people = people;
  told.note = note;
  if (me.role === "owner" && me.sharing.invitations) {
    told.invitations = (await askServer<{ invitations: Invitation[] }>("GET", "invitations")).invitations;
  }
  return told;
}

export function PeoplePanel({ ctx: _ctx }: WidgetProps) {
  const told = useSignal<Told | null>(null);
  const wrong = useSignal("");
  const busy = useSignal(false);
  const round = useSignal(0);
  const audit = useSignal(false);
  const leaving = useSignal("");

  const refresh = async (): Promise<void> => {
    try {
      told.value = await ask();
      wrong.value = "";
      round.value += 1;
    } catch (error) {
      // what stood before stays: an outage is no reason to show an empty list
      wrong.value = error instanceof ServerError ? error.message : String(error);
    }
  };
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => void (document.hidden || busy.value || refresh()), ROUND_MS);
    const seen = (): void => void (document.hidden || refresh());
    document.addEventListener("visibilitychange", seen);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
  const change = async (work: () => Promise<unknown>): Promise<void> => {
    busy.value = true;
    let refusal = "";
    try {
      await work();
    } catch (error) {
      refusal = error instanceof ServerError ? error.message : String(error);
    }
    await refresh();
    busy.value = false;
    if (refusal) wrong.value = refusal;
  };

  const known = told.value;
  const owner = known?.me.role === "owner";
  return (
    <section class="mw-card mw-roles" aria-label="People and roles">
      <h3 class="mw-title">
        People
        <span class="mw-spread" />
        {known?.me.role && (
          <span class="mw-tiny mw-muted">
            you are <bdi>{known.me.user.name || known.me.user.id}</bdi>
            {known.me.sharing.enabled && <>, {known.me.role}</>}
          </span>
        )}
      </h3>
      {wrong.value && (
        <p class="mw-roles-wrong" role="alert">
          {wrong.value}
        </p>
      )}
      {known === null && !wrong.value && <p class="mw-muted">Asking the server …</p>}
      {known && !known.me.sharing.available && <p class="mw-roles-warn">{known.me.reason}</p>}
      {known && known.me.sharing.available && known.me.role === null && <p class="mw-roles-warn">{known.me.reason || "You have no role on this server."}</p>}
      {known && known.me.sharing.available && known.me.role && !known.me.sharing.enabled && (
        <Off owner={owner} busy={busy.value} kind={known.me.sharing.invitations} start={() => change(() => askServer("PUT", "sharing", { enabled: true }))} />
      )}
      {known?.me.sharing.enabled && known.me.role && (
        <>
          <ul class="mw-roles-list" aria-label="People">
            {known.people.map((person) => {
              const you = person.id === known.me.user.id;
              return (
                <li key={person.id}>
                  <Avatar {...person} />
                  <span class="mw-roles-name">
                    <bdi>{person.name || person.id}</bdi>
                    <small class="mw-muted">
                      {you ? "you" : person.kind === "guest" ? "by invitation" : ""}
                    </small>
                  </span>
                  {owner && person.kind !== "server" && !known.me.sharing.always_on ? (
                    <>
                      <select
                        aria-label={`Role of ${person.name || person.id}`}
                        value={person.role}
                        disabled={busy.value}
                        onChange={(e) => {
                          const role = e.currentTarget.value as Role;
                          // until the server agrees the old role stands
                          e.currentTarget.value = person.role;
                          void change(() => askServer("PUT", "people", { id: person.id, role }));
                        }}
                      >
                        {ROLES.map((role) => (
                          <option key={role} value={role}>
                            {role}
                          </option>
                        ))}
                      </select>
                      {leaving.value === person.id ? (
                        <span class="mw-roles-sure" role="group" aria-label={`Remove ${person.name || person.id}?`}>
                          <button
                            class="mw-roles-danger"
                            disabled={busy.value}
                            onClick={() => {
                              leaving.value = "";
                              void change(() => askServer("DELETE", `people?id=${encodeURIComponent(person.id)}`));
                            }}
                          >
                            Remove
                          </button>
                          <button onClick={() => (leaving.value = "")}>Keep</button>
                        </span>
                      ) : (
                        <button class="mw-icon" aria-label={`Take away the role of ${person.name || person.id}`} disabled={busy.value} onClick={() => (leaving.value = person.id)}>
                          <Icon name="trash" />
                        </button>
                      )}
                    </>
                  ) : (
                    <span class="mw-roles-role">{person.role}</span>
                  )}
                </li>
              );
            })}
          </ul>
          {known.note && <p class="mw-tiny mw-muted">{known.note}</p>}
          {owner && known.me.sharing.invitations && <Invitations invitations={known.invitations} kind={known.me.sharing.invitations} changed={refresh} />}
          {owner && (
            <div class="mw-roles-part mw-roles-ends">
              <label class="mw-roles-check">
                <input
                  type="checkbox"
                  checked={known.me.sharing.viewers_chat}
                  disabled={busy.value}
                  onChange={(e) => {
                    const wanted = e.currentTarget.checked;
                    void change(() => askServer("PUT", "sharing", { viewers_chat: wanted }));
                  }}
                />{" "}
                Viewers may write in the chat
              </label>
              <span class="mw-spread" />
              {!known.me.sharing.always_on && (
                <button disabled={busy.value} onClick={() => void change(() => askServer("PUT", "sharing", { enabled: false }))}>
                  Turn sharing off
                </button>
              )}
              <button aria-expanded={audit.value} onClick={() => (audit.value = !audit.value)}>
                <Icon name={audit.value ? "expanded" : "collapsed"} /> Audit log
              </button>
            </div>
          )}
          {owner && audit.value && <AuditLog round={round.value} />}
        </>
      )}
    </section>
  );
}

function Off({ owner, busy, kind, start }: { owner: boolean; busy: boolean; kind: string; start: () => Promise<void> }) {
  return (
    <div class="mw-roles-off">
      <p>
        Sharing is off: whoever can sign in to this server can do everything, as with any Jupyter server.
        {owner && " Turn it on to invite people with a role of their own; from then on a person without a role gets nothing."}
      </p>
      {owner && (
        <>
          <ul>
            <li>{PROTECTS.viewer}</li>
            <li>{PROTECTS.editor} Give this role only to people whom you would let use your account.</li>
          </ul>
          {!kind && <p class="mw-muted">This server's own sign-in decides who gets in; here you give these people roles.</p>}
          <button class="mw-primary" disabled={busy} onClick={() => void start()}>
            Turn sharing on
          </button>
        </>
      )}
    </div>
  );
}
