"""Figures in static output, and the outputs that carry them: plotly.js stands once in a document."""

from __future__ import annotations

import functools
import gzip
import json
import threading
import uuid
from importlib import resources
from typing import Any

from ..errors import MedilyticaError
from ..figures import Figure
from .html import Html, escape, join, plain_text

# sits in every figure's markup; Display looks for it to know that an output needs plotly.js
FIGURE_MARK = 'class="mwr-plot"'
PLOTLY_MARK = "data-mwr-plotly"
STYLE_MARK = "data-mwr-style"

# The script finds its figure by place, not by id: a front end may show one output twice. It waits for plotly.js, which
# may come later in the page, for the page itself, whose columns settle late, and for a place with a width; ten minutes
# end the waiting of an output that was deleted.
_DRAW = (
    "(function(){var s=document.currentScript,d=s.previousElementSibling,b=d.previousElementSibling,n=6000;"
    'function draw(){var p=window.Plotly;if(!p||document.readyState==="loading"||!b.clientWidth)'
    "{if(n--)setTimeout(draw,100);return}"
    'var f=JSON.parse(d.textContent),w=b.clientWidth;b.textContent="";'
    "p.newPlot(b,f.data,f.layout,{responsive:true,displaylogo:false});"
    "if(window.ResizeObserver)new ResizeObserver(function(){"
    "if(b.clientWidth&&b.clientWidth!==w){w=b.clientWidth;p.Plots.resize(b)}}).observe(b)}draw()})()"
)


