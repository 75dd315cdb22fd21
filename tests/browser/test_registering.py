"""The registering notebook in a real JupyterLab: what a cell registers comes into panels that are open already."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "registering.ipynb"
SETUP = """
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"), layers=[mw.Layer("linear", units=8)])
"""
CHOSEN = """
print([layer.kind for layer in exp.layers], exp.layers[0].options["activation"])
print(exp.hyperparameters["optimizer"], exp.algorithm.id)
"""


def cells_with(*words: str) -> list[str]:
    """Return the notebook's code cells that hold any of the words."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [source for source in sources if any(word in source for word in words)]


@pytest.mark.timeout(300)
def test_open_panels_take_up_what_cells_register(open_notebook: OpenNotebook) -> None:
    imports, *_ = cells_with("import numpy")
    (algorithm,) = cells_with("@mw.register.algorithm")
    (parts,) = cells_with("@mw.register.layer")
    algorithm = algorithm.partition("\nby_radius")[0]
    shown = ["mw.LayerBuilder(exp)", "mw.HyperparameterPanel(exp)", "mw.AlgorithmBrowser(exp)"]
    notebook = open_notebook([SETUP, *shown, imports, parts, algorithm, parts, CHOSEN], width=1500, height=2600)
    for index in range(4):
        notebook.run(index)
    builder, form, tree = (notebook.output(index).locator(".mw-root") for index in (1, 2, 3))
    expect(builder.locator('[data-layer="0"]')).to_be_visible()
    expect(tree.get_by_text("Nearest ring")).to_have_count(0)
    optimizer = form.get_by_label("optimizer", exact=True)
    expect(optimizer.locator('option[value="signum"]')).to_have_count(0)

    # the second run of the parts replaces what the first one registered
    for index in (4, 5, 6, 7):
        notebook.run(index)
    expect(tree.get_by_text("Nearest ring").first).to_be_attached()
    optimizer.select_option("signum")
    expect(form.get_by_label("beta", exact=True)).to_have_value("0.9")
    builder.get_by_role("button", name="+ layer").click()
    builder.get_by_label("Search layers").fill("scale")
    builder.get_by_role("button", name="Scale", exact=True).click()
    expect(builder.locator('[data-layer="1"] .mw-layer-name')).to_have_text(re.compile("Scale"))
    activation = builder.get_by_label("Layer 1 activation")
    activation.select_option("soft_step")
    expect(activation).to_have_value("soft_step")
    notebook.run(8)
    for words in ("['linear', 'scale'] soft_step", "signum mlp"):
        expect(notebook.output(8)).to_contain_text(words)
