"""The quality report and the column profile in a real JupyterLab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.choices import THEMES
from tests.browser.conftest import OpenNotebook

SETUP = """
import numpy as np
import pandas as pd
import medilytica_widgets as mw
data = mw.load_dataset("kepler")
rng = np.random.default_rng(1)
people = pd.DataFrame({
    "zip": rng.integers(10_000, 99_999, 300), "mass_kg": rng.normal(70, 9, 300),
    "risk": rng.choice(["low", "medium", "high"], 300), "y": rng.choice(["ill", "well"], 300),
})
"""


@pytest.mark.parametrize("theme", THEMES)
def test_findings_open_and_a_kind_is_changed(open_notebook: OpenNotebook, theme: str) -> None:
    cells = [
        SETUP,
        "mw.QualityReport(data)",
        "profile = mw.ColumnProfile(people, 'mass_kg'); profile",
        "print(profile.data.column('zip').kind)",
    ]
    notebook = open_notebook(cells, theme=theme, height=2200)
    for index in (0, 1, 2):
        notebook.run(index)
    report = notebook.output(1).locator(".mw-root")
    expect(report).to_contain_text("of 100")
    outliers = report.locator(".mw-quality-head", has_text="outliers").first
    # by keyboard alone
    outliers.focus()
    notebook.page.keyboard.press("Enter")
    expect(outliers).to_have_attribute("aria-expanded", "true")
    expect(report.locator(".mw-quality-table tbody tr").first).to_be_visible()
    expect(report.locator(".mw-quality-about").first).to_be_visible()

    profile = notebook.output(2).locator(".mw-root")
    expect(profile).to_contain_text("standard deviation")
    if folder := os.environ.get("MEDILYTICA_PICTURES"):
        report.screenshot(path=Path(folder) / f"quality_{theme}.png")
        profile.screenshot(path=Path(folder) / f"profile_{theme}.png")
    profile.get_by_label("Column", exact=True).select_option("zip")
    expect(profile).to_contain_text("postal code")
    profile.get_by_label("Kind", exact=True).select_option("categorical")
    expect(profile).to_contain_text("data.with_kinds({'zip': 'categorical'})")
    expect(profile).to_contain_text("chosen by hand")
    if folder:
        profile.screenshot(path=Path(folder) / f"profile_zip_{theme}.png")
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("categorical")
    # what the values do not fit is refused with a sentence, and the menu goes back
    profile.get_by_label("Column", exact=True).select_option("risk")
    kind = profile.get_by_label("Kind", exact=True)
    expect(kind).to_have_value("categorical")
    kind.select_option("numeric")
    expect(profile.get_by_role("alert")).to_contain_text("'risk' cannot be numeric")
    expect(kind).to_have_value("categorical")
