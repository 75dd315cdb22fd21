"""The grid in a real JupyterLab: a million rows, cross-filtered headers, a condition, edits, predictions, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.choices import THEMES
from tests.browser.conftest import OpenNotebook

BIG = """
import numpy as np, pandas as pd
import medilytica_widgets as mw
rng = np.random.default_rng(0)
n = 1_000_000
frame = pd.DataFrame({
    "x": rng.normal(size=n), "y": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)),
    "group": rng.choice(["alpha", "beta", "gamma"], n), "count": rng.integers(0, 100, n),
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
})
"""
RUN = """
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 20})
run = exp.train().wait()
"""


def rows_of(grid: Locator) -> Locator:
    return grid.locator("tbody tr[aria-rowindex]")


def column_of(grid: Locator, name: str) -> Locator:
    return grid.get_by_role("columnheader", name=re.compile(rf"\b{name}\b"))


@pytest.mark.parametrize("theme", THEMES)
def test_a_million_rows_are_sorted_filtered_and_selected(
    open_notebook: OpenNotebook, theme: str, tmp_path: Path
) -> None:
    notebook = open_notebook(
        [BIG, "grid = mw.DataGrid(frame)\ngrid", "print(len(grid.selection), grid.selection.frame().shape)"],
        theme=theme,
    )
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    grid = root.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "1000001")
    expect(rows_of(grid).first).to_contain_text("0")
    expect(column_of(grid, "x").locator(".mw-grid-bar")).to_have_count(20)
    expect(column_of(grid, "group").locator(".mw-grid-top button").first).to_be_visible()
    # to the last row and back by key
    grid.focus()
    grid.press("Control+End")
    expect(grid.locator("tr[aria-rowindex='1000001'] th")).to_contain_text("999")
    grid.press("Control+Home")
    # one category: the other headers follow
    column_of(grid, "group").get_by_role("button", name="beta").click()
    found = root.locator(".mw-grid-found")
    expect(found).to_contain_text(re.compile(r"33\d.\d{3} of 1.000.000 rows"))
    column_of(grid, "x").locator(".mw-grid-name").click()
    expect(column_of(grid, "x")).to_have_attribute("aria-sort", "ascending")
    # a condition by hand, a wrong one first
    root.get_by_role("button", name="SQL").click()
    box = root.get_by_label("WHERE")
    box.fill("cuont > 90")
    box.press("Enter")
    expect(root.locator(".mw-grid-where [role=alert]")).to_contain_text("Did you mean 'count'")
    box.fill("count > 90 and y is not null")
    box.press("Enter")
    expect(found).to_contain_text(re.compile(r"2\d.\d{3} of 1.000.000 rows"))
    expect(root.locator(".mw-grid-where [role=alert]")).to_have_count(0)
    # rows are chosen, and Python has them
    grid.locator("tr[aria-rowindex='2'] th").click()
    grid.locator("tr[aria-rowindex='5'] th").click(modifiers=["Shift"])
    # the sign that Python does not know yet is gone
    expect(root.locator(".mw-grid-size")).to_have_text(re.compile(r"4 selected$"))
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("4 (4, 5)")
    # what is shown, as a file
    with notebook.page.expect_download() as download:
        root.get_by_role("button", name="Export").click()
        notebook.page.get_by_role("menuitem", name="CSV").click()
    saved = tmp_path / "table.csv"
    download.value.save_as(saved)
    lines = saved.read_text().splitlines()
    assert lines[0] == '"x","y","group","count","when"' and 20_000 < len(lines) < 30_000
    assert all('"beta"' in line for line in lines[1:50])
    root.screenshot(path=tmp_path / f"grid-{theme}.png")


def test_a_folder_of_parquet_opens_and_pages_turn(open_notebook: OpenNotebook) -> None:
    write = (
        BIG
        + """
import pathlib
folder = pathlib.Path("many"); folder.mkdir(exist_ok=True)
frame.iloc[:600_000].to_parquet(folder / "a.parquet"); frame.iloc[600_000:].to_parquet(folder / "b.parquet")
del frame
"""
    )
    notebook = open_notebook([write, 'mw.DataGrid("many")'])
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    grid = root.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "1000001")
    # columns are put elsewhere by dragging their names, and from the keyboard by their menu
    names = grid.locator(".mw-grid-name")
    expect(names).to_have_text(["x", "y", "group", "count", "when"])
    column_of(grid, "group").locator(".mw-grid-name").drag_to(column_of(grid, "x").locator(".mw-grid-name"))
    expect(names).to_have_text(["group", "x", "y", "count", "when"])
    expect(column_of(grid, "group")).to_have_attribute("aria-sort", "none")
    grid.focus()
    grid.press("Control+Home")
    grid.press("ArrowUp")
    grid.press("Alt+ArrowDown")
    right = notebook.page.get_by_role("button", name="Move right")
    expect(right).to_be_visible()
    expect(notebook.page.get_by_label("Keep rows whose cell is")).to_be_focused()
    notebook.page.keyboard.press("Shift+Tab")
    expect(right).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(names).to_have_text(["x", "group", "y", "count", "when"])
    notebook.page.keyboard.press("Escape")
    root.get_by_label("Rows at a time").select_option("100")
    root.get_by_role("button", name="Last page").click()
    expect(root.locator(".mw-grid-pages")).to_contain_text("Page 10")
    grid.focus()
    grid.press("Control+End")
    expect(grid.locator("tr[aria-rowindex='1000001'] th")).to_contain_text("999")


def test_a_cell_is_edited_and_predictions_stand_beside_the_rows(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        [RUN, "grid = mw.DataGrid(run=run, editable=True)\ngrid", "print(grid.to_code(), exp.data.frame.iloc[0, 0])"],
        width=1700,
    )
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    grid = root.get_by_role("grid")
    column_of(grid, "correct").scroll_into_view_if_needed()
    expect(column_of(grid, "prediction")).to_be_visible()
    expect(column_of(grid, "split").get_by_role("button", name="train")).to_be_visible()
    cell = grid.locator("tr[aria-rowindex='2'] td[aria-colindex='2']")
    before = cell.inner_text()
    cell.dblclick()
    grid.locator(".mw-grid-input").fill("many")
    grid.locator(".mw-grid-input").press("Enter")
    expect(root.get_by_role("alert")).to_contain_text("holds numbers")
    cell.dblclick()
    grid.locator(".mw-grid-input").fill("7.25")
    grid.locator(".mw-grid-input").press("Enter")
    expect(cell).to_have_text("7.25")
    notebook.run(2)
    # the edit is the experiment's: its next run learns from it
    expect(notebook.output(2)).to_contain_text("= 7.25")
    expect(notebook.output(2)).to_contain_text(re.compile(r"7\.25\s*$"))
    grid.press("Control+z")
    expect(cell).to_have_text(before)
