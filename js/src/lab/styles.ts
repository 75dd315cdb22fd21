/** The plugin's own styles: those of every widget's root, and the workspace view's. */
import base from "../styles/base.css";
import workspace from "./workspace.css";

const ID = "medilytica-lab-styles";

export function ensureStyles(): void {
  if (document.getElementById(ID)) return;
  const style = document.createElement("style");
  style.id = ID;
  style.textContent = base + workspace;
  document.head.append(style);
}
