"""Rows a second, beside the peers."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

import medilytica_widgets as mw

from .harness import Timing, cells, header, race, record, verdict
from .peers import KERAS, LEAN, LIGHTNING, SCIKIT_LEARN, SKORCH, TEXTBOOK, Peer, peers
from .problem import Ours, Problem, normed, perceptron

OURS, WHOLE = "medilytica_widgets", "medilytica_widgets, whole run"
TRIAL_EPOCHS = 2
OURS_SECONDS = 0.6
"""The least time of a round of ours."""
PEER_SECONDS = 0.6
"""A peer trains as many epochs as ours, but no more than take about this long: its rows a second are the same, since
starting costs every peer 1 to 20 ms only."""
BATCHES = (32, 256, 4096)
NOTE = (
    "Rows a second of training. Peers: the time of their fit, without validation. Ours: the epochs' own time "
    '(`history["seconds"]`), and the whole run from `train()` to its end with probing, validation, snapshots and '
    "records. A target is met when both are; epochs are those of a round, the first round is discarded."
)

Targets = Mapping[str, Mapping[int, float]]
SMALL: Targets = {
    TEXTBOOK: {32: 10, 256: 8, 4096: 20},
    SKORCH: {32: 12, 256: 8, 4096: 8},
    LIGHTNING: {32: 18, 256: 10, 4096: 20},
    KERAS: {32: 30, 256: 10, 4096: 2.5},
    SCIKIT_LEARN: {32: 5, 256: 3, 4096: 2.2},
}
GENERAL: Targets = {LEAN: dict.fromkeys(BATCHES, 1.0), LIGHTNING: dict.fromkeys(BATCHES, 1.2)}


def small(rounds: int, quick: bool = False) -> None:
    """Measure the perceptron 30→64→64→2."""
    rows = 2_000 if quick else 50_000
    batches = (256,) if quick else BATCHES
    lines: list[str] = []
    races = [Race.run(Ours(rows, 30, 2, perceptron(64, 64), batch), rounds, quick) for batch in batches]
    _tables(lines, races, SMALL, f"30→64→64→2, {_threads()}")
    record("Training 30→64→64→2, one thread", lines, write=not quick)


def large(rounds: int, quick: bool = False) -> None:
    """Measure the perceptron 100→512→512→10: never slower than a peer, and 1.6 times the textbook loop at 256."""
    rows = 1_000 if quick else 12_540  # three batches of 4096 to train on
    batches = (256,) if quick else BATCHES
    races = [Race.run(Ours(rows, 100, 10, perceptron(512, 512), batch), rounds, quick) for batch in batches]
    targets = {name: dict.fromkeys(BATCHES, 1.0) for each in races for name in each.peers if name != LEAN}
    targets[TEXTBOOK] = {**targets[TEXTBOOK], 256: 1.6}
    lines: list[str] = []
    _tables(lines, races, targets, f"100→512→512→10, {_threads()}")
    record("Training 100→512→512→10, all cores", lines, write=not quick)


def general(rounds: int, quick: bool = False) -> None:
    """Measure networks that no fast path serves, beside the lean loop and Lightning."""
    rows = 1_000 if quick else 20_000
    lines: list[str] = []
    for title, layers in general_networks().items():
        batches = (256,) if quick or "batch" in title else (32, 256)
        races = [Race.run(Ours(rows, 30, 2, layers, batch), rounds, quick, (LEAN, LIGHTNING)) for batch in batches]
        _tables(lines, races, GENERAL, f"{title}, {_threads()}")
    record("Training networks that no fast path serves", lines, write=not quick)


def general_networks() -> dict[str, list[mw.Layer]]:
    """Return networks with layers that only the general path knows.

    The package has no residual, convolutional or recurrent layers yet; normalised stacks stand in for them.
    """
    return {
        "30→64→64→2 with layer normalisation": normed("layer_norm", 64, 64),
        "30→256→256→2 with batch normalisation": normed("batch_norm", 256, 256),
    }


@dataclass(frozen=True)
class Race:
    """What a race at one batch size gave."""

    batch: int
    rows: int
    epochs: dict[str, int]
    timings: dict[str, Timing]
    accuracies: dict[str, float]
    path: str
    absent: list[str]

    @classmethod
    def run(cls, ours: Ours, rounds: int, quick: bool, names: Sequence[str] | None = None) -> Race:
        """Find out how many epochs make a round, then race."""
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        problem = ours.problem()
        found, absent = peers(problem, *((tuple(names),) if names else ()))
        # these rounds do not count: they compile, load and warm whatever there is to warm
        ours.run(TRIAL_EPOCHS)
        count = 1 if quick else _epochs(ours.run(TRIAL_EPOCHS)[0] / TRIAL_EPOCHS, OURS_SECONDS)
        epochs, accuracies = {OURS: count}, {OURS: ours.accuracy}
        for name, peer in found.items():
            peer(problem.head(problem.batch))
            fit = peer(problem.longer(TRIAL_EPOCHS))
            epochs[name] = 1 if quick else min(count, max(1, round(PEER_SECONDS / fit.seconds * TRIAL_EPOCHS)))
            accuracies[name] = fit.accuracy(problem)
        contestants = {
            OURS: partial(_ours, ours, count),
            **{name: partial(_peer, peer, problem.longer(epochs[name])) for name, peer in found.items()},
        }
        timings = race(contestants, rounds, warm_up=False)
        ours.close()
        epochs = {OURS: count, WHOLE: count, **epochs}
        return cls(problem.batch, len(problem.X), epochs, {t.name: t for t in timings}, accuracies, ours.path, absent)

    @property
    def peers(self) -> list[str]:
        """Names of the other contestants."""
        return [name for name in self.timings if name not in (OURS, WHOLE)]

    def rate(self, name: str) -> float:
        """Rows a second."""
        return self.rows * self.epochs[name] / self.timings[name].median

    def ratio(self, name: str, ours: str = OURS) -> float:
        """How many times a peer's speed ours is."""
        return self.rate(ours) / self.rate(name)


