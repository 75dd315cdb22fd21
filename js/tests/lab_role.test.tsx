/** Viewer mode: what the role switches off, in JupyterLab and in the widgets. */
import { CommandRegistry } from "@lumino/commands";
import { afterEach, describe, expect, test, vi } from "vitest";
import { readRole, RoleWatch } from "../src/lab/role";
import { publish, type LabService, type RoleState } from "../src/lab/service";
import { installViewerMode, isBlocked, statusText } from "../src/lab/viewer";
import { ACCESS, type RequestKind } from "../src/wire/messages";
import { RequestError } from "../src/wire/client";
import { show } from "./fake_model";

const SHARED = { enabled: true };
const REASON = "Alice made you a viewer.";

describe("the server's answer", () => {
  test.each([
    [null, null, ""],
    [{ role: null, sharing: { enabled: false } }, null, ""],
    [{ role: "editor", sharing: SHARED, reason: "" }, "editor", ""],
    [{ role: "viewer", sharing: SHARED, reason: REASON }, "viewer", REASON],
  ])("%j", (answer, role, reason) => expect(readRole(answer)).toEqual({ role, reason }));

  test("somebody without a role may nothing, and a role nobody knows is none", () => {
    for (const role of [null, "superuser"]) {
      const state = readRole({ role, sharing: SHARED });
      expect(state.role).toBe("none");
      expect(state.reason).not.toBe("");
    }
  });

  test("listeners hear of changes only, and a server that can't be reached changes nothing", async () => {
    const answers: (() => Promise<unknown>)[] = [
      async () => ({ role: "viewer", sharing: SHARED, reason: REASON }),
      async () => ({ role: "viewer", sharing: SHARED, reason: REASON }),
      () => Promise.reject(new Error("offline")),
      async () => ({ role: "editor", sharing: SHARED }),
    ];
    const watch = new RoleWatch(() => answers.shift()!());
    const heard: (string | null)[] = [];
    watch.listen(({ role }) => heard.push(role));
    for (let index = 0; index < 4; index++) await watch.check();
    expect(heard).toEqual([null, "viewer", "editor"]);
  });
});

describe("JupyterLab's commands", () => {
  test("what runs and changes is off for a viewer with the reason, what shows is not; an editor gets it back", async () => {
    const commands = new CommandRegistry();
    const ran: string[] = [];
    const warned: string[] = [];
    for (const id of ["notebook:run-cell", "docmanager:open", "notebook:copy-cell"]) {
      commands.addCommand(id, { caption: "own words", execute: () => ran.push(id) });
    }
    let tell = (_state: RoleState): void => undefined;
    installViewerMode(commands, (listener) => ((tell = listener), () => undefined), null, null, (why) => warned.push(why));
    tell({ role: "viewer", reason: REASON });
    expect(commands.isEnabled("notebook:run-cell")).toBe(false);
    expect(commands.caption("notebook:run-cell")).toBe(REASON);
    expect(commands.isEnabled("docmanager:open")).toBe(true);
    await commands.execute("notebook:run-cell");
    await commands.execute("docmanager:open");
    expect(ran).toEqual(["docmanager:open"]);
    expect(warned).toEqual([REASON]);
    tell({ role: "editor", reason: "" });
    await commands.execute("notebook:run-cell");
    expect(ran).toEqual(["docmanager:open", "notebook:run-cell"]);
    expect(commands.caption("notebook:run-cell")).toBe("own words");
  });

  test.each(["notebook:run-all-cells", "kernelmenu:restart", "terminal:create-new", "filebrowser:delete", "docmanager:save", "notebook:paste-cell-below"])("%s is off", (id) =>
    expect(isBlocked(id)).toBe(true),
  );
  test.each(["docmanager:open", "notebook:copy-cell", "jupyterlab-chat:open", "apputils:change-theme", "filebrowser:open", "docmanager:download"])("%s stays", (id) =>
    expect(isBlocked(id)).toBe(false),
  );

  test("the status bar's words", () => {
    expect(statusText({ role: "viewer", reason: REASON })).toBe(`Viewer: ${REASON}`);
    expect(statusText({ role: null, reason: "" })).toBe("");
  });
});

describe("widgets", () => {
  let tell = (_state: RoleState): void => undefined;
  const become = (state: RoleState): void => {
    publish({ onRole: (listener: (state: RoleState) => void) => ((tell = listener), listener(state), () => undefined) } as LabService);
  };
  afterEach(() => tell({ role: null, reason: "" }));

  function Probe({ ctx }: { ctx: { readOnly: string; away: string } }) {
    return (
      <div>
        <button id="write" disabled={Boolean(ctx.readOnly)} title={ctx.readOnly} />
        <button id="read" disabled={Boolean(ctx.away)} />
      </div>
    );
  }

  test("write controls are off with the reason, reading goes on, and all comes back with the role", async () => {
    become({ role: "viewer", reason: REASON });
    const { root, close } = show(Probe as never, {});
    const write = root.querySelector<HTMLButtonElement>("#write")!;
    expect([write.disabled, write.title]).toEqual([true, REASON]);
    expect(root.querySelector<HTMLButtonElement>("#read")!.disabled).toBe(false);
    expect(root.querySelector(".mw-viewer")!.textContent).toBe(REASON);
    tell({ role: "editor", reason: "" });
    await vi.waitFor(() => expect(write.disabled).toBe(false));
    expect(root.querySelector(".mw-viewer")).toBeNull();
    close();
  });

  test("a viewer's writes, by the wire's own table, never leave the page; reads do", async () => {
    become({ role: "viewer", reason: REASON });
    const { ctx, model, close } = show(Probe as never, {});
    for (const kind of Object.keys(ACCESS) as RequestKind[]) {
      model.sent.length = 0;
      const answer = ctx.client.request(kind, {} as never, { once: true });
      if (ACCESS[kind] === "write") {
        const error = await answer.catch((thrown: unknown) => thrown);
        expect(error, kind).toBeInstanceOf(RequestError);
        expect((error as RequestError).body).toEqual({ message: REASON, type: "PermissionError" });
        expect(model.sent, kind).toEqual([]);
      } else {
        expect(model.sent.map((sent) => sent.kind)).toEqual([kind]);
        answer.catch(() => undefined);
      }
    }
    close();
  });
});
