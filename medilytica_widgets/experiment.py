"""An experiment: the specification that people edit, and the runs that came of it.

An `Experiment` may be edited from any thread (widgets do it from their worker threads); it locks
itself. It tells the world of changes through psygnal signals and knows no widget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import algorithms, network
from .algorithms import Step
from .algorithms.chain import acts_on_columns, check_columns, check_steps, plan_of
from .algorithms.own import check_made
from .code_styles import Style
from .data import Dataset, Prepared, prepare, split
from .data.splits import check_column, reserved
from .editor import FIELDS
from .engine.heads import are_plain, check_learner, check_names, named_heads, plans_of, stand_ins
from .errors import InputError, SpecError, check_kwargs
from .headless import check_injected, check_parameters
from .network import Head, Layer
from .network.given import heads_of, stack_of
from .network.head_checks import Target, check_heads
from .network_editor import targets_of
from .run import Run
from .spec import ExperimentSpec, check_same_data, load_spec
from .spec_values import available, departures
from .table_editor import TableEditor


class _Kept(tuple[Layer, ...]):
    """Layers of a specification; they wait there while an algorithm is chosen that has none."""


class Experiment(TableEditor):
    """A specification and its runs.

    Parameters
    ----------
    data : Dataset
        The table, from `load_dataset`; with a target, unless the algorithm needs none.
    algorithm : str
        An id of `medilytica_widgets.algorithms`.
    hyperparameters : mapping, optional
        By parameter id; what is left out stays at its default.
    layers : sequence of Layer, optional
        The network's stack, for algorithms that have one.
    heads : sequence of Head, optional
        What the network learns; taken from the target when left out. The first learns the table's own target; the
        columns of others are no features then.
    seed : int
        Decides split, initial weights and order of rows.
    name, description : str, optional
    validation, test : float
        Shares of the rows held out.
    split : mapping, optional
        Another way to divide the rows than by chance, see `medilytica_widgets.data.split`: ``{"method": "grouped",
        "column": "patient"}``, ``{"method": "kfold", "folds": 5, "fold": 0}``. `set_split` changes it later.
    preprocessing : sequence of Step or str
        What stands between the prepared columns and the algorithm, in order, fitted on the training rows only: ids of
        ``mw.algorithms.list(task="transform")``. Encoders and imputers take the place of the default ones.
        `set_preprocessing`, `add_step` and others change them later.

    Raises
    ------
    TargetError
        When the data have no target and the algorithm learns one.
    UnknownAlgorithmError, ParameterError, ShapeError
        For an algorithm, a hyperparameter or a layer that cannot be.
    ColumnNotFoundError, SpecError
        For a step or a split that looks at a column that is not there or that it cannot take.

    Attributes
    ----------
    changed : Signal
        Emits "algorithm", "hyperparameters", "layers", "meta" or "activity".
    run_added, run_ended : Signal
        Emit the `Run`.
    """

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
        preprocessing: Sequence[Step | str] = (),
        split: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        known = ("hyperparameters", "layers", "heads", "seed", "name", "description", "preprocessing", "split")
        check_kwargs("Experiment", unknown, known)
        if not isinstance(data, Dataset):
            raise InputError(f"Experiment takes a Dataset from load_dataset; a {type(data).__name__} came.")
        self._prepared: tuple[Any, Prepared] | None = None
        self._runs: list[Run] = []
        self._activity: list[dict[str, Any]] = []
        self.data = data
        heads = None if heads is None else heads_of(heads)
        head = _one_head(heads, data) if data.target is not None or heads else None
        asked = head.task if head is not None else None
        chosen = available(algorithm, asked)
        # papermill only warns of a name that the notebook does not know; here the run ends at once
        check_injected(chosen.parameters)
        if validation + test >= 1:
            raise SpecError(f"validation and test take {validation + test:g} of the rows; leave some to train on.")
        given = None if layers is None else stack_of(layers)
        if given and not chosen.uses_layers and not isinstance(layers, _Kept):
            why = "no layers" if chosen.network is None else "layers that follow from its hyperparameters"
            raise SpecError(f"{chosen.name} has {why}: leave layers out, or take algorithm='mlp'.")
        stack = given if given is not None else network.default_layers() if chosen.uses_layers else []
        names = chosen.stack(chosen.validate(hyperparameters), len(data.columns), stack)
        several = _all_heads(heads, head, names, data)
        check_learner(chosen, several, names)
        steps = check_steps(preprocessing, asked)
        for step in steps:
            check_made(step.id, algorithms.validate(step.id, step.options), "transform")
        spec = load_spec(
            {
                "name": name or data.name,
                "description": description,
                "data": data.spec.model_dump(),
                "algorithm": algorithm,
                "hyperparameters": departures(chosen, hyperparameters or {}, asked),
                "layers": [layer.to_json() for layer in stack],
                "heads": [one.to_json() for one in several],
                "preprocessing": [step.to_json() for step in steps],
                "split": {"validation": validation, "test": test, **(split or {})},
                "seed": seed,
            }
        )
        super().__init__(spec, several[0] if several else None)
        self._check_named_columns(spec)
        if chosen.has_layers:
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
            Dataset.from_spec(known.data) if data is None else data.with_edits(known.data.edits),
            algorithm=known.algorithm,
            hyperparameters=known.hyperparameters,
            layers=_Kept(known.layers),
            heads=known.heads or None,
            seed=known.seed,
            name=known.name,
            description=known.description,
            validation=known.split.validation,
            test=known.split.test,
            preprocessing=known.preprocessing,
            split=known.split.arguments(),
        )

    # --- data and runs ------------------------------------------------------------------------------

    def prepared(self) -> Prepared:
        """Return the split and preprocessed table; made once for a seed, a split and the steps of the preprocessing."""
        with self._lock:
            spec = self._spec
            steps = _steps_of(spec)
            others = named_heads(spec.heads, self.data.target or "")[1:]
            further = {one.name: (one.target, one.task) for one in others}
            key = (spec.seed, spec.split, steps, further)
            if self._prepared is None or self._prepared[0] != key:
                parts = split(self.data, seed=spec.seed, **spec.split.arguments())
                plan = plan_of(steps, self.target_task, len(self.data.classes) or 1, spec.seed)
                self._prepared = (key, prepare(self.data, parts, further=further, plan=plan))
            return self._prepared[1]

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
            algorithm = available(str(given.get("algorithm", self._spec.algorithm)), self.target_task)
            check_learner(algorithm, self._spec.heads, self._spec.layers)
            values = {name: value for name, value in given.items() if name not in ("algorithm", "seed")}
            checked = check_parameters(values, algorithm.parameters, ("algorithm", "seed"))
            seed = given.get("seed", self._spec.seed)
            plain = self._spec.to_json()
            start = self._spec.hyperparameters if algorithm.id == self._spec.algorithm else {}
            values = departures(algorithm, {**start, **checked}, self.target_task)
            plain.update(algorithm=algorithm.id, seed=seed, hyperparameters=values)
            spec = load_spec(plain)
            self._replace(None, **{name: getattr(spec, name) for name in (*FIELDS, "seed")})

    def to_code(self, style: Style = "script") -> str:
        """Return a standalone program that does what a run of this specification does and prints its test metrics.

        Parameters
        ----------
        style : {"script", "notebook", "sklearn", "torch"}
            "script": one line after the other. "notebook": the same as the text of an ``.ipynb`` file. "sklearn": one
            pipeline; a network stands in it as an estimator that the program defines. "torch": a network with
            functions that fit it and predict.

        Raises
        ------
        InputError
            For a style that cannot say what the algorithm does; the message names one that can.
        """
        from .source_code import program

        with self._lock:
            if self.algorithm.has_layers:
                self.check_stack()
            return program(self._spec, self.data, self.prepared(), style=style)

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}: {self._spec.algorithm} on {self.data.name}, {len(self._runs)} runs>"

    # --- inside -------------------------------------------------------------------------------------

    def targets(self) -> dict[str, Target]:
        """Return the columns that a head may be asked to learn, by name."""
        return targets_of(self.data)

    def _checked(self, given: dict[str, Any] | ExperimentSpec) -> ExperimentSpec:
        known = load_spec(given)
        # other kinds of the same columns are a change of the specification like any other
        same = all(name in self.data.cells for name in known.data.kinds)
        table = self._table_of(known.data.model_copy(update={"edits": ()})) if same else self.data
        check_same_data(known.data, table.spec)
        # whatever an experiment refuses when it is made, it refuses here
        return Experiment.from_spec(known, table)._spec

    def _made_of(self, spec: ExperimentSpec, table: Dataset) -> None:
        Experiment.from_spec(spec, table)

    def _forget_prepared(self) -> None:
        self._prepared = None

    def _check_preparation(self, wanted: ExperimentSpec, *, rows: bool, fitted: bool) -> None:
        for step in wanted.preprocessing:
            check_made(step.id, algorithms.validate(step.id, step.options), "transform")
        self._check_named_columns(wanted)
        if rows:
            split(self.data, seed=wanted.seed, **wanted.split.arguments())
        if fitted and self.algorithm.has_layers:
            # the layers must suit the columns; what was fitted to find out is kept
            self._prepared = Experiment.from_spec(wanted, self.data)._prepared

    def _check_named_columns(self, spec: ExperimentSpec) -> None:
        """Raise where the split or a step looks at a column that is not there or that it cannot take."""
        if spec.split.column:
            check_column(self.data, spec.split.column)
        if steps := _steps_of(spec):
            check_columns(self.data, steps, self.target_task, _no_features(spec, self.data))

    def _widths(self) -> tuple[int, int]:
        prepared = self.prepared()
        return len(prepared.feature_names), len(prepared.classes) or 1

    def _outputs(self, n_outputs: int) -> tuple[list[Head], list[int]]:
        heads = named_heads(self._spec.heads, self.data.target or "")
        if are_plain(heads, self.layers) or not heads:
            return super()._outputs(n_outputs)
        return stand_ins(plans_of(heads, self.prepared()))


def _steps_of(spec: ExperimentSpec) -> list[Step]:
    """Return the steps of the preparation; an encoder or imputer that is the algorithm does all of its work there."""
    own = [Step(spec.algorithm, **spec.hyperparameters)] if acts_on_columns(spec.algorithm) else []
    return [*spec.preprocessing, *own]


def _no_features(spec: ExperimentSpec, data: Dataset) -> dict[str, str]:
    """Return the columns that split and further heads take, and why each is no feature then."""
    heads = named_heads(spec.heads, data.target or "")[1:]
    return {
        **{head.target: "another head learns it" for head in heads},
        **dict.fromkeys(reserved(spec.split.method, spec.split.column), "it decides which rows are for what"),
    }


def _all_heads(heads: Sequence[Head] | None, first: Head | None, layers: Sequence[Layer], data: Dataset) -> list[Head]:
    """Return all heads, each with a name where there are several, checked against layers and table."""
    if first is None:
        return []
    if heads is None or are_plain(heads, layers):
        return [first]
    named = named_heads(heads, data.target or "")
    check_heads(named, layers, targets_of(data), data.target or "")
    check_names(named)
    if len(named) == 1:
        return [first]
    return [given.model_copy(update={"name": one.name}) for given, one in zip(heads, named, strict=True)]


def _one_head(heads: Sequence[Head] | None, data: Dataset) -> Head:
    if heads is not None and not heads:
        raise SpecError("A network needs at least one head; leave heads out to have it taken from the target.")
    head = heads[0] if heads else Head(str(data.task))
    if data.target is None:
        raise SpecError("A head learns a target, and the table has none. Load it with load_dataset(…, target=…).")
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
