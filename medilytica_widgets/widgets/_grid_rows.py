"""How a grid asks for its rows: one question after the other, and beside it what needs no answer to any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CancelledRequest, ColumnNotFoundError, InputError, MedilyticaError, StateError, WireError, hint
from ..wire import Envelope, parse_request, reply
from ._base import POOL, Answer, BaseWidget, error_body, serves

if TYPE_CHECKING:
    from ..data.filters import View
    from ..data.paging import TablePager

#: A page holds at most so many cells, so that a wide table's pages stay small, and always at least a screen of rows.
MOST_CELLS = 100_000
LEAST_ROWS = 50
LONGEST_SEARCH = 500
MOST_FILTERS = 200


class GridRows(BaseWidget):
    """The half of a `medilytica_widgets.DataGrid` that serves rows."""

    _names: set[str]
    _pager: TablePager
    _serving_now: Envelope | None = None

    @serves("grid.rows")
    def _rows(self, body: dict[str, Any]) -> Answer:
        start, count = body["start"], body["count"]
        most = max(LEAST_ROWS, MOST_CELLS // max(1, len(self._names)))
        if start < 0 or not 0 < count <= most:
            raise WireError(
                f"Rows {start} to {start + count} were asked for; a page has 1 to {most} rows, from row 0 on."
            )
        view = self._checked(body)
        page = self._pages().at_once(start, count, view)
        if page is not None:
            return Answer({"start": page.start, "total": page.total, "state": body["state"]}, raw=[page.ipc])
        try:
            page = self._pages().rows(start, count, view.sort, view.search, view.filters, view.where)
        except CancelledRequest:
            now = self._serving_now
            if self._closed or (now is not None and self._waiting.get((now["client"], now["id"]))):
                raise
            # it was the question before that should have ended, and it had just been answered
            page = self._pages().rows(start, count, view.sort, view.search, view.filters, view.where)
        return Answer({"start": page.start, "total": page.total, "state": body["state"]}, raw=[page.ipc])

    def _serve(self, request: Envelope, buffers: list[Any]) -> None:
        self._serving_now = request
        try:
            super()._serve(request, buffers)
        finally:
            self._serving_now = None

    def _handle_custom_msg(self, content: Any, buffers: list[Any]) -> None:
        if self._goes_beside(content):
            POOL.submit(self._serve_beside, content)
            return
        super()._handle_custom_msg(content, buffers)
        # a sorting that nobody waits for any more must not hold up the newer one
        now = self._serving_now
        if now is not None and isinstance(content, dict) and content.get("kind") == "cancel":
            body = content.get("body")
            if isinstance(body, dict) and (content.get("client"), body.get("id")) == (now["client"], now["id"]):
                self._pager.interrupt()

    def _goes_beside(self, content: Any) -> bool:
        """Whether a message asks for rows that can be read while another question is being answered."""
        if not isinstance(content, dict) or content.get("kind") != "grid.rows" or self._closed:
            return False
        try:
            request = parse_request(content)
            known = self._pager.knows(self._checked(request["body"]))
        except MedilyticaError:
            # what is wrong with it is said in its turn
            return False
        asked = (request["client"], request["id"])
        with self._lock:
            if not known or asked in self._waiting:
                return False
            self._waiting[asked] = False
        return True

    def _serve_beside(self, content: Any) -> None:
        request = parse_request(content)
        try:
            # what the widget notes of the request that it serves is that of the other one
            answer = self._rows(request["body"])
            self._go_on(request)
            self._reply(request, reply(request, "result", answer.body), answer)
        except CancelledRequest:
            self._reply(request, reply(request, "cancelled", {}))
        except Exception as error:
            self._reply(request, reply(request, "error", error_body(error)))
        finally:
            with self._lock:
                self._waiting.pop((request["client"], request["id"]), None)

    def _checked(self, body: dict[str, Any]) -> View:
        """Return the view of a request, whose columns the table must have."""
        if len(body["search"]) > LONGEST_SEARCH:
            raise InputError(f"The search is {len(body['search'])} characters long; {LONGEST_SEARCH} are the most.")
        if len(body["filters"]) > MOST_FILTERS:
            raise InputError(f"{len(body['filters'])} filters were given; {MOST_FILTERS} are the most.")
        for name, _ in body.get("sort", ()):
            if name not in self._names:
                raise ColumnNotFoundError(f"The table has no column {name!r} to sort by. {hint(name, self._names)}")
        return view_of(body)

    def _pages(self) -> TablePager:
        if self._closed:
            raise StateError("This table view was closed. Run its cell again to see more rows.")
        return self._pager


def view_of(body: dict[str, Any]) -> View:
    """Return the view of a request's body, checked but for the columns' names."""
    from ..data.filters import View

    sort = [(name, down) for name, down in body.get("sort", ())]
    return View.of(sort, body.get("search", ""), body.get("filters", ()), body.get("where", ""))
