"""Who holds the run controls of an experiment: a courtesy between people whom the server tells apart.

Whoever starts, pauses or stops first holds them. Somebody else asks, and the holder gives or keeps them. A holder
whose pages are all gone holds nothing, and code in a cell is never asked.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from ..acting import Person, acting_person
from ..errors import StateError
from ._presence import HUB, PresenceHub

if TYPE_CHECKING:
    from ..experiment import Experiment

_MOST_ASKING = 20


class Holding:
    """Who holds one experiment's run controls, and who asks for them.

    Attributes
    ----------
    changed : Signal
    """

    changed = Signal()

    def __init__(self, hub: PresenceHub = HUB) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._holder: Person | None = None
        self._asking: dict[str, Person] = {}

    @property
    def holder(self) -> Person | None:
        """Who holds them; None where nobody does, or where that person has gone."""
        with self._lock:
            return self._present()

    def told(self) -> dict[str, Any]:
        """Return the plain form that crosses the wire."""
        with self._lock:
            holder = self._present()
            asking = [{"id": one.id, "name": one.name} for one in self._asking.values() if self._hub.is_here(one)]
        return {"holder": {"id": holder.id, "name": holder.name} if holder else None, "asking": asking}

    def use(self) -> None:
        """Take them for whoever acts.

        Raises
        ------
        StateError
            While somebody else holds them.
        """
        person = acting_person()
        if person is None:
            return
        with self._lock:
            holder = self._present()
            if holder is not None and holder.id != person.id:
                raise StateError(f"{holder.name} holds the run controls. Ask for them with the button beside.")
            self._give(person)
            changed = holder is None
        if changed:
            self.changed.emit()

    def ask(self) -> None:
        """Ask the holder; where nobody holds them any more, the one who asks does at once."""
        person = acting_person()
        if person is None:
            return
        with self._lock:
            if self._present() is None:
                self._give(person)
            elif len(self._asking) < _MOST_ASKING and self._holder != person:
                self._asking[person.id] = person
        self.changed.emit()

    def answer(self, to: str, give: bool) -> None:
        """Give them to somebody who asked, or keep them.

        Raises
        ------
        StateError
            If whoever acts is not the holder, or that person asks no longer.
        """
        person = acting_person()
        with self._lock:
            holder = self._present()
            if person is not None and holder is not None and holder.id != person.id:
                raise StateError(f"{holder.name} holds the run controls and answers this.")
            asked = self._asking.pop(to, None)
            if asked is None:
                raise StateError("Nobody of that name asks for the run controls any more.")
            if give:
                self._give(asked)
        self.changed.emit()

    def _present(self) -> Person | None:
        if self._holder is not None and not self._hub.is_here(self._holder):
            self._holder = None
            self._asking.clear()
        return self._holder

    def _give(self, person: Person) -> None:
        if self._holder is None or self._holder.id != person.id:
            self._asking.clear()
        self._asking.pop(person.id, None)
        self._holder = person


_known: WeakKeyDictionary[Experiment, Holding] = WeakKeyDictionary()
_making = threading.Lock()


def holding_of(experiment: Experiment) -> Holding:
    """Return who holds an experiment's run controls, the same for all its widgets."""
    with _making:
        return _known.setdefault(experiment, Holding())
