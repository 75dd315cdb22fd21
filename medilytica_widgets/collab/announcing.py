"""What a run that ended says in the chat: a line that a colleague understands without the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import algorithms
from ..metrics import METRICS

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run

_LONGEST = 160
_MARKUP = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>()#+!|~$@"})


def plain_text(words: str) -> str:
    """Return words as Markdown that shows them as they are: a name is no markup, and calls nobody."""
    line = " ".join(words.split())
    return (line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…").translate(_MARKUP)


def sentence_of(exp: Experiment, run: Run) -> str:
    """Return one line of Markdown: which run, how it ended, and its first metric on held-out rows."""
    what = f"**{plain_text(run.name)}** of *{plain_text(exp.name)}* ({plain_text(algorithms.get(run.algorithm).name)})"
    if run.error is not None:
        return f"{what} failed: {plain_text(run.error.message)}"
    said = f"{what} {run.status}"
    found = run.evaluation_if_ready()
    if found is None or not found.metrics:
        return f"{said}."
    name, value = next(iter(found.metrics.items()))
    doubt = f" ± {found.intervals[name]:.3g}" if name in found.intervals else ""
    rows = f"{found.n:,}".replace(",", " ")
    return f"{said}: {METRICS[name].label} {value:.3g}{doubt} on {rows} held-out rows."
