/**
 * The `_esm` of every widget. It fetches the shared bundle from the hidden assets model, once a page,
 * and lets it draw. It must stay small: it crosses the wire once for each widget.
 */
import type { AssetsModel, Bundle, PlainModel } from "./types";

const KEY = Symbol.for("medilytica.assets");
type Cache = Map<string, Promise<unknown>>;

/** Inflate a gzipped module held by the assets model and import it; cached on the page by its hash. */
async function importAsset(assets: AssetsModel, name: string): Promise<unknown> {
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
  const assets = (await manager.get_model(
    String(model.get("assets")).replace(/^IPY_MODEL_/, ""),
  )) as AssetsModel;
  const bundle = (await importAsset(assets, "bundle")) as Bundle;
  return bundle.mount({ model, el, assets, importAsset });
}

export default { render };
