/** The workspace as JupyterLab's document system sees it: a model around the shared document, and its factory. */
import type { IChangedArgs } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { Contents } from "@jupyterlab/services";
import type { PartialJSONValue } from "@lumino/coreutils";
import { Signal, type ISignal } from "@lumino/signaling";
import { YWorkspace } from "./document";

export class WorkspaceModel implements DocumentRegistry.IModel {
  readonly sharedModel: YWorkspace;
  readonly collaborative: boolean;
  readonly defaultKernelName = "";
  readonly defaultKernelLanguage = "";
  private readonly contents = new Signal<this, void>(this);
  private readonly states = new Signal<this, IChangedArgs<unknown>>(this);
  private gone = false;
  private locked = false;
  private text: string | null = null;

  constructor({ sharedModel, collaborationEnabled }: DocumentRegistry.IModelOptions<YWorkspace>) {
    this.sharedModel = sharedModel ?? YWorkspace.create();
    // without a room there is nobody who fills the document
    this.collaborative = Boolean(sharedModel) && collaborationEnabled !== false;
  }

  get contentChanged(): ISignal<this, void> {
    return this.contents;
  }
  get stateChanged(): ISignal<this, IChangedArgs<unknown>> {
    return this.states;
  }
  /** The server stores every change by itself. */
  get dirty(): boolean {
    return false;
  }
  set dirty(_value: boolean) {
    // nothing: see the getter
  }
  get readOnly(): boolean {
    return this.locked;
  }
  set readOnly(value: boolean) {
    const old = this.locked;
    if (old === value) return;
    this.locked = value;
    this.states.emit({ name: "readOnly", oldValue: old, newValue: value });
  }
  get isDisposed(): boolean {
    return this.gone;
  }
  /** What a save without a room would write: the file as it was read, and never an emptied one. */
  toString(): string {
    if (this.text === null) throw new Error("The server stores a workspace by itself; this page has no copy to save.");
    return this.text;
  }
  fromString(text: string): void {
    this.text = text;
    this.contents.emit();
  }
  toJSON(): PartialJSONValue {
    return this.toString();
  }
  fromJSON(): void {
    // the room alone fills the document
  }
  dispose(): void {
    if (this.gone) return;
    this.gone = true;
    this.sharedModel.dispose();
    Signal.clearData(this);
  }
}

export class WorkspaceModelFactory implements DocumentRegistry.IModelFactory<WorkspaceModel, YWorkspace> {
  readonly name = "medilytica";
  readonly contentType: Contents.ContentType = "medilytica";
  readonly fileFormat: Contents.FileFormat = "text";
  readonly collaborative = true;
  private gone = false;

  get isDisposed(): boolean {
    return this.gone;
  }
  dispose(): void {
    this.gone = true;
  }
  preferredLanguage(): string {
    return "";
  }
  createNew(options: DocumentRegistry.IModelOptions<YWorkspace> = {}): WorkspaceModel {
    return new WorkspaceModel(options);
  }
}
