"""The join page in a real browser: by keyboard alone, with what browsers send and jupyter_server checks."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.servers import Server

WAIT = 60_000


def test_a_person_comes_in_by_keyboard(chromium: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path, extensions={"medilytica_widgets.server": True})
    context = chromium.new_context(color_scheme="dark", viewport={"width": 360, "height": 700})
    try:
        server.api("PUT", "medilytica/api/sharing", {"enabled": True})
        made = server.api("POST", "medilytica/api/invitations", {"role": "viewer", "path": "team.ipynb"})
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(server.url + made["link"].lstrip("/"))
        name = page.get_by_label("Your name")
        expect(name).to_be_focused(timeout=WAIT)
        expect(page.get_by_text("an editor can run code as the owner of this server")).to_be_visible(timeout=WAIT)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
        page.keyboard.type("   ")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("1 to 60 characters", timeout=WAIT)
        name.fill("Gerd <b>Gast</b>")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Come in")).to_be_focused(timeout=WAIT)
        page.keyboard.press("Enter")
        page.wait_for_url("**/lab/tree/team.ipynb", timeout=WAIT)
        me = page.evaluate("fetch('/medilytica/api/me').then((answer) => answer.json())")
        assert (me["role"], me["user"]["name"]) == ("viewer", "Gerd <b>Gast</b>")
        page.goto(server.url + made["link"].lstrip("/"))
        expect(page.get_by_role("heading")).to_have_text("This invitation lets nobody in", timeout=WAIT)
        assert not [text for text in said if "Content Security Policy" in text]
    finally:
        context.close()
        server.stop()
