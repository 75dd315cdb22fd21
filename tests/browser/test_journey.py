"""The main job in a real JupyterLab: what a person does from opening a table to reading the answer."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.choices import some
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab, NotebookPage

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "kepler_koi_cumulative.csv"
QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]
SETUP = f"""
import medilytica_widgets as mw
data = mw.load_dataset("kepler", target="koi_disposition", exclude={LEAKS!r})
exp = mw.Experiment(data, name="Kepler candidates", hyperparameters={{"epochs": 100000, "batch_size": 256}})
"""
WORKBENCH = "mw.Workbench(exp)"


def workbench(notebook: NotebookPage) -> Locator:
    """Run both cells and return the Workbench, drawn."""
    notebook.run(0)
    notebook.run(1)
    return drawn(notebook)


def drawn(notebook: NotebookPage) -> Locator:
    """Return the Workbench of the second cell once its parts are there."""
    root = notebook.output(1).locator(".mw-root")
    expect(root.get_by_role("region", name="Learning curves")).to_be_visible(timeout=30_000)
    expect(root.get_by_role("region", name="Training")).to_be_visible()
    return root


def rows(root: Locator) -> int:
    """Return how many points the curves hold."""
    return int(root.locator(".mw-curves").get_attribute("data-rows") or 0)


def wait_for_rows(root: Locator, at_least: int, page: Page, seconds: float = 60.0) -> None:
    """Wait until the curves hold that many points; the element may be drawn anew in between."""
    end = time.monotonic() + seconds
    while (held := rows(root)) < at_least:
        status = root.locator(".mw-run-status").first
        state = status.inner_text() if status.count() else "no run controls"
        assert time.monotonic() < end, f"{held} points, {at_least} awaited; {state}"
        page.wait_for_timeout(50)


def button(root: Locator, name: str) -> Locator:
    return root.get_by_role("region", name="Training").get_by_role("button", name=name, exact=True)


def start(root: Locator, page: Page) -> None:
    button(root, "Train").click()
    wait_for_rows(root, 5, page)


def stop(root: Locator) -> None:
    button(root, "Stop and keep what was learned").click()
    expect(root.locator(".mw-run-status")).to_contain_text("stopped")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_journey(open_notebook: OpenNotebook, theme: str) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], theme=theme, height=1900)
    root = workbench(notebook)
    page = notebook.page
    panel = root.get_by_role("region", name="Hyperparameters")
    network = root.get_by_role("region", name="Network")

    # a field is typed into; the count of parameters follows the layers as one types
    rate = panel.get_by_label("learning rate", exact=True)
    rate.fill("0.002")
    rate.press("Enter")
    expect(panel.locator('[data-parameter="learning_rate"]')).to_have_class(re.compile("mw-changed"))
    before = network.locator(".mw-network-total").inner_text()
    network.locator("input.mw-number").first.fill("32")
    expect(network.locator(".mw-network-total")).not_to_have_text(before)

    # a layer is dragged behind the next one
    boxes = network.locator(".mw-layer:not(.mw-end)")
    names = [boxes.nth(k).locator(".mw-layer-name").inner_text() for k in range(boxes.count())]
    drag(boxes.nth(1), boxes.nth(2), page)
    expect(boxes.nth(1).locator(".mw-layer-name")).to_have_text(names[2])

    start(root, page)
    button(root, "Pause").click()
    expect(root.locator(".mw-run-status")).to_contain_text("paused")
    # the answer to a request comes after everything the kernel sent before it
    rate.fill("0.0005")
    rate.press("Enter")
    expect(root.get_by_role("region", name="Activity")).to_contain_text("0.0005")
    held = rows(root)
    page.wait_for_timeout(600)  # a pause is the absence of points: there is no event to wait for
    assert rows(root) == held

    button(root, "Resume").click()
    wait_for_rows(root, held + 5, page)
    expect(root.locator(".mw-curves")).to_contain_text("0.002 → 0.0005")
    stop(root)

    # held-out numbers with their doubt, and the boundary
    expect(root.locator(".mw-wb-answers")).to_contain_text(re.compile("±"), timeout=30_000)
    expect(root.get_by_role("region", name=re.compile("boundary", re.I)).locator("canvas")).to_be_visible()
    root.get_by_role("tab", name="Performance").click()
    expect(root.locator(".mw-wb-answers")).to_contain_text("FALSE POSITIVE")
    # Enter saves, as in any form
    path = root.get_by_label("Save model as")
    path.fill(f"journey_{theme}.mw")
    path.press("Enter")
    expect(root.locator(".mw-perf-save")).to_contain_text(f"Saved journey_{theme}.mw")
    root.get_by_role("tab", name="Rows").click()
    expect(root.get_by_role("grid")).to_contain_text("koi_disposition")
    notebook.set_theme("light" if theme == "dark" else "dark")
    expect(root).to_have_class(re.compile("mw-dark") if theme == "light" else re.compile(r"^((?!mw-dark).)*$"))


def drag(source: Locator, target: Locator, page: Page) -> None:
    """Drag a layer box beyond the middle of another, as a mouse does."""
    source.scroll_into_view_if_needed()
    start_at, end_at = source.bounding_box(), target.bounding_box()
    assert start_at and end_at
    page.mouse.move(start_at["x"] + start_at["width"] / 2, start_at["y"] + 8)
    page.mouse.down()
    page.mouse.move(end_at["x"] + end_at["width"] * 0.5, end_at["y"] + 8, steps=8)
    page.mouse.move(end_at["x"] + end_at["width"] * 0.95, end_at["y"] + 8, steps=4)
    page.mouse.up()


def test_reload_in_mid_run_finds_the_whole_curve(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], height=1900)
    root = workbench(notebook)
    start(root, notebook.page)
    notebook.save()
    before = rows(root)
    notebook.reload()
    root = drawn(notebook)
    wait_for_rows(root, before + 5, notebook.page)
    first = root.locator(".mw-curves-chart").first.evaluate("(el) => el.data[0].x[0]")
    assert first == 1
    stop(root)


def test_a_second_tab_follows_and_leads(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], height=1900)
    root = workbench(notebook)
    start(root, notebook.page)
    other = notebook.second_tab()
    there = drawn(other)
    wait_for_rows(there, 5, other.page)
    # what is typed in one tab is seen in the other, both ways
    for here, away, text in ((root, there, "0.004"), (there, root, "0.02")):
        rate = here.get_by_label("learning rate", exact=True)
        rate.fill(text)
        rate.press("Enter")
        expect(away.get_by_label("learning rate", exact=True)).to_have_value(text)
    stop(there)
    expect(root.locator(".mw-run-status")).to_contain_text("stopped")
    wait_for_rows(root, rows(there), notebook.page)
    wait_for_rows(there, rows(root), other.page)


def test_typing_in_a_panel_deletes_no_cell(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH, "1 + 1"], height=1900)
    root = workbench(notebook)
    count = notebook.cell_count
    for place in (
        root.get_by_label("learning rate", exact=True),
        root.locator(".mw-layer:not(.mw-end)").first,
        root.get_by_role("treeitem").nth(1),
        root.get_by_role("tab", name="Curves"),
        button(root, "Train"),
    ):
        place.focus()
        for key in "ddxxaabb":
            notebook.page.keyboard.press(key)
    assert notebook.cell_count == count


def test_wrong_input_is_said_where_it_was_typed(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH, "print(exp.hyperparameters['learning_rate'])"], height=1900)
    root = workbench(notebook)
    field = root.locator('[data-parameter="learning_rate"]')
    field.get_by_label("learning rate", exact=True).fill("-1")
    expect(field.get_by_role("alert")).to_contain_text("1e-6")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("0.003")
    units = root.get_by_role("region", name="Network").locator("input.mw-number").first
    units.fill("0")
    expect(root.get_by_role("region", name="Network").get_by_role("alert")).to_contain_text("units")
    expect(root.locator(".mw-layer.mw-failing")).to_have_count(1)


def test_algorithms_are_chosen_by_mouse_and_keyboard(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], height=1900)
    root = workbench(notebook)
    # the categories are folded; a letter typed in the tree goes to the search
    root.get_by_role("treeitem", name=re.compile("^Trees and ensembles")).click()
    root.get_by_role("treeitem", name=re.compile("^Random forest")).click()
    expect(root.locator('[data-parameter="n_estimators"]')).to_be_visible()
    expect(root.get_by_role("region", name="Network")).to_contain_text("no layers")
    button(root, "Train").click()
    expect(root.locator(".mw-run-status")).to_contain_text("finished", timeout=60_000)
    expect(root.locator(".mw-wb-answers")).to_contain_text("±", timeout=30_000)


def test_the_quickstart_runs_live(open_notebook: OpenNotebook, jupyterlab: Lab) -> None:
    name = jupyterlab.copy_notebook(QUICKSTART)
    notebook = open_notebook(name=name, height=1900)
    notebook.run_all()
    for index in range(notebook.cell_count):
        notebook.select(index)
        expect(notebook.cell(index).locator(".jp-OutputArea-output[data-mime-type*='error']")).to_have_count(0)
        roots = notebook.output(index).locator(".mw-root")
        if roots.count():
            expect(roots.first.locator(".mw-card").first).to_be_visible()
            expect(roots.first.locator("> .mw-notice")).to_have_count(0)


def test_workbench_opens_in_a_tab_of_its_own(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], width=1500, height=1900)
    root = workbench(notebook)
    root.get_by_role("button", name="Open in a tab of its own").click()
    tab = notebook.page.locator(".jp-MainAreaWidget:not(.jp-NotebookPanel) .mw-root")
    expect(tab.get_by_role("region", name="Learning curves")).to_be_visible()
    button(tab, "Train").click()
    wait_for_rows(tab, 5, notebook.page)
    stop(tab)


@pytest.mark.parametrize("width", some([600, 900, 1400]))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off_at_any_width(open_notebook: OpenNotebook, width: int, theme: str, tmp_path: Path) -> None:
    layout = {"width": f"{width}px", "display": "block"}
    boxed = f"import ipywidgets\nipywidgets.Box([mw.Workbench(exp)], layout={layout})"
    notebook = open_notebook([SETUP, boxed], width=1900, height=1400, theme=theme)
    root = workbench(notebook)
    overflow = root.evaluate(
        """(root) => [...root.querySelectorAll(".mw-wb, .mw-wb *")]
            .filter((el) => el.getClientRects().length)
            .filter((el) => el.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
            .filter((el) => !el.closest(".mw-layers, .mw-grid-body, .js-plotly-plot, svg, .mw-sr"))
            .map((el) => el.className || el.tagName)"""
    )
    assert overflow == []
    notebook.screenshot(tmp_path / f"workbench_{width}_{theme}.png")


def test_kernel_gone_is_said_and_the_last_picture_stays(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, WORKBENCH], height=1900)
    root = workbench(notebook)
    start(root, notebook.page)
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(root.locator(".mw-banner")).to_contain_text("kernel is gone", timeout=30_000)
    assert rows(root) >= 5
    expect(button(root, "Pause")).to_be_disabled()


@pytest.mark.skipif(not TABLE.exists(), reason="the full Kepler table is not on this machine")
def test_opening_the_workbench_on_the_whole_table_is_light(open_notebook: OpenNotebook) -> None:
    setup = SETUP.replace('"kepler"', repr(str(TABLE)))
    notebook = open_notebook([setup, WORKBENCH])
    notebook.run(0)
    notebook.traffic.reset()
    notebook.run(1)
    root = drawn(notebook)
    root.get_by_role("tab", name="Rows").click()
    expect(root.get_by_role("grid")).to_contain_text("Kepler-227 b")
    assert notebook.traffic.total < 1_500_000


def test_one_more_point_on_a_long_curve_is_cheap(open_notebook: OpenNotebook) -> None:
    train = """
import threading
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"), layers=[mw.Layer("linear", units=2), mw.Layer("layer_norm")],
                    hyperparameters={"epochs": 1000000, "batch_size": 65536})
run = exp.train()
while len(run.telemetry) < 10000:
    threading.Event().wait(0.05)
run.pause()
while run.status != "paused":
    threading.Event().wait(0.01)
"""
    # one row a batch, on a network that no fast path serves: an epoch then takes longer than two updates are apart,
    # so that points come one by one
    slowly = "exp.set('batch_size', 1); run.resume()"
    notebook = open_notebook([train, "mw.MetricPlots(exp)", slowly])
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    wait_for_rows(root, 10_000, notebook.page)
    held = rows(root)
    notebook.run(2)
    wait_for_rows(root, held + 3, notebook.page)
    first = rows(root)
    notebook.traffic.reset()
    wait_for_rows(root, first + 10, notebook.page)
    points = rows(root) - first
    assert 0 < notebook.traffic.total / points < 2_000
    assert points < 40, "points came in batches, so that their number says nothing about the cost of one"
