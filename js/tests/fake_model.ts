/** The kernel's end of a widget's comm: it records requests, and answers and changes traits when told to. */
import type { ComponentType } from "preact";
import type { MountOptions, PlainModel } from "../src/types";
import { Context, mountComponent, type WidgetProps } from "../src/widgets/_base";
import type { Envelope } from "../src/wire/messages";

type Listener = (...values: any[]) => void;

export class FakeModel implements PlainModel {
  readonly sent: Envelope[] = [];
  readonly widget_manager = { get_model: async () => this as PlainModel, kernel: null };
  comm_live = true;
  private handlers = new Map<string, Set<Listener>>();

  constructor(readonly traits: Record<string, unknown>) {}

  get(name: string): unknown {
    return this.traits[name];
  }
  on(event: string, handler: Listener): void {
    const set = this.handlers.get(event) ?? new Set();
    this.handlers.set(event, set.add(handler));
  }
  off(event: string | null, handler?: Listener): void {
    if (event && handler) this.handlers.get(event)?.delete(handler);
  }
  send(content: unknown): void {
    this.sent.push(content as Envelope);
  }

  /** The kernel changed traits. */
  set(traits: Record<string, unknown>): void {
    Object.assign(this.traits, traits);
    for (const name of Object.keys(traits)) this.fire(`change:${name}`);
  }
  fire(event: string, ...values: unknown[]): void {
    this.handlers.get(event)?.forEach((handler) => handler(...values));
  }
  /** The requests so far, as kind and body. */
  get asked(): [string, unknown][] {
    return this.sent.map(({ kind, body }) => [kind, body]);
  }
  answer(request: Envelope, answer: "result" | "error", body: Record<string, unknown> = {}): void {
    this.fire("msg:custom", { ...request, kind: `${request.kind}.${answer}`, body }, []);
  }
  /** Answer everything that came since the last time. */
  answerAll(body: Record<string, unknown> = {}): void {
    for (const request of this.sent.slice(this.answered)) this.answer(request, "result", body);
    this.answered = this.sent.length;
  }
  private answered = 0;
}

export interface Shown {
  model: FakeModel;
  assets: FakeModel;
  ctx: Context;
  root: HTMLElement;
  close: () => void;
}

let shows = 0;

/** Draw a component for a fresh model, or for one that was shown before by its id. */
export function show(View: ComponentType<WidgetProps>, traits: Record<string, unknown>, id = `model-${++shows}`): Shown {
  const model = new FakeModel({ failure: null, ...traits });
  const assets = new FakeModel({});
  const options = { assets, importAsset: async () => null } satisfies Omit<MountOptions, "el" | "model">;
  const ctx = new Context(model, options, id);
  const host = document.createElement("div");
  document.body.append(host);
  const unmount = mountComponent(View, ctx, host);
  const close = (): void => {
    unmount();
    ctx.close();
    host.remove();
  };
  return { model, assets, ctx, root: host, close };
}

/** Let promises and redraws settle. */
export async function settle(): Promise<void> {
  for (let k = 0; k < 5; k++) await new Promise((resolve) => setTimeout(resolve, 0));
}
