/** The rule by which a widget that somebody else made appears is drawn; see src/lab/trust.ts. */
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { LIVE_VIEW, plainViewOf, showLiveWidgets, WIDGET_VIEW } from "../src/lab/trust";

const view = (id: string) => ({ [WIDGET_VIEW]: { model_id: id, version_major: 2 } });

class FakeKernel {
  connectionStatus = "connected";
  readonly iopubMessage = new Signal<this, unknown>(this);
  comms: Record<string, { target_name: string }> = {};
  asked = 0;
  async requestCommInfo() {
    this.asked++;
    return { content: { status: "ok", comms: this.comms } };
  }
  says(type: string, content: Record<string, unknown>): void {
    this.iopubMessage.emit({ header: { msg_type: type }, content });
  }
}

class FakeSession {
  session: { kernel: FakeKernel } | null = null;
  readonly kernelChanged = new Signal<this, unknown>(this);
  readonly connectionStatusChanged = new Signal<this, unknown>(this);
  readonly statusChanged = new Signal<this, string>(this);
}

/** What jupyterlab-manager registers: it draws a model, whoever asks. */
class FakeView extends Widget {
  readonly _manager;
  constructor(manager: FakeManager) {
    super();
    this._manager = { promise: Promise.resolve(manager) };
  }
  async renderModel(model: { data: Record<string, any> }): Promise<void> {
    this.node.textContent = `WIDGET ${model.data[WIDGET_VIEW].model_id}`;
  }
}
class FakeManager {
  readonly held = new Map<string, { comm_live: boolean }>();
  has_model = (id: string): boolean => this.held.has(id);
  get_model = async (id: string) => {
    const found = this.held.get(id);
    if (!found) throw new Error("widget model not found");
    return found;
  };
}

interface Factory {
  safe: boolean;
  mimeTypes: string[];
  createRenderer: () => FakeView;
}

/** The part of JupyterLab's registry of renderers that output areas use; the browser tests have the real one. */
class Registry {
  private factories = new Map<string, [number, Factory]>();
  addFactory(factory: Factory, rank: number): void {
    for (const mime of factory.mimeTypes) this.factories.set(mime, [rank, factory]);
  }
  getFactory(mime: string): Factory | undefined {
    return this.factories.get(mime)?.[1];
  }
  createRenderer(mime: string): FakeView {
    return this.getFactory(mime)!.createRenderer();
  }
  preferredMimeType(bundle: object, safe: "ensure" | "any" = "ensure"): string | undefined {
    const fit = [...this.factories].filter(([mime, [, factory]]) => mime in bundle && (safe === "any" || factory.safe));
    return fit.sort(([, [a]], [, [b]]) => a - b)[0]?.[0];
  }
}

let rendermime: Registry;
let session: FakeSession;
let kernel: FakeKernel;
let manager: FakeManager;

const factory = (made: FakeManager) => ({ safe: false, mimeTypes: [WIDGET_VIEW], createRenderer: () => new FakeView(made) });

/** As JupyterLab's output area draws an output of an untrusted cell. */
function draw(data: Record<string, unknown>, trusted = false): { mime: string | undefined; node: HTMLElement } {
  const mime = rendermime.preferredMimeType(data, trusted ? "any" : "ensure");
  if (!mime) return { mime, node: document.createElement("div") };
  const renderer = rendermime.createRenderer(mime);
  void renderer.renderModel({ data, metadata: {}, trusted, setData: () => undefined } as never);
  return { mime, node: renderer.node };
}

function connect(): void {
  session.session = { kernel };
  session.kernelChanged.emit(undefined);
}

beforeEach(() => {
  rendermime = new Registry();
  for (const [mime, safe, rank] of [["text/html", true, 50], ["application/javascript", false, 100], ["text/plain", true, 120]] as const) {
    rendermime.addFactory({ ...factory(new FakeManager()), mimeTypes: [mime], safe }, rank);
  }
  rendermime.addFactory(factory(new FakeManager()), -10);
  session = new FakeSession();
  kernel = new FakeKernel();
  manager = new FakeManager();
  const disposed = new Signal<object, void>({});
  showLiveWidgets({ content: { rendermime }, sessionContext: session, disposed } as never);
  // the widget manager comes with the kernel
  rendermime.addFactory(factory(manager), -10);
});

