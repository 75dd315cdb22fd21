/**
 * The JupyterLab plugin. Widgets live in notebook cells and know nothing of JupyterLab; what only the
 * application can do for them, they find on the page under `Symbol.for("medilytica.lab")`.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { createTabs } from "./tabs";

/** What a widget may ask of JupyterLab; absent in any other front end. */
export interface LabService {
  readonly version: 1;
  openTab(request: TabRequest): void;
}

export interface TabRequest {
  /** One tab for each id: opening it again brings the existing one to the front. */
  id: string;
  title: string;
  /** Renders into the host when the tab appears; the returned function runs when it closes. */
  mount: (host: HTMLElement) => () => void;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "medilytica-widgets:plugin",
  description: "Opens medilytica widgets in tabs of their own.",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    const service: LabService = { version: 1, openTab: createTabs(app.shell) };
    (globalThis as unknown as Record<symbol, LabService>)[Symbol.for("medilytica.lab")] = service;
  },
};

export default plugin;
