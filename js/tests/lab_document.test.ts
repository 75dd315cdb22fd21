/** The workspace document in the page: what is read of it, and the little that is written. */
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { YWorkspace } from "../src/lab/document";
import { createWorkspace, emptyWorkspace, notebookOf } from "../src/lab/empty";
import { WorkspaceModel } from "../src/lab/model";
import { decode, readPeople, readWorkspace } from "../src/lab/read";

const ALICE = { id: "alice", name: "Alice Archer" };

function shared(plain: Record<string, unknown>): Y.Map<unknown> {
  const map = new Y.Map<unknown>();
  for (const [key, value] of Object.entries(plain)) {
    map.set(key, typeof value === "object" && value !== null && !Array.isArray(value) ? shared(value as Record<string, unknown>) : value);
  }
  return map;
}

const EXPERIMENT = {
  name: "Spiral",
  description: "Two arms",
  position: "a",
  spec: { algorithm: "mlp", hyperparameters: { learning_rate: 0.003, epochs: 50, l2: { $float: "0.0" } } },
  layers: {
    second: { position: "b", kind: "dropout", options: { p: 0.1 } },
    first: { position: "a", kind: "linear", options: { units: 64, activation: "relu" } },
  },
  heads: {},
};

function filled(): YWorkspace {
  const held = YWorkspace.create();
  held.meta.set("name", "Team");
  held.experiments.set("late", shared({ ...EXPERIMENT, name: "Late", position: "b" }));
  const early = shared({ ...EXPERIMENT, runs: {} });
  held.experiments.set("early", early);
  (early.get("runs") as Y.Map<unknown>).set("r1", { number: 1, name: "run 1", status: "finished", author: "Alice", metrics: { accuracy: 0.9 } });
  (early.get("runs") as Y.Map<unknown>).set("r2", { number: 2, name: "run 2", status: "failed", metrics: {}, error: "NaN" });
  return held;
}

describe("reading", () => {
  test("experiments in order of their positions, layers as a line, the newest run first", () => {
    const data = readWorkspace(filled());
    expect(data.name).toBe("Team");
    expect(data.experiments.map(({ name }) => name)).toEqual(["Spiral", "Late"]);
    const [spiral] = data.experiments;
    expect(spiral!.layers).toBe("linear 64 relu → dropout 0.1");
    expect(spiral!.hyperparameters).toEqual([
      ["learning_rate", "0.003"],
      ["epochs", "50"],
      ["l2", "0"],
    ]);
    expect(spiral!.runs.map(({ name, status, error }) => [name, status, error])).toEqual([
      ["run 2", "failed", "NaN"],
      ["run 1", "finished", ""],
    ]);
    expect(spiral!.runs[1]!.metrics).toEqual([["accuracy", 0.9]]);
  });

  test("what anybody wrote amiss is left out and stops nothing", () => {
    const held = filled();
    held.experiments.set("broken", 7);
    held.experiments.set("odd", shared({ name: 5, layers: { a: { position: 1 } }, runs: { r: { metrics: [] } } }));
    held.log.push([null, { id: "x", author: 3, changes: "no" }]);
    const data = readWorkspace(held);
    expect(data.experiments.map(({ name }) => name).sort()).toEqual(["Late", "Spiral", "Unnamed experiment"]);
    expect(data.history).toHaveLength(1);
    expect(data.history[0]!.who).toBe("Somebody");
  });

  test("marks of the encoding are read as the numbers they stand for", () => {
    expect(decode({ a: { $float: "5.0" }, $$b: [{ $int: "12" }] })).toEqual({ a: 5, $b: [12] });
  });

  test("the server's word on a file that can't be shown comes through", () => {
    const held = filled();
    held.meta.set("error", "The workspace's file is no JSON.");
    expect(readWorkspace(held).error).toBe("The workspace's file is no JSON.");
  });
});

describe("renaming", () => {
  test("stands in the history under the author's name, as the Python side writes it", () => {
    const held = filled();
    held.rename("name", "Whole team", ALICE);
    held.rename("name", "Whole team", ALICE);
    const data = readWorkspace(held);
    expect(data.name).toBe("Whole team");
    expect(data.history).toHaveLength(1);
    expect(data.history[0]).toMatchObject({ who: "Alice Archer", changes: ["name: Team → Whole team"] });
    const [entry] = held.log.toJSON() as Record<string, unknown>[];
    expect(entry).toMatchObject({ author: ALICE, changes: [{ path: ["meta", "name"], before: "Team", after: "Whole team" }] });
    expect(entry!["time"]).toBeGreaterThan(1.7e9);
  });

  test("the history is bounded: the oldest step goes", () => {
    const held = filled();
    held.log.push(Array.from({ length: 500 }, (_, index) => ({ id: `old${index}`, time: 1, author: ALICE, changes: [] })));
    held.rename("description", "x", ALICE);
    expect(held.log.length).toBe(500);
    expect((held.log.get(0) as { id: string }).id).toBe("old1");
  });
});

