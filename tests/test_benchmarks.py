"""The benchmarks' own parts, so that a figure means what its table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import harness, training
from tests.benchmarks.peers import LEAN, SCIKIT_LEARN, TEXTBOOK, peers
from tests.benchmarks.problem import Ours, perceptron


def test_contestants_take_turns_and_their_first_round_does_not_count() -> None:
    calls: list[str] = []

    def contestant(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    timings = harness.race({name: lambda name=name: contestant(name) for name in ("a", "b")}, rounds=3)
    assert "".join(calls) == "abababab"
    assert {t.name: t.seconds for t in timings} == {"a": (3.0, 5.0, 7.0), "b": (4.0, 6.0, 8.0)}
    assert timings[0].median == 5.0


def test_a_contestant_may_measure_several_times_at_once() -> None:
    timings = harness.race({"ours": lambda: {"epochs": 1.0, "whole": 2.0}}, rounds=2)
    assert {t.name: t.seconds for t in timings} == {"epochs": (1.0, 1.0), "whole": (2.0, 2.0)}


def test_a_section_takes_the_place_of_its_earlier_self(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "RESULTS.md")
    harness.record("One", ["old"])
    harness.record("Two", ["other"])
    harness.record("One", ["new"])
    harness.record("One", ["only printed"], write=False)
    written = harness.RESULTS.read_text()
    assert "new" in written and "other" in written
    assert "old" not in written and "only printed" not in written


@pytest.mark.parametrize("direct", [False, True])
def test_our_run_learns_what_the_peers_learn(direct: bool) -> None:
    ours = Ours(4_000, 30, 2, perceptron(64, 64), 32, direct=direct)
    problem = ours.problem().longer(4)
    seconds, whole = ours.run(4)
    assert len(problem.X) == (4_000 if direct else 3_920)
    assert 0 < seconds <= whole
    assert ours.path
    found, _ = peers(problem, (TEXTBOOK, LEAN, SCIKIT_LEARN))
    accuracies = {name: peer(problem).accuracy(problem) for name, peer in found.items()}
    guess = max((problem.y == 0).mean(), (problem.y == 1).mean())
    assert ours.accuracy > guess + 0.1
    assert accuracies == pytest.approx(dict.fromkeys(accuracies, ours.accuracy), abs=0.05)
    ours.close()


def test_the_command_measures_quickly_when_asked(capfd: pytest.CaptureFixture[str]) -> None:
    written = harness.RESULTS.read_text()
    assert training.main(["--quick", "--only", "first_step"]) == 0
    assert "| warm |" in capfd.readouterr().out
    assert harness.RESULTS.read_text() == written
