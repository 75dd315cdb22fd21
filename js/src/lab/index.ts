/**
 * The JupyterLab plugin. Widgets live in notebook cells and know nothing of JupyterLab; what only the
 * application can do for them, they find on the page under `Symbol.for("medilytica.lab")`.
 */
import { ICollaborativeContentProvider } from "@jupyter/collaborative-drive";
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, Notification } from "@jupyterlab/apputils";
import { IEditorServices } from "@jupyterlab/codeeditor";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { IStatusBar } from "@jupyterlab/statusbar";
import { addWorkspaces, NEW_WORKSPACE } from "./workspaces";
import { announceView, followLinks } from "./links";
import { askServer, RoleWatch } from "./role";
import { publish, type LabService, type Me, type SharedView } from "./service";
import { ensureStyles } from "./styles";
import { createTabs } from "./tabs";
import { showLiveWidgets } from "./trust";
import { installViewerMode } from "./viewer";

export type { LabService, Me, Role, RoleState, SharedView, TabRequest } from "./service";

function identityOf(app: JupyterFrontEnd): Me {
  const identity = app.serviceManager.user.identity;
  return {
    username: identity?.username ?? "",
    display_name: identity?.display_name || identity?.name || identity?.username || "",
    color: identity?.color ?? "",
    avatar_url: identity?.avatar_url ?? "",
  };
}

/** The service that widgets find on the page. */
function createService(app: JupyterFrontEnd, roles: RoleWatch): LabService {
  const { commands } = app;
  return {
    version: 1,
    openTab: createTabs(app.shell),
    get me() {
      return identityOf(app);
    },
    get role() {
      return roles.current.role;
    },
    get reason() {
      return roles.current.reason;
    },
    onRole: (listener) => roles.listen(listener),
    checkRole: () => roles.check(),
    async openChat(path) {
      if (!commands.hasCommand("jupyterlab-chat:open")) {
        throw new Error("The chat needs the package jupyterlab-chat; install it and reload the page.");
      }
      await commands.execute("jupyterlab-chat:open", { filepath: path, inSidePanel: true });
    },
    async openWorkspace(path) {
      await commands.execute("docmanager:open", { path });
    },
  };
}

/** Show what a link names: by the widgets in sight, or else its workspace is opened and they are told again. */
function follow(app: JupyterFrontEnd, service: LabService, view: SharedView): void {
  const open = async (): Promise<void> => {
    await app.restored;
    if (announceView(view)) return;
    if (view.workspace) await service.openWorkspace(view.workspace).catch(() => undefined);
    announceView(view);
  };
  void open();
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "medilytica-widgets:plugin",
  description: "Opens medilytica widgets in tabs of their own, and shared workspaces.",
  autoStart: true,
  optional: [INotebookTracker, IStatusBar],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker | null, statusBar: IStatusBar | null) => {
    ensureStyles();
    const roles = new RoleWatch(() => askServer(app.serviceManager.serverSettings));
    const service = createService(app, roles);
    publish(service);
    if (tracker) {
      tracker.forEach(showLiveWidgets);
      tracker.widgetAdded.connect((_, panel) => showLiveWidgets(panel));
    }
    const warn = (why: string): void => void Notification.warning(why, { autoClose: 5000 });
    installViewerMode(app.commands, (listener) => roles.listen(listener), tracker, statusBar, warn);
    followLinks((view) => follow(app, service, view));
    roles.start();
  },
};

const workspaces: JupyterFrontEndPlugin<void> = {
  id: "medilytica-widgets:workspaces",
  description: "Shows .medilytica files as the shared workspaces they are.",
  autoStart: true,
  requires: [IEditorServices, IRenderMimeRegistry],
  optional: [ICollaborativeContentProvider, ILauncher, IDefaultFileBrowser, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    editors: IEditorServices,
    rendermime: IRenderMimeRegistry,
    provider: ICollaborativeContentProvider | null,
    launcher: ILauncher | null,
    browser: IDefaultFileBrowser | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
  ) => {
    addWorkspaces(app, { editors: editors.factoryService, rendermime, provider, browser, restorer });
    launcher?.add({ command: NEW_WORKSPACE, category: "Other", rank: 2 });
    palette?.addItem({ command: NEW_WORKSPACE, category: "Medilytica" });
    app.contextMenu.addItem({ command: NEW_WORKSPACE, selector: ".jp-DirListing-content", rank: 51 });
  },
};

export default [plugin, workspaces];
