import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Me } from "../src/state/server";
import { colorOf, initialsOf } from "../src/ui/avatar";
import { PeoplePanel } from "../src/widgets/people_panel";
import { settle, show, type Shown } from "./fake_model";

/** A server of the same routes and rules as medilytica_widgets/server/handlers.py. */
class Server {
  me: Me = {
    user: { id: "ann", name: "Ann <b>A.", initials: "", color: "" },
    role: "owner",
    sharing: { enabled: true, viewers_chat: false, always_on: false, kind: "plain", invitations: "link", available: true },
    reason: "",
  };
  people = [
    { id: "ann", name: "Ann <b>A.", role: "owner", kind: "person", initials: "", color: "" },
    { id: "guest-1", name: "Bob", role: "viewer", kind: "guest", initials: "BO", color: "url(x)" },
  ];
  invitations: object[] = [];
  asked: [string, string, unknown][] = [];
  refuse: Record<string, [number, string]> = {};

  answer = async (address: string, init: RequestInit): Promise<Response> => {
    const name = new URL(address).pathname.replace(/^.*medilytica\/api\//, "") + new URL(address).search;
    const body: any = init.body ? JSON.parse(String(init.body)) : undefined;
    const route = `${init.method} ${name.split("?")[0]}`;
    if (init.method !== "GET") this.asked.push([route, name, body]);
    const refusal = this.refuse[route];
    if (refusal) return Response.json({ message: refusal[1] }, { status: refusal[0] });
    if (route === "GET me") return Response.json(this.me);
    if (route === "GET people") return Response.json({ people: this.people, you: this.me.user.id, note: "A note." });
    if (route === "GET invitations") return Response.json({ invitations: this.invitations });
    if (route === "POST invitations") {
      const made = { id: "i1", role: body.role, expires: 2e9, uses: body.uses, used: 0, state: "open", by_name: "Ann", label: body.label };
      this.invitations = [made];
      return Response.json({ invitation: made, link: "/medilytica/join/secret" }, { status: 201 });
    }
    if (route === "PUT people") this.people = this.people.map((one) => (one.id === body.id ? { ...one, role: body.role } : one));
    if (route === "DELETE people") this.people = this.people.filter((one) => !name.endsWith(one.id));
    if (route === "DELETE invitations") this.invitations = [];
    if (route === "PUT sharing") Object.assign(this.me.sharing, body);
    if (route === "GET audit") {
      const entry = { time: "2026-01-01T10:00:00Z", user: "guest-1", name: "Bob", role: "viewer", action: "put contents", object: "a.ipynb", before: null, after: null, outcome: "refused", reason: "A viewer changes nothing." };
      return Response.json({ entries: [entry], next: null, lost: 0 });
    }
    return Response.json({});
  };
}

let server: Server;
let shown: Shown;
const original = globalThis.fetch;
beforeEach(() => {
  server = new Server();
  globalThis.fetch = server.answer as typeof fetch;
});
afterEach(() => {
  shown?.close();
  globalThis.fetch = original;
});
const open = async (): Promise<HTMLElement> => {
  shown = show(PeoplePanel, {});
  await settle();
  await settle();
  return shown.root;
};
const press = async (root: HTMLElement, name: string): Promise<void> => {
  const found = [...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent?.trim()) === name);
  await act(() => found!.click());
  await settle();
  await settle();
};

test("people stand with their roles, and hostile names are text", async () => {
  const root = await open();
  expect([...root.querySelectorAll(".mw-roles-list li bdi")].map((one) => one.textContent)).toEqual(["Ann <b>A.", "Bob"]);
  expect(root.querySelector("b")).toBeNull();
  expect(root.textContent).toContain("A note.");
});

test("an owner changes a role, and a refusal leaves the old one with its reason", async () => {
  const root = await open();
  const select = (): HTMLSelectElement => root.querySelector('select[aria-label="Role of Bob"]')!;
  const choose = async (role: string): Promise<void> => {
    await act(() => {
      select().value = role;
      select().dispatchEvent(new Event("change", { bubbles: true }));
    });
    await settle();
    await settle();
  };
  await choose("editor");
  expect(server.asked).toEqual([["PUT people", "people", { id: "guest-1", role: "editor" }]]);
  expect(select().value).toBe("editor");
  server.refuse["PUT people"] = [409, "One owner has to remain."];
  await choose("viewer");
  expect(select().value).toBe("editor");
  expect(root.querySelector("[role=alert]")!.textContent).toBe("One owner has to remain.");
});

