"""One column at a time: its kind with the evidence, how its values spread, what is missing, what it seems to mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from .. import figures
from ..report import Html, card, figure, format_value, grouped, key_values, pills, section, sentence
from ._base import BaseWidget, serves
from .quality_report import dataset_of

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Dataset
    from ..experiment import Experiment


class ColumnProfile(BaseWidget):
    """A column's profile, with a menu of all columns and one to change the kind.

    Which column is looked at is each view's own. A kind that is changed is everyone's: `data` is then another dataset
    with that kind (`Dataset.with_kinds`), and the one given stays as it is. Of an experiment it is a change of its
    specification (`Experiment.set_kinds`) like any other: it can be undone, and the next run learns from it.

    Parameters
    ----------
    data : Dataset, DataFrame or Experiment
        A DataFrame, or anything else that `load_dataset` reads, is loaded as a dataset first.
    column : str, optional
        The column shown at first; the target, or the first one, when None.

    Raises
    ------
    ColumnNotFoundError

    Attributes
    ----------
    data : Dataset
        With the kinds as they stand.
    """

    ARGUMENTS = ("column",)

    title = traitlets.Unicode(help="The table's name").tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="Name, kind and role of every column").tag(sync=True)
    first = traitlets.Dict(help="The profile of the column shown at first").tag(sync=True)
    code = traitlets.Unicode(help="The line of Python that gives the kinds chosen by hand").tag(sync=True)
    version = traitlets.Int(0, help="Counts the changes of kinds").tag(sync=True)

    def __init__(self, data: Dataset | pd.DataFrame | Experiment, column: str | None = None, **kwargs: Any) -> None:
        from ..experiment import Experiment

        self.data: Dataset = dataset_of(data)
        self._experiment = data if isinstance(data, Experiment) else None
        self._began = dict(self.data.spec.kinds)
        target = self.data.target
        self._column = column if column is not None else target if target is not None else self.data.columns[0].name
        self.data.column(self._column)
        self._tell()
        super().__init__(**kwargs)
        if self._experiment is not None:
            # undone, or changed from elsewhere
            self.follow(self._experiment.changed, self.mark)

    def _tell(self) -> None:
        from ..data.profiles import profile_of

        data = self.data
        self.title = data.name
        self.columns = [{"name": c.name, "kind": c.kind, "role": c.role} for c in data.columns]
        self.first = profile_of(data, self._column)
        chosen = {n: k for n, k in data.spec.kinds.items() if self._began.get(n) != k}
        undone = {n: None for n in self._began if n not in data.spec.kinds}
        line = "data = data.with_kinds" if self._experiment is None else "exp.set_kinds"
        self.code = f"{line}({ {**chosen, **undone}!r})" if chosen or undone else ""

    @serves("profile.read")
    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        from ..data.profiles import profile_of

        return {"version": self.version, "profile": profile_of(self.data, body["column"])}

    @serves("profile.kind")
    def _change(self, body: dict[str, Any]) -> None:
        kinds = {body["column"]: body["kind"] or None}
        if self._experiment is not None:
            self._experiment.set_kinds(kinds)
            self._follow()
            return
        self.data = self.data.with_kinds(kinds)
        self._tell_changed()

    def update_view(self) -> None:
        """Show the table that the experiment has now, if it is another one."""
        self._follow()

    def _follow(self) -> None:
        now = self._experiment.data if self._experiment is not None else self.data
        with self._lock:
            if now is self.data:
                return
            self.data = now
            self._tell_changed()

    def _tell_changed(self) -> None:
        with self.together():
            self._tell()
            self.set_trait("version", self.version + 1)

    def static_html(self) -> str:
        """Return the profile of the column that was named, or shown at first."""
        return section(f"{self._column} of {self.title}", profile_card(self.first))


def profile_card(profile: dict[str, Any]) -> Html:
    """Return a profile as a card of a report."""
    missing = f"{grouped(profile['missing'])} of {grouped(profile['rows'])}"
    share = profile["missing"] / profile["rows"]
    facts = {
        **({"description": profile["description"]} if profile["description"] else {}),
        "evidence": profile["evidence"],
        **({"set aside": profile["reason"]} if profile["reason"] else {}),
        "missing": f"{missing} ({share:.1%})" if profile["missing"] else "none",
        "different values": grouped(profile["distinct"]),
        **{label: format_value(value) for label, value in profile["statistics"]},
        **{f"hint: {_words(hint['kind'])}": _hint(hint) for hint in profile["hints"]},
    }
    bars = profile["bars"]
    return card(
        profile["name"],
        pills(profile["kind"], _words(profile["role"])),
        figure(figures.column_bars(bars, name=profile["name"])) if bars else sentence("There is nothing to draw."),
        key_values(facts),
    )


def _words(word: str) -> str:
    return word.replace("_", " ")


def _hint(hint: dict[str, str]) -> str:
    return f"{hint['value']}: {hint['evidence']}" if hint["value"] else hint["evidence"]
