"""Views that show one target, where a network learns several: which one that is, and a sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.heads import named_heads

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..network import Head
    from ..run import Run

_LETTERS = 40


def heads_of(experiment: Experiment, run: Run | None = None) -> list[Head]:
    """Return the heads, named, of a run, or those that the next run will have; the first is the main one."""
    if run is not None:
        return list(run.trainer.job.heads)
    return named_heads(experiment.spec.heads, experiment.data.target or "")


def learned_beside(heads: Sequence[Head]) -> set[str]:
    """Return the columns that further heads learn: no inputs of the network."""
    return {head.target for head in heads[1:]}


def main_head_sentence(heads: Sequence[Head], shows: str) -> str:
    """Return "The picture shows kind, the main head of 2." for ``shows="The picture shows"``; "" for one head."""
    if len(heads) < 2:
        return ""
    name = heads[0].name
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    return f"{shows} {short}, the main head of {len(heads)}."
