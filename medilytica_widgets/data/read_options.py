"""How a file is read, by hand: what a person says where the detection is wrong."""

from __future__ import annotations

import codecs
import string
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from ..errors import DataError, hint

#: Any run of blanks.
BLANKS = r"\s+"
#: Encodings of tables; others that Python knows are taken too.
ENCODINGS = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "iso8859-15", "cp437", "cp850", "cp1250"),
    *("iso8859-2", "cp1251", "koi8-r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "shift_jis", "cp932"),
    *("euc-jp", "gb18030", "gbk", "big5", "euc-kr", "mac-roman", "ascii"),
)
#: Known to Python as encodings of text, and never those of a table.
_NO_TABLES = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "unicode-escape")
_MOST_HEADER = 100_000
_LONGEST_SIGN = 8
_DELIMITERS = {",": "comma", ";": "semicolon", "\\t": "tab", "|": "pipe", " ": "blanks"}


class ReadOptions(BaseModel):
    """What a person said about how a file is written; what is left out is detected.

    Parameters
    ----------
    delimiter : str, optional
        One character that divides cells; a blank stands for any run of blanks.
    decimal : {".", ","}, optional
        What stands before the decimals.
    quotechar : str, optional
        What encloses cells; an empty text where quotation marks are part of the cells.
    header : int or None, default "auto"
        The row of the names, counted from 0 below comment and empty lines; None where there is none.
    encoding : str, optional
    comment : str, optional
        What begins a comment line; an empty text where there are none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    quotechar: str | None = None
    header: int | Literal["auto"] | None = "auto"
    encoding: str | None = None
    comment: str | None = None

    @property
    def said(self) -> dict[str, Any]:
        """What a person said, by its name."""
        fields = ReadOptions.model_fields
        return {name: getattr(self, name) for name in fields if getattr(self, name) != fields[name].default}

    @model_serializer(mode="wrap")
    def _serialised(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        return {name: plain[name] for name in self.said}

    @field_validator("delimiter")
    @classmethod
    def _delimiter(cls, value: str | None) -> str | None:
        if value is None or value == BLANKS:
            return value
        if value == " ":
            return BLANKS
        if len(value) != 1 or not value.isascii() or value.isalnum() or value in "\"'\r\n\0" or not _shown(value):
            raise ValueError(
                f"delimiter is {value!r}; it takes one character that is no letter, digit or quotation mark: "
                + ", ".join(f"{mark!r} ({name})".replace("\\\\", "\\") for mark, name in _DELIMITERS.items())
                + ", …"
            )
        return value

    @field_validator("quotechar")
    @classmethod
    def _quotechar(cls, value: str | None) -> str | None:
        if value is not None and value not in ("", '"', "'", "`", "|", "~"):
            raise ValueError(f"quotechar is {value!r}; it takes '\"', \"'\" or another mark, or '' for none")
        return value

    @field_validator("header")
    @classmethod
    def _header(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and not 0 <= value <= _MOST_HEADER:
            raise ValueError(f"header is {value!r}; it takes the row of the names, counted from 0, or None for none")
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            found = codecs.lookup(value)
        except (LookupError, ValueError):
            raise ValueError(f"There is no encoding {value!r}. {hint(value, ENCODINGS)}") from None
        if not getattr(found, "_is_text_encoding", True) or found.name.replace("_", "-") in {
            name.replace("_", "-") for name in _NO_TABLES
        }:
            raise ValueError(f"{value!r} is no encoding of a table. {hint(value, ENCODINGS)}")
        return "latin-1" if found.name == "iso8859-1" else found.name

    @field_validator("comment")
    @classmethod
    def _comment(cls, value: str | None) -> str | None:
        if value and (len(value) > _LONGEST_SIGN or value != value.strip() or "\0" in value or value in "\"',;"):
            raise ValueError(f"comment is {value!r}; it takes what comment lines begin with, as '#', '%' or '//'")
        return value


def _shown(mark: str) -> bool:
    return mark in string.punctuation or mark in "\t\x1f\x1e\x01"


def read_options(given: Mapping[str, Any]) -> ReadOptions:
    """Return options given by name, checked.

    Raises
    ------
    DataError
        Names the first that cannot be, and what it takes.
    """
    try:
        options = ReadOptions.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if name not in ReadOptions.model_fields:
            raise DataError(f"There is no {name!r} in how a file is read. {hint(name, NAMES)}") from None
        if first["type"] == "value_error":
            said = str(first["msg"]).removeprefix("Value error, ")
            raise DataError(said if said.endswith((".", "?", "…")) else f"{said}.") from None
        takes = {"decimal": "'.' or ','", "header": "a whole number of at least 0, or None where there is none"}
        raise DataError(f"{name} is {given[name]!r}; it takes {takes.get(name, 'a text')}.") from None
    if options.delimiter is not None and options.delimiter in (options.quotechar, options.comment):
        raise DataError(f"{options.delimiter!r} cannot divide cells and be another sign of the file as well.")
    return options


#: The names that `load_dataset` takes.
NAMES = tuple(ReadOptions.model_fields)