def figure(spec: Figure, *, caption: object | None = None, alt: str | None = None) -> Html:
    """Return a figure as markup that draws itself once plotly.js is in the page.

    It is to be shown by `Display`, which sees to plotly.js. Where no script runs, the alternative text stands
    in the figure's place.

    Parameters
    ----------
    spec : dict
        ``{"data": […], "layout": {…}}`` from `medilytica_widgets.figures`, fit for JSON.
    caption : str or Html, optional
        A quiet line below.
    alt : str, optional
        What is seen; ``layout["meta"]["alt"]`` when not given.

    Raises
    ------
    ValueError
        The figure holds NaN or infinity, which JSON has no word for.
    """
    layout = spec["layout"]
    meta = layout.get("meta") or {}
    words = escape(alt if alt is not None else meta.get("alt", ""))
    # as JSON escapes, the signs that could end the script or begin a comment are only text
    data = json.dumps({"data": spec["data"], "layout": layout}, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    height = int(layout.get("height") or 240)
    return join(
        Html(f'<figure class="mwr-figure" role="img" aria-label="{words}">'),
        Html(f'<div {FIGURE_MARK} style="min-height:{height}px">{words}</div>'),
        Html(f'<script type="application/json">{data}</script><script>{_DRAW}</script>'),
        Html(f'<figcaption class="mwr-note">{escape(caption)}</figcaption>') if caption else None,
        Html("</figure>"),
    )


@functools.cache
def style() -> Html:
    """Return the one block of CSS that the pieces of `report.html` wear."""
    css = (resources.files(__package__) / "style.css").read_text(encoding="utf-8")
    return Html(f"<style {STYLE_MARK}>{css}</style>")


@functools.cache
def plotly_script() -> Html:
    """Return the script element that holds the whole of plotly.js and sets ``window.Plotly``.

    Raises
    ------
    MedilyticaError
        The front end was not built.
    """
    try:
        packed = (resources.files("medilytica_widgets") / "static" / "plotly.js.gz").read_bytes()
    except FileNotFoundError:
        raise MedilyticaError(
            "The built file static/plotly.js.gz is missing, so a report cannot draw its figures. In a checkout, run "
            "'make js' (it needs Node 20); an installed package carries it, so reinstall that."
        ) from None
    return wrap_script(gzip.decompress(packed).decode("utf-8"))


def wrap_script(source: str) -> Html:
    """Return plotly.js as an inline script that sets ``window.Plotly``, whatever loaders the page has.

    nbconvert's own pages load require.js, and a UMD bundle that finds ``define`` hands itself to that instead of
    setting ``window.Plotly``; the names of loaders are therefore hidden from it. A Plotly that the page has already
    stays.

    Parameters
    ----------
    source : str
        ``static/plotly.js`` as js/build.mjs makes it: plain script up to a last ``export default EXPRESSION;``.

    Raises
    ------
    MedilyticaError
        There is no such last statement.
    """
    body, statement, value = source.rpartition("export default ")
    if not statement:
        raise MedilyticaError(
            "The built file static/plotly.js.gz is not what this version expects; run 'make js' again, or reinstall."
        )
    # in a string or a regular expression of the source these mean the same; in HTML they no longer end the script
    safe = body.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return Html(
        f"<script {PLOTLY_MARK}>(function(define,require,exports){{\n{safe}\n"
        f"window.Plotly=window.Plotly||({value.strip().rstrip(';')});}})();</script>"
    )


class _Carrier:
    """Which output of this kernel's document holds plotly.js."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._display_id: str | None = None
        self._place: tuple[str, int] | None = None

    def serves(self, display_id: str, needed: bool) -> bool:
        """Whether the output ``display_id`` must hold the script; the first that needs it does from then on."""
        with self._lock:
            place = _place()
            # the cell that held it was run again, and its old outputs are gone
            rerun = (
                place is not None and self._place is not None and place[0] == self._place[0] and place != self._place
            )
            if needed and (self._display_id is None or (rerun and display_id != self._display_id)):
                self._display_id = display_id
            if display_id != self._display_id:
                return False
            self._place = place or self._place
            return True


def _place() -> tuple[str, int] | None:
    """Return the running cell's id and execution count, where the front end tells the id."""
    from IPython import get_ipython

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    request: dict[str, Any] = kernel.get_parent("shell") or {}
    cell = request.get("metadata", {}).get("cellId")
    return (str(cell), int(shell.execution_count)) if cell else None


_carrier = _Carrier()


class Display:
    """One output of a notebook that can be brought up to date.

    It holds HTML and plain text and never a widget view, because a converter prefers the view and shows nothing.
    plotly.js travels in the first output of the kernel that holds a figure. Outside IPython nothing is shown.

    Parameters
    ----------
    display_id : str, optional
        Jupyter's ``display_id``; a new one when not given.
    """

    def __init__(self, display_id: str | None = None) -> None:
        self.display_id = display_id or f"medilytica-{uuid.uuid4().hex}"

    def bundle(self, markup: str, text: str | None = None) -> dict[str, str]:
        """Return the MIME bundle of this output: ``text/html`` and ``text/plain``."""
        parts: list[str] = [style()]
        if _carrier.serves(self.display_id, FIGURE_MARK in markup):
            parts.append(plotly_script())
        return {
            "text/html": "".join([*parts, markup]),
            "text/plain": plain_text(markup) if text is None else text,
        }

    def show(self, markup: str, text: str | None = None) -> None:
        """Show the output in the running cell.

        Parameters
        ----------
        markup : str
            HTML made by `medilytica_widgets.report`.
        text : str, optional
            What readers without HTML see; the words of the markup when not given.

        Raises
        ------
        MedilyticaError
            It holds a figure and the front end was not built.
        """
        self._send(markup, text, update=False)

    def update(self, markup: str, text: str | None = None) -> None:
        """Put other HTML in the output's place, wherever it was shown. Arguments as for `show`."""
        self._send(markup, text, update=True)

    def _send(self, markup: str, text: str | None, update: bool) -> None:
        from IPython import get_ipython
        from IPython.display import display, update_display

        if get_ipython() is None:
            return
        bundle = self.bundle(markup, text)
        if update:
            update_display(bundle, display_id=self.display_id, raw=True)  # type: ignore[no-untyped-call]
        else:
            display(bundle, display_id=self.display_id, raw=True)  # type: ignore[no-untyped-call]
