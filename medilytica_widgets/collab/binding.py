"""Keeps an experiment and its place in the workspace document the same, in both directions.

An edit of the experiment is written at once, in the thread that made it: only what it changed, so that what others
changed meanwhile stays. What others change comes in on a thread of the binding's own.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..acting import acting, acting_person, local_person
from ..engine import ENDED
from ..errors import MedilyticaError, StateError
from ..records import final_metrics
from .author import Author
from .document import DocumentChange, WorkspaceDocument

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run
    from .workspace import Workspace

logger = logging.getLogger(__name__)
_ABSENT = object()


def author_now() -> Author:
    """Return in whose name the code runs: who asked by a widget, or else whom this process belongs to."""
    person = acting_person() or local_person()
    return Author(person.id, person.name)


class Binding:
    """One experiment that several people edit.

    Parameters
    ----------
    document : WorkspaceDocument
    exp : Experiment
    id : str
        The experiment's in the document.
    say : callable
        Told in a sentence when what others wrote cannot be taken over, and with an empty one when it can again.
    announce : callable
        Given each run that ended.
    workspace : Workspace
        What it belongs to.
    """

    def __init__(
        self,
        document: WorkspaceDocument,
        exp: Experiment,
        id: str,
        say: Callable[[str], None],
        announce: Callable[[Run], None],
        workspace: Workspace,
    ) -> None:
        self.exp, self.id, self.workspace = exp, id, workspace
        self._document, self._say, self._announce = document, say, announce
        # what the experiment and the document had in common last; where the document differs it is taken over at once
        self._agreed: dict[str, Any] = exp.spec.to_json()
        self._trouble = ""
        self._announced: set[str] = {run.id for run in exp.runs if run.status in ENDED}
        self._closed = False
        self._news = threading.Event()
        self._stops: list[Callable[[], None]] = []
        exp._elsewhere = self
        self._follow(exp.changed, self._push)
        self._follow(exp.run_added, self._on_run)
        for run in exp.runs:
            self._on_run(run)
        self._stops.append(document.observe(self._on_change))
        self._thread = threading.Thread(target=self._work, name=f"medilytica-binding-{id[:8]}", daemon=True)
        self._thread.start()
        # the document is right where it differs: others may have worked on
        self._news.set()
        exp.changed.emit("meta")

    # --- undo and redo, per person ------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether whoever asks has a change to take back; where nobody does, whether anybody could have."""
        return self._document.can_undo(author_now()) if acting_person() is not None else self._anything()

    @property
    def can_redo(self) -> bool:
        """Whether whoever asks has one to bring back; where nobody does, whether anybody could have."""
        return self._document.can_redo(author_now()) if acting_person() is not None else self._anything()

    def _anything(self) -> bool:
        # what every page is shown cannot depend on who looks
        return self._document.has_history

    def undo(self) -> None:
        """Take back the last change of whoever asks."""
        if self._document.undo(author_now()):
            self.pull()

    def redo(self) -> None:
        """Bring back what that person took back last."""
        if self._document.redo(author_now()):
            self.pull()

    # --- from the experiment to the document --------------------------------------------------------------

    def _push(self, part: str) -> None:
        if part == "activity" or self._closed:
            return
        with self.exp._lock:
            spec = self.exp._spec.to_json()
            if spec == self._agreed:
                return
            before, self._agreed = self._agreed, spec
            try:
                self._write(before, spec)
            except MedilyticaError as error:
                # the edit itself stands: it was made here, and others took the experiment away or the file broke
                self._agreed = before
                self._tell(f"What is changed in {self.exp.name!r} stays in this kernel: {error.message}")
                return
        # others may have changed something else since
        self._news.set()

    def _write(self, before: dict[str, Any], spec: dict[str, Any]) -> None:
        author = author_now()
        self._document.set_spec(self.id, _without_edits(spec), author=author, base=_without_edits(before))
        # each cell by itself, whole: two people edit two cells of one table without taking each other's back
        was, now = _edits_of(before), _edits_of(spec)
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                label = f"edit the cell {key}" if key in now else f"take back the edit of the cell {key}"
                self._document.set_extra(self.id, "edits", key, now.get(key), author=author, label=label)

    # --- from the document to the experiment --------------------------------------------------------------

    def _on_change(self, change: DocumentChange) -> None:
        if self.id in change.experiments:
            self._news.set()

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._closed:
                return
            try:
                self.pull()
            except Exception:
                logger.exception("what others changed in %r could not be taken over", self.exp.name)

    def pull(self) -> None:
        """Take over what the document says; what cannot be is said, and the experiment stays as it was."""
        with self.exp._lock:
            if self._closed:
                return
            try:
                wanted = plain_spec(self._document, self.id)
            except MedilyticaError as error:
                self._tell(error.message)
                return
            if wanted == self._agreed:
                self._tell("")
                return
            before, self._agreed = self._agreed, wanted
            try:
                with acting(None):
                    self._take(before, wanted)
            except Exception as error:
                self._agreed = before
                if not isinstance(error, MedilyticaError):
                    # a document that somebody forged may hold anything
                    logger.exception("what others changed in %r could not be taken over", self.exp.name)
                said = error.message if isinstance(error, MedilyticaError) else repr(error)
                self._tell(
                    f"What the workspace holds of {self.exp.name!r} cannot be used together: {said} "
                    "This kernel stays with what it had; whoever changes that part mends it."
                )
                return
        self._tell("")

    def _take(self, before: Mapping[str, Any], wanted: dict[str, Any]) -> None:
        same = all(before[name] == wanted.get(name) for name in before if name != "hyperparameters")
        if same and before.keys() == wanted.keys():
            # what people turn most is taken over without looking at the rest again
            table = self.exp.algorithm.parameters
            was, now = before["hyperparameters"], wanted["hyperparameters"]
            differ = [name for name in {*was, *now} if was.get(name, _ABSENT) != now.get(name, _ABSENT)]
            self.exp.set_many({name: now[name] if name in now else table[name].default for name in differ})
        else:
            self.exp.spec = wanted

    def _tell(self, sentence: str) -> None:
        if sentence != self._trouble:
            self._trouble = sentence
            self._say(sentence)

    # --- the index of runs --------------------------------------------------------------------------------

    def _on_run(self, run: Run) -> None:
        self._follow(run.status_changed, lambda status: self._record(run, status == "failed"))
        self._follow(run.evaluated, lambda: self._record(run, True))
        self._record(run, False)

    def _record(self, run: Run, ended: bool) -> None:
        if self._closed:
            return
        told = summary(run)
        try:
            if self._document.extra(self.id, "runs").get(run.id) != told:
                self._document.set_extra(self.id, "runs", run.id, told, author=Author.machine())
        except MedilyticaError as error:
            self._tell(f"{run.name} of {self.exp.name!r} is not listed in the workspace: {error.message}")
            return
        # a run that learned something is worth telling of once its result is there
        if ended and run.id not in self._announced:
            self._announced.add(run.id)
            self._announce(run)

    # --- inside -------------------------------------------------------------------------------------------

    def _follow(self, signal: Any, slot: Callable[..., Any]) -> None:
        signal.connect(slot)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                signal.disconnect(slot)

        self._stops.append(stop)

    def close(self) -> None:
        """Let the experiment go its own way. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for stop in self._stops:
            stop()
        if self.exp._elsewhere is self:
            self.exp._elsewhere = None
            self.exp.changed.emit("meta")
        self._news.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5)


def plain_spec(document: WorkspaceDocument, id: str) -> dict[str, Any]:
    """Return an experiment's specification with the cells that were edited, which stand apart in the document."""
    spec = document.spec(id)
    edits = [edit for edit in document.extra(id, "edits").values() if isinstance(edit, dict)]
    if edits and isinstance(spec.get("data"), dict):
        ordered = sorted(edits, key=lambda edit: (str(edit.get("row")).rjust(20), str(edit.get("column"))))
        spec["data"] = {**spec["data"], "edits": ordered}
    return spec