def _ours(ours: Ours, epochs: int) -> dict[str, float]:
    seconds, whole = ours.run(epochs)
    return {OURS: seconds, WHOLE: whole}


def _peer(peer: Peer, problem: Problem) -> float:
    return peer(problem).seconds


def _epochs(seconds: float, wanted: float) -> int:
    return max(2, math.ceil(wanted / max(seconds, 1e-6)))


def _threads() -> str:
    count = torch.get_num_threads()
    return "one thread" if count == 1 else f"{count} threads"


def _tables(lines: list[str], races: Sequence[Race], targets: Targets, title: str) -> None:
    """Add a table of speeds and one of ratios."""
    if not lines:
        lines += [NOTE, ""]
    lines += [f"### {title}", ""]
    lines += header("thousand rows a second", *(f"batch {each.batch}" for each in races))
    for name in (OURS, WHOLE, *races[0].peers):
        shown = [f"{each.rate(name) / 1000:.0f} ({each.timings[name].spread}, {_count(each, name)})" for each in races]
        lines.append(cells(name, *shown))
    lines.append(cells("path of ours", *(each.path for each in races)))
    lines += [
        "",
        f"All learn the same: after {TRIAL_EPOCHS} epochs they are right on these shares of the training rows.",
    ]
    lines += ["", *header("accuracy", *(f"batch {each.batch}" for each in races))]
    for name in races[0].accuracies:
        lines.append(cells(name, *(f"{each.accuracies[name]:.3f}" for each in races)))
    lines += ["", *header("times the peer's speed (whole run): target", *(f"batch {each.batch}" for each in races))]
    for name in races[0].peers:
        shown = []
        for each in races:
            epochs, whole = each.ratio(name), each.ratio(name, WHOLE)
            text = f"{epochs:.2f}× ({whole:.2f}×)"
            target = targets.get(name, {}).get(each.batch)
            if target is not None:
                text += f": {target:g}× {_both(epochs, whole, target)}"
            shown.append(text)
        lines.append(cells(name, *shown))
    lines += ["", *dict.fromkeys(sentence for each in races for sentence in each.absent)]


def _both(epochs: float, whole: float, target: float) -> str:
    if verdict(whole, target) != verdict(epochs, target):
        return "met by the epochs, **missed** by the whole run" if epochs >= target else "met by the whole run only"
    return verdict(epochs, target)


def _count(each: Race, name: str) -> str:
    count = each.epochs[name]
    return f"{count} epoch{'s' if count != 1 else ''}"
