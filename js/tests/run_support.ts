/** The other end of the comm for the widgets that follow a run: a model whose kernel the test plays. */
import { act } from "preact/test-utils";
import type { ComponentType } from "preact";
import { vi } from "vitest";
import { Context, mountComponent, type WidgetProps } from "../src/widgets/_base";
import type { PlainModel } from "../src/types";

type Handler = (...values: any[]) => void;

export interface Reply {
  body?: Record<string, unknown>;
  error?: { message: string; type: string };
  arrays?: Record<string, { data: Float64Array | Float32Array | Uint8Array; shape: number[] }>;
}

const DTYPES = { Float64Array: "f8", Float32Array: "f4", Uint8Array: "u1" } as Record<string, string>;

function described(arrays: Reply["arrays"] = {}) {
  return {
    buffers: Object.entries(arrays).map(([name, a]) => ({
      name,
      dtype: DTYPES[a.data.constructor.name],
      shape: a.shape,
    })),
    payload: Object.values(arrays).map((a) => new DataView(a.data.buffer, a.data.byteOffset, a.data.byteLength)),
  };
}

export class FakeModel {
  asked: { kind: string; body: any }[] = [];
  comm_live = true;
  widget_manager = { kernel: null, get_model: async () => this as unknown as PlainModel };
  private handlers = new Map<string, Set<Handler>>();

  constructor(
    private traits: Record<string, unknown>,
    private serve: (kind: string, body: any) => Reply | undefined = () => ({}),
  ) {}

  get(name: string): unknown {
    return this.traits[name] ?? null;
  }
  on(event: string, handler: Handler): void {
    if (!this.handlers.has(event)) this.handlers.set(event, new Set());
    this.handlers.get(event)!.add(handler);
  }
  off(event: string, handler: Handler): void {
    this.handlers.get(event)?.delete(handler);
  }
  send(message: any): void {
    this.asked.push({ kind: message.kind, body: message.body });
    queueMicrotask(() => {
      const reply = this.serve(message.kind, message.body);
      if (!reply) return;
      const { buffers, payload } = described(reply.arrays);
      const kind = `${message.kind}.${reply.error ? "error" : "result"}`;
      this.fire("msg:custom", { ...message, kind, body: reply.error ?? reply.body ?? {}, buffers }, payload);
    });
  }
  /** The kernel changes traits. */
  set(changes: Record<string, unknown>): void {
    Object.assign(this.traits, changes);
    Object.keys(changes).forEach((name) => this.fire(`change:${name}`));
  }
  /** The kernel tells everyone. */
  event(kind: string, body: Record<string, unknown>, arrays?: Reply["arrays"]): void {
    const { buffers, payload } = described(arrays);
    this.fire("msg:custom", { v: 1, client: "", id: "", kind, body, buffers }, payload);
  }
  fire(event: string, ...values: unknown[]): void {
    this.handlers.get(event)?.forEach((handler) => handler(...values));
  }
  of(kind: string): any[] {
    return this.asked.filter((message) => message.kind === kind).map((message) => message.body);
  }
}

export interface Shown {
  model: FakeModel;
  ctx: Context;
  root: HTMLElement;
  close: () => void;
}

let shows = 0;

/** Draw a widget's component for a model; `plotly` stands in for plotly.js. */
export async function show(View: ComponentType<WidgetProps>, model: FakeModel, plotly?: unknown): Promise<Shown> {
  const assets = new FakeModel({});
  const options = { assets: assets as unknown as PlainModel, importAsset: async () => ({ default: plotly }) };
  const ctx = new Context(model as unknown as PlainModel, options, `widget-${++shows}`);
  const root = document.createElement("div");
  document.body.append(root);
  let unmount: () => void = () => undefined;
  await act(async () => {
    unmount = mountComponent(View, ctx, root);
  });
  const close = (): void => {
    unmount();
    ctx.close();
    root.remove();
  };
  return { model, ctx, root, close };
}

/** Let answers, effects and paintings that wait happen. */
export async function settle(rounds = 4): Promise<void> {
  for (let k = 0; k < rounds; k++) await act(async () => new Promise((done) => setTimeout(done, 20)));
}

export const button = (root: HTMLElement, name: string): HTMLButtonElement => {
  const found = [...root.querySelectorAll("button")].find(
    (b) => b.getAttribute("aria-label") === name || b.textContent?.trim() === name,
  );
  if (!found) throw new Error(`There is no button ${name}.`);
  return found;
};

export async function click(root: HTMLElement, name: string): Promise<void> {
  await act(async () => button(root, name).click());
  await settle(1);
}

/** A plotly that records what it is told to draw. */
export function fakePlotly() {
  return {
    newPlot: vi.fn((el: any) => {
      el.on = (): void => undefined;
    }),
    react: vi.fn(),
    purge: vi.fn(),
  };
}