def add_experiment(document: WorkspaceDocument, exp: Experiment, name: str) -> str:
    """Put an experiment into a document as it stands; return its id there."""
    spec, author = exp.spec.to_json(), author_now()
    key = document.add_experiment(_without_edits(spec), name=name, description=exp.description, author=author)
    for cell, edit in _edits_of(spec).items():
        document.set_extra(key, "edits", cell, edit, author=author, label=f"edit the cell {cell}")
    return key


def _without_edits(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "data": {name: value for name, value in spec["data"].items() if name != "edits"}}


def _edits_of(spec: dict[str, Any]) -> dict[str, Any]:
    return {f"{edit['row']}:{edit['column']}": edit for edit in spec["data"].get("edits", ())}


def summary(run: Run) -> dict[str, Any]:
    """Return what the workspace keeps of a run: who it is and how it ended, never its course."""
    metrics = final_metrics(run) if run.status in ENDED else {}
    evaluation = run.evaluation_if_ready() if run.status in ENDED and run.status != "failed" else None
    if evaluation is not None:
        metrics |= {name: float(value) for name, value in evaluation.metrics.items() if math.isfinite(value)}
    told: dict[str, Any] = {
        "number": run.number,
        "name": run.name,
        "algorithm": run.algorithm,
        "status": run.status,
        "author": run.options.author,
        "metrics": metrics,
    }
    if run.error is not None:
        told["error"] = run.error.message
    return told


def check_alone(exp: Experiment) -> None:
    """Raise where an experiment belongs to a workspace already.

    Raises
    ------
    StateError
        It can be in one only: two would have to agree on every edit.
    """
    if exp._elsewhere is not None:
        raise StateError(
            f"{exp.name!r} is in a workspace already; close that one first, or bind another experiment made by "
            "mw.Experiment.from_spec(exp.spec, exp.data)."
        )
