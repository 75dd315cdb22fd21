"""One notebook that two people have open: a widget that one of them shows, and what must never run."""

from __future__ import annotations

from typing import Any

from tests.browser.lab import NotebookPage
from tests.browser.shared_lab import People, SharedLab

VIEW = "application/vnd.jupyter.widget-view+json"
INVENTED = "0123456789abcdef0123456789abcdef"
SLIDER = 'import ipywidgets\nipywidgets.IntSlider(value=7, description="steps")'


def mark(number: int) -> str:
    """Return HTML that leaves a mark on the page where it may run anything."""
    return f'<p class="mark-{number}">text</p><img src="x" onerror="window.ran = {number}">'


def attacks() -> list[tuple[str, list[dict[str, Any]]]]:
    """Return cells whose outputs try to run something in the page of whoever opens the notebook."""
    view = {"model_id": INVENTED, "version_major": 2, "version_minor": 0}
    return [
        ("1", [{"text/html": mark(1)}]),
        ("2", [{"application/javascript": "window.ran = 2", "text/plain": "script"}]),
        ("3", [{VIEW: view, "text/html": mark(3)}]),
        ("4", [{VIEW: view, "text/plain": "an invented widget"}]),
        ("5", [{VIEW: view, "application/javascript": "window.ran = 5"}]),
    ]


def saved_state() -> dict[str, Any]:
    """Return widget state as a file carries it: a widget under the invented id that would run something."""
    model = {"model_module": "@jupyter-widgets/controls", "model_module_version": "2.0.0", "model_name": "HTMLModel"}
    state = {INVENTED: {**model, "state": {"value": mark(4)}}}
    return {"application/vnd.jupyter.widget-state+json": {"state": state, "version_major": 2, "version_minor": 0}}


def trusted_cells(page: NotebookPage) -> list[bool]:
    script = "() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.trusted)"
    return list(page.page.evaluate(script))


def test_a_widget_shows_at_once_for_everybody_and_nothing_else_runs(people: People, shared_lab: SharedLab) -> None:
    name = shared_lab.write_foreign_notebook([*attacks(), (SLIDER, [])], widgets=saved_state())
    alice = people.notebook("alice", name)
    bob = people.notebook("bob", name)
    alice.run(5)

    # the widget is there for Bob, lives, and made nothing trusted
    slider = bob.output(5).locator(".widget-slider")
    slider.wait_for()
    assert trusted_cells(bob) == [False] * 6
    for _ in range(3):
        bob.output(5).locator(".noUi-handle").press("ArrowRight")
    alice.output(5).locator(".widget-readout").filter(has_text="10").wait_for()

    # what came with the notebook stands there sanitized, or as text, or not at all
    bob.select(0)
    bob.output(0).locator("p.mark-1").wait_for()
    assert bob.output(3).inner_text().strip() == "an invented widget"
    assert bob.output(3).locator(".mw-live-view").count() == 1

    # what somebody adds later to the cell whose widget is shown is treated like that too
    bob.page.evaluate(
        """(html) => {
            const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(5).sharedModel;
            const added = (data) => ({output_type: "display_data", metadata: {}, data});
            cell.setOutputs([...cell.getOutputs(), added({"text/html": html}),
                added({"application/javascript": "window.ran = 7", "text/plain": "later"})]);
        }""",
        mark(6),
    )
    later = bob.output(5).locator("p.mark-6")
    later.wait_for()
    slider.wait_for()
    # an image that could not be loaded has told so by now, to a handler if there were one
    bob.page.wait_for_function("() => [...document.querySelectorAll('.jp-OutputArea img')].every((it) => it.complete)")
    assert bob.page.evaluate("() => [window.ran ?? null, document.querySelectorAll('img[onerror]').length]") == [
        None,
        0,
    ]

    # the server stored it and did not sign it, and whoever comes later sees the widget with its present value
    shared_lab.wait_until_stored(name, "mark-6")
    assert not shared_lab.is_signed(name)
    late = people.notebook("bob", name)
    late.select(5)
    late.output(5).locator(".widget-readout").filter(has_text="10").wait_for()
    late.select(0)
    late.output(0).locator("p.mark-1").wait_for()
    assert late.output(3).inner_text().strip() == "an invented widget"
