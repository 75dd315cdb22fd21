"""The layer builder and the head editor in a real JupyterLab: mouse, keyboard, two views in step."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.choices import THEMES, some
from tests.browser.conftest import OpenNotebook

SETUP = """
import ipywidgets
import medilytica_widgets as mw
L = mw.Layer
data = mw.load_dataset("breast_cancer")
exp = mw.Experiment(data, layers=[L("linear", units=64), L("dropout"), L("linear", units=32)])
"""
BUILDER = "mw.LayerBuilder(exp)"
SKIP = """
exp.set_layers([L("linear", units=8, name="enc"), L("linear", units=8, name="deep"),
                L("add", inputs=["enc", "deep"], name="join"), L("linear", units=4)])
"""
MANY = """
many = mw.Experiment(data, layers=[L("linear", units=16) for _ in range(60)])
mw.LayerBuilder(many)
"""
# what of the widget lies outside of it and cannot be scrolled to; menus of the top layer do not count
CUT_OFF = """
root => {
  const frame = root.getBoundingClientRect();
  return [...root.querySelectorAll("button, input, select, .mw-layer, p")].filter(element => {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || getComputedStyle(element).visibility === "hidden") return false;
    return box.left < frame.left - 1 || box.right > frame.right + 1;
  }).map(element => element.outerHTML.slice(0, 120));
}
"""


def names(root: Locator) -> list[str]:
    return [text.strip() for text in root.locator("[data-layer] .mw-layer-name").all_inner_texts()]


def box(root: Locator, index: int) -> Locator:
    return root.locator(f'[data-layer="{index}"]')


def drag(page: Page, source: Locator, target: Locator) -> None:
    """Drag a box by its name behind another one."""
    start, end = source.locator(".mw-layer-name").bounding_box(), target.bounding_box()
    assert start and end
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] - 6, end["y"] + end["height"] / 2, steps=8)
    page.mouse.up()


@pytest.mark.parametrize("theme", THEMES)
def test_by_mouse_with_a_second_view_in_step(open_notebook: OpenNotebook, theme: str) -> None:
    notebook = open_notebook([SETUP, BUILDER, BUILDER], theme=theme, height=1500)
    for index in range(3):
        notebook.run(index)
    page, one, other = notebook.page, notebook.output(1).locator(".mw-root"), notebook.output(2).locator(".mw-root")
    expect(box(one, 2)).to_be_visible()

    drag(page, box(one, 0), box(one, 1))
    for root in (one, other):
        expect(box(root, 0).locator(".mw-layer-name")).to_have_text(re.compile("Dropout"))

    # a press inserts between, and the menu is searched
    box(one, 1).hover()
    one.get_by_role("button", name="Insert a layer before layer 2").click()
    one.get_by_label("Search layers").fill("layer norm")
    one.get_by_role("button", name="Layer normalisation", exact=True).click()
    expect(other.locator("[data-layer]")).to_have_count(4)

    # the width follows − and + and what is typed; memory and shapes follow it
    total = other.locator(".mw-network-total")
    before = total.inner_text()
    box(one, 2).get_by_label("Layer 3 units").fill("5")
    expect(total).not_to_have_text(before)
    expect(other.locator(".mw-edge-shape").nth(3)).to_have_text("5")

    # a wrong width: the box turns red in both views and its sentence stands there
    box(one, 2).get_by_label("Layer 3 units").fill("0")
    for root in (one, other):
        expect(box(root, 2)).to_have_class(re.compile("mw-failing"))
        expect(root.locator(".mw-network-error")).to_contain_text("In layer 3 (linear)")
    box(one, 2).get_by_label("Layer 3 units").fill("6")
    expect(other.locator(".mw-network-error")).to_have_count(0)

    # removed with an undo beside it
    one.get_by_role("button", name="Menu of layer 2").click()
    one.get_by_role("menuitem", name="Remove").click()
    expect(other.locator("[data-layer]")).to_have_count(3)
    one.locator(".mw-removed").get_by_role("button", name="Undo").click()
    expect(other.locator("[data-layer]")).to_have_count(4)

    # folding is this view's own affair
    box(one, 0).click(modifiers=["Shift"], position={"x": 12, "y": 12})
    one.get_by_label("name of the group").fill("start")
    one.get_by_role("button", name="Fold", exact=True).click()
    expect(one.locator("[data-group]")).to_contain_text("start")
    expect(other.locator("[data-layer]")).to_have_count(4)

    # and it is there again after a reload, in the view where it was made
    notebook.save()
    notebook.reload()
    expect(one.locator("[data-group]")).to_contain_text("start")
    expect(one.locator("[data-layer]")).to_have_count(2)
    expect(other.locator("[data-layer]")).to_have_count(4)


def test_by_keyboard_alone(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, BUILDER, "exp.select_algorithm('deep_mlp')"], height=1200)
    notebook.run(0)
    notebook.run(1)
    root, keys = notebook.output(1).locator(".mw-root"), notebook.page.keyboard
    box(root, 0).focus()
    keys.press("Shift+ArrowRight")
    expect(box(root, 0).locator(".mw-layer-name")).to_have_text(re.compile("Dropout"))
    expect(box(root, 1)).to_be_focused()

    keys.press("F2")
    keys.type("enc")
    keys.press("Enter")
    expect(box(root, 1).locator(".mw-layer-name")).to_have_text(re.compile("enc"))
    expect(box(root, 1)).to_be_focused()

    keys.press("d")
    expect(root.locator("[data-layer]")).to_have_count(4)
    expect(box(root, 2)).to_be_focused()
    assert names(root) == ["Dropout", "enc", "enc_2", "Linear"]

    # a skip connection: an addition behind the copy that takes both
    keys.press("a")
    expect(root.get_by_label("Search layers")).to_be_focused()
    keys.type("add")
    keys.press("Enter")
    expect(box(root, 3)).to_be_focused()
    expect(root.locator(".mw-network-error")).to_contain_text("layer 4 (add)")
    keys.press("c")
    keys.press("e")
    keys.press("Enter")
    expect(box(root, 3).locator(".mw-chip")).to_contain_text("from enc")
    keys.press("Escape")
    expect(root.locator(".mw-network-error")).to_have_count(0)
    expect(root.locator(".mw-arcs path")).to_have_count(1)

    keys.press("f")
    expect(box(root, 3)).to_have_attribute("aria-label", re.compile("frozen"))
    keys.press("Delete")
    expect(root.locator("[data-layer]")).to_have_count(4)
    keys.press("Control+z")
    expect(root.locator("[data-layer]")).to_have_count(5)
    keys.press("?")
    expect(root.get_by_role("dialog", name="Keys of the network")).to_be_visible()
    keys.press("Escape")

    # layers that follow from hyperparameters are made one's own
    notebook.run(2)
    own = root.get_by_role("button", name="Make the layers my own")
    expect(own).to_be_visible()
    count = root.locator("[data-layer]").count()
    own.focus()
    keys.press("Enter")
    expect(own).to_have_count(0)
    expect(box(root, 0)).to_be_focused()
    keys.press("Delete")
    expect(root.locator("[data-layer]")).to_have_count(count - 1)
    # no cell was deleted, copied or run by any of these keys
    assert notebook.cell_count == 3


def test_any_torch_class_by_its_signature(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, BUILDER], height=1200)
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    root.get_by_role("button", name="+ layer").click()
    root.get_by_label("Search layers").fill("torch")
    root.get_by_role("button", name="Any class of torch.nn").click()
    form = root.get_by_role("form", name="Class of torch.nn")
    form.get_by_label("torch.nn.").fill("Hardtanh")
    form.get_by_label("max_val", exact=True).fill("3")
    form.get_by_role("button", name="Add").click()
    expect(box(root, 3)).to_contain_text("Hardtanh")
    expect(root.locator(".mw-network-total")).to_contain_text("parameters")


def test_out_and_in_again(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook([SETUP, SKIP, BUILDER, "exp.layers"], height=1200)
    for index in range(3):
        notebook.run(index)
    page, root = notebook.page, notebook.output(2).locator(".mw-root")

    def take(entry: str) -> bytes:
        root.get_by_role("button", name="Export").click()
        with page.expect_download() as began:
            root.get_by_role("menuitem", name=entry, exact=True).click()
        path = tmp_path / began.value.suggested_filename
        began.value.save_as(path)
        return path.read_bytes()

    told = json.loads(take("Layers as JSON"))
    assert [layer.get("name") for layer in told["layers"]] == ["enc", "deep", "join", None]
    assert told["layers"][2]["inputs"] == ["enc", "deep"]
    for theme in ("light", "dark"):
        notebook.set_theme(theme)
        picture = take("Picture (PNG)")
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", picture[16:24])
        # six boxes in a row, at twice their size
        assert (width, height) == (2 * (2 * 24 + 6 * 124 + 5 * 46), 2 * (2 * 24 + 30 + 130 - 25))
        assert 5_000 < len(picture) <= 2 * 1024 * 1024

    told["layers"] = told["layers"][:2]
    root.get_by_role("button", name="Export").click()
    root.get_by_role("menuitem", name="Import layers").click()
    (tmp_path / "mine.json").write_text(json.dumps(told), encoding="utf-8")
    root.get_by_label("JSON file").set_input_files(tmp_path / "mine.json")
    expect(root.get_by_text("2 layers found")).to_be_visible()
    root.get_by_role("button", name="Replace the layers").click()
    expect(root.locator("[data-layer]")).to_have_count(2)


def test_sixty_layers_stay_fluid(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, MANY], height=1200)
    notebook.run(0)
    notebook.run(1)
    root, page = notebook.output(1).locator(".mw-root"), notebook.page
    expect(root.locator("[data-layer]")).to_have_count(60)
    # the longest gap between two pictures while boxes are walked, moved and their numbers change
    page.evaluate(
        """() => { window.gaps = []; let last = performance.now();
        const tick = now => { window.gaps.push(now - last); last = now; window.ticking = requestAnimationFrame(tick); };
        window.ticking = requestAnimationFrame(tick); }"""
    )
    box(root, 30).focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(box(root, 42)).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    expect(box(root, 43)).to_be_focused()
    box(root, 43).get_by_label("Layer 44 units").fill("17")
    expect(root.locator(".mw-edge-shape", has_text=re.compile("^17$"))).to_have_count(1)
    gaps = sorted(page.evaluate("() => { cancelAnimationFrame(window.ticking); return window.gaps; }"))
    assert gaps[len(gaps) // 2] < 50
    assert gaps[-1] < 1000


@pytest.mark.parametrize("width", some([340, 600, 900, 1400]))
def test_nothing_is_cut_off(open_notebook: OpenNotebook, width: int) -> None:
    heads = (
        'exp.set_heads([mw.Head("classification", name="kind"),'
        ' mw.Head("regression", name="radius", target="mean radius", at="enc", loss="huber")])'
    )
    shown = f"ipywidgets.Box([{{}}], layout={{{{'width': '{width}px', 'display': 'block'}}}})"
    cells = [SETUP, SKIP + heads, shown.format("mw.LayerBuilder(exp)"), shown.format("mw.HeadEditor(exp)")]
    notebook = open_notebook(cells, width=width + 600, height=2400)
    for index in range(4):
        notebook.run(index)
    builder, editor = (notebook.output(index).locator(".mw-root") for index in (2, 3))
    box(builder, 2).click()
    builder.get_by_role("button", name="+ layer").click()
    expect(builder.get_by_label("Search layers")).to_be_visible()
    expect(editor.locator("[data-head]")).to_have_count(2)
    for root in (builder, editor):
        assert root.evaluate(CUT_OFF) == []


def test_heads_in_two_views_and_in_the_builder(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SETUP, SKIP, "mw.HeadEditor(exp)", "mw.HeadEditor(exp)", BUILDER], height=1900)
    for index in range(5):
        notebook.run(index)
    one, other, builder = (notebook.output(index).locator(".mw-root") for index in (2, 3, 4))
    one.get_by_role("button", name="+ head").click()
    second = other.locator('[data-head="1"]')
    expect(second).to_be_visible()
    expect(builder.locator(".mw-head")).to_contain_text("2 heads")

    card = one.locator('[data-head="1"]')
    card.get_by_label("on layer").select_option("name:enc")
    expect(second.get_by_label("on layer")).to_have_value("name:enc")
    expect(builder.locator(".mw-arcs path")).to_have_count(2)
    card.get_by_label("loss", exact=True).select_option("huber")
    card.get_by_label("delta", exact=True).fill("2.5")
    card.get_by_label("delta", exact=True).press("Enter")
    expect(second.get_by_label("delta", exact=True)).to_have_value("2.5")
    card.get_by_label("weight by uncertainty").check()
    expect(second.get_by_label("weight by uncertainty")).to_be_checked()

    # a refusal stands at its field, the last valid state in the other view
    name = card.get_by_label("name", exact=True)
    was = name.input_value()
    name.fill("no good")
    name.press("Enter")
    expect(card.get_by_role("alert")).to_contain_text("cannot name a head")
    expect(second.get_by_label("name", exact=True)).to_have_value(was)
    card.get_by_role("button", name="use no_good").click()
    expect(second.get_by_label("name", exact=True)).to_have_value("no_good")

    one.get_by_role("button", name="Remove no_good").click()
    expect(other.locator("[data-head]")).to_have_count(1)
    one.locator(".mw-removed").get_by_role("button", name="Undo").click()
    expect(other.locator("[data-head]")).to_have_count(2)
