"""Files from a real browser to a real kernel: by keyboard, large, cancelled, over a connection that breaks."""

from __future__ import annotations

import hashlib
import os
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import FileChooser, Locator, Page, TimeoutError, expect

from tests.browser.choices import THEMES
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import NotebookPage

SETUP = """
import os
import medilytica_widgets as mw
upload = mw.DataUpload()
print("pid", os.getpid())
"""
TOLD = "print([(f.name, f.size, f.sha256) for f in upload.files])"
LARGE_BYTES = 60_000_000
SOON = 30_000
# what a page does as soon as so much of a file is there; from here it could be too late
AT = """
([percent, what]) => new Promise((resolve, reject) => {
  const until = performance.now() + 30000;
  const look = () => {
    const bar = document.querySelector(".mw-upload [role=progressbar]");
    if (bar && Number(bar.getAttribute("aria-valuenow")) >= percent) {
      if (what === "cancel") document.querySelector(".mw-upload-entry button").click();
      else window.jupyterapp.shell.currentWidget.sessionContext.session.kernel._ws.close();
      resolve(Number(bar.getAttribute("aria-valuenow")));
    } else if (performance.now() > until) reject(new Error("the upload never came so far"));
    else setTimeout(look, 2);
  };
  look();
})
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 60 MB that nothing makes smaller; to read it as a table takes no time, as it is none."""
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    path.write_bytes(b"PAR1" + random.Random(0).randbytes(LARGE_BYTES))
    return path


def picture(root: Locator, name: str) -> None:
    """Keep a picture where somebody asked for one: MEDILYTICA_PICTURES names the folder."""
    if folder := os.environ.get("MEDILYTICA_PICTURES"):
        root.screenshot(path=Path(folder) / f"{name}.png")


