"""The key that log-in cookies are signed with while a sharing book exists.

jupyter_server keeps one cookie secret for all servers of an account and across restarts. A guest's cookie would
therefore be good at any later server on the same port: one with another root folder, or one where this package is
switched off, and there it would be worth everything. So cookies are signed with a second key, made from that secret and
the book's own; a server without this book cannot read them. Cookies given before sharing began stay good.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from .book import BookError

if TYPE_CHECKING:
    from .roles import Sharing

SERVERS_OWN = 0
BOOKS_OWN = 1


def use_book_key(settings: MutableMapping[str, Any], sharing: Sharing) -> bool:
    """Sign cookies with the book's key from now on, if the book was ever written; return whether they are.

    Parameters
    ----------
    settings : mapping
        Of the server's web application.
    sharing : Sharing
    """
    if sharing.book.signature() is None or sharing.identity.given == "hub":
        return False
    try:
        secret = sharing.book.read()["secret"]
    except BookError:
        # nobody gets anything from a damaged book, whatever cookie he has
        return False
    present = settings["cookie_secret"]
    own = present[SERVERS_OWN] if isinstance(present, dict) else present
    raw = own.encode("utf-8") if isinstance(own, str) else bytes(own)
    key = hmac.new(raw, b"medilytica sharing " + secret.encode("utf-8"), hashlib.sha256).digest()
    settings["cookie_secret"] = {SERVERS_OWN: own, BOOKS_OWN: key}
    settings["key_version"] = BOOKS_OWN
    return True
