"""The data's fragment of the declarative specification."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Role = Literal["feature", "target", "set_aside"]
Task = Literal["classification", "regression"]

#: The source of a table that was given in memory; it cannot be found again from the spec alone.
FRAME = "<frame>"


class DataSpec(BaseModel):
    """Where a table comes from and what its columns are for.

    Parameters
    ----------
    source : str
        A path, an http(s) address, the name of a built-in table or of a registered one, or ``"<frame>"`` for a table
        given in memory.
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
        What a registered table is made with.
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

    @model_serializer(mode="wrap")
    def _serialised(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        if not self.options:
            del plain["options"]
        return plain
