"""Curves of a network with two heads in a real JupyterLab, and what the other views say about them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.choices import THEMES
from tests.browser.conftest import OpenNotebook

SETUP = """
import medilytica_widgets as mw
leaks = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]
data = mw.load_dataset("kepler", exclude=[*leaks, "koi_period_err1", "koi_period_err2"])
stack = [mw.Layer("linear", units=48, name="wide"), mw.Layer("linear", units=24)]
period = mw.Head("regression", target="koi_period", loss="huber", at="wide", weight="uncertainty")
heads = [mw.Head("classification"), period]
exp = mw.Experiment(data, hyperparameters={"epochs": 25}, layers=stack, heads=heads, seed=1)
"""
TRAIN = "run = exp.train().wait(); found = run.evaluate()"
ONE_HEAD = "exp.set_heads([mw.Head('classification')]); one = exp.train().wait()"


def picture(of: Locator, name: str) -> None:
    """Leave a picture where someone asked for it."""
    folder = os.environ.get("MEDILYTICA_PICTURES")
    if folder:
        of.screenshot(path=Path(folder) / f"{name}.png")


def titles(curves: Locator) -> Locator:
    return curves.locator(".gtitle")


@pytest.mark.parametrize("theme", THEMES)
def test_each_heads_curves_are_chosen_by_mouse_and_keyboard(open_notebook: OpenNotebook, theme: str) -> None:
    cells = [SETUP, "mw.MetricPlots(exp)", TRAIN, "mw.PerformanceDashboard(exp)", "mw.DecisionBoundary(exp)"]
    notebook = open_notebook(cells, theme=theme, height=2400)
    notebook.run(0)
    notebook.run(1)
    curves = notebook.output(1).locator(".mw-curves")
    expect(curves).to_contain_text("Press Train")
    expect(curves.get_by_role("radio")).to_have_count(0)
    notebook.run(2)
    expect(curves).to_have_attribute("data-rows", "25", timeout=60_000)
    choice = curves.get_by_role("radiogroup", name="curves of")
    expect(choice.get_by_role("radio")).to_have_text(["total", "koi_disposition", "koi_period"])
    expect(choice.get_by_role("radio", checked=True)).to_have_text("total")
    expect(titles(curves)).to_have_text(["total loss of all heads", "koi_disposition: accuracy"])
    picture(curves, f"heads_total_{theme}")

    choice.get_by_role("radio", name="koi_period").click()
    expect(titles(curves)).to_have_text(["koi_period: loss", "koi_period: mean absolute error"])
    expect(curves).to_contain_text("Its weight in the total is learned: now")
    expect(curves.locator('[aria-live="polite"]')).to_contain_text("koi_period, epoch 25: training loss")
    expect(curves.get_by_role("img", name="Chart of mean absolute error of koi_period")).to_be_visible()
    picture(curves, f"heads_period_{theme}")

    notebook.page.keyboard.press("ArrowLeft")
    expect(choice.get_by_role("radio", name="koi_disposition")).to_be_focused()
    expect(titles(curves)).to_have_text(["koi_disposition: loss", "koi_disposition: accuracy"])
    # the arrow stayed in the widget: the notebook's cell is the same
    assert notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") in (1, 2)
    picture(curves, f"heads_disposition_{theme}")

    notebook.run(3)
    notebook.run(4)
    board, boundary = notebook.output(3).locator(".mw-perf"), notebook.output(4).locator(".mw-boundary")
    expect(board).to_contain_text("The metrics above are those of koi_disposition, the main head of 2.", timeout=30_000)
    expect(boundary).to_contain_text("The picture shows koi_disposition, the main head of 2.", timeout=30_000)
    # what the other head learns is no input
    assert "koi_period" not in boundary.locator("select").first.locator("option").all_text_contents()
    picture(board, f"heads_performance_{theme}")
    picture(boundary, f"heads_boundary_{theme}")


def test_where_there_is_no_room_a_list_takes_the_place_of_the_buttons(open_notebook: OpenNotebook) -> None:
    narrow = "import ipywidgets\nipywidgets.Box([mw.MetricPlots(exp)], layout={'width': '380px', 'display': 'block'})"
    notebook = open_notebook([SETUP, TRAIN, narrow, ONE_HEAD], height=1600)
    for index in range(3):
        notebook.run(index)
    curves = notebook.output(2).locator(".mw-curves")
    list_ = curves.get_by_role("combobox", name="curves of")
    expect(list_).to_be_visible()
    expect(curves.get_by_role("radiogroup")).to_have_count(0)
    list_.select_option(label="koi_period")
    expect(titles(curves)).to_have_text(["koi_period: loss", "koi_period: mean absolute error"])
    assert curves.evaluate("el => el.scrollWidth <= el.clientWidth")
    picture(curves, "heads_narrow")
    # the choice is there again after a reload
    notebook.save()
    notebook.reload()
    expect(titles(curves)).to_have_text(["koi_period: loss", "koi_period: mean absolute error"])
    expect(list_.locator("option:checked")).to_have_text("koi_period")
    # the next run has one head: as if there had never been a choice
    notebook.run(3)
    expect(titles(curves)).to_have_text(["loss (cross entropy)", "accuracy"], timeout=60_000)
    expect(curves.locator(".mw-curves-heads")).to_have_count(0)
