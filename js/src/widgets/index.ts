/** Name of the Python class → component. One widget, one file, one twin. */
import type { ComponentType } from "preact";
import type { WidgetProps } from "./_base";
import { AlgorithmBrowser } from "./algorithm_browser";
import { ColumnProfile } from "./column_profile";
import { DataGrid } from "./data_grid";
import { DataUpload } from "./data_upload";
import { DecisionBoundary } from "./decision_boundary";
import { HeadEditor } from "./head_editor";
import { HyperparameterPanel } from "./hyperparameter_panel";
import { LayerBuilder } from "./layer_builder";
import { MetricPlots } from "./metric_plots";
import { PeoplePanel } from "./people_panel";
import { PerformanceDashboard } from "./performance_dashboard";
import { PreprocessPanel } from "./preprocess_panel";
import { QualityReport } from "./quality_report";
import { RunControls } from "./run_controls";
import { TrainingLog } from "./training_log";
import { WeightSheet } from "./weight_sheet";
import { Workbench } from "./workbench";

export const REGISTRY: Record<string, ComponentType<WidgetProps>> = {
  AlgorithmBrowser,
  ColumnProfile,
  DataGrid,
  DataUpload,
  DecisionBoundary,
  HeadEditor,
  HyperparameterPanel,
  LayerBuilder,
  MetricPlots,
  PeoplePanel,
  PerformanceDashboard,
  PreprocessPanel,
  QualityReport,
  RunControls,
  TrainingLog,
  WeightSheet,
  Workbench,
};
