"""The pieces of static output: cards, tables, numbers. Everything given is escaped unless it is `Html`."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 120


class Html(str):
    """Text that is markup already; the pieces of this module put it in as it is and escape any other text."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Return a value as markup: `Html` as it is, anything else as escaped text."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def join(*parts: object) -> Html:
    """Return parts one after the other, escaped where they are not `Html`; None is left out."""
    return Html("".join(escape(part) for part in parts if part is not None))


def format_value(value: Any) -> str:
    """Return a cell's value for reading: six digits of a number, "–" for a missing one."""
    if is_missing(value):
        return "–"
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        return str(value)
    if float(value).is_integer() and abs(float(value)) < 1e15:
        return str(int(value))
    return f"{float(value):.6g}"


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, _numpy_floating())) and math.isnan(value)


def _numpy_floating() -> type[Any]:
    import numpy as np

    return np.floating


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (bool, str)) and type(value).__name__ != "bool"


def _cell(value: Any) -> Html:
    if is_missing(value):
        return Html('<td class="mwr-missing" title="missing">–</td>')
    words = format_value(value)
    kind = ' class="mwr-number"' if _is_number(value) else ""
    if len(words) <= _LONGEST:
        return Html(f"<td{kind}>{escape(words)}</td>")
    return Html(f'<td{kind} title="{escape(words[:2000])}">{escape(words[: _LONGEST - 1])}…</td>')


def table(frame: pd.DataFrame, *, caption: str = "", rows: int = 10, columns: int = 24, index: bool = True) -> Html:
    """Return the head of a table.

    Parameters
    ----------
    frame : DataFrame
    caption : str
        What the table shows; how much of it is left out is added.
    rows, columns : int
        How many are shown at most.
    index : bool
        Whether the index stands in front.
    """
    part = frame.iloc[:rows, :columns]
    numeric = [_is_numeric_column(part.iloc[:, i]) for i in range(part.shape[1])]
    heads = [
        f'<th scope="col"{" class=mwr-number" if is_number else ""}>{escape(name)}</th>'
        for name, is_number in zip(part.columns, numeric, strict=True)
    ]
    corner = f'<th scope="col">{escape(frame.index.name or "row")}</th>' if index else ""
    body = []
    for label, values in zip(part.index, part.itertuples(index=False, name=None), strict=True):
        first = f'<th scope="row">{escape(label)}</th>' if index else ""
        body.append(f"<tr>{first}{''.join(_cell(v) for v in values)}</tr>")
    words = " ".join(filter(None, [caption, _left_out(frame, len(part), part.shape[1])]))
    label_text = escape(caption or "table")
    return Html(
        f'<div class="mwr-scroll" role="region" tabindex="0" aria-label="{label_text}"><table class="mwr-table">'
        f"<caption>{escape(words)}</caption><thead><tr>{corner}{''.join(heads)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _is_numeric_column(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "iuf"


def _left_out(frame: pd.DataFrame, rows: int, columns: int) -> str:
    said = []
    if rows < len(frame):
        said.append(f"{rows} of {grouped(len(frame))} rows")
    if columns < frame.shape[1]:
        said.append(f"{columns} of {grouped(frame.shape[1])} columns")
    return f"({' and '.join(said)} shown)" if said else ""


def grouped(number: int) -> str:
    """Return a whole number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\u202f")


def metrics(
    values: Mapping[str, float],
    intervals: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Html:
    """Return metrics as small cards.

    Parameters
    ----------
    values : mapping of str to float
        By name, in the order shown.
    intervals : mapping of str to float, optional
        Half width of each one's interval, written as "± 0.013".
    labels, notes : mapping of str to str, optional
        What to call a metric (its name with spaces otherwise) and what to write below it.
    """
    cells = []
    for name, value in values.items():
        label = (labels or {}).get(name, name.replace("_", " "))
        half = (intervals or {}).get(name)
        below = [f"± {half:.2g}"] if half is not None and math.isfinite(half) else []
        if note := (notes or {}).get(name):
            below.append(note)
        small = f"<small>{escape(' · '.join(below))}</small>" if below else ""
        shown = "–" if is_missing(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
        cells.append(f"<div><dt>{escape(label)}</dt><dd>{shown}{small}</dd></div>")
    return Html(f'<dl class="mwr-metrics">{"".join(cells)}</dl>')


def key_values(values: Mapping[str, Any]) -> Html:
    """Return names and values as two columns; a value may be `Html`."""
    rows = (
        f"<dt>{escape(name)}</dt><dd>{escape(value if isinstance(value, Html) else format_value(value))}</dd>"
        for name, value in values.items()
    )
    return Html(f'<dl class="mwr-values">{"".join(rows)}</dl>')


def pills(*words: object) -> Html:
    """Return short facts as a row of pills."""
    return join(*(Html(f'<span class="mwr-pill">{escape(word)}</span>') for word in words))


def sentence(words: object, kind: Literal["note", "warning", "error"] = "note") -> Html:
    """Return a paragraph: a quiet note, a warning or an error."""
    role = ' role="alert"' if kind == "error" else ""
    return Html(f'<p class="mwr-{kind}"{role}>{escape(words)}</p>')


def code(source: str) -> Html:
    """Return source code as it is written."""
    return Html(f"<pre><code>{escape(source)}</code></pre>")


def card(title: object, *parts: object, note: object | None = None) -> Html:
    """Return a bordered card: a title, its parts, and a quiet note below."""
    head = Html(f'<div class="mwr-title">{escape(title)}</div>') if title else None
    return join(Html('<div class="mwr-card">'), head, *parts, sentence(note) if note else None, Html("</div>"))


def grid(*cards: object, narrowest: int = 300) -> Html:
    """Return cards side by side, as many in a row as fit at ``narrowest`` pixels each."""
    return join(Html(f'<div class="mwr-grid" style="--mwr-min:{int(narrowest)}px">'), *cards, Html("</div>"))


def section(title: object, *parts: object, note: object | None = None) -> Html:
    """Return the whole static form of a widget: a named region in which its cards stand."""
    name = escape(title)
    return join(
        Html(f'<section class="mwr" aria-label="{name}"><div class="mwr-title mwr-big">{name}</div>'),
        *parts,
        sentence(note) if note else None,
        Html("</section>"),
    )


class _Words(HTMLParser):
    _BREAKS = frozenset({"div", "p", "tr", "dt", "section", "caption", "li", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        self.words.append("\n" if tag in self._BREAKS else " ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def plain_text(markup: str, limit: int = 1200) -> str:
    """Return the words of markup, a line for each block, for readers that show no HTML."""
    parser = _Words()
    parser.feed(markup)
    lines = (" ".join(line.split()) for line in "".join(parser.words).splitlines())
    text = "\n".join(line for line in lines if line)
    return text if len(text) <= limit else text[: limit - 1] + "…"
