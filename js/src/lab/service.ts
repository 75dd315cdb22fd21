/** What a widget may ask of JupyterLab; it finds it on the page under `Symbol.for("medilytica.lab")`. */

export type Role = "owner" | "editor" | "viewer" | "none";

/** Somebody as Jupyter's identity provider names them. */
export interface Me {
  username: string;
  display_name: string;
  color: string;
  avatar_url: string;
}

/** What this person may do. Without sharing everybody may do everything: the role is null, the reason empty. */
export interface RoleState {
  readonly role: Role | null;
  /** Why this person may only look, as a sentence; empty for those who may change things. */
  readonly reason: string;
}

/** The place that a shared link restores; `collab/links.py` makes such links. */
export interface SharedView {
  workspace?: string;
  experiment?: string;
  run?: string;
  chart?: string;
  epoch?: number;
  layer?: string;
  row?: number;
  explanation?: string;
}

/** The event on `window` that tells the widgets of a link that somebody followed. */
export const VIEW_EVENT = "medilytica:view";

export interface TabRequest {
  /** One tab for each id: opening it again brings the existing one to the front. */
  id: string;
  title: string;
  /** Renders into the host when the tab appears; the returned function runs when it closes. */
  mount: (host: HTMLElement) => () => void;
}

/** Absent in any other front end than JupyterLab. */
export interface LabService extends RoleState {
  readonly version: 1;
  readonly me: Me;
  openTab(request: TabRequest): void;
  /** Show a chat by its path; rejects with a sentence where jupyterlab-chat is not installed. */
  openChat(path: string): Promise<void>;
  openWorkspace(path: string): Promise<void>;
  /** Called at once with the present state and after every change; returns the function that stops it. */
  onRole(listener: (state: RoleState) => void): () => void;
  /** Ask the server again what this person may do, as after a refusal. */
  checkRole(): Promise<void>;
}

declare global {
  interface WindowEventMap {
    [VIEW_EVENT]: CustomEvent<SharedView>;
  }
}

const KEY = Symbol.for("medilytica.lab");
const page = globalThis as unknown as Record<symbol, LabService | undefined>;

export const labService = (): LabService | undefined => page[KEY];

export function publish(service: LabService): void {
  page[KEY] = service;
}
