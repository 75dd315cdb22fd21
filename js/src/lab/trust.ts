/**
 * A widget that somebody else made appear is seen at once by all who have the notebook open.
 *
 * JupyterLab draws a widget view in trusted cells only, and a cell is trusted in the page that ran it. The rule
 * here makes nothing trusted, neither cell nor notebook, in memory or in the file: it lets one thing be drawn in
 * an untrusted cell, a widget of the notebook's own running kernel. An output is drawn so when
 *
 * - it holds a widget view and at most plain text beside it: any other output stays with JupyterLab's own way,
 *   which sanitizes HTML and runs no script in an untrusted cell;
 * - the model's id is one of those that this notebook's live kernel names: it announced the model (comm_open) to
 *   this very page, or lists it when asked (comm_info, target jupyter.widget). An invented id, one of another
 *   kernel, and one restored from widget state saved in the file are none of these;
 * - the model that the page's widget manager has under this id is alive, thus not one restored from the file.
 *
 * Until then its plain text stands there, as JupyterLab has it. Since the cell stays untrusted, what is added to it
 * later (HTML, script) is treated as in any untrusted cell; and a notebook from elsewhere does not get a signature
 * by being saved. Code runs in a kernel only because somebody who may run code ran it, which is what trust means.
 */
import type { ISessionContext } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { IRenderMime, IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { Kernel } from "@jupyterlab/services";
import { Panel } from "@lumino/widgets";

export const WIDGET_VIEW = "application/vnd.jupyter.widget-view+json";
/** Our own name for a widget view in an untrusted output: nothing that a file holds is called so. */
export const LIVE_VIEW = "application/vnd.medilytica.live-widget-view";
const TARGET = "jupyter.widget";

/** The id of the model that an output shows, if it shows a widget and has at most plain text beside it. */
export function plainViewOf(bundle: object): string | null {
  const kinds = Object.keys(bundle);
  if (!kinds.includes(WIDGET_VIEW) || kinds.some((kind) => kind !== WIDGET_VIEW && kind !== "text/plain")) return null;
  const view = (bundle as Record<string, unknown>)[WIDGET_VIEW] as { model_id?: unknown } | null;
  return typeof view?.model_id === "string" && view.model_id ? view.model_id : null;
}

/** The widget models that a notebook's running kernel has, by its own word. */
export class LiveModels {
  private known = new Set<string>();
  private waiting = new Set<() => void>();
  private kernel: Kernel.IKernelConnection | null = null;
  private asking: Promise<void> | null = null;

  constructor(private readonly session: ISessionContext) {
    session.kernelChanged.connect(this.onKernel, this);
    session.connectionStatusChanged.connect(this.onChange, this);
    session.statusChanged.connect(this.onStatus, this);
    this.onKernel();
  }

  has(id: string): boolean {
    return this.known.has(id);
  }

  /** Call at every change of what is known; returns the function that stops it. */
  listen(listener: () => void): () => void {
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }

  /** Ask the kernel which models it has, once for all who wait. */
  ask(): void {
    const { kernel } = this;
    if (!kernel || this.asking || kernel.connectionStatus !== "connected") return;
    this.asking = kernel
      .requestCommInfo({ target_name: TARGET })
      .then((reply) => {
        if (this.kernel !== kernel || reply.content.status !== "ok") return;
        for (const [id, comm] of Object.entries(reply.content.comms)) if (comm.target_name === TARGET) this.known.add(id);
        this.tell();
      })
      // a kernel that went away meanwhile; the next one is asked anew
      .catch(() => undefined)
      .finally(() => (this.asking = null));
  }

  dispose(): void {
    this.session.kernelChanged.disconnect(this.onKernel, this);
    this.session.connectionStatusChanged.disconnect(this.onChange, this);
    this.session.statusChanged.disconnect(this.onStatus, this);
    this.kernel?.iopubMessage.disconnect(this.onMessage, this);
    this.waiting.clear();
  }

  private onKernel(): void {
    this.kernel?.iopubMessage.disconnect(this.onMessage, this);
    this.kernel = this.session.session?.kernel ?? null;
    this.known.clear();
    this.asking = null;
    this.kernel?.iopubMessage.connect(this.onMessage, this);
    this.onChange();
  }

  private onStatus(_sender: unknown, status: string): void {
    if (status === "restarting" || status === "autorestarting" || status === "dead") this.known.clear();
  }

  private onChange(): void {
    if (this.waiting.size) this.ask();
    this.tell();
  }

  private onMessage(_sender: unknown, message: { header: { msg_type: string }; content: unknown }): void {
    const { comm_id: id, target_name: target } = message.content as { comm_id?: string; target_name?: string };
    if (!id) return;
    if (message.header.msg_type === "comm_open" && target === TARGET) {
      this.known.add(id);
      this.tell();
    } else if (message.header.msg_type === "comm_close") this.known.delete(id);
  }

  private tell(): void {
    [...this.waiting].forEach((listener) => listener());
  }
}

/** What is used of the widget manager, which its renderer keeps to itself. */
interface Manager {
  has_model(id: string): boolean;
  get_model(id: string): Promise<{ comm_live?: boolean }>;
}
interface ViewRenderer extends IRenderMime.IRenderer {
  _manager?: { promise: Promise<Manager> } | null;
}

/** Milliseconds until the widget manager is asked again for a model that it has not loaded yet, at first and at most. */
const RETRY_MS = 200;
const LONGEST_RETRY_MS = 5000;

/** Shows an output's plain text, and the widget in its place as soon as the kernel is known to have it. */
class LiveView extends Panel implements IRenderMime.IRenderer {
  private stop: (() => void) | undefined;
  private drawn = "";
  private wait = RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly models: LiveModels,
    private readonly inner: () => IRenderMime.IRenderer | null,
  ) {
    super();
    this.addClass("mw-live-view");
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const id = plainViewOf(model.data);
    if (id && id === this.drawn) return;
    this.stop?.();
    clearTimeout(this.timer);
    this.showText(String(model.data["text/plain"] ?? ""));
    if (!id) return;
    const attempt = (): void => void this.draw(id, model);
    this.stop = this.models.listen(attempt);
    attempt();
    if (!this.models.has(id)) this.models.ask();
  }

  override dispose(): void {
    this.stop?.();
    clearTimeout(this.timer);
    super.dispose();
  }

  private retry(attempt: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(attempt, this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_RETRY_MS);
  }

  private async draw(id: string, model: IRenderMime.IMimeModel): Promise<void> {
    if (this.isDisposed || this.drawn === id || !this.models.has(id)) return;
    const renderer = this.inner() as ViewRenderer | null;
    // the page's widget manager has not met the kernel yet
    if (!renderer) return this.retry(() => void this.draw(id, model));
    this.drawn = id;
    try {
      const manager = await renderer._manager?.promise;
      const held = await manager?.get_model(id);
      if (this.isDisposed) return renderer.dispose();
      if (!held || held.comm_live === false || !this.models.has(id)) throw new Error("not alive");
    } catch {
      // the manager has not loaded it yet, or it is gone
      renderer.dispose();
      this.drawn = "";
      return this.retry(() => void this.draw(id, model));
    }
    this.stop?.();
    this.stop = undefined;
    this.node.replaceChildren();
    this.addWidget(renderer);
    await renderer.renderModel(model);
  }

  private showText(text: string): void {
    this.drawn = "";
    for (const widget of [...this.widgets]) widget.dispose();
    const pre = document.createElement("pre");
    pre.textContent = text;
    this.node.replaceChildren(pre);
  }
}

/** Apply the rule to one notebook's outputs. */
export function showLiveWidgets(panel: NotebookPanel): void {
  const rendermime: IRenderMimeRegistry = panel.content.rendermime;
  const models = new LiveModels(panel.sessionContext);
  panel.disposed.connect(() => models.dispose());
  // what stands there before the widget manager has met this notebook's kernel: it knows no manager
  const placeholder = rendermime.getFactory(WIDGET_VIEW);
  const inner = (): IRenderMime.IRenderer | null => {
    const factory = rendermime.getFactory(WIDGET_VIEW);
    return factory && factory !== placeholder ? rendermime.createRenderer(WIDGET_VIEW) : null;
  };
  rendermime.addFactory({ safe: true, mimeTypes: [LIVE_VIEW], createRenderer: () => new LiveView(models, inner) }, -20);
  const prefer = rendermime.preferredMimeType.bind(rendermime);
  rendermime.preferredMimeType = (bundle, safe) =>
    (safe ?? "ensure") === "ensure" && plainViewOf(bundle) ? LIVE_VIEW : prefer(bundle, safe);
}
