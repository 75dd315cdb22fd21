"""Whether anybody looks is known in every way a notebook can be run without a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest

from medilytica_widgets.headless.mode import is_papermill
from medilytica_widgets.report import is_headless

MakeNotebook = Callable[..., Path]

ASK = "from medilytica_widgets.report import is_headless\nassert is_headless() is {}"
WRONG = """from medilytica_widgets.report import check_injected
check_injected()"""


@pytest.mark.parametrize(
    ("value", "headless"), [("1", True), ("yes", True), ("0", False), ("False", False), ("off", False), ("", False)]
)
def test_the_environment_decides(value: str, headless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDILYTICA_HEADLESS", value)
    assert is_headless() is headless


def test_a_script_is_not_headless() -> None:
    assert not is_headless()


@pytest.mark.parametrize(
    ("command", "papermill_runs"),
    [
        (["/env/bin/python", "/env/bin/papermill", "in.ipynb", "out.ipynb"], True),
        (["papermill", "in.ipynb"], True),
        (["python", "-m", "papermill", "in.ipynb"], True),
        (["python", "-X", "dev", "-m", "papermill"], False),
        (["C:\\env\\Scripts\\papermill.exe", "in.ipynb"], True),
        (["/env/bin/python", "/env/bin/jupyter-lab", "papermill"], False),
        (["python", "-m", "jupyterlab", "papermill"], False),
        ([], False),
    ],
)
def test_papermill_is_known_by_its_command(command: list[str], papermill_runs: bool) -> None:
    assert is_papermill(command) is papermill_runs


def test_a_kernel_of_the_papermill_command_is_headless(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook(ASK.format(True))
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(source), str(tmp_path / "out.ipynb"), "--no-progress-bar"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_kernel_of_papermill_the_library_is_headless(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    papermill.execute_notebook(str(make_notebook(ASK.format(True))), str(tmp_path / "out.ipynb"), progress_bar=False)


def test_a_kernel_of_a_jupyter_server_is_not(
    make_notebook: MakeNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    papermill.execute_notebook(str(make_notebook(ASK.format(False))), str(tmp_path / "out.ipynb"), progress_bar=False)


def test_a_notebook_that_papermill_runs_can_refuse_a_wrong_name(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source, out = make_notebook(WRONG, parameters="learning_rate = 1"), tmp_path / "out.ipynb"
    papermill.execute_notebook(str(source), str(out), {"learning_rate": 2}, progress_bar=False)
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(str(source), str(out), {"learning_rat": 2}, progress_bar=False)
    assert caught.value.evalue == (
        "There is no parameter 'learning_rat'. Did you mean 'learning_rate'? "
        "The notebook's parameters cell takes: learning_rate."
    )


def test_a_persons_own_comment_is_not_taken_for_papermills_cell(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook("# Parameters\nlearning_rat = 2", WRONG)
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(str(source), str(out), progress_bar=False)
    assert not any(o.output_type == "error" for c in nbformat.read(out, 4).cells for o in c.get("outputs", []))
