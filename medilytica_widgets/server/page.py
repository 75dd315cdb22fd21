"""The HTML of the join page: one file, no script, nothing loaded, light and dark."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from tornado.escape import xhtml_escape

from .people import LONGEST_NAME, Role, with_article

if TYPE_CHECKING:
    from .invitations import Invitation

MEANS = {
    Role.OWNER: "An owner may do everything here, and decides who else may.",
    Role.EDITOR: "An editor may change experiments, notebooks and files, and run code.",
    Role.VIEWER: "A viewer sees everything live, and can change nothing.",
}

PROTECTS = (
    "Roles keep viewers from changing anything, and everybody without a role out. They do not protect the owner from "
    "editors: an editor can run code as the owner of this server, and so read and change all that the owner's account "
    "can, these roles too. Invite as editors only people whom you would let sit at your own computer."
)

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #57606a; --line: #8c959f; --accent: #0b57d0;
  --on-accent: #fff; --wrong: #b3261e; --back: #f3f4f6; }
@media (prefers-color-scheme: dark) { :root { --paper: #22252a; --ink: #eceff2; --soft: #adb5bf; --line: #8b949e;
  --accent: #8ab4f8; --on-accent: #10141a; --wrong: #ffb4ab; --back: #15171a; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--back);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main > :last-child { margin-bottom: 0; }
main { width: 100%; max-width: 34rem; padding: 1.75rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: 10px; overflow-wrap: anywhere; }
h1 { margin: 0 0 .75rem; font-size: 1.4rem; line-height: 1.25; }
p { margin: 0 0 .9rem; }
label { display: block; font-weight: 600; margin-bottom: .3rem; }
input { width: 100%; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; }
button { margin-top: 1rem; padding: .6rem 1.2rem; font: inherit; font-weight: 600; border: 0;
  border-radius: 6px; background: var(--accent); color: var(--on-accent); cursor: pointer; text-decoration: none; }
input:focus-visible, button:focus-visible, a:focus-visible, summary:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px; }
input + p { margin-top: .5rem; }
.soft { color: var(--soft); font-size: .9rem; }
.wrong { color: var(--wrong); font-weight: 600; }
.note { margin: 1.25rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
"""


def page(title: str, body: str) -> str:
    """Return a whole page; ``body`` is HTML that was escaped already, ``title`` is text."""
    shown = xhtml_escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{shown}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{shown}</h1>{body}</main></body></html>"
    )


def asking(invitation: Invitation, xsrf: str, role: Role | None, name: str, wrong: str = "") -> str:
    """Return the page of an open invitation.

    Parameters
    ----------
    invitation : Invitation
    xsrf : str
        The token that the form carries.
    role : Role, optional
        What the visitor is on this server already.
    name : str
        What the visitor is called already; then no name is asked.
    wrong : str
        What was wrong with the name that was given.
    """
    by = xhtml_escape(invitation.by_name or "The owner")
    body = f"<p><strong>{by}</strong> invites you to work here as {with_article(invitation.role)}. "
    body += f"{MEANS[invitation.role]}</p>"
    if invitation.path:
        body += f"<p>You come to <strong>{xhtml_escape(invitation.path)}</strong>.</p>"
    if role is Role.OWNER or role is invitation.role:
        body += f"<p>You are {with_article(role)} here already; the invitation is not used up by you.</p>"
    body += f'<form method="post"><input type="hidden" name="_xsrf" value="{xhtml_escape(xsrf)}">'
    if name or role is not None:
        body += f'<input type="hidden" name="name" value="{xhtml_escape(name or "Known already")}">'
    else:
        told = ' aria-describedby="wrong" aria-invalid="true"' if wrong else ' aria-describedby="told"'
        body += (
            '<label for="name">Your name</label>'
            f'<input id="name" name="name" required maxlength="{LONGEST_NAME}" autocomplete="name" autofocus{told}>'
        )
        if wrong:
            body += f'<p class="wrong" id="wrong" role="alert">{xhtml_escape(wrong)}</p>'
        body += '<p class="soft" id="told">The others see it beside what you do.</p>'
    button = "Come in" if role is None else "Go on"
    until = datetime.datetime.fromtimestamp(invitation.expires, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    body += f'<button type="submit">{button}</button></form>'
    body += f'<p class="soft note">{PROTECTS}</p><p class="soft">Good until {until}.</p>'
    return page("You are invited", body)
