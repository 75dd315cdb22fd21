"""What a person says about a source beside where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .read_options import ReadOptions
from .spec import DataSpec

#: Called with the bytes that came and the bytes to come (None where the server does not say); False for no bar.
Progress = Callable[[int, int | None], None] | Literal[False] | None


@dataclass(frozen=True)
class Wish:
    """The arguments of `load_dataset` that say how a source is read; the same names mean the same there."""

    names: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    missing: Sequence[str] = ("", "NA", "?")
    sheet: str | None = None
    read_as: ReadOptions = field(default_factory=ReadOptions)
    sql: str | None = None
    connection: Any = None
    parameters: Mapping[str, Any] | Sequence[Any] | None = None
    rows: int | Literal["all"] | None = None
    seed: int = 0
    exclude: Sequence[str] = ()
    progress: Progress = None

    @classmethod
    def of(cls, spec: DataSpec, connection: Any = None, progress: Progress = None) -> Wish:
        """Return what a spec says; ``connection`` takes the place of the address it holds."""
        return cls(
            names=spec.names,
            options=spec.options,
            missing=spec.missing,
            sheet=spec.sheet,
            read_as=spec.read_as,
            sql=spec.sql,
            connection=connection if connection is not None or spec.sql is None else spec.source,
            parameters=spec.parameters,
            rows=spec.rows,
            seed=spec.seed,
            exclude=spec.exclude,
            progress=progress,
        )
