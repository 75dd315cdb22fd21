"""How rows are divided and columns prepared, as people edit it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .algorithms import Step
from .algorithms.chain import check_steps
from .algorithms.step import as_step
from .data.splits import COLUMN_MEANS, FOLDED, check_shares
from .errors import InputError, SpecError, check_kwargs
from .spec import ExperimentSpec, SplitSpec, made_split

if TYPE_CHECKING:
    from threading import RLock

_STEP_FIELDS = ("columns", "kind")


class PreparationEditor(ABC):
    """The part of `SpecEditor` that decides which rows are for what, and what stands before the algorithm."""

    _lock: RLock
    _spec: ExperimentSpec

    @property
    @abstractmethod
    def target_task(self) -> str | None:
        """What the target asks for."""

    @abstractmethod
    def _replace(
        self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any
    ) -> None: ...

    @abstractmethod
    def _check_preparation(self, wanted: ExperimentSpec, *, rows: bool, fitted: bool) -> None:
        """Raise where a specification's split or steps do not suit the table.

        ``rows`` says whether to divide the rows too, ``fitted`` whether to refuse all that a new experiment refuses.
        """

    # --- the split ----------------------------------------------------------------------------------

    @property
    def split(self) -> SplitSpec:
        """How rows are divided into train, validation and test parts."""
        return self._spec.split

    def set_split(
        self,
        method: str | None = None,
        *,
        column: str | None = None,
        validation: float | None = None,
        test: float | None = None,
        folds: int | None = None,
        fold: int | None = None,
        strict: bool = True,
        author: str | None = None,
        **unknown: Any,
    ) -> SplitSpec:
        """Divide the rows in another way from the next run on, as one step of undo.

        What is left out stays, as far as the way has a use for it: another way that looks at no column drops the
        column, and one without folds drops these.

        Parameters
        ----------
        method : {"auto", "random", "stratified", "grouped", "time", "column", "kfold", "group_kfold"}, optional
            See `medilytica_widgets.data.split`.
        column : str, optional
            The groups, the times, or the words train, validation and test.
        validation, test : float, optional
            Shares of all rows.
        folds, fold : int, optional
            How many folds, and which of them (from 0) is tested on.
        strict : bool
            When False, a network that does not suit the columns then is kept; `train` refuses it.
        author : str, optional

        Returns
        -------
        SplitSpec
            The split as it stands now.

        Raises
        ------
        SpecError
            A way, a share or a fold that cannot be. What stood before stays, here and below.
        ColumnNotFoundError
            The table lacks the column; the nearest name is told.
        DataError
            The rows cannot be divided so: too few rows, groups or times.

        Examples
        --------
        >>> exp.set_split("grouped", column="patient")  # doctest: +SKIP
        >>> exp.set_split("group_kfold", folds=5, fold=2)  # doctest: +SKIP
        """
        known = ("method", "column", "validation", "test", "folds", "fold", "strict", "author")
        check_kwargs("Experiment.set_split", unknown, known)
        given = {"column": column, "validation": validation, "test": test, "folds": folds, "fold": fold}
        with self._lock:
            before = self._spec.split
            plain = before.arguments()
            if method is not None:
                plain["method"] = method
            if plain["method"] not in COLUMN_MEANS:
                plain["column"] = ""
            if plain["method"] not in FOLDED:
                fields = SplitSpec.model_fields
                plain |= {name: fields[name].default for name in ("folds", "fold")}
            plain |= {name: value for name, value in given.items() if value is not None}
            wanted = made_split(plain)
            check_shares(wanted.test, wanted.validation)
            if wanted != before:
                changed = self._spec.model_copy(update={"split": wanted})
                self._check_preparation(changed, rows=True, fitted=strict)
                named = [name for name, value in given.items() if value is not None]
                # the many values of one drag are one change; another way is one of its own
                merge = f"split {named}" if method is None else None
                self._replace("meta", split=wanted, merge=merge, author=author)
            return self._spec.split

    # --- the steps ------------------------------------------------------------------------------------

    @property
    def preprocessing(self) -> list[Step]:
        """The steps between the prepared columns and the algorithm, in order; a copy."""
        return [step.model_copy(deep=True) for step in self._spec.preprocessing]

    def set_preprocessing(
        self,
        steps: Sequence[Step | str],
        *,
        strict: bool = True,
        merge: str | None = None,
        author: str | None = None,
    ) -> None:
        """Replace all steps, all or none, as one step of undo.

        Parameters
        ----------
        steps : sequence of Step or str
            A bare id is a step with its defaults.
        strict : bool
            When False, a network that does not suit the columns that the steps give is kept; `train` refuses it.
            Whether a step can be fitted is told by `prepared` and `train`.
        merge : str, optional
            Changes of the same name that follow each other closely are one step of undo.
        author : str, optional

        Raises
        ------
        UnknownAlgorithmError, ParameterError
            A step or an option that does not exist or is not allowed. What stood before stays, here and below.
        ColumnNotFoundError
            A step names a column that the table lacks; the nearest name is told.
        SpecError, TargetError, InputError
            Steps that cannot stand together, or that the table has nothing for.
        """
        with self._lock:
            wanted = check_steps(steps, self.target_task)
            if wanted != self._spec.preprocessing:
                changed = self._spec.model_copy(update={"preprocessing": wanted})
                self._check_preparation(changed, rows=False, fitted=strict)
                self._replace("meta", preprocessing=wanted, merge=merge, author=author)

    def add_step(self, step: Step | str | Mapping[str, Any], index: int | None = None, *, strict: bool = True) -> None:
        """Insert a step before position ``index``; at the end when None."""
        with self._lock:
            steps = self.preprocessing
            at = len(steps) if index is None else index
            if type(at) is not int or not 0 <= at <= len(steps):
                raise SpecError(f"A step can be inserted at 0 to {len(steps)}, not at {index!r}.")
            self.set_preprocessing([*steps[:at], as_step(step), *steps[at:]], strict=strict)

    def remove_step(self, index: int, *, strict: bool = True) -> None:
        """Remove the step at ``index``."""
        with self._lock:
            self._check_step_index(index)
            steps = self.preprocessing
            self.set_preprocessing(steps[:index] + steps[index + 1 :], strict=strict)

    def move_step(self, index: int, to: int, *, strict: bool = True) -> None:
        """Move the step at ``index`` so that it stands at ``to``."""
        with self._lock:
            self._check_step_index(index)
            self._check_step_index(to)
            steps = self.preprocessing
            steps.insert(to, steps.pop(index))
            self.set_preprocessing(steps, strict=strict)

    def update_step(
        self,
        index: int,
        *,
        columns: Sequence[str] | str | None = None,
        kind: str | None = None,
        strict: bool = True,
        **options: Any,
    ) -> None:
        """Change options of the step at ``index``, or the columns or the kind that it is for; the others stay.

        Columns that are named take the place of a kind, and the other way round; ``columns=[]`` with ``kind=""`` is
        for all columns again.
        """
        if columns and kind:
            raise SpecError("A step is for columns or for a kind of them, not for both; leave one out.")
        with self._lock:
            self._check_step_index(index)
            steps = self.preprocessing
            plain = steps[index].to_json()
            plain["options"] = {**plain["options"], **options}
            if columns is not None:
                plain["columns"] = [columns] if isinstance(columns, str) else list(columns)
                plain.pop("kind", None)
            if kind is not None:
                plain["kind"] = kind
                if kind:
                    plain.pop("columns", None)
            steps[index] = as_step(plain)
            fields = [name for name, value in zip(_STEP_FIELDS, (columns, kind), strict=True) if value is not None]
            merge = None if fields else f"step {index} {sorted(options)}"
            self.set_preprocessing(steps, strict=strict, merge=merge)

    def _check_step_index(self, index: int) -> None:
        count = len(self._spec.preprocessing)
        if type(index) is not int:
            raise InputError(f"A step is named by its place, a whole number from 0; {index!r} came.")
        if not 0 <= index < count:
            there = f"they are counted from 0 to {count - 1}" if count else "there is none"
            raise SpecError(f"There is no step {index}; {there}.")
