"""The shared bundle and plotly.js, held once for all widgets of a kernel.

A hidden model that is never displayed carries the gzipped modules; widgets refer to it, and the page
inflates each module once. It works in every front end, offline, without a server extension.
"""

from __future__ import annotations

import hashlib
import threading
from importlib import resources

import ipywidgets
import traitlets

from ..errors import MedilyticaError


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


class Assets(ipywidgets.Widget):
    """The hidden model: gzipped ES modules and their hashes."""

    bundle = traitlets.Bytes(read_only=True).tag(sync=True)
    bundle_hash = traitlets.Unicode(read_only=True).tag(sync=True)
    plotly = traitlets.Bytes(read_only=True).tag(sync=True)
    plotly_hash = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(self) -> None:
        for name, file in (("bundle", "widgets.js.gz"), ("plotly", "plotly.js.gz")):
            content = static_bytes(file)
            self.set_trait(name, content)
            self.set_trait(f"{name}_hash", hashlib.sha256(content).hexdigest()[:16])
        super().__init__()


_lock = threading.Lock()
_shared: Assets | None = None


def shared_assets() -> Assets:
    """Return the kernel's one assets model, made at first use and again after it was closed."""
    global _shared
    with _lock:
        if _shared is None or _shared.comm is None:
            _shared = Assets()
        return _shared
