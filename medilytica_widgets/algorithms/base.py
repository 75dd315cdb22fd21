"""What the registry holds of an algorithm, and the contract by which the engine trains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import ShapeError, SpecError, StateError, UnknownAlgorithmError, UnknownParameterError, hint
from ..parameters import ParameterTable
from .stages import counted_by, stage_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..network.spec import Layer

Task = Literal["classification", "regression", "clustering", "anomaly", "transform"]
Engine = Literal["torch", "estimator"]
SUPERVISED: frozenset[str] = frozenset({"classification", "regression"})
"""What a target asks for."""
TASKS: frozenset[str] = SUPERVISED | {"clustering", "anomaly", "transform"}
"""All tasks; the last three need no target and leave one aside."""

Check = Callable[[Mapping[str, Any]], None]
RowCheck = Callable[[Mapping[str, Any], "NDArray[Any]"], None]
Builder = Callable[[Mapping[str, Any], str, int, int, int], Any]
Coder = Callable[["CodeRequest"], list[str]]
Network = Callable[[Mapping[str, Any], int], "list[Layer]"]
ARCHITECTURE = "Architecture"
"""The group of the hyperparameters from which a network's layers follow."""


class Staged(Protocol):
    """What the engine needs to show an estimator's progress; `Algorithm` fulfils it.

    ``staged`` is one of

    - ``None``: one call of ``fit``.
    - the name of a constructor parameter, for example ``"n_estimators"``: the estimator is built
      with ``warm_start=True``. For each size, ``estimator.set_params(**{staged: size})`` and
      ``fit`` on the same data with the same ``fit_arguments``. The result is bit for bit that of
      one fit at the last size. The estimator predicts between two calls.
    - ``"partial_fit"``: ``estimator.partial_fit`` on the same data, as many times as the parameter ``epochs`` says,
      with ``classes``, all their positions, where it takes them. It predicts between two calls.
    - ``"callback"``: one call of ``fit`` with a `sklearn.callback.FitCallback` set by
      ``estimator.set_callbacks(...)``. Its ``on_fit_task_end(estimator, context, *,
      fitted_estimator)`` runs after each iteration with an estimator that predicts. Calls without
      one (``fitted_estimator is None``, a task that never ran) and the call that ends the fit as a
      whole (``context.parent is None``) are no iterations. Blocking in it pauses. Raising from it
      ends the fit: scikit-learn 1.9 ignores the value returned for this solver. Take the callbacks
      off (``set_callbacks()``) before the estimator is stored. ``max_iter`` bounds the iterations;
      when it is reached scikit-learn warns with a ``ConvergenceWarning``.
    """

    @property
    def staged(self) -> str | None:
        """How the estimator shows progress, see above."""
        ...

    def stage_sizes(self, values: Mapping[str, Any]) -> list[int]:
        """Return the growing sizes, the last being the full one; for ``"callback"`` the most iterations."""
        ...

    def fit_arguments(self, values: Mapping[str, Any], y: NDArray[Any]) -> dict[str, Any]:
        """Return keyword arguments for every ``fit`` beside X and y."""
        ...


@dataclass(frozen=True)
class CodeRequest:
    """What the lines of a standalone script depend on.

    Parameters
    ----------
    values : mapping
        Every hyperparameter of the algorithm, validated.
    task : {"classification", "regression"}
    seed : int
    n_features : int
        Columns of ``X_train``.
    n_classes : int
        Number of classes; 1 for regression.
    layers : sequence of Layer
        The hidden stack, of algorithms that use layers.
    changes : sequence of (int, str, value)
        Live parameters that a person changed: the number of optimizer steps taken before the
        change took effect, the parameter's id, the new value. In the order they were made.
    style : str
        "torch" where training and prediction should be functions of their own; else one line follows the other.
    head : object, optional
        The one head of a network where it is not plain: `medilytica_widgets.engine.heads.HeadPlan`.
    heads : sequence of object
        All heads of a network, where there are several or the weight of one is learned.
    """

    values: Mapping[str, Any]
    task: str
    seed: int
    n_features: int
    n_classes: int
    layers: Sequence[Layer] = ()
    changes: Sequence[tuple[int, str, Any]] = ()
    style: str = "script"
    head: Any = None
    heads: Sequence[Any] = ()


