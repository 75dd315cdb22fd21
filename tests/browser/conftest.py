"""Fixtures for tests in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.lab import Lab, NotebookPage, new_context
from tests.browser.shared_lab import people, shared_lab

__all__ = ["browser", "jupyterlab", "open_notebook", "people", "shared_lab"]

OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    return chromium


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab as a person has it after `pip install`, collaboration and all."""
    lab = Lab(tmp_path_factory.mktemp("jupyterlab"))
    yield lab
    lab.stop()


@pytest.fixture
def open_notebook(browser: Browser, jupyterlab: Lab) -> Iterator[OpenNotebook]:
    """Open notebooks made of given cells; in the end, fail on any error that their pages met.

    ``open_notebook([source, …], theme="light", width=1400, height=1000)`` writes a new notebook;
    ``open_notebook(name="….ipynb")`` opens one of the server's folder in another browser profile.
    """
    pages: list[NotebookPage] = []

    def open_(
        cells: list[str] | None = None,
        *,
        name: str | None = None,
        theme: str = "light",
        width: int = 1400,
        height: int = 1000,
    ) -> NotebookPage:
        name = name or jupyterlab.write_notebook(cells or [""])
        page = NotebookPage(jupyterlab, new_context(browser, width, height), name)
        pages.append(page)
        page.set_theme(theme)
        return page

    yield open_
    errors = [error for page in pages for error in page.all_errors()]
    for page in pages:
        page.context.close()
    jupyterlab.shut_down_kernels()
    assert not errors, "The page reported errors:\n" + "\n".join(errors)
