"""Fixtures for tests in a real browser. They run after all others: Playwright's loop would be in the way of asyncio."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Lab, NotebookPage, new_context

HERE = Path(__file__).parent
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenNotebook = Callable[..., NotebookPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("browser")
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(240))
    items[:] = [item for item in items if HERE not in item.path.parents] + ours


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail(
            "These tests drive Chromium, and no 'chromium' is on the PATH. On Debian or Ubuntu: sudo apt-get install "
            "chromium. Elsewhere, install it and put a link of that name on the PATH.",
            pytrace=False,
        )
    return path


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


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