const text = { "text/plain": "IntSlider(value=7)" };

describe("which outputs", () => {
  test("a widget view with at most plain text beside it", () => {
    expect(plainViewOf({ ...view("a"), ...text })).toBe("a");
    expect(plainViewOf(view("a"))).toBe("a");
    for (const other of ["text/html", "application/javascript", "image/svg+xml", "text/markdown"]) {
      expect(plainViewOf({ ...view("a"), [other]: "x" })).toBeNull();
    }
    expect(plainViewOf({ [WIDGET_VIEW]: { model_id: { toString: "a" } } })).toBeNull();
    expect(plainViewOf(text)).toBeNull();
  });

  test("anything else in an untrusted cell stays with JupyterLab's own way", () => {
    expect(draw({ "application/javascript": "x" }).mime).toBeUndefined();
    expect(draw({ "text/html": "<script>", ...view("a") }).mime).toBe("text/html");
    expect(draw({ [LIVE_VIEW]: {}, "text/plain": "x" }).node.textContent).not.toContain("WIDGET");
  });

  test("a trusted cell is drawn as ever", () => {
    expect(draw({ ...view("a"), ...text }, true).mime).toBe(WIDGET_VIEW);
  });
});

describe("when", () => {
  test("at once where the kernel announced the model to this page", async () => {
    connect();
    manager.held.set("a", { comm_live: true });
    kernel.says("comm_open", { comm_id: "a", target_name: "jupyter.widget" });
    const { node } = draw({ ...view("a"), ...text });
    await vi.waitFor(() => expect(node.textContent).toBe("WIDGET a"));
  });

  test("for somebody who comes later: the kernel is asked once for all, the text stands there until then", async () => {
    const first = draw({ ...view("a"), ...text });
    const second = draw({ ...view("b"), ...text });
    expect(first.node.textContent).toBe("IntSlider(value=7)");
    kernel.comms = { a: { target_name: "jupyter.widget" }, b: { target_name: "jupyter.widget" } };
    connect();
    await vi.waitFor(() => expect(kernel.asked).toBe(1));
    // the manager loads the models a moment later
    manager.held.set("a", { comm_live: true }).set("b", { comm_live: true });
    await vi.waitFor(() => expect([first, second].map(({ node }) => node.textContent)).toEqual(["WIDGET a", "WIDGET b"]));
    expect(kernel.asked).toBe(1);
  });

  test("never for an invented id, whatever the page's manager restored from the file under it", async () => {
    kernel.comms = { real: { target_name: "jupyter.widget" }, other: { target_name: "evil.target" } };
    manager.held.set("invented", { comm_live: true }).set("other", { comm_live: true });
    const nodes = ["invented", "other"].map((id) => draw({ ...view(id), ...text }).node);
    const real = draw({ ...view("real"), ...text }).node;
    manager.held.set("real", { comm_live: true });
    connect();
    kernel.says("comm_open", { comm_id: "other", target_name: "evil.target" });
    await vi.waitFor(() => expect(real.textContent).toBe("WIDGET real"));
    expect(nodes.map((node) => node.textContent)).toEqual([text["text/plain"], text["text/plain"]]);
  });

  test("never a model that is not alive in this page, and none of a kernel before a restart", async () => {
    connect();
    kernel.says("comm_open", { comm_id: "dead", target_name: "jupyter.widget" });
    kernel.says("comm_open", { comm_id: "live", target_name: "jupyter.widget" });
    manager.held.set("dead", { comm_live: false }).set("live", { comm_live: true });
    const dead = draw({ ...view("dead"), ...text }).node;
    const live = draw({ ...view("live"), ...text }).node;
    await vi.waitFor(() => expect(live.textContent).toBe("WIDGET live"));
    expect(dead.textContent).toBe(text["text/plain"]);
    session.statusChanged.emit("restarting");
    expect(draw({ ...view("live"), ...text }).node.textContent).toBe(text["text/plain"]);
  });

  test("plain text is shown as text, never as markup", () => {
    const { node } = draw({ ...view("x"), "text/plain": "<img src=x onerror=alert(1)>" });
    expect(node.querySelector("img")).toBeNull();
    expect(node.textContent).toContain("<img");
  });
});
