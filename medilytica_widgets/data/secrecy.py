"""Passwords in the addresses of databases: taken out of what is kept and of what is said."""

from __future__ import annotations

import re
import urllib.parse

_SECRET = r"(?:pass|pwd|token|secret|key|credential)"
_ADDRESS = re.compile(r"^[A-Za-z][\w.+-]*://")
#: "ann:s3cret@" behind the two slashes; a password may hold any sign, an @ too.
_LOGIN = re.compile(r"^([A-Za-z][\w.+-]*://)([^/:@?#]*):(.*)@(?=[^@]*$)", re.DOTALL)
_SETTING = re.compile(
    rf"([A-Za-z_ ]*{_SECRET}[A-Za-z_ ]*)\s*=\s*(\{{[^}}]*\}}|'[^']*'|\"[^\"]*\"|[^\s;,&?]+)", re.IGNORECASE
)
_NAME = re.compile(_SECRET, re.IGNORECASE)
_SHORTEST = 3


def without_secrets(address: str) -> str:
    """Return a database's address without its password and secret settings; other texts as they are."""
    if not _ADDRESS.match(address) or address.lower().startswith(("http://", "https://")):
        return address
    bare, mark, settings = _split(address)
    bare = _LOGIN.sub(lambda match: f"{match[1]}{match[2]}@", bare)
    kept = [one for one in settings.split("&") if one and not _is_secret(one)]
    return f"{bare}{mark}{'&'.join(kept)}" if kept else bare


def _split(address: str) -> tuple[str, str, str]:
    """Divide an address at the question mark before its settings; a password may hold one too."""
    login = _LOGIN.match(address)
    end = login.end() if login else 0
    bare, mark, settings = address[end:].partition("?")
    return address[:end] + bare, mark, settings


def _is_secret(setting: str) -> bool:
    name, _, value = setting.partition("=")
    # ODBC writes its own settings into the value of one: odbc_connect=DSN=…;PWD=…
    return bool(_NAME.search(name) or _SETTING.search(urllib.parse.unquote_plus(value)))


def secrets_of(address: str) -> list[str]:
    """Return the passwords that an address or a list of settings (``host=… password=…``) holds, as they may be said."""
    found = [match[2].strip("'\"{}") for match in _SETTING.finditer(urllib.parse.unquote_plus(address))]
    login = _LOGIN.match(address)
    if login:
        found += [login[3], urllib.parse.unquote(login[3])]
    # one of a letter or two would blot out half of a sentence
    return sorted({one for one in found if len(one) >= _SHORTEST}, key=len, reverse=True)


def redacted(message: str, address: str) -> str:
    """Return a message without the passwords of an address, and without settings that look like one."""
    for secret in secrets_of(address):
        message = message.replace(secret, "***")
    message = re.sub(r"([^\s:/@'\"]*):(?!//)[^\s@]+@", r"\1:***@", message)
    return _SETTING.sub(r"\1=***", message)