def memory(pid: int, what: str) -> int:
    """Return a kernel's resident memory (VmRSS) or its highest so far (VmHWM), in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def shown(notebook: NotebookPage) -> Locator:
    notebook.run(0)
    notebook.run(1)
    root = notebook.output(1).locator(".mw-root")
    expect(root).to_contain_text("Drop files here", timeout=SOON)
    return root


def choose(root: Locator, *paths: Path) -> None:
    root.locator("input[type=file]").set_input_files(list(paths))


def chooser_by_keyboard(page: Page, button: Locator) -> FileChooser:
    """Press a button that opens the file dialog, as a person does until it is there.

    JupyterLab gives the focus back to the notebook some time after a cell has run; a key that comes between goes there.
    """
    for again in (True, True, False):
        button.focus()
        expect(button).to_be_focused()
        try:
            with page.expect_file_chooser(timeout=SOON) as chooser:
                button.press("Enter")
            return chooser.value
        except TimeoutError:
            if not again:
                raise
    raise AssertionError("the last try returns or raises")


def kernel_says(notebook: NotebookPage, path: Path) -> None:
    notebook.run(2)
    words = str([(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())])
    expect(notebook.output(2)).to_contain_text(words, timeout=SOON)


@pytest.mark.parametrize("theme", THEMES)
def test_by_mouse_and_by_keyboard(open_notebook: OpenNotebook, tmp_path: Path, theme: str) -> None:
    table = tmp_path / "naïve <b>stars ☃.csv"
    table.write_text("id,brightness\n" + "".join(f"{k},{k / 7:.3f}\n" for k in range(900)))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    program = tmp_path / "program.exe"
    program.write_bytes(b"MZ")
    code = "import ipywidgets; ipywidgets.Box([upload], layout=dict(width='720px'))"
    notebook = open_notebook([SETUP, "upload", TOLD, code], theme=theme, height=1400)
    root = shown(notebook)
    picture(root, f"upload_empty_{theme}")
    page: Page = notebook.page
    # a screen reader's way: the button by its name, the first rows by theirs
    button = root.get_by_role("button", name="Choose files")
    chooser = chooser_by_keyboard(page, button)
    assert chooser.is_multiple()
    chooser.set_files([table, broken, program])
    expect(root).to_contain_text("900 rows × 2 columns", timeout=60_000)
    expect(root).to_contain_text("broken.parquet' is not a readable parquet table", timeout=SOON)
    expect(root).to_contain_text("Not taken here: its name has to end in")
    expect(root.locator("[aria-live]")).not_to_be_empty()
    show = root.get_by_role("button", name=re.compile("^Show the first rows of naïve"))
    show.press("Space")
    expect(root.get_by_role("columnheader", name=re.compile("brightness"))).to_be_visible(timeout=SOON)
    expect(root.get_by_role("cell", name="0.143")).to_be_visible()
    assert root.locator("b", has_text="stars").count() == 0
    picture(root, f"upload_{theme}")
    # read in another way, by keyboard: the rows come anew, and the form stays where it is
    root.get_by_role("button", name=re.compile("^Read naïve.* differently")).press("Enter")
    names = root.get_by_role("group", name=re.compile("^How naïve")).get_by_label("Names")
    names.focus()
    names.select_option(label="no names")
    expect(root).to_contain_text("901 rows × 2 columns", timeout=60_000)
    expect(root.get_by_role("columnheader", name=re.compile("column 2"))).to_be_visible(timeout=SOON)
    expect(names).to_be_focused()
    expect(root.get_by_role("group", name=re.compile("^How naïve"))).to_contain_text("header=None")
    picture(root, f"upload_read_{theme}")
    names.select_option(index=0)
    expect(root).to_contain_text("900 rows × 2 columns", timeout=60_000)
    # the same list in a second view, which opens with what has arrived
    notebook.run(3)
    other = notebook.output(3).locator(".mw-root")
    expect(other).to_contain_text("900 rows × 2 columns", timeout=SOON)
    root.get_by_role("button", name="Take program.exe off the list").click()
    expect(root).not_to_contain_text("program.exe")


def test_a_large_file_takes_hardly_any_memory_and_survives_a_broken_connection(
    open_notebook: OpenNotebook, large: Path
) -> None:
    notebook = open_notebook([SETUP, "upload", TOLD])
    root = shown(notebook)
    pid = int(notebook.output(0).inner_text().split()[-1])
    # from now on the highest is counted anew
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    choose(root, large)
    assert notebook.page.evaluate(AT, [20, "break"]) < 100
    # said aloud; what is seen may be over in a blink
    expect(root.locator("[aria-live]")).to_contain_text("waits for the connection")
    picture(root, "upload_on")
    expect(root).to_contain_text(re.compile("Arrived|cannot be read"), timeout=60_000)
    kernel_says(notebook, large)
    grown = memory(pid, "VmHWM") - before
    assert grown < 30 * 2**20, f"{grown / 2**20:.0f} MB"
    # a few chunks were under way, and no more came again
    assert notebook.traffic.sent < large.stat().st_size + 20 * 2**20
    # the browser's own remark on what was sent into the closed socket
    notebook.errors[:] = [error for error in notebook.errors if "already in CLOSING or CLOSED state" not in error]


def test_a_cancelled_file_leaves_nothing_and_can_be_sent_again(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    file = tmp_path / "twenty.parquet"
    file.write_bytes(b"PAR1" + random.Random(1).randbytes(20_000_000))
    notebook = open_notebook([SETUP, "upload", TOLD])
    root = shown(notebook)
    folder = Path(notebook.lab.environment["MEDILYTICA_HOME"]) / "data" / "uploads" / "partial"
    choose(root, file)
    assert notebook.page.evaluate(AT, [10, "cancel"]) < 100
    expect(root).to_contain_text("Cancelled; nothing of it was kept")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("[]")
    # the kernel carries the cancelling out before it answers the next request
    root.get_by_role("button", name=f"Upload {file.name} again").click()
    expect(root).to_contain_text(re.compile("Arrived|cannot be read"), timeout=60_000)
    kernel_says(notebook, file)
    assert list(folder.iterdir()) == []
