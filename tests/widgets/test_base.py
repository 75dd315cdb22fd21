"""What every widget shares: arguments, requests and their answers, traits, the pump, headless output, closing."""

from __future__ import annotations

import gc
import logging
import threading
import time
import types
import weakref
from typing import Any

import IPython
import numpy as np
import pytest
import traitlets
from psygnal import Signal

from medilytica_widgets import wire
from medilytica_widgets.errors import (
    CancelledRequest,
    MedilyticaError,
    ParameterError,
    ShapeError,
    UnknownArgumentError,
    WireError,
)
from medilytica_widgets.report import Html
from medilytica_widgets.widgets import _assets, _base
from medilytica_widgets.widgets._base import Answer, BaseWidget, error_body, serves
from medilytica_widgets.widgets._pump import INTERVAL, Pump


class Counter(BaseWidget):
    """A widget with a trait and a handler of every sort."""

    ARGUMENTS = ("start",)

    value = traitlets.Int(0).tag(sync=True)
    twice = traitlets.Int(0).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        start = kwargs.pop("start", 0)
        super().__init__(**kwargs)
        self.wanted = start
        self.served: list[Any] = []
        self.commands = self.read = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.update_view()

    def update_view(self) -> None:
        if self.wanted < 0:
            raise MedilyticaError("There is no number below 0.")
        with self.together():
            self.value, self.twice = self.wanted, 2 * self.wanted

    def static_html(self) -> str:
        return Html(f"<p>{self.wanted}</p>")

    @serves("boundary.ready")
    def _ready(self, body: dict[str, Any]) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self.served.append(body["frame"])

    @serves("curve.read")
    def _curve(self, body: dict[str, Any]) -> Answer:
        return Answer({"cursor": 2}, arrays={"epoch": np.array([1.0, 2.0])})

    @serves("grid.rows")
    def _rows(self, body: dict[str, Any]) -> Answer:
        return Answer({"start": body["start"]}, raw=[b"ARROW1"])

    @serves("code.read")
    def _code(self, body: dict[str, Any]) -> dict[str, Any]:
        self.read += 1
        return {"code": "x = 1"}

    @serves("hyperparameters.set")
    def _set(self, body: dict[str, Any]) -> None:
        raise ParameterError("learning_rate must be at most 10; it is 11.", "learning_rate", 10.0)

    @serves("layers.remove")
    def _remove(self, body: dict[str, Any]) -> None:
        raise ShapeError("Layer 2 (linear) cannot connect.", 2)

    @serves("run.command")
    def _command(self, body: dict[str, Any]) -> Answer:
        self.commands += 1
        if body["command"] == "stop":
            raise CancelledRequest("withdrawn")
        if body["command"] == "step":
            return Answer({}, arrays={"x": np.array(["text"])})
        raise ZeroDivisionError("division by zero")


class Source:
    changed = Signal(int)


@pytest.fixture
def counter(browser: Any) -> Any:
    made = Counter()
    yield made
    made.close()


# --- arguments ---------------------------------------------------------------------------------------


def test_an_unknown_argument_names_the_nearest(browser: Any) -> None:
    with pytest.raises(UnknownArgumentError, match=r"Counter takes no argument 'strat'\. Did you mean 'start'\?"):
        Counter(strat=3)


def test_the_first_state_and_the_shared_assets_travel(browser: Any) -> None:
    one, two = Counter(start=3), Counter()
    opened = [c.opened["state"] for c in browser.comms]
    assert [state["component"] for state in opened if "component" in state] == ["Counter", "Counter"]
    assert sum("bundle_hash" in state for state in opened) == 1, "the bundle crosses the wire once"
    assert one.assets is two.assets
    assert one.self_id == one.model_id != two.self_id
    assert one.value == 3


def test_plotly_travels_once_and_only_when_something_draws_by_it(browser: Any) -> None:
    class Drawing(Counter):
        DRAWS_BY_PLOTLY = True

    plain = Counter()
    assert not any("plotly_hash" in comm.opened["state"] for comm in browser.comms)
    first, second = Drawing(), Drawing()
    states = [comm.opened["state"] for comm in browser.comms]
    assert sum("plotly_hash" in state for state in states) == 1
    # a page that had the assets before is told where it is before the first drawing comes
    order = [
        state.get("component") or next(iter(state.keys() & {"plotly_hash", "bundle_hash"}), "") for state in states
    ]
    assert order.index("plotly_hash") < order.index("Drawing")
    assert plain.assets is first.assets is second.assets
    assert plain.assets.plotly.plotly == b"plotly.js.gz"


