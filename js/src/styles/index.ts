/** All style sheets of the bundle, in order: the shared ones first, then one a widget. */
import base from "./base.css";
import algorithmBrowser from "./algorithm_browser.css";
import dataGrid from "./data_grid.css";
import dataGridParts from "./data_grid_parts.css";
import dataUpload from "./data_upload.css";
import decisionBoundary from "./decision_boundary.css";
import hyperparameterPanel from "./hyperparameter_panel.css";
import headEditor from "./head_editor.css";
import layerBox from "./layer_box.css";
import layerBuilder from "./layer_builder.css";
import layerPanels from "./layer_panels.css";
import layerTouch from "./layer_touch.css";
import metricPlots from "./metric_plots.css";
import performanceDashboard from "./performance_dashboard.css";
import peoplePanel from "./people_panel.css";
import preprocessPanel from "./preprocess_panel.css";
import presence from "./presence.css";
import presets from "./presets.css";
import columnProfile from "./column_profile.css";
import qualityReport from "./quality_report.css";
import runControls from "./run_controls.css";
import trainingLog from "./training_log.css";
import weightSheet from "./weight_sheet.css";
import workbench from "./workbench.css";

export default [
  base,
  algorithmBrowser,
  dataGrid,
  dataGridParts,
  dataUpload,
  decisionBoundary,
  hyperparameterPanel,
  headEditor,
  layerBox,
  layerBuilder,
  layerPanels,
  layerTouch,
  metricPlots,
  performanceDashboard,
  preprocessPanel,
  peoplePanel,
  presence,
  presets,
  columnProfile,
  qualityReport,
  runControls,
  trainingLog,
  weightSheet,
  workbench,
].join("\n");
