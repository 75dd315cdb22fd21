"""Figures carry plotly.js once for a document, and nothing in them ends the script they stand in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from medilytica_widgets import report
from medilytica_widgets.errors import MedilyticaError
from medilytica_widgets.figures import counts
from medilytica_widgets.report import Display, static

FIGURE = report.figure(counts({"a": 1}))


@pytest.fixture(autouse=True)
def fresh_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "_carrier", static._Carrier())
    monkeypatch.setattr(static, "plotly_script", lambda: report.Html(f"<script {static.PLOTLY_MARK}></script>"))


def carries(display: Display, markup: str) -> bool:
    return static.PLOTLY_MARK in display.bundle(markup)["text/html"]


def test_only_the_first_output_with_a_figure_carries_plotly() -> None:
    words, first, second = Display(), Display(), Display()
    assert [carries(words, "<p>"), carries(first, FIGURE), carries(second, FIGURE)] == [False, True, False]
    assert static.style() in second.bundle(FIGURE)["text/html"]


def test_an_update_of_the_carrying_output_keeps_plotly() -> None:
    first, second = Display(), Display()
    assert carries(first, FIGURE)
    assert not carries(second, FIGURE)
    assert carries(first, "<p>no figure any more</p>")


def test_an_output_that_gets_its_figure_later_carries_plotly_then() -> None:
    early = Display()
    assert not carries(early, "<p>soon</p>")
    assert carries(early, FIGURE)


def test_plotly_moves_when_the_cell_that_carried_it_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ("cell 1", 1)
    monkeypatch.setattr(static, "_place", lambda: place)
    assert carries(Display(), FIGURE)
    assert not carries(Display(), FIGURE)
    place = ("cell 2", 2)
    assert not carries(Display(), FIGURE)
    place = ("cell 1", 3)
    assert carries(Display(), FIGURE)
    assert not carries(Display(), FIGURE)


def test_an_output_holds_html_and_words_and_no_widget_view() -> None:
    bundle = Display().bundle(report.section("Title", FIGURE))
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == "Title\nCounts: a 1."


def test_outside_ipython_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Display().show(FIGURE)
    assert capsys.readouterr().out == ""


def test_a_figure_is_escaped_json() -> None:
    spec = counts({"</script><!--<script>\u2028&": 1})
    markup = report.figure(spec, caption="<b>", alt='"><b>')
    data = markup.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(data) == {"data": spec["data"], "layout": spec["layout"]}
    assert not set("<>&") & set(data)
    assert markup.count("</script>") == markup.count("<script") == 2
    assert "<b>" not in markup


def test_a_figure_that_json_cannot_say_is_refused() -> None:
    spec = {"data": [{"type": "bar", "y": [float("nan")]}], "layout": {}}
    with pytest.raises(ValueError, match="JSON"):
        report.figure(spec)


def test_plotly_is_wrapped_so_that_nothing_ends_its_script() -> None:
    script = static.wrap_script('const a = "</script><!--";\nexport default module.exports;\n')
    assert script.count("</script") == 1
    assert "<!--" not in script
    assert "window.Plotly=window.Plotly||(module.exports);" in script
    assert "export default" not in script


def test_a_front_end_that_was_not_built_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(static.resources, "files", lambda _: tmp_path)
    static.plotly_script.cache_clear()
    with pytest.raises(MedilyticaError, match="run 'make js'"):
        static.plotly_script()
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "plotly.js.gz").write_bytes(gzip.compress(b"window.Plotly = 1"))
    with pytest.raises(MedilyticaError, match="run 'make js' again"):
        static.plotly_script()
