"""One JupyterLab that several people use at once, each with an identity of their own."""

from __future__ import annotations

import contextlib
import copy
import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Locator

from tests.browser.lab import READY_MS, START_SECONDS, Lab, NotebookPage, new_context

PEOPLE = {"alice": "Alice Archer", "bob": "Bob Baker"}

CONFIG = '''
from jupyter_server.auth import IdentityProvider, User

PEOPLE = {people!r}


class People(IdentityProvider):
    """A token for each person; the login cookie keeps the identity."""

    async def get_user_token(self, handler):
        person = PEOPLE.get(self.get_token(handler))
        if person is None:
            return await super().get_user_token(handler)
        return User(username=person["id"], name=person["name"], display_name=person["name"])


c.ServerApp.identity_provider_class = People
c.ServerApp.jpserver_extensions = {{"medilytica_widgets.server": True}}
'''


class SharedLab(Lab):
    """A JupyterLab whose people sign in by tokens of their own: ``tokens["alice"]``."""

    def __init__(self, folder: Path) -> None:
        self.tokens = {name: secrets.token_hex(16) for name in PEOPLE}
        config = folder / "config"
        config.mkdir(parents=True)
        people = {token: {"id": name, "name": PEOPLE[name]} for name, token in self.tokens.items()}
        (config / "jupyter_server_config.py").write_text(CONFIG.format(people=people))
        super().__init__(folder)

    def as_(self, person: str) -> SharedLab:
        """Return this server as that person reaches it."""
        seen = copy.copy(self)
        seen.token = self.tokens[person]
        return seen

    def write_foreign_notebook(self, cells: list[tuple[str, list[dict[str, Any]]]], **metadata: Any) -> str:
        """Write a notebook that came from elsewhere: sources with the outputs they claim, and no signature."""
        name = f"foreign-{secrets.token_hex(4)}.ipynb"
        outputs = [[nbformat.v4.new_output("display_data", data=data) for data in held] for _, held in cells]
        notebook = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(source, outputs=held)
                for (source, _), held in zip(cells, outputs, strict=True)
            ]
        )
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata.update(metadata)
        nbformat.write(notebook, self.root / name)
        return name

    def roles(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Ask the server's part that keeps the roles, as Alice."""
        request = urllib.request.Request(
            f"{self.url}medilytica/api/{path}", method=method, data=json.dumps(body).encode()
        )
        request.add_header("Authorization", f"token {self.tokens['alice']}")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=30).close()

    @contextlib.contextmanager
    def viewer(self, person: str) -> Iterator[None]:
        """Share the server, with Alice as its owner and that person as a viewer; in the end, no longer."""
        self.roles("PUT", "sharing", {"enabled": True})
        try:
            self.roles("PUT", "people", {"id": person, "name": PEOPLE[person], "role": "viewer"})
            yield
        finally:
            self.roles("PUT", "sharing", {"enabled": False})

    def wait_until_stored(self, name: str, text: str) -> None:
        """Wait until the server has written a text into a file: it stores shared documents by itself."""
        deadline = time.monotonic() + START_SECONDS
        while text not in (self.root / name).read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, f"{name} was not stored."
            time.sleep(0.05)

    def is_signed(self, name: str) -> bool:
        """Tell whether the notebook, as it is in the file now, counts as trusted."""
        notary = NotebookNotary(data_dir=str(self._data))
        return bool(notary.check_signature(nbformat.read(self.root / name, as_version=4)))


class WorkspacePage(NotebookPage):
    """A ``.medilytica`` file open in JupyterLab in one browser tab."""

    def wait_until_idle(self, timeout_ms: int = READY_MS) -> None:
        """Wait until the workspace is on screen."""
        self.view.wait_for(timeout=timeout_ms)

    @property
    def view(self) -> Locator:
        return self.page.locator(".mw-workspace-panel:visible .mw-workspace")

    @property
    def notes(self) -> Locator:
        """The editor of the notes, where one types."""
        return self.view.locator(".mw-notes-editor .cm-content")

    def people_here(self) -> list[str]:
        return self.view.locator(".mw-people .mw-person-name").all_inner_texts()


class People:
    """Opens pages of one server as different people; in the end, fails on any error that their pages met."""

    def __init__(self, browser: Browser, lab: SharedLab) -> None:
        self.lab = lab
        self._browser = browser
        self._pages: list[NotebookPage] = []

    def notebook(self, person: str, name: str, **size: int) -> NotebookPage:
        return self._opened(NotebookPage(self.lab.as_(person), new_context(self._browser, **size), name))

    def workspace(self, person: str, name: str, **size: int) -> WorkspacePage:
        page = WorkspacePage(self.lab.as_(person), new_context(self._browser, **size), name)
        self._opened(page)
        return page

    def _opened(self, page: NotebookPage) -> NotebookPage:
        self._pages.append(page)
        return page

    def close(self) -> list[str]:
        errors = [error for page in self._pages for error in page.all_errors()]
        for page in self._pages:
            page.context.close()
        self.lab.shut_down_kernels()
        return errors


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedLab]:
    """Start a JupyterLab for several people."""
    lab = SharedLab(tmp_path_factory.mktemp("shared"))
    yield lab
    lab.stop()


@pytest.fixture
def people(chromium: Browser, shared_lab: SharedLab) -> Iterator[People]:
    """Open pages as different people: ``people.notebook("alice", name)``, ``people.workspace("bob", name)``."""
    opened = People(chromium, shared_lab)
    yield opened
    errors = opened.close()
    assert not errors, "The pages reported errors:\n" + "\n".join(errors)


def write_workspace(lab: Lab, file: str, /, **fields: Any) -> str:
    """Write a workspace file with some fields; returns its name."""
    plain = {"version": 1, "id": secrets.token_hex(8), "name": "", "experiments": [], **fields}
    (lab.root / file).write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    return file
