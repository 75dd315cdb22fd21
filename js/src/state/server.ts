/**
 * The Jupyter server behind the page, asked with the person's own credential: who they are to it, and what it keeps
 * of people, invitations and refusals. A kernel has no part in it, for it could speak for its owner only.
 */

export type Role = "owner" | "editor" | "viewer";

export interface Me {
  user: { id: string; name: string; initials: string; color: string };
  role: Role | null;
  sharing: {
    enabled: boolean;
    viewers_chat: boolean;
    /** A hub decides, and nobody here can turn it off. */
    always_on: boolean;
    kind: string;
    /** How people are invited: "link", "share code", or not at all. */
    invitations: string;
    available: boolean;
  };
  reason: string;
}

export interface Member {
  id: string;
  name: string;
  role: Role;
  kind: string;
  initials: string;
  color: string;
}

export interface Invitation {
  id: string;
  role: Role;
  /** Seconds since 1970. */
  expires: number;
  uses: number;
  used: number;
  state: string;
  by_name: string;
  label: string;
}

export interface AuditEntry {
  time: string;
  user: string;
  name: string;
  role: string | null;
  action: string;
  object: string;
  before: unknown;
  after: unknown;
  outcome: string;
  reason: string;
}

/** A refusal in a sentence; `status` 0 stands for a server that did not answer. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

interface PageConfig {
  baseUrl?: string;
  token?: string;
}

function config(): PageConfig {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}") as PageConfig;
  } catch {
    return {};
  }
}

/** The server's address, with a slash at its end. */
export function baseUrl(): string {
  return new URL(config().baseUrl || "/", location.href).href.replace(/\/*$/, "/");
}

function crossSite(): string {
  return /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? "";
}

/** Ask `medilytica/api/<name>`; rejects with a `ServerError`. */
export async function askServer<T>(method: "GET" | "PUT" | "POST" | "DELETE", name: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "X-XSRFToken": crossSite() };
  const { token } = config();
  if (token) headers["Authorization"] = `token ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(`${baseUrl()}medilytica/api/${name}`, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ServerError("The server did not answer. Try again when the connection is back.", 0);
  }
  const plain: unknown = await answer.json().catch(() => null);
  if (answer.ok && plain !== null) return plain as T;
  const said = (plain as { message?: unknown } | null)?.message;
  if (answer.status === 404 && typeof said !== "string") throw new ServerError(ABSENT, 404);
  throw new ServerError(typeof said === "string" && said ? said : `The server refused (${answer.status}).`, answer.status);
}

export const ABSENT =
  "This server runs without the medilytica_widgets extension, so it knows no roles. Start it where medilytica-widgets is installed.";
