"""What every widget shares.

A widget's traits are state that the kernel owns: a browser reads them and never writes them. A person's
wish comes as a typed request (`medilytica_widgets.wire`), is served on a worker thread, one at a time
for each widget, and is always answered. In a headless run no comm is opened; the widget leaves its
static form in the output instead.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anywidget
import ipywidgets
import numpy.typing as npt
import traitlets

from .. import wire
from ..acting import Person, acting, acting_person, person_of
from ..errors import CancelledRequest, InputError, MedilyticaError, UnknownArgumentError, WireError, hint
from ..report import Display, is_headless, section, sentence
from ._assets import shared_assets, static_bytes
from ._presence import HUB, subject_of
from ._pump import PUMP

if TYPE_CHECKING:
    from ..experiment import Experiment

logger = logging.getLogger("medilytica_widgets")

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_ANSWERS_KEPT = 64
"""Answers to writing requests that a widget remembers, for a page that asks again."""
POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="medilytica-wire")


class Answer:
    """A request's result with arrays or raw bytes beside the JSON body."""

    def __init__(
        self,
        body: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]] | None = None,
        raw: list[bytes] | None = None,
    ) -> None:
        self.body = dict(body)
        self.arrays = dict(arrays or {})
        self.raw = raw


def serves(kind: str) -> Callable[[_Handler], _Handler]:
    """Mark a method as the handler of a request kind.

    It takes the body, and the buffers of a request of `wire.WITH_BUFFERS`; it returns an `Answer`, a dict or None.
    """
    wire.access_of(kind)

    def mark(method: _Handler) -> _Handler:
        method._serves = kind  # type: ignore[attr-defined]
        return method

    return mark


def experiment_of(owner: BaseWidget, given: Any) -> Experiment:
    """Return what a widget was given to show, which must be an Experiment.

    Raises
    ------
    InputError
        Says what came and what to make of it.
    """
    from ..experiment import Experiment

    if isinstance(given, Experiment):
        owner.subject = subject_of(given)
        return given
    name, kind = type(owner).__name__, type(given).__name__
    raise InputError(f"{name} shows an Experiment; a {kind} came. Make one first: mw.{name}(mw.Experiment(data)).")


def error_body(error: BaseException) -> dict[str, Any]:
    """Return the wire form of an error: its sentence, its type and what it knows of field and layer."""
    if isinstance(error, MedilyticaError):
        body: dict[str, Any] = {"message": error.message, "type": type(error).__name__}
        for name in ("parameter", "nearest", "layer"):
            if hasattr(error, name):
                body[name] = getattr(error, name)
        return body
    return {"message": f"{type(error).__name__}: {error}", "type": type(error).__name__}


def _keep_reachable(comm: Any) -> None:
    """Have messages of a page served though the subshell they are sent to is no more.

    ipykernel (from 7.4) sends what comes for a comm to the subshell of the request that the comm answered last, and
    drops it with a line in its log where JupyterLab has deleted that one since: with a page that was closed, or as it
    restored another. The one that the page asks for comes next then, and the kernel's main one last.
    """
    route = getattr(comm, "_reply_subshell_for", None)
    if route is None:
        return

    def to_a_living_one(data: Any, asked: str | None) -> str | None:
        wanted: str | None = route(data, asked)
        try:
            alive = comm.kernel.shell_channel_thread.manager.list_subshell()
        except AttributeError:
            return wanted
        return next((shell for shell in (wanted, asked) if shell in alive), None)

    comm._reply_subshell_for = to_a_living_one


