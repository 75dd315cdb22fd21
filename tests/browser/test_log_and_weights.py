"""The log and the weight sheet in a real JupyterLab, each alone and as a tab of the Workbench."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.choices import THEMES
from tests.browser.conftest import OpenNotebook

SETUP = """
import medilytica_widgets as mw
# so deep a stack of sigmoids that hardly any gradient reaches its first layers
deep = [mw.Layer("linear", units=16, activation="sigmoid")] * 12
exp = mw.Experiment(mw.load_dataset("breast_cancer"), layers=deep, hyperparameters={"epochs": 400, "batch_size": 16})
"""
# of the widget's text and ground, by the formula of the Web Content Accessibility Guidelines 2.2
CONTRAST = """
root => {
  const probe = document.createElement("canvas").getContext("2d");
  const light = colour => {
    probe.fillStyle = "#fff"; probe.fillRect(0, 0, 1, 1);
    probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let ground = root;
  const clear = element => /rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(element).backgroundColor);
  while (clear(ground) && ground.parentElement) ground = ground.parentElement;
  const [a, b] = [light(getComputedStyle(root).color), light(getComputedStyle(ground).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
"""
TRAIN = "run = exp.train().wait()"


@pytest.mark.parametrize("theme", THEMES)
def test_both_follow_a_run_and_say_what_ails_it(open_notebook: OpenNotebook, theme: str) -> None:
    cells = [SETUP, "mw.TrainingLog(exp)", "mw.WeightSheet(exp)", TRAIN, "mw.Workbench(exp)"]
    notebook = open_notebook(cells, theme=theme, height=2600)
    for index in (0, 1, 2):
        notebook.run(index)
    log = notebook.output(1).locator(".mw-root")
    sheet = notebook.output(2).locator(".mw-root")
    expect(log).to_contain_text("Press Train")
    notebook.run(3)
    expect(log).to_contain_text("Epoch 400 of 400", timeout=60_000)
    expect(log).to_contain_text("The gradient vanishes on its way back")
    expect(sheet).to_contain_text("layer 12", timeout=30_000)
    # a level that is switched off leaves, and comes back
    progress = (
        log.get_by_role("button", name=re.compile("Progress")).or_(log.get_by_label(re.compile("Progress"))).first
    )
    progress.click()
    expect(log).not_to_contain_text("Epoch 400 of 400")
    progress.click()
    expect(log).to_contain_text("Epoch 400 of 400")
    # the colours are the theme's own: words must stand out from what they stand on
    for root in (log, sheet):
        assert root.evaluate(CONTRAST) > 4.5
    notebook.run(4)
    root = notebook.output(4).locator(".mw-root")
    root.get_by_role("tab", name=re.compile("Weights")).click()
    expect(root).to_contain_text("layer 12")
    root.get_by_role("tab", name=re.compile("Log")).click()
    expect(root).to_contain_text("Epoch 400 of 400")
