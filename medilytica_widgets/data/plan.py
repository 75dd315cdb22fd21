"""What stands between a table's columns and an algorithm beside the default: encoders, imputers, and further steps.

Who makes a plan is the room of the algorithms (`medilytica_widgets.algorithms.chain`); this one carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MedilyticaError, SpecError

Treated = Literal["numbers", "flags", "categories", "text"]
"""How columns are treated: filled and scaled, one-hot encoded, encoded, or read as text."""


class Maker(Protocol):
    """A constructor's call: `medilytica_widgets.algorithms.calls.Call`."""

    def build(self) -> Any:
        """Return the unfitted object."""

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return the call as source."""

    def imports(self) -> list[str]:
        """Return its import lines."""

    def definitions(self) -> list[str]:
        """Return what a script has to define before it."""


@dataclass(frozen=True)
class Where:
    """Which of the table's columns a step is for; without any, all that it can treat.

    Parameters
    ----------
    columns : tuple of str
    kind : str
        Of `medilytica_widgets.data.kinds.KINDS`.
    """

    columns: tuple[str, ...] = ()
    kind: str = ""

    @property
    def limited(self) -> bool:
        """Whether it is for some columns only."""
        return bool(self.columns or self.kind)


@dataclass(frozen=True, eq=False)
class Part:
    """One step on the table's own columns, before there is a matrix.

    Parameters
    ----------
    id, name : str
    treats : {"numbers", "categories", "text", "dates"}
    maker : Maker, optional
        Of the transformer; None of a step that makes new columns.
    where : Where
    each : bool
        Whether each column has a transformer of its own.
    shares : bool
        Whether categories are replaced by their share of the training rows before it.
    target : bool
        Whether it looks at the target.
    takes_numbers : bool
        Whether it takes columns of numbers too, where they are named.
    filler : Maker, optional
        What fills the gaps of categories, of an imputer that does.
    options : mapping
        What a step without a transformer needs to know.
    """

    id: str
    name: str
    treats: Literal["numbers", "categories", "text", "dates"]
    maker: Maker | None = None
    where: Where = Where()
    each: bool = False
    shares: bool = False
    target: bool = False
    takes_numbers: bool = False
    filler: Maker | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """One step on the matrix.

    Parameters
    ----------
    id, name : str
    make : callable
        ``(columns, places) -> Maker`` of the step for a matrix of so many columns; ``places`` are those that it acts
        on, None for all.
    check : callable
        ``(rows, columns)``: raises where the step cannot be fitted on so many.
    target : bool
        Whether it looks at the target.
    where : Where
    places : tuple of int, optional
        The columns of the matrix that it acts on, as `fit_links` found them.
    number : int
        Its place among all steps of the preparation, from 0, as a person counts them.
    """

    id: str
    name: str
    make: Callable[[int, tuple[int, ...] | None], Maker]
    check: Callable[[int, int], None]
    target: bool = False
    where: Where = Where()
    places: tuple[int, ...] | None = None
    number: int = 0


@dataclass(frozen=True)
class Plan:
    """How a table is prepared.

    Parameters
    ----------
    parts : tuple of Part
        What acts on the table's columns in place of the default: the median and one column for each category.
    links : tuple of Link
        What acts on the matrix, in order.
    """

    parts: tuple[Part, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def target(self) -> bool:
        """Whether a step on the columns looks at the target."""
        return any(part.target for part in self.parts)


DEFAULT = Plan()


@dataclass
class Matrix:
    """The training rows between two steps.

    Attributes
    ----------
    rows : ndarray
    names : list of str
        Of its columns.
    sources : list of str
        The table's column that each came from; empty for a mixture of several.
    """

    rows: NDArray[Any]
    names: list[str]
    sources: list[str]


def fit_links(
    plan: Plan, matrix: Matrix, y: NDArray[Any] | None, chosen: Callable[[Link], Sequence[str] | None]
) -> tuple[Plan, list[Any], NDArray[np.float32]]:
    """Return the plan with the places its steps act on, the fitted steps, and the matrix after them.

    Parameters
    ----------
    plan : Plan
    matrix : Matrix
        The training rows.
    y : ndarray, optional
        Their target, for steps that look at it.
    chosen : callable
        The table's columns that a step is for; None for all.

    Raises
    ------
    SpecError
        A step is for columns that are no longer there by themselves.
    DataError
        A step cannot be fitted; its name and scikit-learn's reason are told.
    """
    fitted: list[Any] = []
    links: list[Link] = []
    rows, names, sources = matrix.rows, matrix.names, matrix.sources
    for link in plan.links:
        wanted = chosen(link)
        if wanted is not None:
            link = replace(link, places=_places(link, wanted, sources))
        links.append(link)
        width = rows.shape[1] if link.places is None else len(link.places)
        link.check(len(rows), width)
        step = link.make(width, link.places).build()
        try:
            rows = np.asarray(step.fit_transform(rows, y) if link.target else step.fit_transform(rows))
        except MedilyticaError:
            raise
        except ValueError as error:
            raise DataError(
                f"Step {link.number + 1}, {link.name}, cannot be fitted on these rows: {first_line(error)}"
            ) from error
        fitted.append(step)
        after = output_names(step, names)
        names, sources = after, sources_after(step, names, sources, after)
        if rows.shape[1] == 0:
            raise DataError(f"Step {link.number + 1}, {link.name}, leaves no column; set it to keep more.")
        if not np.isfinite(rows).all():
            raise DataError(f"Step {link.number + 1}, {link.name}, gives values that are infinite or no numbers.")
    return replace(plan, links=tuple(links)), fitted, np.ascontiguousarray(rows, dtype=np.float32)


def _places(link: Link, wanted: Sequence[str], sources: Sequence[str]) -> tuple[int, ...]:
    gone = [name for name in wanted if name not in sources]
    if gone and (link.where.columns or len(gone) == len(wanted)):
        raise SpecError(
            f"Step {link.number + 1}, {link.name}, is for the column {gone[0]!r}, which is not there by itself at this "
            "point: it is no feature, or a step before took it out or mixed it with others. Put this step before that "
            "one."
        )
    return tuple(place for place, source in enumerate(sources) if source in wanted)


def sources_after(step: Any, names: Sequence[str], sources: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the table's column that each column after a fitted step came from; empty for a mixture of several."""
    if (inner := limited_to(step)) is not None:
        transformer, places = inner
        own = [[values[place] for place in places] for values in (names, sources)]
        rest = [source for place, source in enumerate(sources) if place not in set(places)]
        return [*sources_after(transformer, own[0], own[1], after[: len(after) - len(rest)]), *rest]
    known = dict(zip(names, sources, strict=True))
    # a column of a bin is called by its column and the bin
    return [known.get(name) or known.get(name.rpartition("_")[0], "") for name in after]


