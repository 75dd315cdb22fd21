"""The owner's command line: ``python -m medilytica_widgets.server sharing status|off|owner NAME``.

It needs no running server, and works where the book is damaged and everybody is refused. Whoever can run it as the
server's account is the owner already.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import MedilyticaError
from .book import BookError, BookFile
from .people import Role, entry_of, user_id


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m medilytica_widgets.server", description=__doc__)
    parser.add_argument("what", choices=["sharing"])
    parser.add_argument("action", choices=["status", "off", "owner"])
    parser.add_argument("name", nargs="?", help="with owner: the user name that the server's identity provider tells")
    parser.add_argument("--root", default=os.getcwd(), help="the server's root folder; this folder if left out")
    given = parser.parse_args(arguments)
    if (given.action == "owner") != (given.name is not None):
        parser.error("owner takes a NAME, status and off take none")
    book = BookFile(given.root)
    try:
        if given.action == "owner":
            say(make_owner(book, given.name))
        elif given.action == "off":
            say(turn_off(book))
        else:
            say(status(book))
    except MedilyticaError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def status(book: BookFile) -> str:
    """Say whether sharing is on, and who has which role."""
    plain = book.read()
    if book.signature() is None:
        return f"Sharing was never on for {plain['root']}; its book would be {book.path}."
    lines = [f"Sharing is {'on' if plain['enabled'] else 'off'} for {plain['root']} ({book.path})."]
    lines += [f"{entry['role']:<8}{entry['name']!r} ({name})" for name, entry in plain["people"].items()]
    return "\n".join(lines)


def turn_off(book: BookFile) -> str:
    """Turn sharing off; a damaged book is put aside for it."""

    def edit(plain: dict[str, Any]) -> None:
        plain["enabled"] = False

    try:
        book.change(edit)
    except BookError as error:
        aside = book.reset()
        return f"{error.message}\nThe book was put aside as {aside}, and a new one begun. Sharing is off."
    return "Sharing is off. People who came by an invitation stay out; everybody else may do what the server lets him."


def make_owner(book: BookFile, name: str) -> str:
    """Make somebody owner and turn sharing on, for when no owner can come in any more."""
    name = user_id(name)

    def edit(plain: dict[str, Any]) -> None:
        plain["enabled"] = True
        plain["removed"].pop(name, None)
        known = plain["people"].get(name) or entry_of(name, Role.OWNER, "person", "command line")
        plain["people"][name] = {**known, "role": Role.OWNER.value}

    book.change(edit)
    return f"{name} is owner now, and sharing is on."


def say(text: str) -> None:
    """Write for the person at the terminal."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
