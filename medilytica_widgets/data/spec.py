"""The data's fragment of the declarative specification."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Role = Literal["feature", "target", "set_aside"]
Task = Literal["classification", "regression"]
Kind = Literal["numeric", "categorical", "binary", "datetime", "text", "identifier", "constant", "empty"]

#: The source of a table that was given in memory; it cannot be found again from the spec alone.
FRAME = "<frame>"


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
    sql : str, optional
        The query, or the name of a database's table.
    parameters : dict or list, optional
        The query's parameters.
    rows : int or "all", optional
        How many rows a sample keeps of a larger table; "all" takes none whatever the memory, None takes one where the
        table does not fit.
    seed : int
        What the sample is drawn with.
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
    sql: str | None = None
    parameters: dict[str, Any] | list[Any] | None = None
    rows: int | Literal["all"] | None = None
    seed: int = 0

    @model_serializer(mode="wrap")
    def _serialised(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # a spec that says nothing of them is what it was before they existed
        for name in ("options", "kinds", "sheet", "sql", "parameters", "rows", "seed"):
            if not plain.get(name):
                plain.pop(name, None)
        return plain