def limited_to(step: Any) -> tuple[Any, list[int]] | None:
    """Return the transformation that a fitted step applies to some columns, and their places; None of any other."""
    from sklearn.compose import ColumnTransformer

    if not isinstance(step, ColumnTransformer):
        return None
    return step.named_transformers_["chosen"], list(step.transformers[0][2])


def apply_links(fitted: Sequence[Any], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a matrix after all steps: float32 and C-contiguous."""
    if not fitted or len(matrix) == 0:
        return matrix
    rows: NDArray[Any] = matrix
    for step in fitted:
        rows = np.asarray(step.transform(rows))
    return np.ascontiguousarray(rows, dtype=np.float32)


def output_names(transformer: Any, names: Sequence[str]) -> list[str]:
    """Return the names of the columns that a fitted transformation gives.

    Mixtures of columns, as of PCA, are ``component_1``, ``component_2``, …; others have the names that scikit-learn
    gives them.
    """
    from sklearn.base import ClassNamePrefixFeaturesOutMixin

    if (inner := limited_to(transformer)) is not None:
        part, places = inner
        rest = [name for place, name in enumerate(names) if place not in set(places)]
        return [*_unlike(output_names(part, [names[place] for place in places]), rest), *rest]
    steps = getattr(transformer, "steps", None)
    last = steps[-1][1] if steps else transformer
    if not isinstance(last, ClassNamePrefixFeaturesOutMixin) and hasattr(last, "get_feature_names_out"):
        return [str(name) for name in transformer.get_feature_names_out(np.asarray(names, dtype=object))]
    probe = transformer.transform(np.zeros((1, len(names)), dtype=np.float32))
    mixed = isinstance(last, ClassNamePrefixFeaturesOutMixin) or probe.shape[1] != len(names)
    return [f"component_{k + 1}" for k in range(probe.shape[1])] if mixed else list(names)


def _unlike(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return names of which none is among others: the components of a second mixture are numbered on."""
    taken, found = set(others), []
    for name in names:
        stem, _, number = name.rpartition("_")
        while name in taken and stem and number.isdigit():
            number = str(int(number) + 1)
            name = f"{stem}_{number}"
        taken.add(name)
        found.append(name)
    return found


def first_line(error: BaseException) -> str:
    """Return what an error says, as one sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text[-1] in ".?!" else f"{text}."


def link_lines(plan: Plan, widths: Sequence[int]) -> list[str]:
    """Return lines of a script that fit the steps on X_train and apply them to all three parts.

    Parameters
    ----------
    plan : Plan
    widths : sequence of int
        Columns of the matrix before each step.
    """
    if not plan.links:
        return []
    imports: list[str] = ["import numpy as np"]
    body = definition_lines(plan, widths)
    for link, width in zip(plan.links, widths, strict=True):
        call = made(link, width)
        imports += [line for line in call.imports() if line not in imports]
        target = ", y_train" if link.target else ""
        body += [
            "",
            f"# {link.name.lower()}, fitted on the training rows only",
            *f"step = {call.source()}".split("\n"),
            f"X_train = step.fit_transform(X_train{target})",
            "X_validation, X_test = step.transform(X_validation), step.transform(X_test)",
        ]
    return [
        *imports,
        *body,
        "",
        "X_train, X_validation, X_test = (",
        "    np.ascontiguousarray(rows, dtype=np.float32) for rows in (X_train, X_validation, X_test)",
        ")",
    ]


def made(link: Link, width: int) -> Maker:
    """Return the constructor's call of a step that `fit_links` has fitted on so many columns."""
    return link.make(width if link.places is None else len(link.places), link.places)


def definition_lines(plan: Plan, widths: Sequence[int]) -> list[str]:
    """Return what a script has to define for the steps on the matrix, each once."""
    texts = [text for link, width in zip(plan.links, widths, strict=False) for text in made(link, width).definitions()]
    return [line for text in dict.fromkeys(texts) for line in ("", "", *text.rstrip().split("\n"), "", "")]


def link_sources(plan: Plan, widths: Sequence[int]) -> list[tuple[str, str, list[str]]]:
    """Return of each step a name for a pipeline, the source of its constructor, and its import lines."""
    found: list[tuple[str, str, list[str]]] = []
    for number, (link, width) in enumerate(zip(plan.links, widths, strict=True)):
        twice = any(other.id == link.id for other in plan.links[:number])
        call = made(link, width)
        found.append((f"{link.id}_{number + 1}" if twice else link.id, call.source(), call.imports()))
    return found
