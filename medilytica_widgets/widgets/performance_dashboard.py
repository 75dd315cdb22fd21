"""How well the latest ended run does on held-out rows; saving its model and asking it about one row."""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import traitlets

from .. import figures
from ..errors import ColumnNotFoundError, InputError, StateError, hint
from ..report import html, static
from ._base import experiment_of, serves
from ._latest_run import ENDED, FollowsRuns
from ._main_head import heads_of, learned_beside, main_head_sentence

if TYPE_CHECKING:
    import pandas as pd

    from ..evaluate import Evaluation
    from ..experiment import Experiment
    from ..run import Run

TILES = {
    "classification": ("accuracy", "f1_macro", "log_loss", "roc_auc"),
    "regression": ("r2", "mean_absolute_error", "root_mean_squared_error"),
    "clustering": ("silhouette", "davies_bouldin", "calinski_harabasz", "part_clustered", "adjusted_rand"),
    "anomaly": ("part_flagged", "roc_auc", "average_precision"),
    "transform": ("explained_variance", "reconstruction_error", "trustworthiness", "new_columns"),
}
_LABELS = {"mean_absolute_error": "mean absolute error", "root_mean_squared_error": "root mean squared error"}
_SHOWS = "The metrics above are those of"
_FIELDS = 12
_CHOICES = 60


