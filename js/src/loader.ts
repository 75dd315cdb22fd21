/**
 * The `_esm` of every widget. It fetches the shared bundle from the hidden assets model, once a page,
 * and lets it draw. It must stay small: it crosses the wire once for each widget.
 */
import type { AssetsModel, Bundle, PlainModel, WidgetManager } from "./types";

const KEY = Symbol.for("medilytica.assets");
type Cache = Map<string, Promise<unknown>>;

function modelOf(manager: WidgetManager, reference: unknown): Promise<AssetsModel> {
  return manager.get_model(String(reference).replace(/^IPY_MODEL_/, ""));
}

/** Inflate a gzipped module held by the assets model and import it; cached on the page by its hash. */
async function importAsset(given: AssetsModel, name: string, manager: WidgetManager): Promise<unknown> {
  const held = given.get(name);
  // what is not always needed has a model of its own
  const assets = typeof held === "string" ? await modelOf(manager, held) : given;
  const page = globalThis as unknown as Record<symbol, Cache | undefined>;
  const cache = (page[KEY] ??= new Map());
  const key = `${name}:${assets.get(`${name}_hash`)}`;
  let pending = cache.get(key);
  if (!pending) {
    pending = (async () => {
      const raw = assets.get(name) as DataView;
      const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength).slice();
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      const source = await new Response(stream).blob();
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      try {
        return await import(/* webpackIgnore: true */ url);
      } finally {
        URL.revokeObjectURL(url);
      }
    })();
    cache.set(key, pending);
    pending.catch(() => cache.delete(key));
  }
  return pending;
}

async function render({ model, el }: { model: PlainModel; el: HTMLElement }): Promise<() => void> {
  const manager = model.widget_manager;
  const assets = await modelOf(manager, model.get("assets"));
  const load = (from: AssetsModel, name: string) => importAsset(from, name, manager);
  const bundle = (await load(assets, "bundle")) as Bundle;
  return bundle.mount({ model, el, assets, importAsset: load });
}

export default { render };