def test_the_assets_are_made_again_once_closed(browser: Any) -> None:
    first = Counter().assets
    first.close()
    assert Counter().assets is not first


def test_a_checkout_without_built_files_is_told_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MedilyticaError, match="run 'make js'"):
        _assets.static_bytes("no such file.js")


def test_a_handler_of_an_unknown_kind_is_a_mistake_at_once() -> None:
    with pytest.raises(WireError, match=r"Did you mean 'grid\.rows'"):
        serves("grid.row")


def test_a_subclass_keeps_its_parents_handlers(browser: Any) -> None:
    class Louder(Counter):
        @serves("code.read")
        def _louder(self, body: dict[str, Any]) -> dict[str, Any]:
            return {"code": "X = 1"}

    widget = Louder()
    assert browser.ask(widget, "code.read", {})[0]["body"] == {"code": "X = 1"}
    assert browser.ask(widget, "boundary.ready", {"frame": 4})[0]["body"] == {}
    assert widget.served == [4]


# --- requests are answered -----------------------------------------------------------------------------


def test_a_result_is_addressed_to_the_page_that_asked(browser: Any, counter: Counter) -> None:
    number = browser.post(counter, "code.read", {}, client="another page")
    envelope, buffers = browser.answer(counter, number)
    assert envelope == {
        "v": 1,
        "client": "another page",
        "id": number,
        "kind": "code.read.result",
        "body": {"code": "x = 1"},
    }
    assert buffers == []


def test_arrays_travel_as_described_buffers(browser: Any, counter: Counter) -> None:
    envelope, buffers = browser.ask(counter, "curve.read", {"run": "r", "cursor": 0})
    np.testing.assert_array_equal(wire.decode(envelope["buffers"], buffers)["epoch"], [1.0, 2.0])


def test_raw_bytes_travel_without_a_description(browser: Any, counter: Counter) -> None:
    body = {"start": 5, "count": 1, "sort": [], "search": "", "filters": [], "where": "", "state": 0}
    envelope, buffers = browser.ask(counter, "grid.rows", body)
    assert "buffers" not in envelope
    assert (envelope["body"], buffers) == ({"start": 5}, [b"ARROW1"])


def test_a_refusal_carries_what_is_known_of_the_field(browser: Any, counter: Counter) -> None:
    envelope, _ = browser.ask(counter, "hyperparameters.set", {"name": "learning_rate", "value": 11})
    assert envelope["kind"] == "hyperparameters.set.error"
    assert envelope["body"] == {
        "message": "learning_rate must be at most 10; it is 11.",
        "type": "ParameterError",
        "parameter": "learning_rate",
        "nearest": 10.0,
    }


def test_a_refusal_carries_what_is_known_of_the_layer(browser: Any, counter: Counter) -> None:
    assert browser.ask(counter, "layers.remove", {"index": 2})[0]["body"]["layer"] == 2


@pytest.mark.parametrize(
    ("command", "answer", "said"),
    [
        ("start", "error", "ZeroDivisionError: division by zero"),
        ("stop", "cancelled", None),
        ("step", "error", "'x' is of dtype <U4"),
    ],
)
def test_whatever_a_handler_raises_is_answered(
    browser: Any, counter: Counter, command: str, answer: str, said: str | None
) -> None:
    envelope, _ = browser.ask(counter, "run.command", {"command": command})
    assert envelope["kind"] == f"run.command.{answer}"
    assert said is None or said in envelope["body"]["message"]


def test_a_request_this_widget_does_not_serve_is_refused(browser: Any, counter: Counter) -> None:
    envelope, _ = browser.ask(counter, "model.save", {"path": "x"})
    assert envelope["kind"] == "model.save.error"
    assert "Counter does not serve 'model.save'" in envelope["body"]["message"]


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"kind": "code.reed"}, "code.reed.error", "Did you mean 'code.read'"),
        ({"body": {"extra": 1}}, "code.read.error", "has no field 'extra'"),
        ({"body": None}, "code.read.error", "must be an object"),
        ({"v": 99}, "code.read.error", "Reload the page"),
    ],
)
def test_a_malformed_request_is_answered(
    browser: Any, counter: Counter, change: dict[str, Any], kind: str, said: str
) -> None:
    browser.send(counter, {"v": 1, "client": "page", "id": "m", "kind": "code.read", "body": {}, **change})
    envelope, _ = browser.answer(counter, "m")
    assert (envelope["v"], envelope["client"], envelope["kind"]) == (1, "page", kind)
    assert said in envelope["body"]["message"]


