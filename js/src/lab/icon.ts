import { LabIcon } from "@jupyterlab/ui-components";

/** Two people's dots on one network. */
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.8"><path d="M6 7l12-2M6 7l12 7M6 17l12-3M6 17L18 5"/></g>
  <g class="jp-icon-brand0" fill="#1976d2"><circle cx="6" cy="7" r="3.2"/><circle cx="6" cy="17" r="3.2"/></g>
  <g class="jp-icon3" fill="#616161"><circle cx="18" cy="5" r="2.6"/><circle cx="18" cy="14" r="2.6"/></g>
</svg>`;

export const workspaceIcon = new LabIcon({ name: "medilytica:workspace", svgstr: SVG });
