"""Two people in one kernel's widgets and one workspace: who is where, who holds the controls, who may do what."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Browser, Locator, expect

from tests.browser.lab import NotebookPage, new_context
from tests.browser.shared_lab import People, SharedLab

SOON = 60_000
SETUP = """
import medilytica_widgets as mw
ws = mw.Workspace("together.medilytica")
exp = ws.bind(mw.Experiment(mw.load_dataset("moons"), name="moons", hyperparameters={"epochs": 1_000_000}))
bench = mw.Workbench(exp)
bench
"""

WAIT = """
import time
until = time.monotonic() + 60
while not (said := ws.chat.messages()) and time.monotonic() < until:
    time.sleep(0.05)
said[-1].body
"""


def root(page: NotebookPage, cell: int) -> Locator:
    return page.output(cell).locator(".mw-root").first


def test_two_people_turn_one_experiments_knobs(people: People, shared_lab: SharedLab) -> None:
    name = shared_lab.write_notebook([SETUP, "exp.activity[:8], ws.history()[0].author.name", WAIT])
    alice = people.notebook("alice", name, width=1500, height=1300)
    bob = people.notebook("bob", name, width=1500, height=1300)
    alice.run(0)
    mine, yours = root(alice, 0), root(bob, 0)
    batch = '[data-at="hyperparameter:batch_size"]'
    for view in (mine, yours):
        expect(view.locator(".mw-shared")).to_contain_text("saved", timeout=SOON)
        expect(view.locator(batch)).to_be_visible(timeout=SOON)
        # each sees that the other is here
        expect(view.locator(".mw-here .mw-disc")).to_have_count(1, timeout=SOON)
    expect(yours.locator(".mw-here")).to_have_attribute("aria-label", re.compile("Alice Archer"))

    # where she is, he sees, by name and around the very field
    field = mine.locator(f"{batch} input:not([type=range])").first
    field.click()
    mark = yours.locator(".mw-presence-mark")
    expect(mark).to_have_text("Alice Archer", timeout=SOON)
    there = yours.locator(batch).bounding_box()
    drawn = mark.bounding_box()
    assert there and drawn and abs(there["y"] - drawn["y"]) < 4 and abs(there["width"] - drawn["width"]) < 8
    field.fill("64")
    field.press("Enter")
    expect(yours.locator(f"{batch} input:not([type=range])").first).to_have_value("64", timeout=SOON)

    # who starts a run holds its controls; the other asks and is given them
    mine.get_by_role("button", name="Train", exact=True).click()
    held = yours.get_by_text("Alice Archer holds the run controls.").first
    expect(held).to_be_visible(timeout=SOON)
    expect(yours.get_by_role("button", name="Pause", exact=True)).to_be_disabled()
    yours.get_by_role("button", name="Ask for them").click()
    expect(mine.get_by_text("Bob Baker asks for the run controls.")).to_be_visible(timeout=SOON)
    mine.get_by_role("button", name="Give").click()
    expect(yours.get_by_role("button", name="Pause", exact=True)).to_be_enabled(timeout=SOON)
    yours.get_by_role("button", name="Stop and keep what was learned").click()
    expect(yours.locator(".mw-run-status")).to_contain_text("stopped", timeout=SOON)

    # a link to what she is at, from the chat, leads him there
    mine.locator('[data-at="layer:2"]').click()
    mine.get_by_role("button", name="Share a link to layer 2 into the chat").click()
    bob.run(2)
    expect(bob.output(2)).to_contain_text("Alice Archer: [layer 2", timeout=SOON)
    found = re.search(r"#medilytica=[\w-]+", bob.output(2).inner_text())
    assert found is not None
    bob.page.evaluate(
        """(link) => {
            const a = Object.assign(document.createElement("a"), {href: link, textContent: "link"});
            document.body.append(a);
            a.click();
            a.remove();
        }""",
        found[0],
    )
    expect(yours.locator('[data-at="layer:2"].mw-flash')).to_be_visible(timeout=SOON)

    # the kernel knows whom the server verified, and the file has what she set
    bob.run(1)
    expect(bob.output(1)).to_contain_text("Alice Archer", timeout=SOON)
    shared_lab.wait_until_stored("together.medilytica", '"batch_size": 64')
    plain = json.loads((shared_lab.root / "together.medilytica").read_text())
    assert plain["experiments"][0]["name"] == "moons"
    assert [one["status"] for one in plain["experiments"][0]["runs"].values()] == ["stopped"]


def test_a_guest_comes_by_an_invitation_and_only_looks(
    people: People, shared_lab: SharedLab, chromium: Browser
) -> None:
    name = shared_lab.write_notebook(["import medilytica_widgets as mw\nmw.PeoplePanel()"])
    alice = people.notebook("alice", name)
    alice.run(0)
    panel = root(alice, 0)
    panel.get_by_role("button", name="Turn sharing on").click(timeout=SOON)
    try:
        expect(panel.get_by_role("list", name="People", exact=True)).to_contain_text("Alice Archer", timeout=SOON)
        panel.get_by_role("button", name="Make a link").click()
        link = panel.get_by_label("Invitation link").input_value(timeout=SOON)
        context = new_context(chromium, 1200, 900)
        page = context.new_page()
        page.goto(link)
        page.get_by_role("textbox").fill("Gunda <b>Guest")
        page.get_by_role("button").click()
        page.wait_for_url(re.compile("/lab"), timeout=SOON)
        told = page.evaluate("async () => (await fetch('/medilytica/api/me')).json()")
        assert told["role"] == "viewer" and told["user"]["name"] == "Gunda <b>Guest"
        # the link was for one person
        again = context.new_page()
        again.goto(link)
        expect(again.locator("body")).to_contain_text(re.compile("used|already", re.IGNORECASE))
        row = panel.get_by_role("listitem").filter(has_text="Gunda <b>Guest")
        expect(row).to_be_visible(timeout=SOON)
        refused = page.evaluate(
            "async () => (await fetch('/api/contents/new.txt', {method: 'PUT', body: '{}',"
            " headers: {'X-XSRFToken': /_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? ''}})).status"
        )
        assert refused == 403
        row.get_by_role("button", name=re.compile("Take away")).click()
        row.get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0, timeout=SOON)
        status = page.evaluate("async () => (await fetch('/api/contents')).status")
        assert status in (401, 403)
        panel.get_by_role("button", name="Audit log").click()
        expect(panel.get_by_role("region", name="Audit log")).to_contain_text("refused", timeout=SOON)
        context.close()
    finally:
        shared_lab.roles("PUT", "sharing", {"enabled": False})
