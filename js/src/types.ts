/** The few things of the Jupyter widget manager and its models that the widgets use. */

export type Handler = (...values: never[]) => void;

export interface PlainModel {
  get(name: string): unknown;
  on(event: string, handler: (...values: any[]) => void): void;
  off(event: string | null, handler?: (...values: any[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBufferView[]): void;
  widget_manager: WidgetManager;
  /** Only on raw models: false once the kernel is gone. */
  comm_live?: boolean;
}

export interface WidgetManager {
  get_model(id: string): Promise<PlainModel>;
  /** JupyterLab's manager tells of its kernel; other front ends may not. */
  kernel?: KernelConnection | null;
}

interface Signal<T> {
  connect(slot: (sender: unknown, value: T) => void): boolean;
  disconnect(slot: (sender: unknown, value: T) => void): boolean;
}

export interface KernelConnection {
  connectionStatus: string;
  status: string;
  connectionStatusChanged: Signal<string>;
  statusChanged: Signal<string>;
}

export type AssetsModel = PlainModel;

export interface MountOptions {
  model: PlainModel;
  el: HTMLElement;
  assets: AssetsModel;
  importAsset: (assets: AssetsModel, name: string) => Promise<unknown>;
}

export interface Bundle {
  mount(options: MountOptions): () => void;
}
