/**
 * What this person may do, as the server says. The server alone enforces it; what is switched off here is
 * switched off so that nobody types into a field whose change would be refused.
 */
import { ServerConnection } from "@jupyterlab/services";
import { URLExt } from "@jupyterlab/coreutils";
import type { Role, RoleState } from "./service";

/** Milliseconds between two questions while the page is in view. */
const POLL_MS = 20_000;

const FREE: RoleState = { role: null, reason: "" };
const VIEWER = "You are a viewer here: you can look at everything and change nothing.";
const NOBODY = "You have no role on this server: ask an owner for an invitation.";

/** The state that an answer of `medilytica/api/me` names. */
export function readRole(answer: unknown): RoleState {
  if (typeof answer !== "object" || answer === null) return FREE;
  const { role, sharing, reason } = answer as { role?: unknown; sharing?: unknown; reason?: unknown };
  const shared = typeof sharing === "object" && sharing !== null ? Boolean((sharing as { enabled?: unknown }).enabled) : Boolean(sharing);
  if (!shared) return FREE;
  const why = typeof reason === "string" ? reason : "";
  if (role === "owner" || role === "editor") return { role, reason: "" };
  return role === "viewer" ? { role, reason: why || VIEWER } : { role: "none" as Role, reason: why || NOBODY };
}

export class RoleWatch {
  private state: RoleState = FREE;
  private listeners = new Set<(state: RoleState) => void>();
  private timer: ReturnType<typeof setInterval> | undefined;
  private asking: Promise<void> | undefined;
  private absent = false;

  constructor(private readonly ask: () => Promise<unknown>) {}

  get current(): RoleState {
    return this.state;
  }

  start(): void {
    const again = (): void => {
      if (document.visibilityState === "visible") void this.check();
    };
    this.timer ??= setInterval(again, POLL_MS);
    document.addEventListener("visibilitychange", again);
    void this.check().then(() => {
      // a server without this part gets it by a restart, and the page is loaded anew then
      if (!this.absent) return;
      clearInterval(this.timer);
      document.removeEventListener("visibilitychange", again);
    });
  }

  listen(listener: (state: RoleState) => void): () => void {
    this.listeners.add(listener);
    listener(this.state);
    return () => this.listeners.delete(listener);
  }

  /** Ask now. A server that can't be reached changes nothing of what is known. */
  check(): Promise<void> {
    this.asking ??= this.ask()
      .then((answer) => {
        this.absent = answer === null;
        this.become(readRole(answer));
      })
      .catch(() => undefined)
      .finally(() => (this.asking = undefined));
    return this.asking;
  }

  private become(next: RoleState): void {
    if (next.role === this.state.role && next.reason === this.state.reason) return;
    this.state = next;
    this.listeners.forEach((listener) => listener(next));
  }
}

/** Ask the server; null where it has no such part, so that everything is allowed. */
export async function askServer(settings: ServerConnection.ISettings): Promise<unknown> {
  const response = await ServerConnection.makeRequest(URLExt.join(settings.baseUrl, "medilytica/api/me"), {}, settings);
  if (response.status === 404) return null;
  if (response.status === 403) return { sharing: true, role: null };
  if (!response.ok) throw new ServerConnection.ResponseError(response);
  return response.json();
}
