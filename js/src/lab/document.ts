/**
 * The workspace document in this page: the same Yjs document that kernels edit, in the room
 * `text:medilytica:<file>`. Its layout is that of `medilytica_widgets/collab/document.py`.
 */
import { YDocument, type DocumentChange, type ISharedText, type SourceChange } from "@jupyter/ydoc";
import { Signal, type ISignal } from "@lumino/signaling";
import * as Y from "yjs";

export interface Author {
  id: string;
  name: string;
}

/** As many steps as `medilytica_widgets/collab/history.py` keeps; older ones go. */
const LONGEST_HISTORY = 500;

export class YWorkspace extends YDocument<DocumentChange> {
  readonly version = "1.0.0";
  readonly meta: Y.Map<unknown>;
  readonly experiments: Y.Map<unknown>;
  readonly chat: Y.Map<unknown>;
  readonly log: Y.Array<unknown>;
  readonly notes: NotesText;

  constructor() {
    super();
    this.meta = this.ydoc.getMap("meta");
    this.experiments = this.ydoc.getMap("experiments");
    this.chat = this.ydoc.getMap("chat");
    this.log = this.ydoc.getArray("history");
    this.notes = new NotesText(this, this.ydoc.getText("notes"));
  }

  static create(): YWorkspace {
    return new YWorkspace();
  }

  /** The server alone turns the document into its file and back: it checks the schema and keeps the order. */
  override getSource(): string {
    return "";
  }

  override setSource(): void {
    // nothing: see getSource
  }

  /** Change the name or the description; the step stands in the history under the author's name. */
  rename(field: "name" | "description", after: string, author: Author): void {
    const before = String(this.meta.get(field) ?? "");
    if (before === after) return;
    this.transact(() => {
      this.meta.set(field, after);
      const entry = {
        id: crypto.randomUUID().replaceAll("-", ""),
        time: Date.now() / 1000,
        author: { ...author },
        label: "rename the workspace",
        changes: [{ path: ["meta", field], before, after }],
      };
      this.log.push([entry]);
      if (this.log.length > LONGEST_HISTORY) this.log.delete(0, this.log.length - LONGEST_HISTORY);
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.notes.dispose();
    super.dispose();
  }
}

/** The notes as JupyterLab's editors want a shared text; undo takes back this page's own typing only. */
export class NotesText implements ISharedText {
  readonly undoManager: Y.UndoManager;
  private readonly moved = new Signal<this, SourceChange>(this);
  private readonly ended = new Signal<this, void>(this);
  private gone = false;

  constructor(
    private readonly document: YWorkspace,
    readonly ysource: Y.Text,
  ) {
    this.undoManager = new Y.UndoManager([ysource], { trackedOrigins: new Set<unknown>([this]), doc: document.ydoc });
    ysource.observe(this.observer);
  }

  get awareness(): YWorkspace["awareness"] {
    return this.document.awareness;
  }
  get changed(): ISignal<this, SourceChange> {
    return this.moved;
  }
  get disposed(): ISignal<this, void> {
    return this.ended;
  }
  get isDisposed(): boolean {
    return this.gone;
  }
  get source(): string {
    return this.getSource();
  }
  set source(text: string) {
    this.setSource(text);
  }
  getSource(): string {
    return this.ysource.toString();
  }
  setSource(text: string): void {
    this.transact(() => {
      this.ysource.delete(0, this.ysource.length);
      this.ysource.insert(0, text);
    });
  }
  updateSource(start: number, end: number, value = ""): void {
    this.transact(() => {
      // first in, then out: cursors behind the place stay where they are
      this.ysource.insert(start, value);
      this.ysource.delete(start + value.length, end - start);
    });
  }
  undo(): boolean {
    return Boolean(this.undoManager.undo());
  }
  redo(): boolean {
    return Boolean(this.undoManager.redo());
  }
  canUndo(): boolean {
    return this.undoManager.undoStack.length > 0;
  }
  canRedo(): boolean {
    return this.undoManager.redoStack.length > 0;
  }
  clearUndoHistory(): void {
    this.undoManager.clear();
  }
  transact(change: () => void, undoable = true, origin: unknown = null): void {
    this.document.ydoc.transact(change, undoable ? this : origin);
  }
  dispose(): void {
    if (this.gone) return;
    this.gone = true;
    this.ysource.unobserve(this.observer);
    this.undoManager.destroy();
    this.ended.emit();
    Signal.clearData(this);
  }

  private observer = (event: Y.YTextEvent): void => {
    this.moved.emit({ sourceChange: event.changes.delta as SourceChange["sourceChange"] });
  };
}
