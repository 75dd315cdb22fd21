/** What every widget shares on the page: its context, the error panel, the "kernel gone" state, its keys. */
import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { Component, render, type ComponentChildren, type ComponentType } from "preact";
import { Synced } from "../state/synced";
import { isDark } from "../state/local";
import { followPeople, moveTo } from "../state/presence";
import { checkRole, viewerReason } from "../state/viewer";
import type { KernelConnection, MountOptions, PlainModel } from "../types";
import { Client, RequestError, VIEWER_ERROR, type Answer } from "../wire/client";
import { PresenceLayer } from "../ui/presence_layer";
import type { ErrorBody, RequestBodies, RequestKind } from "../wire/messages";

export type Connection = "live" | "reconnecting" | "gone";

/** A sentence beside the widget: an error that its person met. */
export interface Notice {
  level: "error" | "info";
  message: string;
}

/** Everything a widget's component works with. */
export class Context {
  readonly synced: Synced;
  readonly client: Client;
  /** The last error of this view; null when there is none. */
  readonly notice: Signal<Notice | null> = signal(null);
  readonly connection: Signal<Connection>;
  readonly id: string;
  private stops: (() => void)[] = [];

  constructor(
    readonly model: PlainModel,
    readonly options: Omit<MountOptions, "el" | "model">,
    id: string,
  ) {
    this.id = id;
    this.synced = new Synced(model);
    this.client = new Client(model);
    this.connection = signal<Connection>("live");
    this.watchKernel();
  }

  /** A trait of the kernel's, as a signal. */
  trait<T>(name: string): ReadonlySignal<T> {
    return this.synced.get<T>(name);
  }

  /** Why nothing can be asked of the kernel now, else an empty text: for controls that only read. */
  get away(): string {
    return this.connection.value === "live" ? "" : CONNECTION_TEXT[this.connection.value];
  }

  /** Why nothing can be changed here, else an empty text: the kernel is away, or this person is a viewer. */
  get readOnly(): string {
    return this.away || viewerReason().value;
  }

  /**
   * Ask the kernel. A refusal is shown beside the widget, unless `quiet`; it also rejects, so that the
   * caller can put the sentence at the very field.
   */
  async ask<K extends RequestKind>(
    kind: K,
    body: RequestBodies[K],
    { quiet = false, signal: abort }: { quiet?: boolean; signal?: AbortSignal } = {},
  ): Promise<Answer> {
    if (this.connection.value === "gone") {
      const error = new RequestError({ message: CONNECTION_TEXT.gone, type: "KernelGone" });
      if (!quiet) this.notice.value = { level: "error", message: error.message };
      throw error;
    }
    try {
      const answer = await this.client.request(kind, body, { signal: abort });
      if (!quiet) this.notice.value = null;
      return answer;
    } catch (error) {
      // refused by the server: what this person may do has changed, or was not known yet
      if (error instanceof RequestError && error.body.type === VIEWER_ERROR && !viewerReason().value) checkRole();
      if (!quiet && error instanceof RequestError) {
        this.notice.value = { level: "error", message: error.message };
      }
      throw error;
    }
  }

  /** Ask and leave the refusal to the notice: for buttons, which have nothing more to do. */
  tell<K extends RequestKind>(kind: K, body: RequestBodies[K]): void {
    this.ask(kind, body).catch(() => undefined);
  }

  /** The context of a child model, for widgets that hold others. */
  async child(reference: string): Promise<Context> {
    const id = reference.replace(/^IPY_MODEL_/, "");
    const model = await this.model.widget_manager.get_model(id);
    const context = new Context(model, this.options, id);
    this.stops.push(() => context.close());
    return context;
  }

  /** plotly.js, inflated from the shared assets at first use. */
  async plotly(): Promise<any> {
    const module = (await this.options.importAsset(this.options.assets, "plotly")) as { default: unknown };
    return module.default;
  }

  close(): void {
    this.stops.forEach((stop) => stop());
    this.stops = [];
    this.synced.close();
    this.client.close();
  }

  private watchKernel(): void {
    const { assets } = this.options;
    const update = (): void => {
      const kernel: KernelConnection | null | undefined = this.model.widget_manager.kernel;
      const dead = assets.comm_live === false || kernel?.status === "dead";
      const away = kernel && kernel.connectionStatus !== "connected";
      const next: Connection = dead ? "gone" : away ? "reconnecting" : "live";
      if (next === this.connection.value) return;
      this.connection.value = next;
      if (next === "gone") this.client.abandon(CONNECTION_TEXT.gone);
    };
    assets.on("comm_live_update", update);
    this.stops.push(() => assets.off("comm_live_update", update));
    const kernel = this.model.widget_manager.kernel;
    if (kernel?.connectionStatusChanged) {
      kernel.connectionStatusChanged.connect(update);
      kernel.statusChanged.connect(update);
      this.stops.push(() => {
        kernel.connectionStatusChanged.disconnect(update);
        kernel.statusChanged.disconnect(update);
      });
    }
    update();
  }
}

