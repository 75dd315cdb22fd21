/**
 * What a viewer sees switched off in JupyterLab: notebooks are read-only, commands that run or change something
 * are disabled and say why, and the status bar shows the role. It keeps people from typing in vain; what holds is
 * the server's guard.
 */
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { IStatusBar } from "@jupyterlab/statusbar";
import type { CommandRegistry } from "@lumino/commands";
import { Widget } from "@lumino/widgets";
import type { RoleState } from "./service";

const BLOCKED = new RegExp(
  "^(?:" +
    [
      "notebook:(?:run|restart|interrupt|shutdown|change-kernel|reconnect|insert|delete|cut|paste|duplicate|move|merge|split|" +
        "replace|undo|redo|change-cell|toggle-cell-editable|trust|rename|create-new|clear|hide|set-)",
      "runmenu:(?:run|restart)",
      "kernelmenu:(?!change$)",
      "console:(?!open)",
      "terminal:(?:create-new|open)",
      "fileeditor:(?:run|create-new|cut|paste|replace|undo|redo)",
      "filebrowser:(?:create|delete|rename|cut|paste|duplicate|upload)",
      "docmanager:(?:save|rename|delete|duplicate|new|restore|reload)",
      "medilytica:new-workspace$",
      "debugger:(?!show)",
    ].join("|") +
    ")",
);

export const isBlocked = (command: string): boolean => BLOCKED.test(command);

/** Disable what a viewer can't do, in menus, toolbars and for keys; what calls it anyway gets the reason. */
function guardCommands(commands: CommandRegistry, reason: () => string, warn: (why: string) => void): void {
  const isEnabled = commands.isEnabled.bind(commands);
  const caption = commands.caption.bind(commands);
  const execute = commands.execute.bind(commands);
  const off = (id: string): string => (isBlocked(id) ? reason() : "");
  commands.isEnabled = (id, args) => !off(id) && isEnabled(id, args);
  commands.caption = (id, args) => off(id) || caption(id, args);
  commands.execute = (id, args) => {
    const why = off(id);
    if (!why) return execute(id, args);
    warn(why);
    return Promise.resolve(undefined);
  };
}

function lockNotebooks(tracker: INotebookTracker, reason: () => string): () => void {
  const apply = (panel: NotebookPanel): void => {
    const locked = Boolean(reason());
    for (const cell of panel.content.widgets) {
      if (locked) cell.readOnly = true;
      else cell.loadEditableState();
    }
  };
  const watch = (panel: NotebookPanel): void => {
    const again = (): void => {
      // the cells' widgets follow their models
      queueMicrotask(() => !panel.isDisposed && reason() && apply(panel));
    };
    void panel.context.ready.then(() => {
      if (panel.isDisposed) return;
      panel.content.model?.cells.changed.connect(again);
      again();
    });
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, panel) => watch(panel));
  return () => tracker.forEach(apply);
}

/** Words for the status bar: "Viewer: why". */
export function statusText({ role, reason }: RoleState): string {
  if (!reason) return "";
  return `${role === "viewer" ? "Viewer" : "No role"}: ${reason}`;
}

export function installViewerMode(
  commands: CommandRegistry,
  listen: (listener: (state: RoleState) => void) => () => void,
  tracker: INotebookTracker | null,
  statusBar: IStatusBar | null,
  warn: (why: string) => void,
): void {
  let state: RoleState = { role: null, reason: "" };
  const reason = (): string => state.reason;
  const item = new Widget();
  item.addClass("jp-StatusBar-TextItem");
  item.node.setAttribute("role", "status");
  let guarded = false;
  const relock = tracker ? lockNotebooks(tracker, reason) : () => undefined;
  statusBar?.registerStatusItem("medilytica:role", {
    item,
    align: "left",
    rank: 5,
    isActive: () => Boolean(state.reason),
  });
  listen((next) => {
    const before = state;
    state = next;
    // untouched on every server where nobody is a viewer
    if (next.reason && !guarded) {
      guarded = true;
      guardCommands(commands, reason, warn);
    }
    if (before.reason === next.reason) return;
    const text = statusText(next);
    item.node.textContent = text.length > 80 ? `${text.slice(0, 79)}…` : text;
    item.node.title = text;
    item.setHidden(!text);
    commands.notifyCommandChanged();
    relock();
  });
}
