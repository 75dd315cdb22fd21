/** The file type `.medilytica`, its shared document, its view, and the command that makes a new one. */
import type { ICollaborativeContentProvider } from "@jupyter/collaborative-drive";
import type { ILayoutRestorer, JupyterFrontEnd } from "@jupyterlab/application";
import { showErrorMessage, WidgetTracker } from "@jupyterlab/apputils";
import type { IEditorFactoryService } from "@jupyterlab/codeeditor";
import type { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { YWorkspace } from "./document";
import { createWorkspace, notebookOf } from "./empty";
import { workspaceIcon } from "./icon";
import { WorkspaceModelFactory } from "./model";
import { WorkspaceFactory, type PanelServices, type WorkspaceTab } from "./panel";
import { labService } from "./service";

export const NEW_WORKSPACE = "medilytica:new-workspace";
const TYPE = "medilytica";
const FACTORY = "Workspace";

export interface WorkspaceParts {
  editors: IEditorFactoryService;
  rendermime: IRenderMimeRegistry;
  provider: ICollaborativeContentProvider | null;
  browser: IDefaultFileBrowser | null;
  restorer: ILayoutRestorer | null;
}

export function addWorkspaces(app: JupyterFrontEnd, { editors, rendermime, provider, browser, restorer }: WorkspaceParts): void {
  const { commands, docRegistry, serviceManager } = app;
  const { contents } = serviceManager;

  docRegistry.addFileType({
    name: TYPE,
    displayName: "Workspace",
    extensions: [".medilytica"],
    mimeTypes: ["application/vnd.medilytica.workspace+json"],
    fileFormat: "text",
    // what the server calls it in its listings; the room's type is the model factory's
    contentType: "file",
    icon: workspaceIcon,
  });
  provider?.sharedModelFactory.registerDocumentFactory(TYPE, () => YWorkspace.create());
  docRegistry.addModelFactory(new WorkspaceModelFactory());

  const services: PanelServices = {
    editors,
    rendermime,
    me: () => labService()!.me,
    listenRole: (listener) => labService()!.onRole(listener),
    openNotebook: async (workspace) => {
      await serviceManager.kernelspecs.ready;
      const specs = serviceManager.kernelspecs.specs;
      const spec = specs?.kernelspecs[specs.default];
      const kernelspec = spec ? { name: spec.name, display_name: spec.display_name, language: spec.language } : null;
      const path = await notebookOf(contents, workspace, kernelspec);
      await commands.execute("docmanager:open", { path });
    },
    openChat: (path) => labService()!.openChat(path),
    readText: async (path) => String((await contents.get(path, { type: "file", format: "text", content: true })).content),
    writeText: async (path, content) => void (await contents.save(path, { type: "file", format: "text", content })),
  };
  const factory = new WorkspaceFactory(
    { name: FACTORY, label: "Workspace", modelName: TYPE, fileTypes: [TYPE], defaultFor: [TYPE] },
    services,
  );
  docRegistry.addWidgetFactory(factory);

  // what was open before the page was loaded anew is open again
  const tracker = new WidgetTracker<WorkspaceTab>({ namespace: "medilytica-workspaces" });
  factory.widgetCreated.connect((_, tab) => {
    tab.context.pathChanged.connect(() => void tracker.save(tab));
    void tracker.add(tab);
  });
  const where = ({ context }: WorkspaceTab): { path: string; factory: string } => ({ path: context.path, factory: FACTORY });
  void restorer?.restore(tracker, { command: "docmanager:open", args: where, name: ({ context }) => context.path });

  commands.addCommand(NEW_WORKSPACE, {
    label: (args) => (args["isPalette"] ? "New Medilytica Workspace" : "New workspace"),
    caption: "Make a workspace that several people work in at once",
    icon: workspaceIcon,
    execute: async (args) => {
      try {
        const folder = typeof args["cwd"] === "string" ? args["cwd"] : (browser?.model.path ?? "");
        const path = await createWorkspace(contents, folder);
        return await commands.execute("docmanager:open", { path });
      } catch (error) {
        await showErrorMessage("The workspace was not made", error as Error);
      }
    },
  });
}
