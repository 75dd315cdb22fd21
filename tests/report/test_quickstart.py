"""The quickstart under papermill: it leaves a whole report, and a wrong parameter ends it at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from medilytica_widgets.report.export import remote_references

QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"


def report(folder: Path, *parameters: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    page = folder / "quickstart.html"
    command = [sys.executable, "-m", "medilytica_widgets.report", str(QUICKSTART), str(page), "--no-progress"]
    for name, value in zip(parameters[::2], parameters[1::2], strict=True):
        command += ["-p", name, value]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=folder), page


@pytest.mark.timeout(240)
def test_the_report_is_whole_and_stands_alone(tmp_path: Path) -> None:
    done, page = report(tmp_path, "epochs", "5")
    assert done.returncode == 0, done.stderr
    html = page.read_text(encoding="utf-8")
    assert remote_references(html) == []
    assert html.count("plotly.js v") <= 1
    for words in ("K00757.01", "loss (cross entropy)", "Confusion matrix", "accuracy", "koi_disposition"):
        assert words in html
    assert "application/vnd.jupyter.widget-view" not in html
    assert not re.search(r'<div class="jp-OutputArea-output[^>]*>\s*</div>', html)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("learnin_rate", "0.1", "'learning_rate'"),
        ("epochs", "0", "from 1 to"),
        ("learning_rate", "-1", "from 1e-06"),
        ("algorithm", "random_forrest", "'random_forest'"),
    ],
)
def test_a_wrong_parameter_ends_the_run_at_once(tmp_path: Path, name: str, value: str, said: str) -> None:
    done, _ = report(tmp_path, name, value)
    assert done.returncode == 1
    assert name in done.stderr or value in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_plain_papermill_refuses_a_wrong_name_too(tmp_path: Path) -> None:
    papermill = [sys.executable, "-m", "papermill", str(QUICKSTART), str(tmp_path / "out.ipynb")]
    command = [*papermill, "-p", "learnin_rate", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode != 0
    assert "UnknownParameterError" in done.stderr and "learning_rate" in done.stderr