@dataclass(frozen=True)
class Algorithm:
    """One entry of the registry: documentation, parameters, and how it is built and trained.

    Parameters
    ----------
    id : str
        The name in specs, for example ``random_forest``.
    name : str
        The name for a person.
    category : tuple of str
        The path in the browser's tree, for example ``("Ensembles", "Boosting")``.
    tasks : frozenset of {"classification", "regression"}
    summary, when, when_not : str
        What it does; when to use it; when another is the better choice.
    references : tuple of str
        Papers and documentation.
    parameters : ParameterTable
    engine : {"torch", "estimator"}
        The loop that trains it.
    builder : callable, optional
        ``(values, task, n_features, n_classes, seed) -> estimator``, of engine "estimator".
    coder : callable
        ``(CodeRequest) -> lines`` of a standalone script, see `code`.
    checks : tuple of callable
        Each takes all values and raises ParameterError where they do not fit together.
    uses_layers : bool
        Whether the layer builder shapes it.
    staged : str, optional
        How it shows progress, see `Staged`.
    balances : bool
        Whether ``class_weight="balanced"`` reaches it as sample weights, see `fit_arguments`.
    row_checks : tuple of callable
        Each takes all values and the training target and raises ParameterError where these rows do not suffice
        for these values, see `fit_arguments`.
    presets : mapping of str to mapping, optional
        Hyperparameters that are set together, by the preset's name ("fast", "accurate", "regularised"). One that is
        not stated follows from the ids of the hyperparameters, see `preset_rules`; an empty one says there is none.
    network : callable, optional
        ``(values, n_features) -> [Layer, ...]``, of a network whose layers follow from the hyperparameters of the group
        `ARCHITECTURE`; they cannot be changed one by one then. It never raises for values that are allowed.
    most_features : int, optional
        The most columns of the prepared table that it can be asked to read.
    """

    id: str
    name: str
    category: tuple[str, ...]
    tasks: frozenset[str]
    summary: str
    when: str
    when_not: str
    references: tuple[str, ...]
    parameters: ParameterTable
    engine: Engine
    coder: Coder
    builder: Builder | None = None
    checks: tuple[Check, ...] = ()
    uses_layers: bool = False
    staged: str | None = None
    balances: bool = False
    row_checks: tuple[RowCheck, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    network: Network | None = None
    most_features: int | None = None

    def __post_init__(self) -> None:
        if not self.id.isidentifier():
            raise SpecError(f"An algorithm's id is {self.id!r}; it must be letters, digits and underscores.")
        if not self.tasks or not self.tasks <= TASKS:
            raise SpecError(
                f"Algorithm {self.id!r} names the tasks {sorted(self.tasks)}; known are {', '.join(sorted(TASKS))}."
            )
        if self.engine == "estimator" and self.builder is None:
            raise SpecError(f"Algorithm {self.id!r} has the engine 'estimator' but no builder of an estimator.")
        if self.network is not None and (self.engine != "torch" or self.uses_layers):
            raise SpecError(
                f"Algorithm {self.id!r} makes its layers of its hyperparameters; its engine is 'torch', and it takes "
                "no layers of a person."
            )
        grown = None if self.staged is None else counted_by(self.staged)
        if grown is not None and grown not in self.parameters:
            raise SpecError(f"Algorithm {self.id!r} is staged by {grown!r}, which is none of its parameters.")

    @property
    def has_layers(self) -> bool:
        """Whether it is a network of layers: a person's, or those that follow from its hyperparameters."""
        return self.uses_layers or self.network is not None

    def stack(self, values: Mapping[str, Any], n_features: int, layers: Sequence[Layer] = ()) -> tuple[Layer, ...]:
        """Return the layers that train: those that follow from the hyperparameters, else the given ones.

        Parameters
        ----------
        values : mapping
            Every hyperparameter.
        n_features : int
            Columns of the prepared table.
        layers : sequence of Layer
            Those that a person put together.
        """
        return tuple(layers) if self.network is None else tuple(self.network(values, n_features))

    def check_features(self, n_features: int) -> None:
        """Raise `ShapeError` where the prepared table has more columns than the algorithm can read."""
        if self.most_features is not None and n_features > self.most_features:
            raise ShapeError(
                f"{self.name} reads at most {self.most_features:,} features, and the prepared table has "
                f"{n_features:,}. Put a selection or PCA before it, leave columns out with exclude=, or take another "
                "algorithm.",
                -1,
            )

    def validate(self, values: Mapping[str, Any] | None = None, task: str | None = None) -> dict[str, Any]:
        """Return every parameter, the given values checked and the others at their default.

        Parameters
        ----------
        values : mapping, optional
        task : {"classification", "regression"}, optional
            Where it is known, a parameter without a meaning for it must be at its default.

        Raises
        ------
        UnknownParameterError
            For a name that the algorithm does not have; the message names the nearest one.
        ParameterError
            For a value of the wrong type or out of range, or values that do not fit together.
        """
        given = {} if values is None else dict(values)
        for name in given:
            if name not in self.parameters:
                message = f"{self.name} has no parameter {name!r}. {hint(str(name), self.parameters)}"
                raise UnknownParameterError(message, str(name))
        full = self.parameters.validate(given, task)
        for check in self.checks:
            check(full)
        return full

    def task_for(self, asked: str | None) -> str:
        """Return what the algorithm does with a table whose target asks for a task: that, or its own task.

        Parameters
        ----------
        asked : {"classification", "regression"}, optional
            None where the table has no target.
        """
        own = sorted(self.tasks - SUPERVISED)
        return asked if asked in self.tasks or not own else own[0]  # type: ignore[return-value]

    def unavailable(self, task: str | None) -> str:
        """Say why the algorithm cannot do the task; an empty string where it can, or no task is known."""
        if task is None or task in self.tasks or self.tasks - SUPERVISED:
            return ""
        can = " and ".join(sorted(self.tasks))
        target = "numbers (regression)" if task == "regression" else "classes (classification)"
        return f"{self.name} does {can} only; this target asks for {target}."

    def stage_sizes(self, values: Mapping[str, Any]) -> list[int]:
        """Return the sizes at which the engine stops to look, see `Staged`; empty where there are no stages."""
        return [] if self.staged is None else stage_sizes(self.staged, values)

    def build(self, values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
        """Return an unfitted scikit-learn estimator.

        Parameters
        ----------
        values : mapping
            Hyperparameters; missing ones are at their default.
        task : {"classification", "regression"}
        n_features, n_classes : int
            Columns of the prepared table; number of classes (1 for regression).
        seed : int
            The estimator's ``random_state``.

        Raises
        ------
        ParameterError
            For values that are not allowed.
        UnknownAlgorithmError
            For a task that it cannot do.
        StateError
            For an algorithm that the torch engine trains: `medilytica_widgets.network.build` makes its network.
        """
        if self.builder is None:
            raise StateError(f"{self.name} is no scikit-learn estimator; network.build makes its network.")
        self._refuse(task)
        return self.builder(self.validate(values, task), task, n_features, n_classes, seed)

    def fit_arguments(self, values: Mapping[str, Any], y: NDArray[Any]) -> dict[str, Any]:
        """Return keyword arguments for the estimator's ``fit`` beside X and y.

        Parameters
        ----------
        values : mapping
            Every hyperparameter.
        y : ndarray
            Class indices as integers, or a regression's target as floats, for which there are none.

        Raises
        ------
        ParameterError
            Where these rows do not suffice for these values.

        Notes
        -----
        Balanced class weights travel as ``sample_weight``: scikit-learn's gradient boosting has no
        ``class_weight``, and its random forest warns when a preset meets ``warm_start``. The forest
        multiplies both into one number, so the result is the same.
        """
        for check in self.row_checks:
            check(values, y)
        if not self.balances or values.get("class_weight") != "balanced" or y.dtype.kind == "f":
            return {}
        from sklearn.utils.class_weight import compute_sample_weight

        return {"sample_weight": compute_sample_weight("balanced", y)}

    def code(
        self,
        values: Mapping[str, Any],
        task: str,
        seed: int,
        *,
        n_features: int,
        n_classes: int,
        layers: Sequence[Layer] = (),
        changes: Sequence[tuple[int, str, Any]] = (),
        style: str = "script",
        head: Any = None,
        heads: Sequence[Any] = (),
    ) -> list[str]:
        """Return lines of a standalone script that train on X_train, y_train and predict X_test.

        ``changes`` are the live changes of a run, ``style`` how it is laid out, ``head`` and ``heads`` those of a
        network; see `CodeRequest`.

        The lines expect numpy arrays ``X_train, y_train, X_validation, y_validation, X_test`` and
        define ``model``, ``predicted`` (int64 class index, or float64 in the target's units) and,
        for classification, ``probabilities`` (float64, rows × classes). Imports come first, each
        on a line of its own at column 0, then a blank line.

        Raises
        ------
        ParameterError
            For values that are not allowed.
        UnknownAlgorithmError
            For a task that it cannot do.
        ShapeError
            For layers that do not connect.
        """
        self._refuse(task)
        full = self.validate(values, task)
        for _, name, value in changes:
            self.parameters[name].validate(value)
        network = (tuple(layers), tuple(changes), style, head, tuple(heads))
        return self.coder(CodeRequest(full, task, seed, n_features, n_classes, *network))

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able documentation."""
        return {
            "id": self.id,
            "name": self.name,
            "category": list(self.category),
            "tasks": sorted(self.tasks),
            "summary": self.summary,
            "when": self.when,
            "when_not": self.when_not,
            "references": list(self.references),
            "parameters": self.parameters.to_json(),
            "engine": self.engine,
            "uses_layers": self.uses_layers,
        }

    def _refuse(self, task: str) -> None:
        if task not in self.tasks:
            raise UnknownAlgorithmError(
                self.unavailable(task) or f"{self.name} does {' and '.join(sorted(self.tasks))}."
            )
