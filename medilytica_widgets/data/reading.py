"""What a source gave: a table as it came, and how it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from .sampling import Sample
from .text import TextFormat

Form = Literal["text", "parquet", "feather", "stream", "folder", "json", "excel", "sql", "builtin", "own", "frame"]


@dataclass
class Reading:
    """A table as it came, before any cleaning.

    Attributes
    ----------
    frame : DataFrame
        All cells are text when ``form`` is "text".
    columns : list
        The names as they came.
    source : str
        What goes into the spec.
    location : str
        The absolute path or the address; equal to ``source`` for others.
    form : str
    text : TextFormat, optional
        How a text file was read.
    fingerprint : str
        SHA-256 of the content; empty when it has to be taken from the cleaned frame.
    name : str
    notes : list of str
    options : dict
        Of a registered or a drawn table, every argument.
    sheet : str, optional
        Of a spreadsheet, the sheet that was read.
    shape : tuple of str
        Of JSON, its form and the name that holds the records; of a spreadsheet, the row and columns of the table.
    packed : str
        How the file is compressed: "gzip", "zip", or nothing.
    sample : Sample, optional
        Which rows were taken, where not all were.
    target : str, optional
        The column to predict, where the source knows it.
    skipped : list of str
        Excluded columns that were not read at all.
    """

    frame: pd.DataFrame
    columns: list[Any]
    source: str
    location: str
    form: Form
    text: TextFormat | None = None
    fingerprint: str = ""
    name: str = ""
    notes: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    sheet: str | None = None
    shape: tuple[str, str] = ("", "")
    packed: str = ""
    sample: Sample | None = None
    target: str | None = None
    skipped: list[str] = field(default_factory=list)
