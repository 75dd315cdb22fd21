"""The layer builder by fingers: a touch screen in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

from tests.browser.lab import Lab, NotebookPage

SETUP = """
import ipywidgets
import medilytica_widgets as mw
L = mw.Layer
data = mw.load_dataset("breast_cancer")
exp = mw.Experiment(data, layers=[L("linear", units=64), L("dropout"), L("linear", units=32), L("layer_norm")])
"""
BUILDER = "ipywidgets.Box([mw.LayerBuilder(exp)], layout={{'width': '{width}px', 'display': 'block'}})"


@pytest.fixture
def tablet(browser: Browser, jupyterlab: Lab) -> Iterator[NotebookPage]:
    """A notebook with the builder in a browser whose only pointer is a finger; the page can be scrolled."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 800}, device_scale_factor=1, has_touch=True, is_mobile=True
    )
    cells = [SETUP, BUILDER.format(width=900), BUILDER.format(width=340), *["1 + 1"] * 12]
    notebook = NotebookPage(jupyterlab, context, jupyterlab.write_notebook(cells))
    for index in range(3):
        notebook.run(index)
    yield notebook
    errors = notebook.all_errors()
    context.close()
    jupyterlab.shut_down_kernels()
    assert not errors, "The page reported errors:\n" + "\n".join(errors)


def names(root: Locator) -> list[str]:
    return [text.strip() for text in root.locator("[data-layer] .mw-layer-name").all_inner_texts()]


def middle(of: Locator) -> tuple[float, float]:
    of.scroll_into_view_if_needed()
    box = of.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Finger:
    """One finger on the page's screen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.at = (0.0, 0.0)

    def _send(self, kind: str, points: list[dict[str, float]]) -> None:
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def down(self, x: float, y: float) -> None:
        self.at = (x, y)
        self._send("touchStart", [{"x": x, "y": y}])

    def move(self, x: float, y: float, steps: int = 10) -> None:
        before = self.at
        for k in range(1, steps + 1):
            part = k / steps
            point = {"x": before[0] + part * (x - before[0]), "y": before[1] + part * (y - before[1])}
            self._send("touchMove", [point])
        self.at = (x, y)

    def up(self) -> None:
        self._send("touchEnd", [])

    def swipe(self, of: Locator, dx: float, dy: float) -> None:
        """Put the finger on the middle of an element, draw it so far and lift it."""
        x, y = middle(of)
        self.down(x, y)
        self.move(x + dx, y + dy)
        self.up()


def test_a_layer_is_dragged_by_its_name_and_elsewhere_the_page_scrolls(tablet: NotebookPage) -> None:
    wide, narrow = (tablet.output(index).locator(".mw-root") for index in (1, 2))
    finger = Finger(tablet.page)
    boxes = [wide.locator(f'[data-layer="{k}"]') for k in range(4)]
    boxes[0].scroll_into_view_if_needed()
    first, second = boxes[0].bounding_box(), boxes[1].bounding_box()
    assert first and second
    finger.swipe(boxes[0].locator(".mw-layer-name"), second["x"] + second["width"] - first["x"], 0)
    expect(boxes[0].locator(".mw-layer-name")).to_have_text("Dropout")
    assert names(wide) == ["Dropout", "Linear", "Linear", "Layer normalisation"]

    # one under the other, a finger draws down
    last = narrow.locator('[data-layer="3"]')
    last.scroll_into_view_if_needed()
    source = narrow.locator('[data-layer="2"]')
    here, there = source.bounding_box(), last.bounding_box()
    assert here and there and there["y"] > here["y"]
    finger.swipe(source.locator(".mw-layer-name"), 0, there["y"] + there["height"] - here["y"])
    expect(narrow.locator('[data-layer="2"] .mw-layer-name')).to_have_text("Layer normalisation")
    order = ["Dropout", "Linear", "Layer normalisation", "Linear"]
    assert names(narrow) == names(wide) == order

    # beside its name a finger scrolls the page, and moves no layer
    boxes[3].scroll_into_view_if_needed()
    start = boxes[3].bounding_box()
    assert start
    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] - 6
    finger.down(x, y)
    finger.move(x, y - 200)
    tablet.page.wait_for_function(
        "y => document.querySelector('[data-layer=\"3\"]').getBoundingClientRect().y < y - 60", arg=start["y"]
    )
    finger.up()
    expect(wide.locator(".mw-dragging")).to_have_count(0)
    assert names(wide) == order


def test_everything_can_be_tapped(tablet: NotebookPage) -> None:
    root = tablet.output(1).locator(".mw-root")
    root.locator('[data-layer="0"] .mw-layer-menu').tap()
    root.get_by_role("menuitem", name="Move right").tap()
    expect(root.locator('[data-layer="0"] .mw-layer-name')).to_have_text("Dropout")
    # a tap selects, and the editor moves too
    root.locator('[data-layer="1"] .mw-layer-name').tap()
    root.get_by_role("button", name="Move left").tap()
    expect(root.locator('[data-layer="0"] .mw-layer-name')).to_have_text("Linear")
    root.get_by_role("button", name="More units, layer 1").tap()
    expect(root.get_by_label("Layer 1 units")).to_have_value("72")
    # without a pointer that hovers, what inserts a layer is always in sight
    plus = root.get_by_role("button", name="Insert a layer before layer 2")
    assert float(plus.evaluate("button => getComputedStyle(button).opacity")) > 0.5
    plus.tap()
    expect(root.get_by_label("Search layers")).to_be_visible()
    small = root.locator(".mw-network").evaluate(
        """network => [...network.querySelectorAll("button, select, input:not([type=range], [type=checkbox])")]
            .map(control => [control, control.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 23.5))
            .map(([control, box]) => `${control.outerHTML.slice(0, 90)} ${box.width} x ${box.height}`)"""
    )
    assert small == []
