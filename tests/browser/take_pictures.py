"""Take the pictures of README.md: ``python -m tests.browser.take_pictures``; a real JupyterLab, trained for real."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, sync_playwright

from tests.browser.lab import Lab, NotebookPage, new_context
from tests.conftest import CHROMIUM_FLAGS

PICTURES = Path(__file__).resolve().parents[2] / "notebooks" / "pictures"
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]
SETUP = f"""
import ipywidgets
import medilytica_widgets as mw
data = mw.load_dataset("kepler", target="koi_disposition", exclude={LEAKS!r})
knobs = {{"epochs": 60, "batch_size": 8, "learning_rate": 0.001, "weight_decay": 0.01, "optimizer": "adamw"}}
# on a network that the compiled path serves all of it would be over before anyone could press Pause
layers = [mw.Layer("linear", units=64), mw.Layer("layer_norm"), mw.Layer("dropout"), mw.Layer("linear", units=32)]
exp = mw.Experiment(data, name="Kepler candidates", hyperparameters=knobs, layers=layers)
"""
WIDTHS = {"wide": 1280, "cell": 900, "narrow": 600}


def main() -> None:
    """Train in the Workbench, change the learning rate in mid-run, and picture it at three widths."""
    only = sys.argv[1:]
    PICTURES.mkdir(parents=True, exist_ok=True)
    # what is trained for a picture does not belong among the person's own runs
    os.environ["MEDILYTICA_HOME"] = tempfile.mkdtemp()
    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
            for name, theme, width in (
                ("workbench_light", "light", "wide"),
                ("workbench_dark", "dark", "wide"),
                ("workbench_cell", "light", "cell"),
                ("workbench_narrow", "light", "narrow"),
            ):
                if not only or name in only:
                    picture(lab, NotebookPage, chromium, name, theme, WIDTHS[width])
            chromium.close()
    finally:
        lab.stop()


def picture(lab: Lab, opener: type[NotebookPage], chromium: object, name: str, theme: str, width: int) -> None:
    """Take one picture."""
    layout = {"width": f"{width}px", "display": "block"}
    cell = f"ipywidgets.Box([mw.Workbench(exp, x='koi_period', y='koi_prad')], layout={layout})"
    page = opener(lab, new_context(chromium, width + 500, 3800), lab.write_notebook([SETUP, cell]))  # type: ignore[arg-type]
    page.set_theme(theme)
    page.run(0)
    page.run(1)
    root = page.output(1).locator(".mw-root")
    train(root, page)
    root.locator(".mw-wb").screenshot(path=PICTURES / f"{name}.png")
    print(name, page.all_errors())
    page.context.close()


def train(root: Locator, page: NotebookPage) -> None:
    """Train to the end with a pause and a change on the way."""
    training = root.get_by_role("region", name="Training")
    root.get_by_role("region", name="Learning curves").wait_for()
    training.get_by_role("button", name="Train", exact=True).click()
    page.page.wait_for_function("() => Number(document.querySelector('.mw-curves').dataset.rows ?? 0) >= 8")
    training.get_by_role("button", name="Pause", exact=True).click()
    training.get_by_role("button", name="Resume").wait_for()
    rate = root.get_by_label("learning rate", exact=True)
    rate.fill("0.0002")
    rate.press("Enter")
    rate.blur()
    training.get_by_role("button", name="Resume").click()
    root.locator(".mw-run-status", has_text="finished").wait_for(timeout=180_000)
    root.get_by_text("±").first.wait_for()
    page.page.wait_for_timeout(2500)  # until the boundary is refined


if __name__ == "__main__":
    main()
