/**
 * A second way to the kernel, past the model's comm.
 *
 * JupyterLab sends the messages of all widgets of a page to one subshell of the kernel, counts who uses it,
 * and deletes it at zero. While a page is restored from a slow kernel the count goes wrong, and what is sent
 * to a deleted subshell is lost without a word (seen in JupyterLab 4.6). So a request that stays unanswered
 * is sent again, to a subshell of our own; once that was needed, the page stays on this way.
 */
import type { KernelConnection, PlainModel } from "../types";
import type { Envelope } from "./messages";

interface Way {
  taken: boolean;
  /** The id of our subshell; null where the kernel has none: then the main one serves us between two cells. */
  shell: Promise<string | null>;
}

const ways = new WeakMap<KernelConnection, Way>();
const SHELL_MS = 5000;

async function ownShell(kernel: KernelConnection): Promise<string | null> {
  if (!kernel.supportsSubshells || !kernel.requestCreateSubshell) return null;
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), SHELL_MS));
  const made = kernel.requestCreateSubshell({}).done.then((reply) => reply.content.subshell_id ?? null);
  return Promise.race([made, late]).catch(() => null);
}

/** Whether the page has left the usual way. */
export function detoured(model: PlainModel): boolean {
  const kernel = model.widget_manager?.kernel;
  return !!kernel && !!ways.get(kernel)?.taken;
}

/** Send an envelope past the comm; false where this front end offers no other way. */
export function sendAround(model: PlainModel, envelope: Envelope): boolean {
  const kernel = model.widget_manager?.kernel;
  const id = model.get("self_id");
  if (!kernel?.sendShellMessage || kernel.connectionStatus !== "connected" || typeof id !== "string" || !id) return false;
  const way: Way = ways.get(kernel) ?? { taken: true, shell: ownShell(kernel) };
  way.taken = true;
  ways.set(kernel, way);
  void way.shell.then((shell) => {
    kernel.sendShellMessage!(
      {
        header: {
          // crypto.randomUUID is missing on a plain http address
          msg_id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`,
          msg_type: "comm_msg",
          session: kernel.clientId ?? "",
          username: kernel.username ?? "",
          version: "5.3",
          date: new Date().toISOString(),
          ...(shell ? { subshell_id: shell } : {}),
        },
        parent_header: {},
        metadata: {},
        content: { comm_id: id, data: { method: "custom", content: envelope } },
        buffers: [],
        channel: "shell",
      },
      false,
      true,
    );
  });
  return true;
}
