"""The hyperparameter panel and the algorithm browser in a real JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.choices import THEMES, some
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import NotebookPage

SETUP = """
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters={"epochs": 40})
"""
NUMBERS = """
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("diabetes"))
"""
# as many as a full catalogue has, whatever the package itself brings
MANY = """
import dataclasses
forest = mw.algorithms.get("random_forest")
for k in range(45):
    mw.algorithms.register(dataclasses.replace(
        forest, id=f"model_{k}", name=f"Model of a rather long name {k}", category=(f"Category {k % 8}",)))
"""
PANEL, BROWSER = "mw.HyperparameterPanel(exp)", "mw.AlgorithmBrowser(exp)"
SHOWN = "print(dict(exp.spec.hyperparameters), exp.algorithm.id)"


def picture(root: Locator, name: str) -> None:
    """Keep a picture where somebody asked for one: MEDILYTICA_PICTURES names the folder."""
    if folder := os.environ.get("MEDILYTICA_PICTURES"):
        root.screenshot(path=Path(folder) / f"{name}.png")


def narrow(code: str, width: int) -> str:
    return f"import ipywidgets; ipywidgets.Box([{code}], layout=dict(width='{width}px', display='block'))"


def kernel_says(notebook: NotebookPage, index: int, words: str) -> None:
    notebook.run(index)
    expect(notebook.output(index)).to_contain_text(words)


@pytest.mark.parametrize("theme", THEMES)
def test_presets_by_mouse_in_two_views_in_step(open_notebook: OpenNotebook, theme: str) -> None:
    notebook = open_notebook([SETUP, PANEL, narrow(PANEL, 360), SHOWN], theme=theme, width=1500, height=2200)
    for index in (0, 1, 2):
        notebook.run(index)
    one, two = notebook.output(1).locator(".mw-root"), notebook.output(2).locator(".mw-root")
    toggle = one.locator(".mw-preset-toggle")
    picture(one, f"panel_{theme}")
    toggle.click()
    one.get_by_role("button", name=re.compile("^accurate")).click()
    for view in (one, two):
        expect(view.locator(".mw-preset-toggle")).to_have_text("preset: accurate")
        expect(view.get_by_label("epochs", exact=True)).to_have_value("200")
    picture(one, f"presets_{theme}")
    # the values of now under a name of one's own, in the other view too, and brought back from there
    rate = one.get_by_label("learning rate", exact=True)
    rate.fill("0.02")
    rate.press("Enter")
    one.get_by_label("Name for a preset of these values").fill("for <the> ../ward")
    one.get_by_role("button", name="Save", exact=True).click()
    expect(one).to_contain_text("Saved “for <the> ../ward”.")
    one.get_by_role("button", name="Reset", exact=True).click()
    expect(rate).to_have_value("0.003")
    two.locator(".mw-preset-toggle").click()
    two.get_by_role("button", name=re.compile("^for <the>")).click()
    expect(rate).to_have_value("0.02")
    picture(two, f"presets_narrow_{theme}")
    # one step of undo takes the whole preset back
    two.get_by_role("button", name="Undo").click()
    expect(toggle).to_have_text("presets")
    expect(rate).to_have_value("0.003")
    two.get_by_role("button", name="Delete the preset for <the> ../ward").click()
    two.get_by_role("button", name="Really delete the preset for <the> ../ward").click()
    expect(one.get_by_role("button", name=re.compile("^for <the>"))).to_have_count(0)
    kernel_says(notebook, 3, "{} mlp")


def test_the_panel_by_keyboard(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, PANEL, SHOWN], height=1600)
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    root = notebook.output(1).locator(".mw-root")
    cells = notebook.cell_count
    search = root.get_by_role("searchbox")
    search.focus()
    # letters that are JupyterLab's shortcuts elsewhere only filter here
    page.keyboard.type("dd")
    expect(root).to_contain_text("No hyperparameter of Multilayer perceptron fits “dd”.")
    picture(root, "search_empty")
    page.keyboard.press("Escape")
    page.keyboard.type("patience")
    picture(root, "search_found")
    page.keyboard.press("Escape")
    page.keyboard.type("epochs often")
    expect(root.locator("[data-parameter]")).to_have_count(1)
    page.keyboard.press("Enter")
    box = root.get_by_label("epochs", exact=True)
    expect(box).to_be_focused()
    # refused while typed, with the reason and the nearest value, which the keyboard reaches next
    page.keyboard.type("2000000")
    expect(root.get_by_role("alert")).to_contain_text("2000000 is too large; it takes a whole number from 1 to")
    picture(root, "refused")
    page.keyboard.press("Tab")
    expect(
        root.get_by_role("button", name="use 1e6").or_(root.get_by_role("button", name="use 1000000"))
    ).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_have_value(re.compile("^1e6$|^1000000$"))
    expect(box).to_be_focused()
    expect(root.get_by_role("alert")).to_have_count(0)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.press("Escape")
    # the list of presets: into it, down, apply, out
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(root.get_by_role("button", name=re.compile("^fast"))).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(root.locator(".mw-preset-toggle")).to_have_text("preset: regularised")
    page.keyboard.press("Control+z")
    expect(root.locator(".mw-preset-toggle")).to_have_text("presets")
    page.keyboard.press("Escape")
    expect(root.locator(".mw-preset-toggle")).to_be_focused()
    assert notebook.cell_count == cells
    kernel_says(notebook, 2, "{'epochs': 1000000} mlp")


def test_a_drag_sends_little_and_ends_where_the_hand_does(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, PANEL, "print(exp.hyperparameters['learning_rate'])"], height=1400)
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    root = notebook.output(1).locator(".mw-root")
    slider = root.get_by_label("adjust learning rate")
    place = slider.bounding_box()
    assert place
    middle = place["y"] + place["height"] / 2
    # what the page sends over the kernel's socket, counted
    sent: list[float] = []
    page.expose_function("mwSent", lambda: sent.append(1.0))
    page.evaluate(
        """() => { const send = WebSocket.prototype.send; WebSocket.prototype.send = function (data) {
            const bytes = typeof data === "string" ? data : new TextDecoder("latin1").decode(data);
            if (bytes.includes("hyperparameters.set")) window.mwSent();
            return send.call(this, data); } }"""
    )
    page.mouse.move(place["x"] + 10, middle)
    page.mouse.down()
    started = page.evaluate("performance.now()")
    for k in range(120):
        page.mouse.move(place["x"] + 10 + (place["width"] - 20) * k / 119, middle)
    page.mouse.up()
    seconds = (page.evaluate("performance.now()") - started) / 1000
    shown = root.get_by_label("learning rate", exact=True)
    last = shown.input_value()
    # the last of what was sent may still be on its way when the cell runs
    for _ in range(50):
        notebook.run(2)
        if re.search(rf"(^|\s){re.escape(last)}(\.0)?\s*$", notebook.output(2).inner_text()):
            break
        page.wait_for_timeout(100)
    else:
        raise AssertionError(f"{notebook.output(2).inner_text()} in the kernel, {last} in the panel")
    assert 1 <= len(sent) <= 20 * seconds + 2
    expect(shown).to_have_value(last)


def test_algorithms_by_keyboard_and_mouse(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([NUMBERS, BROWSER, narrow(BROWSER, 260), SHOWN], width=1500, height=1600)
    for index in (0, 1, 2):
        notebook.run(index)
    page = notebook.page
    wide, slim = notebook.output(1).locator(".mw-root"), notebook.output(2).locator(".mw-root")
    picture(wide, "browser_light")
    picture(slim, "browser_narrow")
    cells = notebook.cell_count
    search = wide.get_by_role("searchbox")
    search.focus()
    page.keyboard.type("dd")
    expect(wide).to_contain_text("No algorithm fits “dd”.")
    page.keyboard.press("Escape")
    expect(search).to_have_value("")
    page.keyboard.type("logistic regression")
    page.keyboard.press("Enter")
    refused = wide.locator("[data-algorithm=logistic_regression]")
    expect(refused).to_be_focused()
    expect(refused).to_have_attribute("aria-disabled", "true")
    expect(refused).to_have_attribute("aria-description", re.compile("classification only"))
    expect(refused).to_have_attribute("title", re.compile("classification only"))
    expect(wide.locator(".mw-algo-details")).to_contain_text("classification only")
    picture(wide, "browser_refused")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    # a letter in the tree goes on in the search box
    page.keyboard.type("random forest")
    expect(search).to_have_value("random forest")
    page.keyboard.press("ArrowDown")
    expect(wide.locator("[data-algorithm=random_forest]")).to_be_focused()
    page.keyboard.press("Enter")
    for view in (wide, slim):
        expect(view.locator("[data-algorithm=random_forest]")).to_have_attribute("aria-selected", "true")
    slim.locator("[data-algorithm=mlp]").click()
    expect(slim.locator("[data-algorithm=mlp]")).to_have_attribute("aria-selected", "true")
    assert notebook.cell_count == cells
    kernel_says(notebook, 3, "{} mlp")
    notebook.set_theme("dark")
    picture(wide, "browser_dark")


@pytest.mark.parametrize("width", some([600, 900, 1400]))
def test_the_tree_never_pushes_the_workbench_down(open_notebook: OpenNotebook, width: int) -> None:
    notebook = open_notebook([SETUP + MANY, narrow("mw.Workbench(exp)", width)], width=width + 500, height=2600)
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    tree = root.get_by_role("tree")
    expect(tree).to_be_visible(timeout=30_000)
    expect(root.get_by_role("region", name="Learning curves")).to_be_visible(timeout=30_000)
    card = root.locator(".mw-algo")
    notebook.page.mouse.move(0, 0)
    before = card.bounding_box()
    tree.get_by_role("treeitem").first.focus()
    notebook.page.keyboard.press("*")
    after = card.bounding_box()
    assert before and after
    assert after["height"] <= 480
    assert after["width"] <= width
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth + 1")
    picture(root.locator(".mw-wb"), f"workbench_{width}")