describe("notes", () => {
  test("undo takes back this page's own typing and leaves the others'", () => {
    const mine = YWorkspace.create();
    const other = new Y.Doc();
    mine.ydoc.on("update", (update: Uint8Array) => Y.applyUpdate(other, update, "wire"));
    other.on("update", (update: Uint8Array, origin: unknown) => origin !== "wire" && Y.applyUpdate(mine.ydoc, update, "wire"));
    mine.notes.updateSource(0, 0, "mine ");
    other.getText("notes").insert(5, "theirs");
    expect(mine.notes.source).toBe("mine theirs");
    expect(mine.notes.undo()).toBe(true);
    expect(mine.notes.source).toBe("theirs");
    mine.notes.redo();
    expect(other.getText("notes").toString()).toBe("mine theirs");
  });
});

describe("people", () => {
  test("one line for each person, with what they are at; this page's own first", () => {
    const held = filled();
    held.awareness.setLocalState({ user: { username: "bob", display_name: "Bob Baker", color: "#aabbcc" } });
    held.awareness.states.set(7, { user: { username: "alice", display_name: "Alice Archer" }, medilytica: { experiment: "early", widget: "Hyperparameters", field: "learning_rate" } });
    held.awareness.states.set(8, { user: { username: "alice", display_name: "Alice Archer" } });
    held.awareness.states.set(9, { nobody: true });
    const people = readPeople(held, readWorkspace(held).experiments);
    expect(people.map(({ id, me, at }) => [id, me, at])).toEqual([
      ["bob", true, ""],
      ["alice", false, "Spiral, Hyperparameters, field learning rate"],
    ]);
    expect(people[1]!.initials).toBe("AA");
  });

  test("a forged colour or picture reaches no style and no address", () => {
    const held = filled();
    held.awareness.states.set(7, { user: { username: "m", name: "M", color: "red;background:url(//x)", avatar_url: "javascript:alert(1)" } });
    const forged = readPeople(held).find(({ id }) => id === "m")!;
    expect([forged.color, forged.avatar]).toEqual(["", ""]);
  });
});

describe("files", () => {
  const files = (names: Record<string, unknown>) => {
    const saved: Record<string, any> = {};
    const contents = {
      get: async (path: string) => {
        if (path === "sub") return { content: Object.keys(names).map((name) => ({ name })) };
        const name = path.slice("sub/".length);
        if (!(name in names)) throw Object.assign(new Error("missing"), { response: { status: 404 } });
        return { content: names[name] };
      },
      save: async (path: string, model: any) => (saved[path] = model),
    };
    return { contents: contents as never, saved };
  };

  test("an empty workspace is one that the Python side reads", () => {
    const plain = JSON.parse(emptyWorkspace("Ours"));
    expect(Object.keys(plain)).toEqual(["version", "id", "name", "description", "created", "experiments", "notes", "chat"]);
    expect(plain).toMatchObject({ version: 1, name: "Ours", experiments: [], notes: [] });
  });

  test("a new one takes the first free name and overwrites none", async () => {
    const { contents, saved } = files({ "workspace.medilytica": "", "workspace-1.medilytica": "" });
    expect(await createWorkspace(contents, "sub")).toBe("sub/workspace-2.medilytica");
    expect(Object.keys(saved)).toEqual(["sub/workspace-2.medilytica"]);
  });

  test("the notebook of a workspace is made once, and one about other things is left alone", async () => {
    const { contents, saved } = files({ "team.ipynb": { cells: [{ source: "print(1)" }] } });
    expect(await notebookOf(contents, "sub/team.medilytica", null)).toBe("sub/team-workspace.ipynb");
    const made = saved["sub/team-workspace.ipynb"].content;
    expect(made.cells[0].source).toContain('ws = mw.Workspace("team.medilytica")');
    const again = files({ "team.ipynb": made });
    expect(await notebookOf(again.contents, "sub/team.medilytica", null)).toBe("sub/team.ipynb");
    expect(again.saved).toEqual({});
  });

  test("a page without a room never writes an emptied file", () => {
    const model = new WorkspaceModel({});
    expect(() => model.toString()).toThrow(/server stores/);
    model.fromString("{}\n");
    expect(model.toString()).toBe("{}\n");
    expect(model.collaborative).toBe(false);
  });
});
