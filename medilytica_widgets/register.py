"""Your own algorithms, layers, activations, losses, optimizers and data sets: one decorated function or class each.

What is registered is in the widgets, the specification, ``to_code()``, papermill and the workspace like what the
package brings. An id that is taken is refused; a cell that runs again replaces what it registered before.

Printed scripts hold the source of what they use, so that they run without this package: it may use modules and what is
imported from them, and no other name from outside. A specification names what it uses by id: to open it elsewhere,
register the same there first. What a training process is to use has to stand in a module that can be imported; what a
notebook's cell registers trains in a thread, and ``worker="process"`` is refused for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import registered
from .algorithms import own, own_tasks
from .algorithms import register as _add_algorithm
from .algorithms import unregister as _drop_algorithm
from .algorithms._unsupervised import Needs, set_needs
from .algorithms.base import Algorithm
from .algorithms.registry import list_ as _algorithms
from .algorithms.registry import replace as _replace_algorithm
from .data.builtin import BUILTIN
from .errors import InputError, SpecError, hint
from .network import LOSSES
from .network.losses import CUSTOM
from .network.registering import remove_activation, unregister_layer
from .parameters import Parameter
from .register_parts import T, activation, layer, loss, optimizer
from .registered import Entry
from .signatures import arguments_of, check_callable, entry_of, table_of

__all__ = ["activation", "algorithm", "dataset", "layer", "list", "loss", "optimizer", "remove"]


def algorithm(
    id: str,
    *,
    name: str = "",
    help: str = "",
    parameters: Sequence[Parameter] | None = None,
    tasks: str | Sequence[str] | None = None,
    category: str | Sequence[str] = own.OWN_CATEGORY,
    when: str = "Where its author recommends it.",
    when_not: str = "Where one of the package's own does as well.",
) -> Callable[[T], T]:
    """Register an estimator: a decorator of a class, or of a function that returns one.

    Parameters
    ----------
    id : str
        The name in specifications.
    name, help : str
        For a person; from the id and the docstring when empty.
    parameters : sequence of Parameter, optional
        Its hyperparameters; from the signature's annotations and defaults when left out.
    tasks : {"classification", "regression"} or both, or one of {"clustering", "anomaly", "transform"}, optional
        What it does; for a class told from scikit-learn's mixins, or from its methods.
    category : str or sequence of str
        Its place in the browser's tree.
    when, when_not : str
        When to use it, and when another is the better choice.

    Notes
    -----
    The class has ``fit(X, y)``, ``predict(X)`` and, for classification, ``predict_proba(X)`` and ``classes_``, with
    numpy arrays: X float32, y int64 positions of classes or float32 numbers. For clustering it has ``fit(X)`` and
    ``predict(X)``, clusters from 0 and -1 for none; for anomalies ``fit(X)``, ``predict(X)``, -1 for an unusual row,
    and ``score_samples(X)``, lower for a more unusual one; for a transformation ``fit(X)`` and ``transform(X)``. Where
    ``fit`` of these cannot do without y, the table needs a target.

    Its constructor takes the hyperparameters as keyword arguments, and the seed where it has an argument
    ``random_state`` or ``seed``. A function takes the same arguments, or a single one called ``values``: all of them
    as a dict. An experiment makes one whenever it takes values, and refuses those with which that raises.

    A class shows progress where it can learn in steps. With the arguments ``warm_start`` and ``n_estimators`` and a
    ``set_params``, it is made with ``warm_start=True`` and fitted at growing sizes, which has to give what one fit at
    the last gives. With ``partial_fit`` in place of ``fit`` or beside it, and a hyperparameter ``epochs``, that is
    called so many times with all rows, and with ``classes``, all positions of classes, where it takes them.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be an algorithm.

    Examples
    --------
    >>> @register.algorithm("nearest_mean", help="Takes the class with the nearest mean.")
    ... class NearestMean:
    ...     def __init__(self, shrink: float = 0.0): ...
    ...     def fit(self, X, y): ...
    ...     def predict(self, X): ...
    ...     def predict_proba(self, X): ...
    """

    def decorate(made: T) -> T:
        title = f"The algorithm {id!r}"
        check_callable(made, title)
        arguments = arguments_of(made)
        takes = "values" if not isinstance(made, type) and [*arguments] == ["values"] else "keywords"
        seed = next((s for s in own.SEEDS if s in arguments), "")
        named = {p.id for p in parameters or () if isinstance(p, Parameter)}
        ours = (seed, *(["warm_start"] if own_tasks.grows(made, arguments) and "warm_start" not in named else []))
        table = table_of(made, parameters, () if takes == "keywords" else ("values",), ours, title)
        staged = own_tasks.staged_by(made, arguments, table)
        wanted = own_tasks.tasks_of(made, tasks, staged, title)
        facts = {"takes": takes, "seed": seed, "target": own_tasks.looks_at_target(made, wanted)}
        entry = entry_of("algorithm", id, name, help, made, table, facts)
        path = (category,) if isinstance(category, str) else tuple(category)
        found = own.own_algorithm(entry, wanted, path, when, when_not, staged)
        registered.add(
            entry,
            lambda id: any(a.id == id for a in _algorithms()),
            lambda before: _install_algorithm(found, entry, before),
        )
        return made

    return decorate


def _install_algorithm(found: Algorithm, entry: Entry, before: Entry | None) -> None:
    set_needs(entry.id, Needs(target=True) if entry.facts["target"] else None)
    if before is None:
        _add_algorithm(found)
    else:
        _replace_algorithm(found)


def dataset(
    id: str,
    *,
    name: str = "",
    help: str = "",
    target: str | None = None,
    parameters: Sequence[Parameter] | None = None,
) -> Callable[[T], T]:
    """Register a table: a decorator of a function that returns a DataFrame.

    ``mw.load_dataset(id, option=…)`` loads it; a specification names it by id and options, so that it is made again
    where the specification is opened. The same options have to give the same table.

    Parameters
    ----------
    id, name, help, parameters
        As of `algorithm`; the parameters are the options.
    target : str, optional
        The column that is the target when none is given.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be a table.

    Examples
    --------
    >>> @register.dataset("waves", target="height", help="A sine wave with noise.")
    ... def waves(rows: int = 200, noise: float = 0.1):
    ...     rng = np.random.default_rng(0)
    ...     x = rng.uniform(0, 6, rows)
    ...     return pd.DataFrame({"x": x, "height": np.sin(x) + rng.normal(0, noise, rows)})
    """

    def decorate(made: T) -> T:
        title = f"The data set {id!r}"
        check_callable(made, title)
        table = table_of(made, parameters, (), (), title)
        taken = "source target names exclude roles missing kinds name connection progress"
        reserved = set(taken.split()) & set(table)
        if reserved:
            raise SpecError(f"{title} has an option {min(reserved)!r}, which load_dataset has too; call it otherwise.")
        entry = entry_of("dataset", id, name, help, made, table, {"target": target})
        registered.add(entry, BUILTIN.__contains__, lambda before: None)
        return made

    return decorate


def remove(kind: str, id: str) -> None:
    """Take out what was registered; what trains with it goes on.

    Parameters
    ----------
    kind : {"algorithm", "layer", "activation", "loss", "optimizer", "dataset"}
    id : str

    Raises
    ------
    InputError
        Where there is nothing of the kind by that id.
    """
    registered.remove(kind, id, lambda entry: _REMOVERS[kind](entry))


def list(kind: str | None = None) -> Sequence[dict[str, str]]:
    """Return what was registered: ``{"kind", "id", "name", "help", "module"}`` of each, of one kind if it is given.

    Raises
    ------
    InputError
        For a kind that there is not.
    """
    if kind is not None and kind not in registered.KINDS:
        raise InputError(f"There is no kind {kind!r} to register. {hint(str(kind), registered.KINDS)}")
    return [
        {"kind": e.kind, "id": e.id, "name": e.name, "help": e.help, "module": e.module}
        for one in registered.KINDS
        if kind in (None, one)
        for e in registered.entries(one)
    ]


def _drop_own_algorithm(entry: Entry) -> None:
    set_needs(entry.id, None)
    # somebody may have taken it out of the registry itself
    if any(a.id == entry.id for a in _algorithms()):
        _drop_algorithm(entry.id)


_REMOVERS: dict[str, Callable[[Entry], Any]] = {
    "algorithm": _drop_own_algorithm,
    "layer": lambda entry: unregister_layer(entry.id),
    "activation": lambda entry: remove_activation(entry.id),
    "loss": lambda entry: LOSSES.pop(CUSTOM + entry.id, None),
    "optimizer": own.withdraw,
    "dataset": lambda entry: None,
}
