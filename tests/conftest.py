"""A home of its own for the test session, and one Chromium for all tests that look at a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what drives Chromium last: Playwright's loop, once it runs, is in the way of asyncio."""
    last = [item for item in items if "chromium" in getattr(item, "fixturenames", ())]
    for item in last:
        item.add_marker("browser")
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(240))
    items[:] = [item for item in items if item not in last] + last


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what the tests train out of the person's own run store; processes that they start inherit it."""
    folder = tmp_path_factory.mktemp("home")
    before = os.environ.get("MEDILYTICA_HOME")
    os.environ["MEDILYTICA_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["MEDILYTICA_HOME"]
    else:
        os.environ["MEDILYTICA_HOME"] = before


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail(
            "These tests drive Chromium, and no 'chromium' is on the PATH. On Debian or Ubuntu: sudo apt-get install "
            "chromium. Elsewhere, install it and put a link of that name on the PATH.",
            pytrace=False,
        )
    # Playwright allows one running instance in a process, so nobody may start a second one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
