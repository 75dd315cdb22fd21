"""The shared bundle and plotly.js, held once for all widgets of a kernel.

A hidden model that is never displayed carries the gzipped modules; widgets refer to it, and the page
inflates each module once. It works in every front end, offline, without a server extension.
"""

from __future__ import annotations

import hashlib
import threading
from importlib import resources
from typing import Any

import ipywidgets
import traitlets

from ..errors import MedilyticaError
from ._presence import HUB, Sweeper


def static_bytes(name: str) -> bytes:
    """Return a built file of ``medilytica_widgets/static``.

    Raises
    ------
    MedilyticaError
        When the front end was not built: a checkout needs ``make js`` once.
    """
    try:
        return (resources.files("medilytica_widgets") / "static" / name).read_bytes()
    except FileNotFoundError:
        raise MedilyticaError(
            f"The built file static/{name} is missing. In a checkout, run 'make js' (it needs Node 20); "
            "an installed package carries it, so reinstall that."
        ) from None


class Plotly(ipywidgets.Widget):
    """The hidden model of plotly.js, a gzipped ES module, and its hash."""

    plotly = traitlets.Bytes(read_only=True).tag(sync=True)
    plotly_hash = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(self) -> None:
        _hold(self, "plotly", "plotly.js.gz")
        super().__init__()


class Assets(ipywidgets.Widget):
    """The hidden model of the shared bundle, a gzipped ES module, and its hash; of plotly.js once a chart needs it."""

    bundle = traitlets.Bytes(read_only=True).tag(sync=True)
    bundle_hash = traitlets.Unicode(read_only=True).tag(sync=True)
    plotly = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    people: traitlets.List[Any] = traitlets.List(help="Who is where in this kernel's widgets").tag(sync=True)

    def __init__(self) -> None:
        _hold(self, "bundle", "widgets.js.gz")
        super().__init__()
        self.people = HUB.people()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Ignore a browser's attempt to write a trait."""


_lock = threading.Lock()
_shared: Assets | None = None


def _tell_people() -> None:
    shared = _shared
    if shared is not None and shared.comm is not None:
        shared.people = HUB.people()


HUB.changed.connect(_tell_people)
_sweeper = Sweeper(HUB)


def shared_assets(plotly: bool = False) -> Assets:
    """Return the kernel's one assets model, made at first use and again after it was closed.

    Parameters
    ----------
    plotly : bool
        Whether plotly.js is needed, four times as large as everything else: it travels with the first that does.
    """
    global _shared
    with _lock:
        if _shared is None or _shared.comm is None:
            _shared = Assets()
        if plotly and (_shared.plotly is None or _shared.plotly.comm is None):
            _shared.plotly = Plotly()
        return _shared


def _hold(model: ipywidgets.Widget, name: str, file: str) -> None:
    content = static_bytes(file)
    model.set_trait(name, content)
    model.set_trait(f"{name}_hash", hashlib.sha256(content).hexdigest()[:16])
