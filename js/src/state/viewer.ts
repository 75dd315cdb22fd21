/** Whether this person may only look: what the JupyterLab plugin knows of the role, as a signal for the widgets. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { labService } from "../lab/service";

const reason = signal("");
let followed: object | undefined;

/** Why this person may change nothing, as a sentence; empty for everybody who may, and outside JupyterLab. */
export function viewerReason(): ReadonlySignal<string> {
  const lab = labService();
  // an older plugin on the page knows no roles
  if (lab && lab !== followed && typeof lab.onRole === "function") {
    followed = lab;
    lab.onRole((state) => {
      if (lab === followed) reason.value = state.reason;
    });
  }
  return reason;
}

/** Ask the server again, after it refused something: the role may have changed. */
export function checkRole(): void {
  void labService()?.checkRole?.();
}
