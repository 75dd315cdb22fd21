/** New workspace files: what is in an empty one, and where it is put. */
import type { Contents } from "@jupyterlab/services";
import { PathExt } from "@jupyterlab/coreutils";

/** The schema that this page writes new files in; the server migrates older ones. */
const VERSION = 1;

export function emptyWorkspace(name: string): string {
  const plain = {
    version: VERSION,
    id: crypto.randomUUID().replaceAll("-", ""),
    name,
    description: "",
    created: new Date().toISOString().replace(/\.\d+Z$/, "+00:00"),
    experiments: [],
    notes: [],
    chat: { path: "", announce: false, rooms: {} },
  };
  return `${JSON.stringify(plain, null, 2)}\n`;
}

/** Put a new empty workspace into a folder under the first free name; returns its path. */
export async function createWorkspace(contents: Contents.IManager, folder: string): Promise<string> {
  const listing = await contents.get(folder, { content: true });
  const taken = new Set((listing.content as Contents.IModel[]).map(({ name }) => name));
  let name = "workspace";
  for (let number = 1; taken.has(`${name}.medilytica`); number++) name = `workspace-${number}`;
  const path = PathExt.join(folder, `${name}.medilytica`);
  await contents.save(path, { type: "file", format: "text", content: emptyWorkspace(name) });
  return path;
}

/** The cells of the notebook that works on a workspace. */
export function notebookFor(file: string, kernelspec: { name: string; display_name: string; language: string } | null): object {
  const cell = (source: string): object => ({
    cell_type: "code",
    id: crypto.randomUUID().slice(0, 8),
    metadata: {},
    source,
    outputs: [],
    execution_count: null,
  });
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { ...(kernelspec ? { kernelspec } : {}), medilytica: { workspace: file } },
    cells: [cell(`import medilytica_widgets as mw\n\nws = mw.Workspace(${JSON.stringify(file)})`), cell("ws")],
  };
}

const opensIt = (content: unknown, file: string): boolean => JSON.stringify(content ?? "").includes(JSON.stringify(JSON.stringify(file)).slice(1, -1));

/**
 * The notebook of a workspace: beside it and of the same name, so that everybody gets the same one. It is made
 * where there is none; a notebook of that name that has to do with other things is left alone.
 */
export async function notebookOf(
  contents: Contents.IManager,
  workspace: string,
  kernelspec: { name: string; display_name: string; language: string } | null,
): Promise<string> {
  const file = PathExt.basename(workspace);
  const folder = PathExt.dirname(workspace);
  const stem = file.slice(0, file.length - PathExt.extname(file).length);
  for (const name of [stem, `${stem}-workspace`]) {
    const path = PathExt.join(folder, `${name}.ipynb`);
    const found = await contents.get(path, { type: "notebook", content: true }).catch((error: { response?: { status: number } }) => {
      if (error.response?.status === 404) return null;
      throw error;
    });
    if (found && !opensIt(found.content, file)) continue;
    if (!found) await contents.save(path, { type: "notebook", format: "json", content: notebookFor(file, kernelspec) });
    return path;
  }
  throw new Error(`Both ${stem}.ipynb and ${stem}-workspace.ipynb are about other things; make a notebook of your own.`);
}
