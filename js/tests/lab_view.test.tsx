/** The workspace view's parts as they stand in the page. */
import { signal } from "@preact/signals";
import { render, type ComponentChild } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Unreadable, WorkspaceView } from "../src/lab/view";
import type { PersonView, WorkspaceData } from "../src/lab/read";

const EMPTY: WorkspaceData = { name: "", description: "", error: "", experiments: [], chat: "", history: [] };

const host = document.createElement("div");
document.body.append(host);
const draw = (child: ComponentChild): Promise<void> => act(() => render(child, host)) as never;
afterEach(() => render(null, host));

async function open(data: Partial<WorkspaceData> = {}, reason = "", people: PersonView[] = []) {
  const renamed: [string, string][] = [];
  const actions = { rename: (field: string, value: string) => void renamed.push([field, value]), openNotebook: vi.fn(), openChat: vi.fn() };
  const why = signal(reason);
  const held = signal<WorkspaceData>({ ...EMPTY, ...data });
  const error = signal("");
  const view = {
    data: held,
    people: signal(people),
    title: signal("team"),
    reason: why,
    error,
    actions,
    mountNotes: () => () => undefined,
    mountPreview: () => () => undefined,
  };
  await draw(<WorkspaceView {...view} />);
  return { renamed, actions, why, held, error };
}

const input = (label: string): HTMLInputElement => host.querySelector(`input[aria-label="${label}"]`)!;
const button = (text: string): HTMLButtonElement => [...host.querySelectorAll("button")].find((it) => it.textContent!.trim().startsWith(text))!;

async function type(field: HTMLInputElement | HTMLTextAreaElement, value: string, key?: string): Promise<void> {
  await act(() => {
    field.focus();
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  if (key) await act(() => void field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })));
}

describe("names", () => {
  test("Enter writes what was typed, once and without blanks around it; Escape takes it back", async () => {
    const { renamed } = await open({ name: "Team", description: "old" });
    await type(input("Name of the workspace"), "  Whole team ", "Enter");
    await type(input("Description of the workspace"), "never", "Escape");
    expect(renamed).toEqual([["name", "Whole team"]]);
    expect(input("Description of the workspace").value).toBe("old");
    await type(input("Description of the workspace"), "new", "Enter");
    expect(renamed.at(-1)).toEqual(["description", "new"]);
  });

  test("somebody else's new name appears, but not into what is being typed", async () => {
    const { held } = await open({ name: "Team" });
    await type(input("Name of the workspace"), "Mine");
    await act(() => void (held.value = { ...held.value, name: "Theirs", description: "Ours" }));
    expect(input("Name of the workspace").value).toBe("Mine");
    expect(input("Description of the workspace").value).toBe("Ours");
  });
});

test("a viewer reads everything, writes nothing and sees why", async () => {
  const { why } = await open({ name: "Team" }, "Alice made you a viewer.");
  expect(input("Name of the workspace").readOnly).toBe(true);
  expect(input("Name of the workspace").title).toBe("Alice made you a viewer.");
  expect(host.querySelector('[role="status"]')!.textContent).toBe("Alice made you a viewer.");
  expect(button("Open in notebook").disabled).toBe(false);
  await act(() => void (why.value = ""));
  expect(input("Name of the workspace").readOnly).toBe(false);
  expect(host.querySelector('[role="status"]')).toBeNull();
});

test("an empty workspace says how to begin, and a chat that is not there is off with the reason", async () => {
  const { actions } = await open();
  expect(host.textContent).toContain("ws.bind(exp)");
  expect(host.textContent).toContain("Who changed what will stand here");
  expect([button("Chat").disabled, button("Chat").title !== ""]).toEqual([true, true]);
  button("Open in notebook").click();
  expect(actions.openNotebook).toHaveBeenCalledOnce();
});

test("what went wrong with a button stands beside it, and a name full of markup is text", async () => {
  const { error } = await open({ name: "<img src=x>", chat: "team.chat" }, "", [
    { id: "m", name: "<b>M</b>", initials: "M", color: "", avatar: "", at: "<i>", me: false },
  ]);
  await act(() => void (error.value = "The chat needs the package jupyterlab-chat."));
  expect(host.querySelector('[role="alert"]')!.textContent).toContain("jupyterlab-chat");
  expect(host.querySelectorAll("img, b, i")).toHaveLength(0);
  expect(button("Chat").disabled).toBe(false);
});

test("a long history shows its newest steps first and the rest when asked", async () => {
  const history = Array.from({ length: 30 }, (_, index) => ({ id: `${index}`, time: 1.7e9, who: "Alice", label: `step ${index}`, experiment: "", changes: [] }));
  await open({ history });
  expect(host.querySelectorAll(".mw-steps li")).toHaveLength(12);
  await act(() => button("Show all 30").click());
  expect(host.querySelectorAll(".mw-steps li")).toHaveLength(30);
});

describe("a file that can't be shown", () => {
  test("says why, and its text can be put right in its place", async () => {
    const written: string[] = [];
    const file = { read: async () => "{nope", write: async (text: string) => void written.push(text) };
    await draw(<Unreadable message="It is no JSON." reason="" file={file} />);
    expect(host.querySelector('[role="alert"]')!.textContent).toContain("It is no JSON.");
    await act(async () => button("Open as text").click());
    const area = await vi.waitFor(() => host.querySelector("textarea") ?? Promise.reject(new Error("no text yet")));
    expect(area.value).toBe("{nope");
    await type(area, "{}");
    await act(() => host.querySelector("form")!.requestSubmit());
    expect(written).toEqual(["{}"]);
  });

  test("a viewer can read it only, and a refusal is told", async () => {
    const file = { read: async () => "{nope", write: vi.fn() };
    await draw(<Unreadable message="It is no JSON." reason="You are a viewer." file={file} />);
    await act(async () => button("Open as text").click());
    await vi.waitFor(() => expect(host.querySelector("textarea")!.readOnly).toBe(true));
    expect(button("Save the text").disabled).toBe(true);
    await draw(<Unreadable key="2" message="It is no JSON." reason="" file={{ ...file, read: () => Promise.reject(new Error("The file is gone.")) }} />);
    await act(async () => button("Open as text").click());
    await vi.waitFor(() => expect(host.querySelector('[role="alert"]')!.textContent).toContain("The file is gone."));
  });
});