class BaseWidget(anywidget.AnyWidget):
    """Root of the package's widgets.

    A subclass names its own keyword arguments in ``ARGUMENTS``, marks its request handlers with
    `serves`, sends what is new in `flush`, and returns its static form from `static_html`.
    """

    ARGUMENTS: ClassVar[tuple[str, ...]] = ()
    DRAWS_BY_PLOTLY: ClassVar[bool] = False
    _handlers: ClassVar[dict[str, str]] = {"presence.at": "_presence"}
    # Until the constructor passed its checks: Python closes a widget that was refused, too.
    _closed = True

    component = traitlets.Unicode(help="Name of the component in the bundle").tag(sync=True)
    self_id = traitlets.Unicode(help="The model's own id, which a view cannot see otherwise").tag(sync=True)
    subject = traitlets.Unicode(help="What it shows, the same for all widgets that show it").tag(sync=True)
    assets = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    failure = traitlets.Dict(
        allow_none=True, default_value=None, help="An error that everyone who looks should see"
    ).tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        handlers = dict(cls._handlers)
        for name, method in vars(cls).items():
            if kind := getattr(method, "_serves", None):
                handlers[kind] = name
        cls._handlers = handlers

    def __init__(self, **kwargs: Any) -> None:
        known = {*self.ARGUMENTS, "layout"}
        for name in kwargs:
            if name not in known:
                raise UnknownArgumentError(f"{type(self).__name__} takes no argument {name!r}. {hint(name, known)}")
        self._lock = threading.RLock()
        # What browsers asked and nobody answered yet, oldest first; True stands for withdrawn.
        self._waiting: dict[tuple[str, str], bool] = {}
        self._queue: deque[tuple[wire.Envelope, list[Any], Person | None]] = deque()
        # A page whose request stays unanswered sends it again; what was carried out is only answered again.
        self._answered: dict[tuple[str, str], tuple[wire.Envelope, Answer | None]] = {}
        self._serving = False
        # the page whose request is being served
        self._asking = ""
        self._closed = False
        self._flush_failed = False
        self._stops: list[Callable[[], None]] = []
        self._headless = is_headless()
        self._display: Display | None = None
        if not self._headless:
            self._esm = static_bytes("loader.js").decode()
            kwargs["assets"] = shared_assets(self.DRAWS_BY_PLOTLY)
        super().__init__(component=type(self).__name__, **kwargs)
        if not self._headless:
            self.self_id = self.model_id

    # --- the comm ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the comm; a headless run has nobody at the other end and opens none."""
        if not self._headless:
            super().open()
            _keep_reachable(self.comm)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Ignore a browser's attempt to write a trait: wishes come as requests."""
        logger.debug("%s ignored a browser's update of %s", type(self).__name__, sorted(sync_data))

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        with acting(person_of(msg.get("metadata"))):
            super()._handle_msg(msg)

    def _handle_custom_msg(self, content: Any, buffers: list[Any]) -> None:
        try:
            request = wire.parse_request(content)
        except WireError as error:
            self._refuse_malformed(content, error)
            return
        asked = (request["client"], request["id"])
        if request["kind"] == "cancel":
            withdrawn = (request["client"], request["body"]["id"])
            with self._lock:
                if withdrawn in self._waiting:
                    self._waiting[withdrawn] = True
            self._post(wire.reply(request, "result", {}))
            return
        with self._lock:
            if asked in self._waiting:
                return
            known = self._answered.get(asked)
            begins = known is None and not self._serving
            if known is None:
                self._waiting[asked] = False
                self._queue.append((request, buffers, acting_person()))
                self._serving = True
        if known is not None:
            self._post(*known)
        if not begins:
            return
        # One task at a time serves the queue in order: two changes of one knob must not overtake each
        # other, and a widget with many requests must not take the threads of the others.
        POOL.submit(self._serve_queue)

    def _serve_queue(self) -> None:
        with self._lock:
            request, buffers, person = self._queue.popleft()
        try:
            with acting(person):
                self._serve(request, buffers)
        except Exception:
            logger.exception("%s could not answer %s", type(self).__name__, request["kind"])
        finally:
            with self._lock:
                self._waiting.pop((request["client"], request["id"]), None)
                self._serving = bool(self._queue)
                again = self._serving
            if again:
                POOL.submit(self._serve_queue)

    def _refuse_malformed(self, content: Any, error: WireError) -> None:
        if isinstance(content, dict) and isinstance(content.get("client"), str) and isinstance(content.get("id"), str):
            envelope: wire.Envelope = {
                "v": wire.VERSION,
                "client": content["client"],
                "id": content["id"],
                "kind": f"{content.get('kind')}.error",
                "body": error_body(error),
            }
            self._post(envelope)
        else:
            logger.warning("%s dropped a message: %s", type(self).__name__, error.message)

    def _serve(self, request: wire.Envelope, buffers: list[Any]) -> None:
        try:
            self._go_on(request)
            name = self._handlers.get(request["kind"])
            if name is None:
                raise WireError(f"{type(self).__name__} does not serve {request['kind']!r}.")
            self._asking = request["client"]
            given = (buffers,) if request["kind"] in wire.WITH_BUFFERS else ()
            result = getattr(self, name)(request["body"], *given)
            answer = result if isinstance(result, Answer) else Answer(result or {})
            self._go_on(request)
            self._reply(request, wire.reply(request, "result", answer.body), answer)
        except CancelledRequest:
            self._reply(request, wire.reply(request, "cancelled", {}))
        except Exception as error:
            if not isinstance(error, MedilyticaError):
                logger.exception("%s failed at %s", type(self).__name__, request["kind"])
            self._reply(request, wire.reply(request, "error", error_body(error)))

    def _reply(self, request: wire.Envelope, envelope: wire.Envelope, answer: Answer | None = None) -> None:
        # reading again gives fresher news than an old answer
        if wire.access_of(request["kind"]) == "write":
            with self._lock:
                self._answered[request["client"], request["id"]] = (envelope, answer)
                while len(self._answered) > _ANSWERS_KEPT:
                    del self._answered[next(iter(self._answered))]
        self._post(envelope, answer)

    def _go_on(self, request: wire.Envelope) -> None:
        if self._waiting.get((request["client"], request["id"])):
            raise CancelledRequest(f"{request['kind']} was withdrawn.")

    def _post(self, envelope: wire.Envelope, answer: Answer | None = None) -> None:
        if self._closed or self.comm is None:
            return
        buffers: list[bytes] = []
        if answer is not None and answer.arrays:
            envelope["buffers"], buffers = wire.encode(answer.arrays)
        buffers = buffers + (answer.raw or [] if answer is not None else [])
        with self._lock:
            self.send(envelope, buffers=buffers or None)

    def emit(self, kind: str, body: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Send an event to every browser."""
        self._post(wire.event(kind, dict(body)), Answer({}, arrays))

    @serves("presence.at")
    def _presence(self, body: dict[str, Any]) -> None:
        HUB.at(self._asking, acting_person(), self.subject, body)

    # --- following the kernel's objects --------------------------------------------------------------

    def follow(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect a psygnal signal until the widget is closed."""
        signal.connect(slot)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                signal.disconnect(slot)

        self._stops.append(stop)

    def mark(self, *_: Any) -> None:
        """Ask for a `flush` soon; any thread. A slot for signals."""
        if not self._closed and not self._headless:
            PUMP.mark(self)

    def mark_later(self, seconds: float) -> None:
        """Ask for a `flush` after so many seconds: for what no signal tells of, or not to send too often."""
        if not self._closed and not self._headless:
            PUMP.mark(self, seconds)

    def flush(self) -> None:
        """Send what is new, on the pump's thread; a failure is shown beside the widget."""
        if self._closed:
            return
        try:
            self.update_view()
            if self._flush_failed:
                self._flush_failed = False
                with self.together():
                    self.set_trait("failure", None)
        except Exception as error:
            logger.exception("%s could not be brought up to date", type(self).__name__)
            self._flush_failed = True
            with self.together():
                self.failure = error_body(error)

    def update_view(self) -> None:
        """Bring traits up to date and emit events. Subclasses override; the base has nothing of its own."""

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Set several traits in one message."""
        with self._lock, self.hold_sync():
            yield

    def close(self) -> None:
        """Stop following, close the comm. Safe to call twice."""
        if self._closed:
            return
        with self._lock:
            self._closed = True
            stops = list(self._stops)
            self._stops.clear()
        for stop in stops:
            stop()
        super().close()

    # --- display -------------------------------------------------------------------------------------

    def static_html(self) -> str:
        """Return the widget's static form for a report: here a line that names it; subclasses show what they hold."""
        words = "This view has no static form; open the notebook in JupyterLab and run its cells to use it."
        return section(type(self).__name__, sentence(words))

    def _ipython_display_(self) -> None:
        if not self._headless:
            # IPython then takes _repr_mimebundle_, the live view.
            raise NotImplementedError
        if self._display is None:
            self._display = Display(f"medilytica-{uuid.uuid4().hex}")
        self._display.show(self.static_html())

    def refresh_static(self, *_: Any) -> None:
        """Bring an output that was already shown up to date, in a headless run."""
        if self._display is not None:
            self._display.update(self.static_html())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
