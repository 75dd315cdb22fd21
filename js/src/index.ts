/** The shared bundle: every widget's component by the name its Python class carries. */
import type { ComponentType } from "preact";
import { Context, mountComponent, type WidgetProps } from "./widgets/_base";
import { REGISTRY } from "./widgets";
import styles from "./styles";
import type { MountOptions } from "./types";

const STYLE_ID = "medilytica-widgets-styles";

function ensureStyles(): void {
  if (document.getElementById(STYLE_ID)) return;
  const style = document.createElement("style");
  style.id = STYLE_ID;
  style.textContent = styles;
  document.head.append(style);
}

export function mount({ model, el, ...options }: MountOptions): () => void {
  ensureStyles();
  const name = String(model.get("component"));
  const View: ComponentType<WidgetProps> | undefined = REGISTRY[name];
  if (!View) throw new Error(`This page's bundle has no widget ${name}; reload the page.`);
  const ctx = new Context(model, options, String(model.get("self_id")));
  const unmount = mountComponent(View, ctx, el);
  return () => {
    unmount();
    ctx.close();
  };
}
