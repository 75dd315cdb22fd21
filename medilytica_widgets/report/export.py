"""A notebook that has run as one HTML file that needs nothing from the network."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import ClassVar

from jinja2 import DictLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from .static import FIGURE_MARK, PLOTLY_MARK, STYLE_MARK, plotly_script

ERROR_MARKER_TAG = "papermill-error-cell-tag"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# nbconvert's own template loads require.js, MathJax, Mermaid and the widget manager from the network
_TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
"""
_PLOTLY = re.compile(rf"<script[^>]*{PLOTLY_MARK}.*?</script>", re.DOTALL)
_STYLE = re.compile(rf"<style[^>]*{STYLE_MARK}.*?</style>", re.DOTALL)


def notebook_html(notebook: NotebookNode, *, fallback_title: str = "Report", show_input: bool = True) -> str:
    """Return an executed notebook as an HTML page.

    Widget views give way to the static form beside them, plotly.js and the CSS of static output stand once, and the
    page asks the network for nothing that its own template would. Formulas stay as their TeX source.

    Parameters
    ----------
    notebook : NotebookNode
        Not changed.
    fallback_title : str
        The page's title where neither the notebook's metadata nor a heading gives one.
    show_input : bool
        Whether code cells show their source.
    """
    shown = without_widget_views(notebook)
    _share(shown)
    shown.metadata["title"] = title_of(shown) or fallback_title
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        extra_loaders=[DictLoader({"medilytica_report.html.j2": _TEMPLATE})],
        template_file="medilytica_report.html.j2",
        exclude_input=not show_input,
        exclude_input_prompt=not show_input,
        exclude_output_prompt=not show_input,
        exclude_anchor_links=True,
    )
    page, _ = exporter.from_notebook_node(shown)
    return page


def title_of(notebook: NotebookNode) -> str:
    """Return a notebook's title: its metadata's, or its first heading's words, or ""."""
    if title := notebook.metadata.get("title"):
        return str(title)
    for cell in notebook.cells:
        # papermill puts a cell about an error in front, tagged so
        if cell.cell_type == "markdown" and ERROR_MARKER_TAG not in cell.metadata.get("tags", []):
            for line in cell.source.splitlines():
                if found := re.match(r"#{1,6}\s+(.+?)\s*#*$", line):
                    return re.sub(r"[*_`]", "", found[1])
    return ""


def without_widget_views(notebook: NotebookNode) -> NotebookNode:
    """Return a copy in which no output holds a widget view, nor the metadata the widgets' state.

    A converter prefers the view to the HTML beside it, and shows nothing once the kernel is gone. An output that was
    nothing but a view is left out.
    """
    fresh: NotebookNode = copy.deepcopy(notebook)
    fresh.metadata.pop("widgets", None)
    for cell in fresh.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("data") != {}]
    return fresh


def _share(notebook: NotebookNode) -> None:
    """Keep plotly.js and the CSS only where they are first needed, and put plotly.js in where it got lost."""
    styled = drawn = False
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            markup = output.get("data", {}).get("text/html")
            if not markup or ("mwr" not in markup):
                continue
            found = _PLOTLY.search(markup)
            needed = FIGURE_MARK in markup and not drawn
            if found is not None:
                markup = _PLOTLY.sub("", markup)
            if needed:
                markup = (found[0] if found is not None else plotly_script()) + markup
                drawn = True
            if STYLE_MARK in markup:
                markup = _STYLE.sub("", markup) if styled else markup
                styled = True
            output.data["text/html"] = markup


class _Remote(HTMLParser):
    _ATTRIBUTES: ClassVar[dict[str, tuple[str, ...]]] = {
        "script": ("src",), "link": ("href",), "img": ("src", "srcset"), "iframe": ("src",),
        "source": ("src", "srcset"), "video": ("src", "poster"), "audio": ("src",), "track": ("src",),
        "embed": ("src",), "object": ("data",),
        "image": ("href", "xlink:href"), "use": ("href", "xlink:href"), "input": ("src",),
    }  # fmt: skip
    _ADDRESS = re.compile(r"\s*(?:https?:)?//[^\s,]+", re.IGNORECASE)
    _IN_CSS = re.compile(r"(?:url\(\s*|@import\s+)['\"]?((?:https?:)?//[^'\")\s;]+)", re.IGNORECASE)
    _IN_MODULE = re.compile(r"(?:^|[;\s])import\s*(?:\(|[^'\"();]*from\s*|)\s*['\"]((?:https?:)?//[^'\"]+)")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ("style", "script") else ""
        for name, value in attrs:
            if name in self._ATTRIBUTES.get(tag, ()) and value and (match := self._ADDRESS.match(value)):
                self.found.append(match[0].strip())
            if name == "style" and value:
                self.found += self._IN_CSS.findall(value)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.found += self._IN_CSS.findall(data)
        elif self._inside == "script":
            self.found += self._IN_MODULE.findall(data)


def remote_references(page: str) -> list[str]:
    """Return the network addresses that a browser would fetch on opening a page, in order; links to click not.

    Scripts, style sheets, pictures, frames and media count, and what CSS and inline modules import.
    """
    parser = _Remote()
    parser.feed(page)
    return parser.found