export const CONNECTION_TEXT = {
  live: "",
  reconnecting: "Reconnecting to the kernel. What you see is the last picture.",
  gone: "The kernel is gone. What you see is the last picture; run the notebook's cells again to go on.",
} as const;

export interface WidgetProps {
  ctx: Context;
}

/** The banner and the error panel around a widget's component; an `inner` one leaves the banner to its holder. */
export function Frame({ ctx, children, inner = false }: { ctx: Context; children: ComponentChildren; inner?: boolean }) {
  const failure = ctx.trait<ErrorBody | null>("failure").value;
  const notice = ctx.notice.value;
  const connection = ctx.connection.value;
  const viewer = viewerReason().value;
  return (
    <div class={`mw-frame${connection === "live" ? "" : " mw-stale"}`} aria-readonly={viewer ? "true" : undefined}>
      {connection !== "live" && !inner && (
        <div class="mw-banner" role="status">
          {CONNECTION_TEXT[connection]}
        </div>
      )}
      {viewer && !inner && connection === "live" && (
        <div class="mw-banner mw-viewer" role="status">
          {viewer}
        </div>
      )}
      {children}
      {!inner && <PresenceLayer subject={ctx.trait<string | undefined>("subject").value ?? ""} />}
      {(notice || failure) && (
        <div class="mw-notice" role="alert">
          <span class="mw-notice-text">{notice?.message ?? failure?.message}</span>
          {notice && (
            <button class="mw-icon" aria-label="Dismiss" onClick={() => (ctx.notice.value = null)}>
              ×
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** A drawing error in one widget shows its sentence there and leaves the others alone. */
export class Boundary extends Component<{ children: ComponentChildren }, { failed: Error | null }> {
  override state = { failed: null as Error | null };
  static override getDerivedStateFromError(failed: Error): { failed: Error } {
    return { failed };
  }
  override render() {
    return this.state.failed ? (
      <div class="mw-notice" role="alert">
        <span class="mw-notice-text">This part could not be drawn: {this.state.failed.message}</span>
      </div>
    ) : (
      this.props.children
    );
  }
}

const SUPPRESS = "data-lm-suppress-shortcuts";

/**
 * Keep the keys pressed in a widget from JupyterLab, so that typing "d d" deletes no cell. Lumino asks for
 * the attribute from the focused element upwards but matches a shortcut's selector at each step first, so
 * an ancestor's attribute comes too late: the focused element itself must carry it. Saving stays JupyterLab's.
 */
function keepKeys(root: HTMLElement): () => void {
  root.setAttribute(SUPPRESS, "true");
  const onFocus = (event: FocusEvent): void => (event.target as HTMLElement).setAttribute(SUPPRESS, "true");
  const onKey = (event: KeyboardEvent): void => {
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    for (const el of [root, event.target as HTMLElement]) {
      if (saves) el.removeAttribute(SUPPRESS);
      else el.setAttribute(SUPPRESS, "true");
    }
  };
  // JupyterLab cancels Enter's own effect in a notebook's output, which would be to submit the form
  const onEnter = (event: KeyboardEvent): void => {
    const form = event.target instanceof HTMLInputElement && event.key === "Enter" ? event.target.form : null;
    if (!form || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };
  root.addEventListener("keydown", onEnter);
  root.addEventListener("focusin", onFocus, true);
  root.addEventListener("keydown", onKey, true);
  return () => {
    root.removeEventListener("keydown", onEnter);
    root.removeEventListener("focusin", onFocus, true);
    root.removeEventListener("keydown", onKey, true);
  };
}

/** Tell the others at what in the widget this person is: the nearest element with a `data-at`. */
function tellPlace(root: HTMLElement, ctx: Context): () => void {
  const speak = (body: RequestBodies["presence.at"]): void => {
    if (ctx.connection.value === "live") ctx.client.request("presence.at", body, { once: true }).catch(() => undefined);
  };
  followPeople(ctx.options.assets, speak);
  const onFocus = (event: Event): void => {
    moveTo(speak, (event.target as Element).closest<HTMLElement>("[data-at]")?.dataset["at"] ?? "");
  };
  const onBlur = (event: FocusEvent): void => {
    if (!root.contains(event.relatedTarget as Node | null)) moveTo(speak, "");
  };
  root.addEventListener("focusin", onFocus);
  root.addEventListener("focusout", onBlur);
  return () => {
    root.removeEventListener("focusin", onFocus);
    root.removeEventListener("focusout", onBlur);
  };
}

/** Draw a component for a model into an element; returns the function that takes it away. */
export function mountComponent(View: ComponentType<WidgetProps>, ctx: Context, el: HTMLElement): () => void {
  const root = document.createElement("div");
  root.className = "mw-root";
  const releaseKeys = keepKeys(root);
  const silence = tellPlace(root, ctx);
  const followTheme = isDark().subscribe((dark) => root.classList.toggle("mw-dark", dark));
  el.append(root);
  render(
    <Boundary>
      <Frame ctx={ctx}>
        <View ctx={ctx} />
      </Frame>
    </Boundary>,
    root,
  );
  return () => {
    render(null, root);
    followTheme();
    releaseKeys();
    silence();
    root.remove();
  };
}
