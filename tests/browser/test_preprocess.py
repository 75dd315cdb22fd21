"""The preparation of a table, edited in a real JupyterLab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenNotebook

SETUP = """
import numpy as np
import pandas as pd
import medilytica_widgets as mw
rng = np.random.default_rng(1)
people = pd.DataFrame({
    "age": rng.normal(60, 10, 400).round(1), "dose": rng.exponential(6, 400).round(2),
    "ward": rng.choice(["north", "south", "west"], 400), "patient": [f"P{k}" for k in rng.integers(0, 60, 400)],
})
people["ill"] = np.where(people.age + people.dose > 70, "yes", "no")
people.loc[::9, "age"] = np.nan
exp = mw.Experiment(mw.load_dataset(people, "ill"), "logistic_regression")
"""


def picture(panel: Locator, name: str) -> None:
    """Keep a picture where somebody asked for it."""
    if folder := os.environ.get("MEDILYTICA_PICTURES"):
        panel.screenshot(path=Path(folder) / f"preprocess_{name}.png")


@pytest.mark.parametrize(("theme", "width"), [("light", 1400)])
def test_steps_are_added_moved_and_looked_at_by_keyboard(open_notebook: OpenNotebook, theme: str, width: int) -> None:
    cells = [SETUP, "mw.PreprocessPanel(exp)", "print([step.id for step in exp.preprocessing], exp.split.column)"]
    notebook = open_notebook(cells, theme=theme, width=width, height=2200)
    for index in (0, 1):
        notebook.run(index)
    panel = notebook.output(1).locator(".mw-prep")
    keyboard = notebook.page.keyboard
    expect(panel).to_contain_text("No step is added")
    # rows and columns are counted while somebody looks
    expect(panel.locator(".mw-prep-balance")).to_contain_text("256", timeout=60_000)
    picture(panel, f"empty_{theme}")

    def add(words: str, name: str) -> None:
        panel.locator(".mw-prep-plus").focus()
        keyboard.press("Enter")
        expect(panel.get_by_label("Find a step")).to_be_focused()
        keyboard.type(words)
        expect(panel.locator(".mw-prep-entry").first).to_contain_text(name)
        keyboard.press("Enter")
        expect(panel.locator(".mw-prep-list")).to_contain_text(name)

    add("discr", "iscre")
    add("robust", "Robust scaler")
    # the last one is open; its columns are chosen by their names
    panel.get_by_label("for", exact=True).select_option("columns")
    panel.get_by_role("checkbox", name="dose").check()
    expect(panel.locator(".mw-prep-list")).to_contain_text("dose")
    expect(panel.locator(".mw-prep-picture")).to_contain_text("dose", timeout=60_000)
    picture(panel, f"open_{theme}")
    second = panel.locator("[data-step='1']")
    second.focus()
    keyboard.press("Alt+ArrowUp")
    expect(panel.locator("[data-step='0']")).to_contain_text("Robust scaler")
    expect(panel.locator("[data-step='0']")).to_be_focused()
    # and back again with the mouse; what is open closes first, so that nothing grows meanwhile
    keyboard.press("Enter")
    expect(panel.locator(".mw-prep-picture")).to_have_count(0)
    steps = panel.locator(".mw-prep-list > li")
    grip, target = steps.nth(0).locator(".mw-prep-grip").bounding_box(), steps.nth(1).bounding_box()
    assert grip is not None and target is not None
    mouse = notebook.page.mouse
    mouse.move(grip["x"] + 4, grip["y"] + 8)
    mouse.down()
    mouse.move(grip["x"] + 4, grip["y"] + 24, steps=3)
    mouse.move(grip["x"] + 4, target["y"] + target["height"] - 3, steps=6)
    mouse.up()
    expect(panel.locator("[data-step='1']")).to_contain_text("Robust scaler")
    panel.get_by_label("way").select_option("group_kfold")
    panel.get_by_label("groups by").select_option("patient")
    expect(panel.locator(".mw-prep-balance")).to_contain_text("groups", timeout=60_000)
    panel.locator("[data-step='1']").click()
    expect(panel.locator(".mw-prep-picture")).to_contain_text("dose", timeout=60_000)
    picture(panel, f"moved_{theme}")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("['discretizer', 'robust_scaler'] patient")
    panel.get_by_role("button", name="Undo").first.click()
    expect(panel.get_by_label("way")).to_have_value("auto")