test("taking a role away asks first", async () => {
  const root = await open();
  await press(root, "Take away the role of Bob");
  expect(server.asked).toEqual([]);
  await press(root, "Keep");
  await press(root, "Take away the role of Bob");
  await press(root, "Remove");
  expect(server.asked).toEqual([["DELETE people", "people?id=guest-1", undefined]]);
  expect(root.textContent).not.toContain("Bob");
});

test("an invitation's link is shown once, says what an editor may, and is revoked", async () => {
  const root = await open();
  const role = root.querySelector<HTMLSelectElement>('select[aria-label="Role of who is invited"]')!;
  await act(() => {
    role.value = "editor";
    role.dispatchEvent(new Event("change", { bubbles: true }));
  });
  expect(root.textContent).toContain("An editor can run code, and code runs as this server's owner");
  await act(() => void root.querySelector("form")!.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true })));
  await settle();
  await settle();
  expect(server.asked[0]).toEqual(["POST invitations", "invitations", { role: "editor", seconds: 604800, uses: 1, label: "" }]);
  expect(root.querySelector<HTMLInputElement>('input[aria-label="Invitation link"]')!.value).toMatch(/medilytica\/join\/secret$/);
  await press(root, "Put the link away");
  expect(root.querySelector('input[aria-label="Invitation link"]')).toBeNull();
  expect(root.innerHTML).not.toContain("join/secret");
  await press(root, "Revoke the invitation i1");
  expect(server.asked.at(-1)![1]).toBe("invitations?id=i1");
  expect(root.querySelector('[aria-label="Open invitations"]')).toBeNull();
});

test("with sharing off an owner reads what roles protect before turning it on", async () => {
  server.me.sharing.enabled = false;
  const root = await open();
  expect(root.textContent).toContain("can change nothing");
  expect(root.textContent).toContain("runs as this server's owner");
  expect(root.querySelector('[aria-label="People"]')).toBeNull();
  await press(root, "Turn sharing on");
  expect(root.querySelector('[aria-label="People"]')).not.toBeNull();
});

test("a viewer reads names and roles and is offered nothing", async () => {
  server.me = { ...server.me, role: "viewer", user: { ...server.me.user, id: "guest-1" } };
  const root = await open();
  expect(root.querySelectorAll("select, form, input")).toHaveLength(0);
  expect(root.textContent).toContain("viewer");
});

test("the audit log shows what was refused and why", async () => {
  const root = await open();
  await press(root, "Audit log");
  expect(root.querySelector("table")!.textContent).toContain("put contents a.ipynb");
  expect(root.querySelector("table")!.textContent).toContain("A viewer changes nothing.");
});

test("a server without the extension, one that is away, and no role are said", async () => {
  globalThis.fetch = (async () => new Response("<html>", { status: 404 })) as typeof fetch;
  expect((await open()).textContent).toContain("without the medilytica_widgets extension");
  shown.close();
  globalThis.fetch = (async () => Promise.reject(new TypeError("network"))) as typeof fetch;
  expect((await open()).textContent).toContain("did not answer");
  shown.close();
  globalThis.fetch = server.answer as typeof fetch;
  server.me = { ...server.me, role: null, reason: "Ask the owner for a role." };
  expect((await open()).textContent).toContain("Ask the owner for a role.");
});

test("a person's colour is a colour and nothing else", () => {
  expect(colorOf("a", "#12ab9f")).toBe("#12ab9f");
  expect(colorOf("a", "var(--jp-collaborator-color3)")).toBe("var(--jp-collaborator-color3)");
  for (const bad of ["url(x)", "red;background:url(x)", "#12", "expression(1)"]) expect(colorOf("a", bad)).toMatch(/^var\(--mw-c\d\)$/);
  expect(initialsOf("Ann Marie Baker")).toBe("AB");
  expect(initialsOf("")).toBe("?");
  expect(initialsOf("🦊 fox", "")).toBe("🦊F");
});
