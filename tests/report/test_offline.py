"""A report opens from a file, offline, in a real browser, and its figures draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page

from medilytica_widgets.report.export import remote_references
from medilytica_widgets.report.notebook import make_report

MakeNotebook = Callable[..., Path]

FIRST = """
import numpy as np, pandas as pd
from medilytica_widgets import figures
from medilytica_widgets.report import Display, card, figure, grid, section, sentence, table

epoch = np.arange(1, 20)
rows = {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1 / epoch + 0.05}
waiting = Display()
waiting.show(section("Curves", sentence("Training has not ended.")))
"""
SECOND = """
hostile = "</script><script>window.evil = 1</script><img src=x onerror='window.evil=1'>"
waiting.update(section("Curves", grid(card("a", figure(figures.curves(rows, title=hostile))),
                                      card("b", figure(figures.curves(rows), caption=hostile)))))
Display().show(section(hostile, table(pd.DataFrame({hostile: [hostile]}), caption=hostile)))
"""
THIRD = """Display().show(section("Counts", figure(figures.counts({"a": 1, "b": 2}))))"""
REQUIRE_JS = "<script>window.define = function () { window.swallowed = true; }; window.define.amd = {};</script>"


def open_offline(browser: Browser, path: Path) -> tuple[Page, list[str], list[str]]:
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.mwr-plot .main-svg').length >= 3")
    return page, problems, requests


@pytest.fixture
def executed(make_notebook: MakeNotebook, tmp_path: Path) -> Path:
    report = make_report(
        make_notebook(FIRST, SECOND, THIRD), tmp_path / "out.html", executed=tmp_path / "kept.ipynb", progress=False
    )
    assert report.error == ""
    return tmp_path


def test_a_report_draws_offline_from_one_copy_of_plotly(executed: Path, browser: Browser) -> None:
    html = (executed / "out.html").read_text("utf-8")
    assert html.count("data-mwr-plotly") == 1
    assert html.count("plotly.js (basic") == 1
    assert html.count("<style data-mwr-style") == 1
    assert remote_references(html) == []
    page, problems, requests = open_offline(browser, executed / "out.html")
    assert problems == []
    assert requests == [(executed / "out.html").as_uri()]
    assert page.evaluate("window.evil") is None
    assert page.locator(".mwr-plot").count() == 3
    assert page.locator(".mwr-plot .scatterlayer .trace").count() >= 4
    assert "Training has not ended." not in " ".join(page.locator(".mwr").all_inner_texts())


def test_figures_fill_their_columns_and_follow_the_window(executed: Path, browser: Browser) -> None:
    page, _, _ = open_offline(browser, executed / "out.html")
    fits = "[...document.querySelectorAll('.mwr-plot')].every(b => b._fullLayout?.width === b.clientWidth)"
    page.wait_for_function(fits)
    page.set_viewport_size({"width": 600, "height": 800})
    page.wait_for_function(fits)


def test_nbconverts_own_page_draws_too_whatever_loader_it_has(executed: Path, browser: Browser) -> None:
    notebook = nbformat.read(executed / "kept.ipynb", 4)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    assert html.count("data-mwr-plotly") == 1
    path = executed / "nbconvert.html"
    path.write_text(html.replace("<head>", "<head>" + REQUIRE_JS, 1), "utf-8")
    page, _, _ = open_offline(browser, path)
    assert page.evaluate("[window.swallowed, typeof window.Plotly]") == [None, "object"]


def test_a_report_whose_carrying_output_was_cleared_draws_all_the_same(executed: Path, browser: Browser) -> None:
    from medilytica_widgets.report.export import notebook_html

    notebook = nbformat.read(executed / "kept.ipynb", 4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            markup = output.get("data", {}).get("text/html", "")
            if "data-mwr-plotly" in markup:
                begin = markup.index("<script data-mwr-plotly")
                output.data["text/html"] = markup[:begin] + markup[markup.index("</script>", begin) + 9 :]
    path = executed / "mended.html"
    path.write_text(notebook_html(notebook), "utf-8")
    page, problems, _ = open_offline(browser, path)
    assert problems == []
    assert page.locator(".mwr-plot").count() == 3


def test_without_scripts_the_words_of_a_figure_stand_in_its_place(executed: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((executed / "out.html").as_uri())
    assert "Counts: a 1, b 2." in page.inner_text(".mwr-plot >> nth=2")
