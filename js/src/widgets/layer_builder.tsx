/** The network's layers, to be shaped by hand; the Python side is `medilytica_widgets/widgets/layer_builder.py`. */
import { useRef, useState } from "preact/hooks";
import { keep } from "../state/local";
import { CodePanel } from "../ui/code_panel";
import { Icon } from "../ui/icons";
import { KeysHelp } from "../ui/layer_keys";
import { Stack } from "../ui/layer_stack";
import type { Network } from "../ui/layer_state";
import { download, ImportPanel, toText } from "../ui/layer_transfer";
import { coloursOf, pictureOf } from "../ui/network_picture";
import { formatBytes, plural } from "../ui/number";
import { Menu, type MenuItem } from "../ui/popover";
import { useUid } from "../ui/uid";
import type { WidgetProps } from "./_base";

export function LayerBuilder({ ctx }: WidgetProps) {
  const usesLayers = ctx.trait<boolean>("uses_layers").value;
  const network = ctx.trait<Network | Record<string, never>>("network").value;
  const fixed = ctx.trait<string | undefined>("fixed").value ?? "";
  const algorithm = ctx.trait<string>("algorithm").value;
  const pending = ctx.trait<boolean>("pending").value;
  const revision = ctx.trait<number>("revision").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  const code = keep(`${ctx.id}:code`, false);
  const uid = useUid();
  const root = useRef<HTMLElement>(null);
  const [menu, setMenu] = useState<HTMLElement | null>(null);
  const [help, setHelp] = useState<HTMLElement | null>(null);
  const [importing, setImporting] = useState(false);
  const [said, setSaid] = useState("");
  const off = ctx.readOnly || fixed;
  const stack = usesLayers && "layers" in network ? (network as Network) : null;
  const close = (anchor: HTMLElement | null, set: (value: null) => void) => (refocus: boolean): void => {
    set(null);
    if (refocus) anchor?.focus();
  };
  const own = async (): Promise<void> => {
    try {
      await ctx.ask("layers.own", {});
      setSaid(`The layers are your own now; undo brings ${algorithm} back`);
      // the button is gone: the keyboard goes on at the first box
      root.current?.querySelector<HTMLElement>("[data-layer]")?.focus();
    } catch {
      // the notice beside the widget says why
    }
  };
  const picture = async (): Promise<void> => {
    try {
      if (stack && root.current) download(await pictureOf(stack, coloursOf(root.current)), "network.png");
      setSaid("network.png is on its way to your downloads");
    } catch (error) {
      ctx.notice.value = { level: "error", message: error instanceof Error ? error.message : String(error) };
    }
  };
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("The layers are copied as JSON");
    } catch {
      // without https a page has no clipboard of its own
      ctx.notice.value = { level: "info", message: "This page may not use the clipboard; download the file instead." };
    }
  };
  const transfers: MenuItem[] = stack
    ? [
        { label: "Picture (PNG)", icon: "save", act: () => void picture() },
        {
          label: "Layers as JSON",
          icon: "save",
          act: () => {
            download(new Blob([toText(stack)], { type: "application/json" }), "layers.json");
            setSaid("layers.json is on its way to your downloads");
          },
        },
        { label: "Copy layers as JSON", icon: "copy", act: () => void copy(toText(stack)) },
        { label: "Script", icon: "code", act: () => (code.value = true) },
        { label: "Import layers…", icon: "open-in-tab", off, act: () => setImporting(true) },
      ]
    : [];
  return (
    <section
      ref={root}
      class="mw-card mw-network"
      aria-label="Network"
      onKeyDown={(event) => {
        const target = event.target as HTMLElement;
        if (event.key !== "?" || target.closest("input, textarea, select")) return;
        event.preventDefault();
        setHelp(root.current?.querySelector<HTMLElement>(".mw-keys-button") ?? null);
      }}
    >
      <h3 class="mw-title">
        Network
        {pending && (
          <span class="mw-pill mw-next-pill" title="The layers count from the next run; the one that is training keeps its own">
            next run
          </span>
        )}
        <span class="mw-spread" />
        {stack && (
          <span class="mw-network-total" aria-live="polite">
            {stack.error === null
              ? `${plural(stack.total_parameters, "parameter")} · ${formatBytes(stack.total_bytes)}`
              : "cannot be built yet"}
          </span>
        )}
        {stack && (
          <>
            <button
              class="mw-icon mw-quiet"
              aria-label="Undo"
              title={ctx.readOnly || "Undo the last change"}
              disabled={!!ctx.readOnly || !canUndo}
              onClick={() => ctx.tell("spec.undo", {})}
            >
              <Icon name="undo" />
            </button>
            <button
              class="mw-icon mw-quiet"
              aria-label="Redo"
              title={ctx.readOnly || "Bring back what was undone"}
              disabled={!!ctx.readOnly || !canRedo}
              onClick={() => ctx.tell("spec.redo", {})}
            >
              <Icon name="redo" />
            </button>
            <button
              class="mw-icon mw-quiet mw-keys-button"
              aria-label="Keys"
              aria-haspopup="dialog"
              aria-expanded={help !== null}
              title="What the keys do"
              onClick={(event) => setHelp(help ? null : event.currentTarget)}
            >
              ?
            </button>
            <button
              aria-haspopup="menu"
              aria-expanded={menu !== null}
              title="Take the layers out as a picture or JSON, or bring others in"
              onClick={(event) => setMenu(menu ? null : event.currentTarget)}
            >
              Export
            </button>
          </>
        )}
        <button aria-expanded={code.value} onClick={() => (code.value = !code.value)}>
          Code
        </button>
      </h3>
      {stack && fixed && (
        <div class="mw-network-fixed">
          <p id={`${uid}-fixed`} class="mw-muted">
            {fixed}
          </p>
          <button aria-describedby={`${uid}-fixed`} title={ctx.readOnly || undefined} disabled={!!ctx.readOnly} onClick={() => void own()}>
            Make the layers my own
          </button>
        </div>
      )}
      {stack ? (
        <Stack ctx={ctx} network={stack} off={off} />
      ) : (
        <p class="mw-muted mw-network-none">
          {algorithm} has no layers to build; its hyperparameters shape it. To build layers, choose a neural network, for
          example the perceptron.
        </p>
      )}
      {importing && stack && (
        <ImportPanel
          uid={uid}
          off={off}
          replace={(layers) => ctx.ask("layers.replace", { layers }, { quiet: true })}
          close={() => setImporting(false)}
        />
      )}
      {code.value && <CodePanel ctx={ctx} revision={revision} close={() => (code.value = false)} />}
      {menu && <Menu anchor={menu} label="Export and import" entries={transfers} close={close(menu, setMenu)} />}
      {help && <KeysHelp anchor={help} close={close(help, setHelp)} />}
      <span class="mw-sr" role="status">
        {said}
      </span>
    </section>
  );
}
