/** Tabs in JupyterLab's main area, each showing what a widget mounts into it. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { MainAreaWidget } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";
import type { TabRequest } from "./service";

class MountedPanel extends Widget {
  private unmount: (() => void) | undefined;

  constructor(private readonly mount: TabRequest["mount"]) {
    super();
    this.node.tabIndex = -1;
    Object.assign(this.node.style, { height: "100%", overflow: "auto" });
  }

  protected override onAfterAttach(): void {
    // Dragging a tab to another place detaches and attaches it again: what is mounted stays.
    this.unmount ??= this.mount(this.node);
  }

  protected override onActivateRequest(): void {
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    try {
      this.unmount?.();
    } finally {
      super.dispose();
    }
  }
}

export function createTabs(shell: JupyterFrontEnd.IShell): (request: TabRequest) => void {
  const open = new Map<string, MainAreaWidget>();

  return ({ id, title, mount }) => {
    let tab = open.get(id);
    if (!tab) {
      tab = new MainAreaWidget({ content: new MountedPanel(mount) });
      tab.id = `medilytica-tab-${id}`;
      tab.title.label = title;
      tab.title.closable = true;
      tab.toolbar.hide();
      tab.disposed.connect(() => open.delete(id));
      open.set(id, tab);
      shell.add(tab, "main");
    }
    shell.activateById(tab.id);
  };
}
