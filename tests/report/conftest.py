"""Notebooks made in place, and a browser that is offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
MakeNotebook = Callable[..., Path]


@pytest.fixture(autouse=True)
def checkout_in_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels import the package that is tested, and nothing of the caller's environment decide."""
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), before])))
    monkeypatch.delenv("MEDILYTICA_HEADLESS", raising=False)


@pytest.fixture
def make_notebook(tmp_path: Path) -> MakeNotebook:
    """Write a notebook of code cells; ``parameters`` becomes the tagged first one."""

    def make(*cells: str, parameters: str | None = None, heading: str = "# A *small* report", **metadata: str) -> Path:
        every = [nbformat.v4.new_markdown_cell(heading)] if heading else []
        if parameters is not None:
            every.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        every += [nbformat.v4.new_code_cell(source) for source in cells]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / "in" / "notebook.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=every, metadata={"kernelspec": kernel, **metadata}), path)
        return path

    return make


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    return chromium