@pytest.mark.parametrize("content", [None, "text", [], {}, {"client": "page"}, {"client": 1, "id": 2}])
def test_what_names_nobody_to_answer_is_dropped_and_logged(
    browser: Any, counter: Counter, content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "medilytica_widgets"):
        browser.send(counter, content)
    assert browser.custom(counter) == []
    assert "dropped a message" in caplog.text


def test_requests_are_served_in_the_order_they_came(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    numbers = [browser.post(counter, "boundary.ready", {"frame": frame}) for frame in range(30)]
    counter.gate.set()
    for number in numbers:
        browser.answer(counter, number)
    assert counter.served == list(range(30))


def test_a_request_that_is_sent_again_while_it_waits_is_served_once(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    request = {"v": 1, "client": "page", "id": "page-x", "kind": "boundary.ready", "body": {"frame": 7}}
    for _ in range(5):
        browser.send(counter, request)
    counter.gate.set()
    browser.answer(counter, "page-x")
    browser.ask(counter, "code.read", {})
    assert counter.served == [7]


def test_a_change_that_is_asked_for_again_is_answered_and_not_made_again(browser: Any, counter: Counter) -> None:
    request = {"v": 1, "client": "page", "id": "page-x", "kind": "run.command", "body": {"command": "resume"}}
    for count in range(1, 4):
        browser.send(counter, request)
        browser.until(lambda count=count: len(browser.custom(counter)) == count)
    assert counter.commands == 1
    assert len({str(envelope) for envelope, _ in browser.custom(counter)}) == 1


def test_what_only_reads_is_served_again(browser: Any, counter: Counter) -> None:
    request = {"v": 1, "client": "page", "id": "page-x", "kind": "code.read", "body": {}}
    for count in range(1, 4):
        browser.send(counter, request)
        browser.until(lambda count=count: len(browser.custom(counter)) == count)
    assert counter.read == 3


def test_a_busy_widget_leaves_threads_to_the_others(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    waiting = [browser.post(counter, "boundary.ready", {"frame": frame}) for frame in range(20)]
    other = Counter()
    assert browser.ask(other, "code.read", {})[0]["kind"] == "code.read.result"
    assert counter.served == []
    counter.gate.set()
    browser.answer(counter, waiting[-1])


def test_a_withdrawn_request_is_not_served(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    first = browser.post(counter, "boundary.ready", {"frame": 1})
    second = browser.post(counter, "boundary.ready", {"frame": 2})
    withdrawal = browser.post(counter, "cancel", {"id": second})
    assert browser.answer(counter, withdrawal)[0]["kind"] == "cancel.result"
    counter.gate.set()
    assert browser.answer(counter, first)[0]["kind"] == "boundary.ready.result"
    assert browser.answer(counter, second)[0]["kind"] == "boundary.ready.cancelled"
    assert counter.served == [1]


def test_a_request_withdrawn_while_it_is_served_is_answered_as_cancelled(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    number = browser.post(counter, "boundary.ready", {"frame": 1})
    assert counter.entered.wait(10)
    browser.post(counter, "cancel", {"id": number})
    counter.gate.set()
    assert browser.answer(counter, number)[0]["kind"] == "boundary.ready.cancelled"


def test_a_page_cannot_withdraw_what_another_asked(browser: Any, counter: Counter) -> None:
    counter.gate.clear()
    number = browser.post(counter, "boundary.ready", {"frame": 1}, client="one")
    browser.post(counter, "cancel", {"id": number}, client="two")
    counter.gate.set()
    assert browser.answer(counter, number)[0]["kind"] == "boundary.ready.result"


def test_withdrawing_what_was_answered_or_never_asked_leaves_nothing_behind(browser: Any, counter: Counter) -> None:
    number = browser.post(counter, "code.read", {})
    browser.answer(counter, number)
    for _ in range(100):
        browser.ask(counter, "cancel", {"id": number})
        browser.ask(counter, "cancel", {"id": "unknown"})
    browser.until(lambda: not counter._waiting)
    assert counter._waiting == {}


def test_every_request_has_exactly_one_answer(browser: Any, counter: Counter) -> None:
    for kind, body in [("code.read", {}), ("run.command", {"command": "start"}), ("run.command", {"command": "stop"})]:
        number = browser.post(counter, kind, body)
        browser.answer(counter, number)
        browser.ask(counter, "code.read", {})
        assert [e["id"] for e, _ in browser.custom(counter)].count(number) == 1


def test_an_error_that_is_not_ours_names_its_type() -> None:
    assert error_body(KeyError("x")) == {"message": "KeyError: 'x'", "type": "KeyError"}


# --- traits --------------------------------------------------------------------------------------------


def test_a_browser_writes_no_trait(browser: Any, counter: Counter) -> None:
    data = {"method": "update", "state": {"value": 99, "component": "Other"}, "buffer_paths": []}
    counter._handle_msg({"content": {"data": data}, "buffers": []})
    assert (counter.value, counter.component) == (0, "Counter")


def test_a_late_page_receives_the_whole_state(browser: Any, counter: Counter) -> None:
    counter._handle_msg({"content": {"data": {"method": "request_state"}}, "buffers": []})
    assert browser.updates(counter)[-1]["component"] == "Counter"


def test_traits_set_together_travel_in_one_message_and_equal_ones_in_none(browser: Any, counter: Counter) -> None:
    before = len(browser.updates(counter))
    counter.wanted = 4
    counter.flush()
    counter.flush()
    assert browser.updates(counter)[before:] == [{"value": 4, "twice": 8}]


def test_an_event_goes_to_everyone(browser: Any, counter: Counter) -> None:
    counter.emit("curve.rows", {"run": "r", "cursor": 1, "marks": []}, {"epoch": np.array([1.0])})
    envelope, buffers = browser.custom(counter)[-1]
    assert (envelope["client"], envelope["id"], envelope["kind"]) == ("", "", "curve.rows")
    assert wire.decode(envelope["buffers"], buffers)["epoch"].tolist() == [1.0]


# --- following and the pump ----------------------------------------------------------------------------


def test_a_widget_follows_a_signal_until_it_is_closed(browser: Any, counter: Counter) -> None:
    source = Source()
    counter.follow(source.changed, counter.mark)
    counter.wanted = 5
    source.changed.emit(1)
    browser.until(lambda: counter.value == 5)
    counter.close()
    assert len(source.changed) == 0


def test_a_failed_update_is_shown_beside_the_widget_until_one_succeeds(browser: Any, counter: Counter) -> None:
    counter.wanted = -1
    counter.flush()
    assert counter.failure == {"message": "There is no number below 0.", "type": "MedilyticaError"}
    counter.wanted = 1
    counter.flush()
    assert counter.failure is None


def test_a_successful_update_leaves_a_failure_of_another_sort_alone(browser: Any, counter: Counter) -> None:
    counter.failure = {"message": "The run failed.", "type": "TrainingError"}
    counter.flush()
    assert counter.failure == {"message": "The run failed.", "type": "TrainingError"}


class Recorder:
    def __init__(self, error: Exception | None = None) -> None:
        self.times: list[float] = []
        self.error = error
        self.flushed = threading.Event()

    def flush(self) -> None:
        self.times.append(time.monotonic())
        self.flushed.set()
        if self.error is not None:
            raise self.error


def test_the_pump_never_sends_more_than_20_times_a_second() -> None:
    pump, widget = Pump(idle_seconds=0.2), Recorder()
    while len(widget.times) < 6:
        pump.mark(widget)
    assert np.diff(widget.times).min() >= INTERVAL * 0.98


def test_the_last_mark_is_never_lost() -> None:
    pump, widget = Pump(idle_seconds=0.2), Recorder()
    for _ in range(5):
        widget.flushed.clear()
        pump.mark(widget)
        assert widget.flushed.wait(10)


def test_one_widgets_failure_leaves_the_others_their_news() -> None:
    pump, broken, other = Pump(idle_seconds=0.2), Recorder(RuntimeError("broken")), Recorder()
    pump.mark(broken)
    assert broken.flushed.wait(10)
    pump.mark(other)
    assert other.flushed.wait(10)


def test_the_pumps_thread_ends_when_nothing_is_marked_and_starts_again() -> None:
    pump, widget = Pump(idle_seconds=0.05), Recorder()
    for _ in range(2):
        widget.flushed.clear()
        pump.mark(widget)
        thread = pump._thread
        assert thread is not None and thread.daemon
        assert widget.flushed.wait(10)
        thread.join(10)
        assert not thread.is_alive()


def test_a_later_look_comes_later_and_the_first_of_several_counts() -> None:
    pump, widget = Pump(idle_seconds=0.05), Recorder()
    asked = time.monotonic()
    pump.mark(widget, after=30.0)
    pump.mark(widget, after=0.3)
    assert widget.flushed.wait(10)
    assert 0.3 <= time.monotonic() - asked < 20


def test_the_pump_waits_for_a_later_look_beyond_its_idle_time() -> None:
    pump, widget = Pump(idle_seconds=0.01), Recorder()
    pump.mark(widget, after=0.3)
    thread = pump._thread
    assert widget.flushed.wait(10)
    assert thread is not None
    thread.join(10)
    assert pump._thread is None


def test_a_later_look_keeps_no_widget_alive() -> None:
    pump, widget = Pump(idle_seconds=0.01), Recorder()
    pump.mark(widget, after=30.0)
    gone = weakref.ref(widget)
    del widget
    gc.collect()
    assert gone() is None


def test_the_pump_keeps_no_widget_alive() -> None:
    pump, widget = Pump(idle_seconds=30), Recorder()
    flushed, gone = widget.flushed, weakref.ref(widget)
    pump.mark(widget)
    assert flushed.wait(10)
    del widget
    end = time.monotonic() + 10
    while gone() is not None and time.monotonic() < end:
        gc.collect()
        threading.Event().wait(0.01)
    assert gone() is None


# --- closing -------------------------------------------------------------------------------------------


def test_close_may_be_called_twice(browser: Any) -> None:
    widget = Counter()
    [opened] = [c for c in browser.comms if c.comm_id == widget.self_id]
    widget.close()
    widget.close()
    assert opened.closed == 1
    assert widget.comm is None


def test_a_closed_widget_sends_nothing_and_breaks_nothing(browser: Any) -> None:
    widget = Counter()
    widget.gate.clear()
    browser.post(widget, "boundary.ready", {"frame": 1})
    assert widget.entered.wait(10)
    before = browser.messages(widget)
    widget.close()
    widget.gate.set()
    browser.until(lambda: not widget._waiting)
    widget.mark()
    widget.flush()
    widget.emit("curve.rows", {})
    assert browser.messages(widget) == before


# --- headless ------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What a notebook's outputs hold: ("show" or "update", display id, HTML)."""
    outputs: list[tuple[str, str, str]] = []

    class Output:
        def __init__(self, display_id: str) -> None:
            self.display_id = display_id

        def show(self, markup: str) -> None:
            outputs.append(("show", self.display_id, markup))

        def update(self, markup: str) -> None:
            outputs.append(("update", self.display_id, markup))

    monkeypatch.setattr(_base, "Display", Output)
    return outputs


def test_a_headless_widget_opens_no_comm(headless: Any) -> None:
    widget = Counter(start=2)
    widget.mark()
    widget.emit("curve.rows", {})
    widget.close()
    assert headless.comms == []


def test_a_headless_widget_leaves_static_html(headless: Any, shown: list[tuple[str, str, str]]) -> None:
    widget = Counter(start=2)
    widget.refresh_static()
    assert shown == [], "what was never shown is not updated"
    widget._ipython_display_()
    widget.wanted = 3
    widget.refresh_static()
    assert [(what, markup) for what, _, markup in shown] == [("show", "<p>2</p>"), ("update", "<p>3</p>")]
    assert len({display_id for _, display_id, _ in shown}) == 1


def test_a_live_widget_is_shown_as_a_view_and_never_replaced(
    browser: Any, counter: Counter, shown: list[tuple[str, str, str]]
) -> None:
    shell = IPython.core.formatters.DisplayFormatter()
    data, _ = shell.format(counter)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == counter.self_id
    counter.refresh_static()
    assert shown == []


def test_the_plain_static_form_names_the_widget_escaped(headless: Any) -> None:
    class Bare(BaseWidget):
        """A widget without a static form."""

    assert "Bare" in Bare().static_html()
    assert "<script" not in Bare().static_html()


def test_messages_for_a_subshell_that_is_gone_go_to_the_one_asked_for_or_the_main_one() -> None:
    manager = types.SimpleNamespace(list_subshell=lambda: ["page", "other"])
    kernel = types.SimpleNamespace(shell_channel_thread=types.SimpleNamespace(manager=manager))
    answered = ["gone"]
    comm = types.SimpleNamespace(kernel=kernel, _reply_subshell_for=lambda data, asked: answered[0])
    _base._keep_reachable(comm)
    assert [comm._reply_subshell_for({}, asked) for asked in (None, "page", "gone too")] == [None, "page", None]
    answered[0] = "other"
    assert comm._reply_subshell_for({}, "page") == "other"
    # other kernels have no subshells
    _base._keep_reachable(types.SimpleNamespace())
