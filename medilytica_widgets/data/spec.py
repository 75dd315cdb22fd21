"""The data's fragment of the declarative specification."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from .read_options import ReadOptions
from .secrecy import without_secrets

Role = Literal["feature", "target", "set_aside"]
Task = Literal["classification", "regression"]
Kind = Literal["numeric", "categorical", "binary", "datetime", "text", "identifier", "constant", "empty"]

#: The source of a table that was given in memory; it cannot be found again from the spec alone.
FRAME = "<frame>"

#: Characters of an edited cell, and edited cells of one table.
LONGEST_CELL = 10_000
MOST_EDITS = 10_000

Scalar = bool | int | float | Annotated[str, Field(max_length=LONGEST_CELL)] | None


class CellEdit(BaseModel):
    """One cell of a table that a person changed, as plain data.

    Parameters
    ----------
    row : int
        Its number in the table as it was loaded, from 0 on.
    column : str
    value : int, float, bool, str or None
        What it holds now; a date as ISO text, None for a missing value.
    before : int, float, bool, str or None
        What it held when the table was loaded; an edit of another table is refused by it.
    who : str
        The person's name.
    when : str
        ISO 8601, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    row: Annotated[int, Field(ge=0)]
    column: str
    value: Scalar = None
    before: Scalar = None
    who: Annotated[str, Field(max_length=200)] = ""
    when: Annotated[str, Field(max_length=40)] = ""

    @property
    def key(self) -> str:
        """The cell's own name: a table holds at most one edit of it."""
        return f"{self.row}:{self.column}"

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> CellEdit:
        # nothing in it can change, and a specification with thousands is copied at every change
        return self


class DataSpec(BaseModel):
    """Where a table comes from and what its columns are for.

    Parameters
    ----------
    source : str
        A path, an http(s) address, the name of a built-in table or of a registered one, the address of a database
        without its password (with ``sql``), or ``"<frame>"`` for a table given in memory or over a live connection.
    target : str, optional
        The column to predict.
    names : list of str, optional
        Column names of a file without a header line.
    exclude : list of str
        Columns set aside by hand.
    roles : dict of str to {"feature", "target", "set_aside"}
        Roles given by hand; they win over what was detected.
    missing : list of str
        Cell contents that mean "no value", compared after blanks around them are stripped.
    name : str, optional
        A name for display; the file's own name when None.
    fingerprint : str
        SHA-256 of the content, hexadecimal; empty when it has not been read yet.
    options : dict
        What a registered or a drawn table is made with.
    kinds : dict of str to str
        Kinds of columns given by hand; they win over what was detected.
    sheet : str, optional
        The sheet of a spreadsheet.
    read_as : ReadOptions
        What was said by hand of how the file is written; the rest is detected.
    sql : str, optional
        The query, or the name of a database's table.
    parameters : dict or list, optional
        The query's parameters.
    rows : int or "all", optional
        How many rows a sample keeps of a larger table; "all" takes none whatever the memory, None takes one where the
        table does not fit.
    seed : int
        What the sample is drawn with.
    edits : sequence of CellEdit
        Cells changed by hand, at most one edit a cell, by row and column. A mapping, from any key, is taken too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str | None = None
    names: list[str] | None = None
    exclude: list[str] = Field(default_factory=list)
    roles: dict[str, Role] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=lambda: ["", "NA", "?"])
    name: str | None = None
    fingerprint: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    kinds: dict[str, Kind] = Field(default_factory=dict)
    sheet: str | None = None
    read_as: ReadOptions = Field(default_factory=ReadOptions)
    sql: str | None = None
    parameters: dict[str, Any] | list[Any] | None = None
    rows: int | Literal["all"] | None = None
    seed: int = 0
    edits: tuple[CellEdit, ...] = ()

    @field_validator("edits", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return list(given.values()) if isinstance(given, Mapping) else given

    @field_validator("edits", mode="after")
    @classmethod
    def _in_order(cls, edits: tuple[CellEdit, ...]) -> tuple[CellEdit, ...]:
        if len(edits) > MOST_EDITS:
            raise ValueError(f"{len(edits):,} cells were edited; {MOST_EDITS:,} are the most. Correct the file itself")
        found = {edit.key: edit for edit in edits}
        if len(found) < len(edits):
            raise ValueError("a cell has two edits")
        return tuple(sorted(edits, key=lambda edit: (edit.row, edit.column)))

    @property
    def content(self) -> str:
        """SHA-256 of what is learned from, hexadecimal: the fingerprint, and the edits where there are some."""
        if not self.edits:
            return self.fingerprint
        told = [self.fingerprint, *([edit.row, edit.column, edit.value] for edit in self.edits)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @field_validator("source")
    @classmethod
    def _without_secrets(cls, source: str) -> str:
        # whoever writes one by hand shares it as well
        return without_secrets(source)

    @model_serializer(mode="wrap")
    def _serialised(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # a spec that says nothing of them is what it was before they existed
        for name in ("options", "kinds", "sheet", "read_as", "sql", "parameters", "rows", "seed", "edits"):
            if not plain.get(name):
                plain.pop(name, None)
        return plain
