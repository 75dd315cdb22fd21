"""What stands between a table's columns and an algorithm beside the default: encoders, imputers, and further steps.

Who makes a plan is the room of the algorithms (`medilytica_widgets.algorithms.chain`); this one carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MedilyticaError


class Maker(Protocol):
    """A constructor's call: `medilytica_widgets.algorithms.calls.Call`."""

    def build(self) -> Any:
        """Return the unfitted object."""

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return the call as source."""

    def imports(self) -> list[str]:
        """Return its import lines."""


@dataclass(frozen=True)
class Link:
    """One step on the matrix.

    Parameters
    ----------
    id, name : str
    make : callable
        ``(columns) -> Maker`` of the step for a matrix of so many columns.
    check : callable
        ``(rows, columns)``: raises where the step cannot be fitted on so many.
    target : bool
        Whether it looks at the target.
    """

    id: str
    name: str
    make: Callable[[int], Maker]
    check: Callable[[int, int], None]
    target: bool = False


@dataclass(frozen=True)
class Plan:
    """How a table is prepared.

    Parameters
    ----------
    encoder : Maker, optional
        Of the columns of categories, in place of one column for each category.
    imputer : Maker, optional
        Of the columns of numbers, with their scaling, in place of the median.
    shares : bool
        Whether categories are replaced by their share of the training rows before the encoder.
    target : bool
        Whether the encoder looks at the target.
    links : tuple of Link
        What acts on the matrix, in order.
    """

    encoder: Maker | None = None
    imputer: Maker | None = None
    shares: bool = False
    target: bool = False
    links: tuple[Link, ...] = field(default=())


DEFAULT = Plan()


def fit_links(plan: Plan, matrix: NDArray[np.float32], y: NDArray[Any] | None) -> tuple[list[Any], NDArray[np.float32]]:
    """Return the fitted steps and the matrix after them, as a scikit-learn pipeline fits its steps.

    Parameters
    ----------
    plan : Plan
    matrix : ndarray of float32
        The training rows.
    y : ndarray, optional
        Their target, for steps that look at it.

    Raises
    ------
    DataError
        A step cannot be fitted; its name and scikit-learn's reason are told.
    """
    fitted: list[Any] = []
    rows: NDArray[Any] = matrix
    for number, link in enumerate(plan.links):
        link.check(*rows.shape)
        step = link.make(rows.shape[1]).build()
        try:
            rows = np.asarray(step.fit_transform(rows, y) if link.target else step.fit_transform(rows))
        except MedilyticaError:
            raise
        except ValueError as error:
            raise DataError(
                f"Step {number + 1}, {link.name}, cannot be fitted on these rows: {first_line(error)}"
            ) from error
        fitted.append(step)
        if rows.shape[1] == 0:
            raise DataError(f"Step {number + 1}, {link.name}, leaves no column; set it to keep more.")
        if not np.isfinite(rows).all():
            raise DataError(f"Step {number + 1}, {link.name}, gives values that are infinite or no numbers.")
    return fitted, np.ascontiguousarray(rows, dtype=np.float32)


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

    steps = getattr(transformer, "steps", None)
    last = steps[-1][1] if steps else transformer
    if not isinstance(last, ClassNamePrefixFeaturesOutMixin) and hasattr(last, "get_feature_names_out"):
        return [str(name) for name in transformer.get_feature_names_out(np.asarray(names, dtype=object))]
    probe = transformer.transform(np.zeros((1, len(names)), dtype=np.float32))
    mixed = isinstance(last, ClassNamePrefixFeaturesOutMixin) or probe.shape[1] != len(names)
    return [f"component_{k + 1}" for k in range(probe.shape[1])] if mixed else list(names)


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
    body: list[str] = []
    for link, width in zip(plan.links, widths, strict=True):
        call = link.make(width)
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


def link_sources(plan: Plan, widths: Sequence[int]) -> list[tuple[str, str, list[str]]]:
    """Return of each step a name for a pipeline, the source of its constructor, and its import lines."""
    found: list[tuple[str, str, list[str]]] = []
    for number, (link, width) in enumerate(zip(plan.links, widths, strict=True)):
        twice = any(other.id == link.id for other in plan.links[:number])
        call = link.make(width)
        found.append((f"{link.id}_{number + 1}" if twice else link.id, call.source(), call.imports()))
    return found
