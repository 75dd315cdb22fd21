/** The workspace view in a tab of JupyterLab: it holds the document, the editor of the notes and their preview. */
import { CodeEditor, type IEditorFactoryService } from "@jupyterlab/codeeditor";
import { PathExt } from "@jupyterlab/coreutils";
import { ABCWidgetFactory, DocumentWidget, type DocumentRegistry } from "@jupyterlab/docregistry";
import { MimeModel, type IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { Widget } from "@lumino/widgets";
import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";
import { isDark } from "../state/local";
import type { YWorkspace } from "./document";
import { workspaceIcon } from "./icon";
import type { WorkspaceModel } from "./model";
import { readPeople, readWorkspace, type PersonView, type WorkspaceData } from "./read";
import type { Me, RoleState } from "./service";
import { Unreadable, WorkspaceView, type ViewActions } from "./view";

const MARKDOWN = "text/markdown";
/** Milliseconds of typing that one drawing of the preview takes in. */
const PREVIEW_MS = 150;

export interface PanelServices {
  editors: IEditorFactoryService;
  rendermime: IRenderMimeRegistry;
  me: () => Me;
  listenRole: (listener: (state: RoleState) => void) => () => void;
  openNotebook: (workspace: string) => Promise<void>;
  openChat: (path: string) => Promise<void>;
  readText: (path: string) => Promise<string>;
  writeText: (path: string, text: string) => Promise<void>;
}

export class WorkspacePanel extends Widget {
  private readonly data;
  private readonly people = signal<PersonView[]>([]);
  private readonly title_ = signal("");
  private readonly reason = signal("");
  private readonly error = signal("");
  private readonly root = document.createElement("div");
  private readonly document: YWorkspace;
  private readonly viewActions: ViewActions;
  private stops: (() => void)[] = [];
  private due = 0;

  constructor(
    private readonly context: DocumentRegistry.IContext<WorkspaceModel>,
    private readonly services: PanelServices,
  ) {
    super();
    this.addClass("mw-workspace-panel");
    this.document = context.model.sharedModel;
    this.data = signal<WorkspaceData>(readWorkspace(this.document));
    this.root.className = "mw-root";
    this.node.append(this.root);
    this.node.tabIndex = -1;
    this.viewActions = this.actions();
    this.follow();
    void this.begin();
  }

  protected override onActivateRequest(): void {
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    render(null, this.root);
    cancelAnimationFrame(this.due);
    this.stops.forEach((stop) => stop());
    this.stops = [];
    super.dispose();
  }

  private follow(): void {
    const { document: held, context, services } = this;
    const later = (): void => {
      cancelAnimationFrame(this.due);
      this.due = requestAnimationFrame(() => this.refresh());
    };
    for (const part of [held.meta, held.experiments, held.chat, held.log]) {
      part.observeDeep(later);
      this.stops.push(() => part.unobserveDeep(later));
    }
    held.awareness.on("change", later);
    this.stops.push(() => held.awareness.off("change", later));
    const named = (): void => {
      this.title_.value = PathExt.basename(context.path, ".medilytica");
    };
    context.pathChanged.connect(named);
    this.stops.push(() => context.pathChanged.disconnect(named));
    named();
    this.stops.push(services.listenRole(({ reason }) => (this.reason.value = reason)));
    this.stops.push(isDark().subscribe((dark) => this.root.classList.toggle("mw-dark", dark)));
  }

  private refresh(): void {
    this.data.value = readWorkspace(this.document);
    this.people.value = readPeople(this.document, this.data.value.experiments);
  }

  private async begin(): Promise<void> {
    const { readText, writeText } = this.services;
    const file = {
      read: () => readText(this.context.path),
      write: (text: string) => writeText(this.context.path, text),
    };
    const refuse = (message: string, repairable = false): void =>
      render(<Unreadable message={message} reason={this.reason.value} file={repairable ? file : undefined} />, this.root);
    if (!this.context.model.collaborative) {
      return refuse("Shared documents are switched off in this JupyterLab (jupyter-collaboration), so a workspace can't be shown.");
    }
    try {
      await this.context.ready;
    } catch (error) {
      return refuse(`The workspace could not be opened: ${(error as Error).message}`);
    }
    if (this.isDisposed) return;
    this.refresh();
    // a file that was put right by hand is shown without being opened anew
    const trouble = computed(() => this.data.value.error);
    this.stops.push(effect(() => (trouble.value ? refuse(trouble.value, true) : this.draw())));
  }

  private draw(): void {
    render(
      <WorkspaceView
        data={this.data}
        people={this.people}
        title={this.title_}
        reason={this.reason}
        error={this.error}
        actions={this.viewActions}
        mountNotes={this.mountNotes}
        mountPreview={this.mountPreview}
      />,
      this.root,
    );
  }

  private actions(): ViewActions {
    const { services, context } = this;
    const attempt = (action: () => Promise<void>): void => {
      this.error.value = "";
      action().catch((error: Error) => (this.error.value = error.message));
    };
    return {
      rename: (field, value) => {
        if (this.reason.value) return;
        const { username, display_name } = services.me();
        this.document.rename(field, value, { id: username, name: display_name });
      },
      openNotebook: () => attempt(() => services.openNotebook(context.path)),
      openChat: () => attempt(() => services.openChat(this.data.value.chat)),
    };
  }

  /** JupyterLab's own editor on the shared text: its collaboration draws the others' cursors into it. */
  private readonly mountNotes = (host: HTMLElement): (() => void) => {
    const model = new CodeEditor.Model({ sharedModel: this.document.notes, mimeType: MARKDOWN });
    const editor = this.services.editors.newDocumentEditor({
      host,
      model,
      config: { lineNumbers: false, lineWrap: true, foldGutter: false, scrollPastEnd: false },
    });
    editor.host.setAttribute("aria-label", "Notes, in Markdown");
    const stop = this.reason.subscribe((reason) => editor.setOption("readOnly", Boolean(reason)));
    return () => {
      stop();
      editor.dispose();
      model.dispose();
    };
  };

  private readonly mountPreview = (host: HTMLElement): (() => void) => {
    const { notes } = this.document;
    const renderer = this.services.rendermime.createRenderer(MARKDOWN);
    Widget.attach(renderer, host);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      const text = notes.getSource() || "*Nothing written yet.*";
      // untrusted: what others write is sanitized
      void renderer.renderModel(new MimeModel({ data: { [MARKDOWN]: text } }));
    };
    const later = (): void => {
      clearTimeout(timer);
      timer = setTimeout(draw, PREVIEW_MS);
    };
    notes.changed.connect(later);
    draw();
    return () => {
      clearTimeout(timer);
      notes.changed.disconnect(later);
      renderer.dispose();
    };
  };
}

export type WorkspaceTab = DocumentWidget<WorkspacePanel, WorkspaceModel>;

export class WorkspaceFactory extends ABCWidgetFactory<WorkspaceTab, WorkspaceModel> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<WorkspaceTab>,
    private readonly services: PanelServices,
  ) {
    super(options);
  }

  /** The shared documents' provider; without it the file itself would be read and written. */
  override get contentProviderId(): string {
    return "rtc";
  }

  protected createNewWidget(context: DocumentRegistry.IContext<WorkspaceModel>): WorkspaceTab {
    const tab = new DocumentWidget({ content: new WorkspacePanel(context, this.services), context });
    tab.toolbar.hide();
    tab.title.icon = workspaceIcon;
    return tab;
  }
}
