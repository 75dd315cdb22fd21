"""A workspace: experiments, notes, runs and talk that several people have in one file.

Everyone who opens the file works on the same: in one notebook with one kernel, in two with a kernel each, or in a
script without a browser. Where a Jupyter server holds the file's room, the kernel joins it; without one the file is
kept alone, under a lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ..errors import InputError, StateError, WorkspaceError, hint
from .binding import Binding, add_experiment, author_now, check_alone, plain_spec
from .document import ExperimentEntry, HistoryEntry, WorkspaceDocument
from .opening import SUFFIX, checked_path, entered

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run
    from .keeping import Keeper
    from .presence import Person
    from .room import RoomClient
    from .talk import Talk

__all__ = ["SUFFIX", "Workspace"]

logger = logging.getLogger(__name__)


class Workspace:
    """Several experiments that everyone who opens the same file works on.

    Parameters
    ----------
    path : str or path
        The file, ``team.medilytica``; made where it is missing. Relative to the notebook's folder.
    server, token : str, optional
        Address and token of the Jupyter server that holds the file's room, where it is not the one that started this
        kernel.

    Raises
    ------
    WorkspaceError
        When the file cannot be read, is of a newer version, or is held by another process; the sentence says what to
        do.

    Attributes
    ----------
    changed : Signal
        Emits what changed: a part of `DocumentChange` ("experiments", "spec", "layers", "runs", "notes", …), "status"
        for the connection and `problems`, "people" for who is there.
    """

    changed = Signal(str)

    def __init__(self, path: str | PathLike[str], *, server: str | None = None, token: str | None = None) -> None:
        from .discovery import find_server, locate

        self.path = checked_path(locate(path), remote=server is not None)
        self._lock = threading.RLock()
        self._bindings: dict[str, Binding] = {}
        self._stops: list[Callable[[], None]] = []
        self._problems: dict[str, str] = {}
        self._room: RoomClient | None = None
        self._file: Keeper | None = None
        self._chat: Talk | None = None
        self._place = ""
        self._closed = False
        self.document = WorkspaceDocument()
        self._server = find_server(self.path, url=server, token=token)
        if self._server is None:
            from .keeping import Keeper

            self._file = Keeper(self.path, self.document, lambda said: self._remark("file", said))
        else:
            from .room import RoomClient

            # a server on another machine knows the file by the path that was given
            self._place = self._server.path_of(self.path) or str(path)
            self._room = RoomClient(
                self.document.doc, self._server, self._place, on_status=lambda _: self.changed.emit("status")
            ).start()
            if not entered(self._room):
                said = self._room.status.error or "The server did not answer."
                self._room.close()
                raise WorkspaceError(f"The workspace {self.path.name} could not be joined. {said}")
            self._stops.append(self._room.on_people(lambda _: self.changed.emit("people")))
        self._stops.append(self.document.observe(self._on_change))

    # --- experiments ----------------------------------------------------------------------------------------

    @property
    def experiments(self) -> list[ExperimentEntry]:
        """What the workspace holds: id, name and description, in order."""
        return self.document.experiments()

    @property
    def bound(self) -> list[Experiment]:
        """The experiments of this kernel that are bound."""
        return [binding.exp for binding in self._bindings.values()]

    def bind(self, exp: Experiment, name: str | None = None) -> Experiment:
        """Share an experiment: what anyone changes, everyone has.

        Where the workspace holds an experiment of that name already, this one takes over what stands there.

        Parameters
        ----------
        exp : Experiment
        name : str, optional
            In the workspace; the experiment's own when left out.

        Returns
        -------
        Experiment
            The same, from now on bound.

        Raises
        ------
        SpecError
            If the one in the workspace is of another table.
        StateError
            If it is bound already, or another one is bound to that name here.
        """
        from ..experiment import Experiment

        if not isinstance(exp, Experiment):
            raise InputError(f"bind takes an Experiment; a {type(exp).__name__} came.")
        with self._lock:
            self._check_open()
            wanted = name or exp.name
            if any(binding.exp is exp for binding in self._bindings.values()):
                return exp
            check_alone(exp)
            entry = next((entry for entry in self.experiments if entry.name == wanted), None)
            if entry is None:
                key = add_experiment(self.document, exp, wanted)
            elif entry.id in self._bindings:
                raise StateError(
                    f"Another experiment is bound to {wanted!r} here; give this one a name of its own: "
                    f"ws.bind(exp, name={wanted + ' 2'!r})."
                )
            else:
                key = entry.id
                # whatever cannot be is refused before anything is bound
                exp.spec = plain_spec(self.document, key)
            self._bindings[key] = Binding(
                self.document,
                exp,
                key,
                lambda said: self._remark(key, said),
                lambda run: self._announce(exp, run),
                self,
            )
        self.changed.emit("experiments")
        return exp

    def experiment(self, name: str | None = None, data: Any = None) -> Experiment:
        """Return an experiment of the workspace, made from what stands there and bound.

        Parameters
        ----------
        name : str, optional
            The only one when left out.
        data : Dataset, optional
            Its table; loaded from the source that the specification names when left out.

        Raises
        ------
        InputError
            If there is none of that name; it names the nearest.
        SpecError
            If its table was in memory and is not given.
        """
        from ..experiment import Experiment

        entries = self.experiments
        if name is None and len(entries) == 1:
            entry = entries[0]
        else:
            found = next((entry for entry in entries if entry.name == name), None)
            if found is None:
                names = [entry.name for entry in entries]
                said = hint(name, names) if name and names else "It holds none yet: bind one with ws.bind(exp)."
                asked = repr(name) if name is not None else f"the only one among {len(names)}; name it"
                raise InputError(f"{self.path.name} has no experiment {asked}. {said}")
            entry = found
        with self._lock:
            if entry.id in self._bindings:
                return self._bindings[entry.id].exp
        return self.bind(Experiment.from_spec(plain_spec(self.document, entry.id), data), entry.name)

    def release(self, exp: Experiment) -> None:
        """Let an experiment go its own way again; what the workspace holds of it stays."""
        with self._lock:
            key = next((key for key, binding in self._bindings.items() if binding.exp is exp), None)
            if key is None:
                return
            self._bindings.pop(key).close()
            self._problems.pop(key, None)

    def remove(self, name: str) -> None:
        """Take an experiment out of the workspace, for everyone; `undo` or `restore` brings it back."""
        entry = next((entry for entry in self.experiments if entry.name == name), None)
        if entry is None:
            names = [entry.name for entry in self.experiments]
            raise InputError(f"{self.path.name} has no experiment {name!r}. {hint(name, names)}")
        with self._lock:
            binding = self._bindings.pop(entry.id, None)
        if binding is not None:
            binding.close()
        self.document.remove_experiment(entry.id, author=author_now())

    # --- what else is shared --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The workspace's name; assign another one."""
        return self.document.name or self.path.stem

    @name.setter
    def name(self, name: str) -> None:
        self.document.rename(name=name, author=author_now())

    @property
    def description(self) -> str:
        """What it is about; assign other words."""
        return self.document.description

    @description.setter
    def description(self, description: str) -> None:
        self.document.rename(description=description, author=author_now())

    @property
    def notes(self) -> str:
        """The common notes, in Markdown; assign others."""
        return self.document.notes

    @notes.setter
    def notes(self, text: str) -> None:
        self.document.set_notes(text, author=author_now())

    @property
    def chat(self) -> Talk:
        """The workspace's chat: ``send``, ``messages``, ``share`` and ``announce``.

        Raises
        ------
        StateError
            Without a server there is nobody to talk to.
        """
        with self._lock:
            self._check_open()
            if self._chat is None:
                if self._server is None:
                    raise StateError(
                        f"{self.path.name} is kept without a Jupyter server, and a chat needs one: open the "
                        "workspace from a notebook of that server, or name it by Workspace(…, server=…, token=…)."
                    )
                from .talk import Talk

                self._chat = Talk(self.document, self._server, self._place)
            return self._chat

    def people(self) -> list[Person]:
        """Return who is there now, with what each is at; nobody without a server."""
        return [] if self._room is None else self._room.people()

    # --- history --------------------------------------------------------------------------------------------

    def history(self) -> list[HistoryEntry]:
        """Return who changed what and when, newest first."""
        return list(reversed(self.document.history()))

    def undo(self) -> bool:
        """Take back the last change of whoever asks; other people's stay. Return whether there was one."""
        return self.document.undo(author_now())

    def redo(self) -> bool:
        """Bring back what that person took back last. Return whether there was something."""
        return self.document.redo(author_now())

    def restore(self, entry: str | HistoryEntry) -> None:
        """Bring everything back to how it was right after an entry of the history; a change of its own.

        Raises
        ------
        InputError
            If the history has no such entry (any more).
        """
        self.document.restore(entry if isinstance(entry, str) else entry.id, author=author_now())

    # --- state ----------------------------------------------------------------------------------------------

    @property
    def problems(self) -> list[str]:
        """What needs somebody: changes that cannot be used together, a server that is away."""
        said = list(self._problems.values())
        if self._room is not None and self._room.status.error:
            said.append(self._room.status.error)
        return said

    def state(self) -> dict[str, Any]:
        """Return what a widget shows of it, in plain values."""
        status = self._room.status if self._room is not None else None
        return {
            "name": self.name,
            "path": status.path if status is not None else "",
            "connected": status is None or status.connected,
            "saved": self.saved,
            "problems": self.problems,
            "chat": self.chat.path if status is not None and not self._closed else "",
        }

    @property
    def saved(self) -> bool:
        """Whether everything of this kernel is stored durably, by the server or in the file."""
        if self._room is not None:
            return self._room.status.unsaved == 0
        return self._file is None or self._file.saved

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything is stored durably; return whether it is."""
        if self._room is not None:
            from .room import RoomError

            try:
                return self._room.flush(timeout)
            except RoomError:
                return False
        if self._file is not None:
            self._file.save()
        return True

    def close(self) -> None:
        """Store what is to be stored, let the experiments go, and leave. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            bindings = list(self._bindings.values())
            self._bindings.clear()
        for binding in bindings:
            binding.close()
        for stop in self._stops:
            stop()
        if self._chat is not None:
            self._chat.close()
        if self._room is not None:
            if self._room.status.connected:
                self.flush(5)
            self._room.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        n = len(self.experiments)
        where = "a file of its own" if self._room is None else "a shared room"
        return f"<Workspace {self.path.name}: {n} experiment{'' if n == 1 else 's'}, in {where}>"

    # --- inside ---------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise StateError(
                f"The workspace {self.path.name} was closed; open it anew: mw.Workspace({str(self.path)!r})."
            )

    def _on_change(self, change: Any) -> None:
        for part in change.parts:
            self.changed.emit(part)

    def _remark(self, key: str, said: str) -> None:
        with self._lock:
            if said:
                self._problems[key] = said
            else:
                self._problems.pop(key, None)
        self.changed.emit("status")

    def _announce(self, exp: Experiment, run: Run) -> None:
        if self._server is None or self._closed or not self.document.chat.get("announce"):
            return
        from .announcing import sentence_of

        self.chat.tell(sentence_of(exp, run))
