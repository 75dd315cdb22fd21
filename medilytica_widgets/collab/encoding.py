"""Plain values as a CRDT and strict JSON can hold them, and back without loss.

A CRDT knows one kind of number, as JavaScript does: ``5.0`` and ``5`` are the same there. A number without a fraction
is therefore read as an integer, and a float without a fraction is written as ``{"$float": "5.0"}``. The same form
carries infinities and NaN; ``{"$int": "…"}`` carries integers beyond 64 bits, and ``{"$text": "…"}`` strings with lone
surrogates, which UTF-8 cannot hold. Keys that begin with ``$`` get one more, so that data cannot pass for a mark.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from ..errors import WorkspaceError

MAX_DEPTH = 48
"""How deep lists and objects may nest, counted from a field of a workspace."""
_AROUND = 16
"""How much deeper the document may be than a value in it."""
_LONE = re.compile("[\ud800-\udfff]")
_INTEGERS = range(-(2**63), 2**63)
_TEXT_KEY = "$u"


def encode(value: Any, *, integral: bool = True, _depth: int = 0) -> Any:
    """Return plain data that a CRDT can hold; with ``integral=False`` what strict JSON can hold.

    Raises
    ------
    WorkspaceError
        For what is no JSON data, and for what nests too deep.
    """
    if _depth > MAX_DEPTH:
        raise WorkspaceError(f"A value nests deeper than {MAX_DEPTH} lists and objects. Give it a flatter form.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"$text": json.dumps(value)} if integral and _LONE.search(value) else str(value)
    if isinstance(value, int):
        return int(value) if not integral or value in _INTEGERS else {"$int": str(int(value))}
    if isinstance(value, float):
        if not math.isfinite(value) or (integral and value.is_integer()):
            return {"$float": repr(float(value))}
        return float(value)
    if isinstance(value, (list, tuple)):
        return [encode(item, integral=integral, _depth=_depth + 1) for item in value]
    if isinstance(value, dict):
        return {encode_key(k): encode(v, integral=integral, _depth=_depth + 1) for k, v in value.items()}
    raise WorkspaceError(
        f"A workspace holds plain data: numbers, text, lists and objects; a {type(value).__name__} came."
    )


def encode_key(key: Any) -> str:
    """Return a key's form in the document."""
    if not isinstance(key, str):
        raise WorkspaceError(f"The key {key!r} is a {type(key).__name__}; keys in a workspace are text.")
    if _LONE.search(key):
        return _TEXT_KEY + json.dumps(key)
    return f"${key}" if key.startswith("$") else key


def decode(value: Any, *, integers: bool = True, _depth: int = 0) -> Any:
    """Return what `encode` was given; with ``integers=False`` floats without a fraction stay floats.

    Raises
    ------
    WorkspaceError
        For what nests too deep: nobody wrote it with this package.
    """
    if isinstance(value, dict):
        if _depth > MAX_DEPTH + _AROUND:
            raise WorkspaceError("The document nests too deep to be read. Restore an earlier version of its file.")
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key in ("$float", "$int", "$text"):
                return _unmarked(key, inner)
        return {decode_key(k): decode(v, integers=integers, _depth=_depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        if _depth > MAX_DEPTH + _AROUND:
            raise WorkspaceError("The document nests too deep to be read. Restore an earlier version of its file.")
        return [decode(item, integers=integers, _depth=_depth + 1) for item in value]
    if integers and isinstance(value, float) and value.is_integer() and int(value) in _INTEGERS:
        return int(value)
    return value


def decode_key(key: str) -> str:
    """Return what `encode_key` was given."""
    if not key.startswith("$"):
        return key
    if key.startswith(_TEXT_KEY + '"'):
        return str(_loaded(key[len(_TEXT_KEY) :], key))
    return key[1:]


def from_json(text: str, limit: int) -> Any:
    """Return what a shared type's JSON holds, its numbers as they were written.

    Raises
    ------
    WorkspaceError
        For more than ``limit`` characters, and for what nests too deep.
    """
    if len(text) > limit:
        raise WorkspaceError(
            f"The document holds {len(text):,} characters; {limit:,} are read. Restore an earlier version of its file."
        )
    try:
        found = json.loads(text, parse_float=_number)
        # without a mark everything is what it is, and most documents have none
        return decode(found) if '"$' in text else found
    except RecursionError:
        raise WorkspaceError(
            "The document nests too deep to be read. Restore an earlier version of its file."
        ) from None
    except ValueError as error:
        raise WorkspaceError(f"The document cannot be read: {error}. Restore an earlier version of its file.") from None


def escape_lone(text: str) -> str:
    """Return JSON text that UTF-8 can hold: lone surrogates inside its strings are written as escapes."""
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are written alike: 1, 1.0 and True are three things, and NaN is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other)


def text_of(value: Any) -> str:
    """Return text as a text field can hold it: a lone surrogate becomes the replacement character."""
    return _LONE.sub("\ufffd", str(value))


def ordered(plain: dict[str, Any], first: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object with the named keys first and all others, at every depth, by their names."""
    known = [key for key in first if key in plain]
    rest = sorted(plain.keys() - set(known))
    return {key: _ordered(plain[key]) for key in (*known, *rest)}


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() and int(number) in _INTEGERS else number


def _unmarked(key: str, inner: Any) -> Any:
    if isinstance(inner, str):
        try:
            if key == "$float":
                return float(inner)
            if key == "$int":
                return int(inner) if len(inner) < 4000 else None
        except ValueError:
            return None
        return _loaded(inner, "")
    # a mark that this package did not write
    return None


def _loaded(text: str, otherwise: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return otherwise
    return found if isinstance(found, str) else otherwise
