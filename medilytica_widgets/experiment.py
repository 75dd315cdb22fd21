"""An experiment: the specification that people edit, and the runs that came of it.

An `Experiment` may be edited from any thread (widgets do it from their worker threads); it locks
itself. It tells the world of changes through psygnal signals and knows no widget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psygnal import Signal

from . import algorithms, network
from .data import Dataset, Prepared, prepare, split
from .editor import FIELDS, SpecEditor, available, departures, full_values
from .engine import ENDED, Job
from .errors import InputError, SpecError, TargetError, check_kwargs
from .headless import check_injected, check_parameters
from .launching import begin
from .metrics import METRICS
from .network import Head, Layer
from .options import TrainOptions
from .run import Run
from .spec import ExperimentSpec, SplitSpec, load_spec

_ACTIVITY_KEPT = 200


class Experiment(SpecEditor):
    """A specification and its runs.

    Parameters
    ----------
    data : Dataset
        The table, from `load_dataset`, with a target.
    algorithm : str
        An id of `medilytica_widgets.algorithms`.
    hyperparameters : mapping, optional
        By parameter id; what is left out stays at its default.
    layers : sequence of Layer, optional
        The network's stack, for algorithms that have one.
    heads : sequence of Head, optional
        At most one; taken from the target when left out.
    seed : int
        Decides split, initial weights and order of rows.
    name, description : str, optional
    validation, test : float
        Shares of the rows held out.

    Raises
    ------
    TargetError
        When the data have no target.
    UnknownAlgorithmError, ParameterError, ShapeError
        For an algorithm, a hyperparameter or a layer that cannot be.

    Attributes
    ----------
    changed : Signal
        Emits "algorithm", "hyperparameters", "layers", "meta" or "activity".
    run_added, run_ended : Signal
        Emit the `Run`.
    """

    run_added = Signal(object)
    run_ended = Signal(object)

    def __init__(
        self,
        data: Dataset,
        algorithm: str = "mlp",
        hyperparameters: Mapping[str, Any] | None = None,
        layers: Sequence[Layer] | None = None,
        heads: Sequence[Head] | None = None,
        seed: int = 0,
        name: str | None = None,
        description: str = "",
        validation: float = 0.16,
        test: float = 0.20,
        **unknown: Any,
    ) -> None:
        check_kwargs("Experiment", unknown, ("hyperparameters", "layers", "heads", "seed", "name", "description"))
        if not isinstance(data, Dataset):
            raise InputError(f"Experiment takes a Dataset from load_dataset; a {type(data).__name__} came.")
        if data.target is None or data.task is None:
            raise TargetError(f"{data.name} has no target. Load it with load_dataset(…, target=…) to have one learned.")
        self._prepared: tuple[tuple[int, SplitSpec], Prepared] | None = None
        self._runs: list[Run] = []
        self._activity: list[dict[str, Any]] = []
        self.data = data
        head = _one_head(heads, data)
        chosen = available(algorithm, head.task)
        # papermill only warns of a name that the notebook does not know; here the run ends at once
        check_injected(chosen.parameters)
        if validation + test >= 1:
            raise SpecError(f"validation and test take {validation + test:g} of the rows; leave some to train on.")
        if layers is not None and not all(isinstance(layer, Layer) for layer in layers):
            raise InputError('layers takes Layer objects, for example [mw.Layer("linear", units=64)].')
        stack = list(layers) if layers is not None else network.default_layers() if chosen.uses_layers else []
        spec = load_spec(
            {
                "name": name or data.name,
                "description": description,
                "data": data.spec.model_dump(),
                "algorithm": algorithm,
                "hyperparameters": departures(chosen, hyperparameters or {}, head.task),
                "layers": [layer.to_json() for layer in stack],
                "heads": [head.to_json()],
                "split": {"validation": validation, "test": test},
                "seed": seed,
            }
        )
        super().__init__(spec, head)
        if chosen.uses_layers:
            self.check_stack()

    # --- the specification ----------------------------------------------------------------------------

    @classmethod
    def from_spec(cls, spec: dict[str, Any] | ExperimentSpec, data: Dataset | None = None) -> Experiment:
        """Bring an experiment back from its specification.

        Parameters
        ----------
        spec : dict or ExperimentSpec
        data : Dataset, optional
            The table; loaded from the source that the specification names when left out.

        Raises
        ------
        SpecError
            For unknown fields, or when the table was an in-memory frame and is not given.
        """
        known = load_spec(spec)
        return cls(
            data if data is not None else Dataset.from_spec(known.data),
            algorithm=known.algorithm,
            hyperparameters=known.hyperparameters,
            layers=known.layers,
            heads=known.heads or None,
            seed=known.seed,
            name=known.name,
            description=known.description,
            validation=known.split.validation,
            test=known.split.test,
        )

    # --- data and runs ------------------------------------------------------------------------------

    def prepared(self) -> Prepared:
        """Return the split and preprocessed table; made once for a seed and split."""
        with self._lock:
            key = (self._spec.seed, self._spec.split)
            if self._prepared is None or self._prepared[0] != key:
                shares: SplitSpec = self._spec.split
                parts = split(self.data, seed=self._spec.seed, test=shares.test, validation=shares.validation)
                self._prepared = (key, prepare(self.data, parts))
            return self._prepared[1]

    @property
    def runs(self) -> list[Run]:
        """All runs of this experiment, oldest first."""
        return list(self._runs)

    @property
    def run(self) -> Run | None:
        """The latest run; None before the first."""
        return self._runs[-1] if self._runs else None

    @property
    def active(self) -> Run | None:
        """The latest run while it is queued, running or paused."""
        run = self.run
        return run if run is not None and run.is_active else None

    @property
    def activity(self) -> list[dict[str, Any]]:
        """What happened, newest first: ``when``, ``who`` (None where not known) and ``what``."""
        with self._lock:
            return list(reversed(self._activity))

    def pending(self) -> dict[str, Any]:
        """Return what was edited since the active run began and counts only from the next one."""
        run = self.active
        if run is None:
            return {}
        spec = self._spec
        if run.algorithm != spec.algorithm:
            return {"algorithm": spec.algorithm}
        now, table = self.hyperparameters, self.algorithm.parameters
        # what can change while training was posted to the run when it was set
        names = {name: value for name, value in now.items() if run.values.get(name) != value and not table[name].live}
        if run.spec.layers != spec.layers and self.algorithm.uses_layers:
            names["layers"] = True
        return names

    def train(self, *, wait: bool | None = None, **options: Any) -> Run:
        """Start a run and return it at once; in a headless run, wait for its end first.

        Parameters
        ----------
        wait : bool, optional
            Whether to wait for the end; None means "only when headless".
        worker : {"thread", "process"}, optional
            Where it trains. A thread begins at once and shares memory with the kernel; a process is not slowed down
            by a busy kernel and can be stopped even in the middle of a fit. None takes a process only for estimators
            that have no stages.
        detach : bool
            Train in a process that survives the kernel; `medilytica_widgets.open_run` attaches it from another one.
        priority : int
            Where runs wait for a place (`medilytica_widgets.queue`), larger ones go first.
        checkpoint_seconds : float or None
            Time between two checkpoints, 30 by default; None for none by time.
        checkpoint_epochs : int or None
            A checkpoint after every so many epochs too.
        keep_epochs, keep_bytes : int
            How many epochs `Run.at` and `Run.branch` can go back to, 50 by default, and the most bytes they take.
        sheet_every : int or None
            The least number of batches between two weight sheets, 50 by default; None for no sheets.
        author : str, optional
            Who started it.
        tags : str or sequence of str
            Words to find the run by.

        Raises
        ------
        ShapeError
            When the stack of layers cannot be.
        InputError
            For an option that does not exist or cannot be.
        TrainingError
            When it waited and the run failed.
        """
        check_kwargs("Experiment.train", options, ("wait", *TrainOptions.__dataclass_fields__))
        return begin(self, TrainOptions(**options), wait=wait)

    def _job(self) -> Job:
        algorithm = available(self._spec.algorithm, self.task)
        if algorithm.uses_layers:
            self.check_stack()
        return Job(
            algorithm=algorithm,
            values=self.hyperparameters,
            layers=self.layers,
            head=self._head,
            prepared=self.prepared(),
            seed=self._spec.seed,
        )

    def _add(self, run: Run) -> None:
        run._experiment = self
        self._runs.append(run)
        run.marked.connect(lambda mark: self._note_mark(run, mark))

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Return what a notebook's ``parameters`` cell may set for this experiment, by name.

        Each entry has ``default`` (the value now), ``allowed`` (in words) and ``help``.
        """
        now = self.hyperparameters
        table = {
            p.id: {"default": now[p.id], "allowed": p.allowed(), "help": p.help}
            for p in self.algorithm.parameters.parameters
        }
        ids = ", ".join(repr(a.id) for a in algorithms.list(task=self.task))
        return {
            "algorithm": {"default": self._spec.algorithm, "allowed": f"it takes one of {ids}", "help": "What learns."},
            "seed": {
                "default": self.seed,
                "allowed": "it takes a whole number from 0 to 4294967295",
                "help": "Decides split, initial weights and order of rows.",
            },
            **table,
        }

    def apply_parameters(self, given: Mapping[str, Any]) -> None:
        """Set what a ``parameters`` cell gave, all or nothing.

        Raises
        ------
        UnknownParameterError, ParameterError, UnknownAlgorithmError
            Names which one is wrong and what is allowed; nothing was changed.
        """
        with self._lock:
            algorithm = available(str(given.get("algorithm", self._spec.algorithm)), self.task)
            values = {name: value for name, value in given.items() if name not in ("algorithm", "seed")}
            checked = check_parameters(values, algorithm.parameters, ("algorithm", "seed"))
            seed = given.get("seed", self._spec.seed)
            plain = self._spec.to_json()
            start = self._spec.hyperparameters if algorithm.id == self._spec.algorithm else {}
            values = departures(algorithm, {**start, **checked}, self.task)
            plain.update(algorithm=algorithm.id, seed=seed, hyperparameters=values)
            spec = load_spec(plain)
            self._replace(None, **{name: getattr(spec, name) for name in (*FIELDS, "seed")})

    def to_code(self) -> str:
        """Return a standalone script that does what a run of this specification does.

        The script needs pandas, scikit-learn and, for networks, torch; it prints its test metrics, one
        ``name repr(value)`` a line.
        """
        from .source_code import script

        with self._lock:
            if self.algorithm.uses_layers:
                self.check_stack()
            return script(self._spec, self.data, self.prepared())

    def close(self) -> None:
        """Stop every run and free what they hold. Safe to call twice."""
        for run in self.runs:
            run.close()

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}: {self._spec.algorithm} on {self.data.name}, {len(self._runs)} runs>"

    # --- inside -------------------------------------------------------------------------------------

    def _widths(self) -> tuple[int, int]:
        prepared = self.prepared()
        return len(prepared.feature_names), len(prepared.classes) if self.task == "classification" else 1

    def _changed_from(self, before: ExperimentSpec, author: str | None) -> None:
        run = self.active
        if run is None or not run.algorithm == before.algorithm == self._spec.algorithm:
            return
        was, table = full_values(before), self.algorithm.parameters
        for name, value in self.hyperparameters.items():
            if table[name].live and value != was[name]:
                run.set(name, value, author)

    def _on_status(self, run: Run, status: str, defer: bool) -> None:
        if status in ENDED:
            self._note(run.name, f"failed: {run.error.message}" if run.error is not None else status)
            # what a failed run had learned before is no result
            if len(run.evaluated) and status != "failed":
                run.evaluated.connect(lambda: self._note_result(run))
                run.evaluate_soon()
            if not defer:
                self.run_ended.emit(run)
        self.changed.emit("meta")

    def _note_mark(self, run: Run, mark: Any) -> None:
        table = algorithms.parameters(run.algorithm)
        label = table[mark.name].to_json()["label"] if mark.name in table else mark.name
        self._note(f"epoch {mark.epoch:.0f}", f"{label} {mark.before} → {mark.after}", mark.author)

    def _note_result(self, run: Run) -> None:
        found = run.evaluation_if_ready()
        if found is not None:
            name, value = next(iter(found.metrics.items()))
            doubt = f" ± {found.intervals[name]:.3g}" if name in found.intervals else ""
            self._note(run.name, f"{METRICS[name].label} {value:.3g}{doubt} on {found.n} held-out rows")

    def _note(self, when: str, what: str, who: str | None = None) -> None:
        with self._lock:
            self._activity.append({"when": when, "who": who, "what": what})
            del self._activity[:-_ACTIVITY_KEPT]
        self.changed.emit("activity")


def _one_head(heads: Sequence[Head] | None, data: Dataset) -> Head:
    if heads is not None and len(heads) != 1:
        raise SpecError(f"An experiment has one head; {len(heads)} were given.")
    head = heads[0] if heads else Head(str(data.task))
    if head.task == "classification" and data.task == "regression":
        raise SpecError(
            f"The head asks for classification, but {data.target!r} holds numbers with many values. "
            "Use Head('regression'), or bin the target first."
        )
    if head.task == "regression" and data.task == "classification":
        raise SpecError(
            f"The head asks for regression, but {data.target!r} is learned as classes {data.classes[:5]}. "
            "Use Head('classification')."
        )
    return head
