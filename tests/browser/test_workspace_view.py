"""A workspace file opened from JupyterLab by two people: what they see, and what they write together."""

from __future__ import annotations

import json
from typing import Any

from tests.browser.shared_lab import People, SharedLab, WorkspacePage, write_workspace


def spiral() -> dict[str, Any]:
    """Return an experiment as the file states it, with a run that ended well and one that failed."""
    layers = [
        {"kind": "linear", "options": {"units": 64, "activation": "relu"}},
        {"kind": "dropout", "options": {"p": 0.1}},
    ]
    spec = {"version": 1, "data": {"source": "spiral"}, "algorithm": "mlp", "layers": layers, "heads": []}
    runs = {
        "r1": {"number": 1, "name": "run 1", "status": "finished", "author": "Alice", "metrics": {"accuracy": 0.9123}},
        "r2": {"number": 2, "name": "run 2", "status": "failed", "author": "Bob", "metrics": {}, "error": "NaN"},
    }
    return {
        "id": "e1",
        "name": "Spiral",
        "description": "Two arms",
        "created": "",
        "spec": {**spec, "hyperparameters": {"learning_rate": 0.003, "epochs": 50}},
        "runs": runs,
    }


def open_in(page: WorkspacePage, name: str) -> None:
    """Open another file in the same page."""
    page.command("docmanager:open", path=name)
    page.page.locator(f'.lm-TabBar-tab.lm-mod-current:has-text("{name}")').first.wait_for()


def check_role(page: WorkspacePage) -> None:
    """Let the page ask the server for the person's role now, as it does by itself every little while."""
    page.page.evaluate("() => globalThis[Symbol.for('medilytica.lab')].checkRole()")


def test_two_people_see_the_workspace_and_write_in_it_together(people: People, shared_lab: SharedLab) -> None:
    name = write_workspace(shared_lab, "team.medilytica", name="Team", notes="# Plan\n", experiments=[spiral()])
    alice = people.workspace("alice", name)
    bob = people.workspace("bob", name)

    # not the JSON but what it says
    card = bob.view.get_by_role("article", name="Spiral")
    card.get_by_text("linear 64 relu → dropout 0.1").wait_for()
    card.get_by_role("row", name="run 1 ✓ finished Alice 0.9123").wait_for()
    card.get_by_role("row", name="run 2 ✕ failed Bob").wait_for()
    bob.view.get_by_role("heading", name="Plan").wait_for()
    assert bob.view.get_by_role("button", name="Chat").is_disabled()

    # who is here, on either side
    for page, mine, other in ((alice, "Alice Archer", "Bob Baker"), (bob, "Bob Baker", "Alice Archer")):
        here = page.view.get_by_role("list", name="People here now")
        here.get_by_text(f"{mine} (you)").wait_for()
        here.get_by_text(other).wait_for()

    # a new name arrives with who gave it
    title = alice.view.get_by_label("Name of the workspace")
    title.fill("Whole team")
    title.press("Enter")
    bob.view.get_by_role("region", name="History").get_by_text("name: Team → Whole team").wait_for()
    assert bob.view.get_by_label("Name of the workspace").input_value() == "Whole team"

    # notes flow both ways while both type, at either end, each with the other's cursor
    for page, text, where in ((alice, "from Alice", "Control+End"), (bob, "from Bob\n\n", "Control+Home")):
        page.notes.click()
        page.notes.press(where)
        page.page.keyboard.type(text)
    for page, other in ((alice, "Bob Baker"), (bob, "Alice Archer")):
        for text in ("from Alice", "from Bob"):
            page.notes.get_by_text(text).wait_for()
            page.view.locator(".mw-notes-preview").get_by_text(text).wait_for()
        page.view.locator(".mw-people li", has_text=other).get_by_text("the notes").wait_for()
        page.view.locator(".jp-remote-cursor").first.wait_for()
    assert alice.notes.inner_text() == bob.notes.inner_text()

    # the server stores it, readable
    shared_lab.wait_until_stored(name, "from Bob")
    shared_lab.wait_until_stored(name, "from Alice")
    stored = json.loads((shared_lab.root / name).read_text(encoding="utf-8"))
    assert stored["name"] == "Whole team"
    assert stored["experiments"][0]["spec"]["hyperparameters"] == {"epochs": 50, "learning_rate": 0.003}

    # a file that is none, and one of a newer version, say so and are left as they are
    for text, said in (("{nope", "no JSON"), ('{"version": 99}', "Update medilytica-widgets")):
        broken = f"broken-{said[:2].strip()}.medilytica"
        (shared_lab.root / broken).write_text(text, encoding="utf-8")
        open_in(bob, broken)
        bob.view.get_by_role("alert").get_by_text(said).wait_for()
        assert (shared_lab.root / broken).read_text(encoding="utf-8") == text
    # its text opens in the same place; put right, it is shown
    bob.view.get_by_role("button", name="Open as text").click()
    source = bob.view.get_by_label("The file's text")
    assert source.input_value() == '{"version": 99}'
    source.fill('{"version": 1, "name": "Put right"}')
    bob.view.get_by_role("button", name="Save the text").click()
    bob.view.get_by_label("Name of the workspace").wait_for()
    assert bob.view.get_by_label("Name of the workspace").input_value() == "Put right"

    # a viewer reads it all, sees why nothing can be changed, and gets it back with the role
    title = bob.view.get_by_label("Name of the workspace")
    with shared_lab.viewer("bob"):
        check_role(bob)
        bob.view.get_by_role("status").get_by_text("viewer").wait_for()
        bob.page.locator("#jp-main-statusbar").get_by_text("Viewer:").wait_for()
        assert not title.is_editable()
        assert not bob.page.evaluate("() => window.jupyterapp.commands.isEnabled('docmanager:save')")
        bob.notes.click()
        bob.page.keyboard.type("never")
        assert "never" not in bob.notes.inner_text()
    check_role(bob)
    bob.view.get_by_role("status").wait_for(state="detached")
    assert title.is_editable()

    # a new one from JupyterLab's own places is empty and valid, and leads to its notebook
    alice.page.evaluate("() => void window.jupyterapp.commands.execute('medilytica:new-workspace')")
    alice.view.get_by_text("No experiment yet").wait_for()
    assert json.loads((shared_lab.root / "workspace.medilytica").read_text(encoding="utf-8"))["experiments"] == []
    alice.view.get_by_role("button", name="Open in notebook").click()
    alice.page.locator(".jp-Notebook:visible").get_by_text('ws = mw.Workspace("workspace.medilytica")').wait_for()

    # a link from a chat opens its workspace, and tells the widgets the rest
    heard = alice.page.evaluate(
        """(file) => new Promise((resolve) => {
            window.addEventListener("medilytica:view", (event) => resolve(event.detail), {once: true});
            const link = document.createElement("a");
            link.href = "#medilytica=" + btoa(JSON.stringify({workspace: file, run: "r1", epoch: 3}));
            document.body.append(link);
            link.click();
            link.remove();
        })""",
        name,
    )
    assert heard == {"workspace": name, "run": "r1", "epoch": 3}
    alice.view.get_by_role("article", name="Spiral").wait_for()
