"""The harness itself: a plain widget, a small anywidget and the lab extension, before anything of ours is blamed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import NotebookPage

SLIDER = """
import ipywidgets
slider = ipywidgets.IntSlider(value=3, description="Depth")
slider
"""

COUNTER = '''
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
        const button = document.createElement("button");
        button.className = "harness-counter";
        const show = () => { button.textContent = `count ${model.get("count")}`; };
        button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
        model.on("change:count", show);
        show();
        el.append(button);
    } };
    """
    count = traitlets.Int(0).tag(sync=True)

counter = Counter()
counter
'''

READ = "print('slider', slider.value, 'count', counter.count)"

OPEN_TAB = """
(id) => {
    window.harnessClosed = [];
    globalThis[Symbol.for("medilytica.lab")].openTab({
        id, title: "A tab of ours",
        mount: (host) => {
            const box = document.createElement("div");
            box.className = "harness-tab";
            box.style.height = "100%";
            box.textContent = "mounted";
            host.append(box);
            return () => { window.harnessClosed.push(id); };
        },
    });
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_widgets_live_in_both_themes(open_notebook: OpenNotebook, theme: str) -> None:
    notebook = open_notebook([SLIDER, COUNTER, READ], theme=theme)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(0).locator(".widget-slider")).to_be_visible()
    button = notebook.output(1).locator(".harness-counter")
    button.click()
    expect(button).to_have_text("count 1")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("slider 3 count 1")
    background = notebook.page.evaluate("() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0')")
    assert (background.strip() in {"white", "#fff", "#ffffff"}) == (theme == "light")


def test_second_tab_and_reload_show_the_living_widget(open_notebook: OpenNotebook) -> None:
    first = open_notebook([SLIDER, COUNTER, READ])
    first.run_all()
    second = first.second_tab()
    first.output(1).locator(".harness-counter").click()
    expect(second.output(1).locator(".harness-counter")).to_have_text("count 1")
    first.reload()
    expect(first.output(1).locator(".harness-counter")).to_have_text("count 1")


def test_traffic_counts_the_kernel_socket(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(["print('x' * 100_000)"])
    notebook.traffic.reset()
    notebook.run(0)
    assert 100_000 < notebook.traffic.received < 120_000
    assert 0 < notebook.traffic.sent < 20_000


@pytest.fixture
def page_with_error(open_notebook: OpenNotebook) -> NotebookPage:
    notebook = open_notebook(["from IPython.display import Javascript\nJavascript('console.error(\"ours: broken\")')"])
    notebook.run(0)
    return notebook


def test_console_errors_are_seen(page_with_error: NotebookPage) -> None:
    assert any("ours: broken" in error for error in page_with_error.errors)
    page_with_error.errors.clear()


def test_lab_extension_opens_one_tab_for_an_id(open_notebook: OpenNotebook) -> None:
    page = open_notebook([""]).page
    page.evaluate(OPEN_TAB, "one")
    tab = page.locator(".lm-TabBar-tab", has_text="A tab of ours")
    box = page.locator(".harness-tab")
    expect(tab).to_have_count(1)
    expect(box).to_be_visible()
    panel = page.locator("#medilytica-tab-one").bounding_box()
    shown = box.bounding_box()
    assert panel and shown
    assert shown["height"] > 0.9 * panel["height"]
    page.evaluate(OPEN_TAB, "one")
    expect(tab).to_have_count(1)
    tab.locator(".lm-TabBar-tabCloseIcon").click()
    expect(box).to_have_count(0)
    assert page.evaluate("() => window.harnessClosed") == ["one"]
