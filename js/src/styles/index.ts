/** All style sheets of the bundle, in order: the shared ones first, then one a widget. */
import base from "./base.css";
import algorithmBrowser from "./algorithm_browser.css";
import dataGrid from "./data_grid.css";
import decisionBoundary from "./decision_boundary.css";
import hyperparameterPanel from "./hyperparameter_panel.css";
import headEditor from "./head_editor.css";
import layerBuilder from "./layer_builder.css";
import layerPanels from "./layer_panels.css";
import metricPlots from "./metric_plots.css";
import performanceDashboard from "./performance_dashboard.css";
import presets from "./presets.css";
import runControls from "./run_controls.css";
import trainingLog from "./training_log.css";
import weightSheet from "./weight_sheet.css";
import workbench from "./workbench.css";

export default [
  base,
  algorithmBrowser,
  dataGrid,
  decisionBoundary,
  hyperparameterPanel,
  headEditor,
  layerBuilder,
  layerPanels,
  metricPlots,
  performanceDashboard,
  presets,
  runControls,
  trainingLog,
  weightSheet,
  workbench,
].join("\n");
