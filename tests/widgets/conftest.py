"""A browser's end of the comm, for widgets without a kernel."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import comm
import ipywidgets
import pytest

from medilytica_widgets import wire
from medilytica_widgets.widgets import _assets, _base


class Browser:
    """Records what every comm of the test sends, and asks as a page would."""

    def __init__(self) -> None:
        self.comms: list[FakeComm] = []
        self.news = threading.Condition()
        self._ids = itertools.count()
        # what the server writes into the messages of this page
        self.metadata: dict[str, Any] = {}

    def messages(self, widget: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Every message of a widget so far, the one that opened its comm not counted."""
        with self.news:
            return next(list(c.sent) for c in self.comms if c.comm_id == widget.self_id)

    def custom(self, widget: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
        """The envelopes that a widget sent, with their buffers."""
        return [(m["content"], b) for m, b in self.messages(widget) if m["method"] == "custom"]

    def updates(self, widget: Any) -> list[dict[str, Any]]:
        """The trait updates that a widget sent."""
        return [m["state"] for m, _ in self.messages(widget) if m["method"] == "update"]

    def send(self, widget: Any, content: Any) -> None:
        """Send a custom message as the page's comm delivers it."""
        data = {"method": "custom", "content": content}
        widget._handle_msg({"content": {"data": data}, "buffers": [], "metadata": self.metadata})

    def post(self, widget: Any, kind: str, body: dict[str, Any], client: str = "page") -> str:
        """Send a request and return its id at once."""
        number = f"{client}-{next(self._ids)}"
        self.send(widget, {"v": wire.VERSION, "client": client, "id": number, "kind": kind, "body": body})
        return number

    def answer(self, widget: Any, number: str, timeout: float = 10.0) -> tuple[dict[str, Any], list[bytes]]:
        """Wait for the answer to a request."""
        found: list[tuple[dict[str, Any], list[bytes]]] = []

        def arrived() -> bool:
            found[:] = [(e, b) for e, b in self.custom(widget) if e["id"] == number]
            return bool(found)

        self.until(arrived, timeout)
        return found[0]

    def ask(self, widget: Any, kind: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Send a request and wait for its answer."""
        return self.answer(widget, self.post(widget, kind, body))

    def until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until a condition holds; it is tried at every message."""
        end = time.monotonic() + timeout
        with self.news:
            while not condition():
                assert time.monotonic() < end, "the condition did not come true"
                self.news.wait(0.05)


class FakeComm:
    """Stands in for a kernel's comm."""

    def __init__(self, browser: Browser, number: int, data: dict[str, Any]) -> None:
        self.comm_id = f"comm-{number}"
        self.opened = data
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.closed = 0
        self.kernel = object()
        self._browser = browser

    def on_msg(self, callback: Any) -> None:
        """The tests hand messages to the widget themselves."""

    def send(self, data: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with self._browser.news:
            self.sent.append((data, list(buffers or [])))
            self._browser.news.notify_all()

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A live page: comms are recorded and the built files need not be there."""
    page = Browser()

    def create(data: Any = None, **_: Any) -> FakeComm:
        made = FakeComm(page, len(page.comms), data)
        page.comms.append(made)
        return made

    monkeypatch.setattr(comm, "create_comm", create)
    monkeypatch.setattr(_assets, "static_bytes", lambda name: name.encode())
    monkeypatch.setattr(_base, "static_bytes", lambda name: b"export default {}")
    monkeypatch.setattr(_assets, "_shared", None)
    monkeypatch.setenv("MEDILYTICA_HEADLESS", "0")
    yield page
    ipywidgets.Widget.close_all()


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch, browser: Browser) -> Browser:
    """Nobody looks: no comm may be opened."""
    monkeypatch.setenv("MEDILYTICA_HEADLESS", "1")
    return browser