class PerformanceDashboard(FollowsRuns):
    """The held-out evaluation of the latest run that ended.

    Metrics come with half the width of their 95 % interval and a plain sentence; below are the confusion
    matrix, the scores of each class, a field to save the model and a small form that predicts one row.

    Parameters
    ----------
    experiment : Experiment
    compact : bool
        Whether only the metrics and the sentence are shown.
    """

    ARGUMENTS = ("compact",)

    about = traitlets.Unicode(help="Which of several heads the numbers are of; empty for one head").tag(sync=True)
    evaluation = traitlets.Dict(allow_none=True, default_value=None, help="The evaluation in plain values").tag(
        sync=True
    )
    run = traitlets.Dict(allow_none=True, default_value=None, help="The run it is of").tag(sync=True)
    compact = traitlets.Bool(False, help="Whether only the metrics are shown").tag(sync=True)
    path = traitlets.Unicode(help="The file name suggested for the model; empty while there is none").tag(sync=True)
    form = traitlets.Dict(allow_none=True, default_value=None, help="The fields of one row to predict").tag(sync=True)

    def __init__(self, experiment: Experiment, *, compact: bool = False, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        self._defaults: dict[str, Any] | None = None
        self._fields: dict[frozenset[str], dict[str, Any]] = {}
        super().__init__(**kwargs)
        self.compact = compact
        self.update_view()
        self.follow_runs(experiment, ("status_changed", "evaluated"))
        if experiment.run is not None and experiment.run.status in ("finished", "stopped") and not self._headless:
            experiment.run.evaluate_soon()
        self.follow(experiment.run_ended, self._ended)

    def _ended(self, *_: Any) -> None:
        self.mark()
        self.refresh_static()

    def update_view(self) -> None:
        """Show the evaluation of the latest run that has one."""
        run = self._shown()
        found = run.evaluation_if_ready() if run is not None else None
        with self.together():
            self.set_trait("evaluation", evaluation_state(found, run) if found and run else None)
            self.set_trait("run", self._run_state(run))
            self.about = main_head_sentence(heads_of(self.experiment, run), _SHOWS) if run is not None else ""
            self.path = f"{slug(self.experiment.name)}.mw" if found is not None else ""
            if found is not None and not self.compact:
                self.form = self._form(run)

    def _shown(self) -> Run | None:
        """Return the latest ended run that was evaluated; None while there is none."""
        ended = [run for run in self.experiment.runs if run.status in ENDED and run.evaluation_if_ready() is not None]
        return ended[-1] if ended else None

    def _run_state(self, shown: Run | None) -> dict[str, Any] | None:
        latest, active = self.experiment.run, self.experiment.active
        if latest is None:
            return None
        about = shown if shown is not None else latest
        return {
            "id": about.id,
            "name": about.name,
            "status": about.status,
            "training": active.name if active is not None else "",
        }

    # --- requests ---------------------------------------------------------------------------------

    @serves("model.save")
    def _save(self, body: dict[str, Any]) -> dict[str, Any]:
        run = self._model_run()
        path = local_path(body["path"])
        replaced = path.exists()
        saved = run.save(path)
        size = saved.stat().st_size
        told = f"{'Replaced' if replaced else 'Saved'} {path.as_posix()} ({_size_text(size)}, {run.name})."
        return {"path": str(saved), "bytes": size, "sentence": told}

    @serves("predict.row")
    def _predict(self, body: dict[str, Any]) -> dict[str, Any]:
        import pandas as pd

        run = self._model_run()
        row = {**self._row_defaults(), **self._checked(body["values"])}
        frame = pd.DataFrame([row], dtype=object).infer_objects()
        return prediction_json(run.predict(frame), run)

    def _model_run(self) -> Run:
        run = self._shown()
        if run is None:
            raise StateError("There is no trained model yet. Press Train and wait for the end of the run.")
        return run

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        columns = {column.name: column for column in self.experiment.data.features}
        for name, value in values.items():
            if name not in columns:
                raise ColumnNotFoundError(f"The model takes no column {name!r}. {hint(name, columns)}")
            if columns[name].kind == "numeric" and value is not None and not isinstance(value, (int, float)):
                raise InputError(f"{name} takes a number, or nothing for a missing value; {value!r} is neither.")
        return {name: math.nan if value is None else value for name, value in values.items()}

    # --- the form of one row ----------------------------------------------------------------------

    def _row_defaults(self) -> dict[str, Any]:
        """Return every feature's median or most frequent value over the training rows."""
        if self._defaults is None:
            data = self.experiment.data
            train = data.frame.iloc[self.experiment.prepared().split.train]
            self._defaults = {column.name: typical(train[column.name], column.kind) for column in data.features}
        return dict(self._defaults)

    def _form(self, run: Run | None = None) -> dict[str, Any]:
        answers = frozenset(learned_beside(heads_of(self.experiment, run)))
        if answers not in self._fields:
            from ..evaluate import boundary_columns

            data = self.experiment.data
            defaults = self._row_defaults()
            kinds = {column.name: column.kind for column in data.features if column.name not in answers}
            # the most informative columns first, numbers before categories
            names = [name for name in boundary_columns(data, self.experiment.prepared().split) if name in kinds]
            names += [name for name, kind in kinds.items() if kind in ("numeric", "categorical", "binary")]
            chosen = list(dict.fromkeys(names))[:_FIELDS]
            rest = len(kinds) - len(chosen)
            self._fields[answers] = {
                "fields": [_field(name, kinds[name], defaults[name], data.frame[name]) for name in chosen],
                "held": f"the other {rest} columns at their median or most frequent value" if rest > 0 else "",
            }
        return self._fields[answers]

    # --- report -----------------------------------------------------------------------------------

    def static_html(self) -> str:
        """Return metrics, confusion matrix and the scores of each class of the latest run that can predict."""
        for run in reversed(self.experiment.runs):
            if run.status not in ENDED:
                continue
            try:
                found = run.evaluate()
            except StateError:
                continue
            about = main_head_sentence(heads_of(self.experiment, run), _SHOWS)
            return _report(found, run, self.compact, about)
        return html.section("Performance", html.sentence("No run has ended with a model, so there is nothing to test."))


def _report(found: Evaluation, run: Run, compact: bool, about: str = "") -> str:
    names = [name for name in TILES[run.task] if name in found.metrics]
    parts = [
        html.metrics(
            {name: found.metrics[name] for name in names},
            found.intervals,
            labels={name: _label(name) for name in names},
        ),
        html.sentence(" ".join(filter(None, (found.sentence, found.remark)))),
    ]
    if about:
        parts.append(html.sentence(about))
    cards = [html.card("", *parts, note=f"{run.name}; held-out test rows: {html.grouped(found.n)}; ± 95 % interval")]
    if run.task == "classification" and not compact:
        matrix = static.figure(figures.confusion(found.confusion, run.classes, title="Confusion matrix"))
        scores = static.figure(figures.per_class(found.per_class, run.classes, title="Each class"))
        cards.append(html.grid(html.card("", matrix), html.card("", scores), narrowest=380))
    return html.section("Performance", *cards)


def _label(name: str) -> str:
    return _LABELS.get(name) or figures.metric_label(name)


def evaluation_state(found: Evaluation, run: Run) -> dict[str, Any]:
    """Return an evaluation in the plain values that the page draws."""
    many = len(run.classes) > 2
    tiles = [
        {
            "id": name,
            "label": _label(name),
            "value": _finite(found.metrics[name]),
            "half": _finite(found.intervals.get(name)),
            "note": "one-vs-rest" if name == "roc_auc" and many else "",
        }
        for name in TILES[run.task]
        if name in found.metrics
    ]
    classification = run.task == "classification"
    rows = zip(run.classes, found.per_class, strict=True) if classification else ()
    return {
        "task": run.task,
        "n": int(found.n),
        "sentence": " ".join(filter(None, (found.sentence, found.remark))),
        "tiles": tiles,
        "classes": list(run.classes),
        "confusion": [[int(n) for n in row] for row in found.confusion] if classification else [],
        "per_class": [
            {
                "class": name,
                **{score: _finite(row[score]) or 0.0 for score in ("precision", "recall", "f1")},
                "support": int(row["support"]),
            }
            for name, row in rows
        ],
    }


def prediction_json(result: pd.DataFrame, run: Run) -> dict[str, Any]:
    """Return the first row of a prediction in plain values: probabilities in the order of the classes.

    Of a network with several heads ``head`` names the first, whose answer it is, and ``further`` has those of the
    others.
    """
    answer = _main_prediction(result, run)
    further = run.predictor().further
    if not further:
        return answer
    row = result.iloc[0]
    others = [
        {"head": name, **_head_prediction(row, f"{name}_", list(head.class_names))} for name, head in further.items()
    ]
    return {**answer, "head": run.trainer.job.heads[0].name, "further": others}


def _head_prediction(row: pd.Series[Any], prefix: str, classes: list[str]) -> dict[str, Any]:
    if not classes:
        return {"prediction": float(row[f"{prefix}prediction"]), "probabilities": []}
    return {
        "prediction": str(row[f"{prefix}prediction"]),
        "probabilities": [[name, float(row[f"{prefix}probability_{name}"])] for name in classes],
    }


def _main_prediction(result: pd.DataFrame, run: Run) -> dict[str, Any]:
    row = result.iloc[0]
    if run.task == "clustering":
        shares = [[f"cluster {k}", float(row[f"probability_{k}"])] for k in range(result.shape[1] - 1)]
        cluster = int(row["cluster"])
        return {"prediction": f"cluster {cluster}" if cluster >= 0 else "no cluster", "probabilities": shares}
    if run.task == "anomaly":
        verdict = "unusual" if row["anomaly"] else "usual"
        return {"prediction": f"{verdict} (score {row['score']:.3g})", "probabilities": []}
    if run.task == "transform":
        shown = [f"{value:.3g}" for value in row.to_numpy()[:4]]
        more = ", …" if len(row) > len(shown) else ""
        return {"prediction": f"({', '.join(shown)}{more})", "probabilities": []}
    return _head_prediction(row, "", list(run.classes) if run.task == "classification" else [])


def typical(values: pd.Series[Any], kind: str) -> Any:
    """Return a column's median (numbers) or most frequent value; NaN where it has none."""
    present = values.dropna()
    if present.empty:
        return math.nan
    if kind == "numeric":
        # four digits are enough to start from, and they fit the field
        return float(f"{float(present.median()):.4g}")
    value = present.mode().iloc[0]
    return value.item() if hasattr(value, "item") else value


def _field(name: str, kind: str, default: Any, values: pd.Series[Any]) -> dict[str, Any]:
    missing = isinstance(default, float) and math.isnan(default)
    if kind == "numeric":
        return {"name": name, "kind": "number", "value": None if missing else default, "choices": []}
    choices = [str(value) for value in values.value_counts().index[:_CHOICES]]
    return {"name": name, "kind": "choice", "value": None if missing else str(default), "choices": choices}


def slug(name: str) -> str:
    """Return a name fit for a file: small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60] or "model"


def local_path(text: str) -> Path:
    """Return the path of a model file inside the kernel's working folder, with the suffix ``.mw``.

    Raises
    ------
    InputError
        Empty, absolute, leading out of the folder, or in a folder that does not exist.
    """
    words = text.strip()
    if not words:
        raise InputError("Give the model a file name, for example model.mw.")
    path = PurePath(words)
    if path.is_absolute() or ".." in path.parts or path.drive:
        raise InputError(f"{words!r} leads out of the notebook's folder; give a name inside it, for example model.mw.")
    if path.suffix != ".mw":
        path = path.with_name(path.name + ".mw")
    if not Path(path.parent).is_dir():
        raise InputError(f"There is no folder {path.parent.as_posix()!r} here; create it first, or leave it out.")
    return Path(path)


def _size_text(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, round(size / 1024))} KB"


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
