"""Retention removes files of ended runs, oldest first, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medilytica_widgets.errors import InputError
from medilytica_widgets.store import Retention, RunRecord, RunStore, apply, run_folder

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def name(number: int) -> str:
    return f"{number:012x}"


@pytest.fixture
def filled(stores: Callable[..., RunStore]) -> RunStore:
    """Runs 1 to 5, which ended 5 to 1 days ago, with 1000 bytes each, and 6, which trains."""
    store = stores()
    for number in range(1, 7):
        living = number == 6
        ended = None if living else NOW - timedelta(days=6 - number)
        store.post(
            RunRecord(id=name(number), name=f"run {number}", status="running" if living else "finished", ended=ended)
        )
        folder = run_folder(name(number))
        (folder / "epochs").mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_bytes(b"x" * 600)
        (folder / "epochs" / "00000001.safetensors").write_bytes(b"x" * 400)
    return store


def left() -> list[int]:
    return [number for number in range(1, 7) if run_folder(name(number)).exists()]


@pytest.mark.parametrize(
    ("retention", "kept", "reason"),
    [
        (Retention(), [1, 2, 3, 4, 5, 6], None),
        (Retention(runs=2), [4, 5, 6], "runs"),
        (Retention(runs=0), [6], "runs"),
        (Retention(days=2.5), [4, 5, 6], "days"),
        (Retention(bytes=3999), [4, 5, 6], "bytes"),
        (Retention(bytes=4000), [3, 4, 5, 6], "bytes"),
        (Retention(bytes=0), [6], "bytes"),
        (Retention(days=1e30, runs=10**9, bytes=10**18), [1, 2, 3, 4, 5, 6], None),
    ],
)
def test_what_is_beyond_a_limit_goes(
    filled: RunStore, retention: Retention, kept: list[int], reason: str | None
) -> None:
    foreseen = apply(filled, retention, now=NOW, dry_run=True)
    assert left() == [1, 2, 3, 4, 5, 6]
    removed = apply(filled, retention, now=NOW)
    assert left() == kept
    assert removed.equals(foreseen)
    assert removed.index.tolist() == [name(n) for n in range(1, 7) if n not in kept]
    assert set(removed["reason"]) == ({reason} if reason else set())
    assert removed["bytes"].tolist() == [1000] * len(removed)
    assert len(filled.list()) == 6
    assert len(apply(filled, retention, now=NOW)) == 0


def test_records_go_too_when_asked(filled: RunStore) -> None:
    apply(filled, Retention(runs=1), now=NOW, records=True)
    assert filled.list(order="id").index.tolist() == [name(5), name(6)]


def test_a_run_that_lives_again_when_its_turn_comes_stays(filled: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    found = filled.records()
    monkeypatch.setattr(filled, "records", lambda: found)
    filled.post(name(1), status="running")
    removed = apply(filled, Retention(runs=3), now=NOW)
    assert removed.index.tolist() == [name(2)] and left() == [1, 3, 4, 5, 6]


def test_a_record_cannot_point_retention_at_another_folder(filled: RunStore, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    filled.post(name(1), folder=str(precious))
    run_folder(name(2)).rename(tmp_path / "moved")
    run_folder(name(2)).symlink_to(tmp_path / "moved")
    apply(filled, Retention(runs=0), now=NOW)
    assert precious.is_dir() and (tmp_path / "moved" / "checkpoint.safetensors").exists()
    assert left() == [6]


@pytest.mark.parametrize("limits", [{"runs": -1}, {"days": float("nan")}, {"bytes": "10 GB"}, {"runs": True}])
def test_a_limit_that_is_none_is_refused(limits: dict[str, object]) -> None:
    with pytest.raises(InputError, match="takes a number from 0"):
        Retention(**limits)  # type: ignore[arg-type]


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Retention.from_environment() is None
    monkeypatch.setenv("MEDILYTICA_KEEP_RUNS", "3")
    monkeypatch.setenv("MEDILYTICA_KEEP_DAYS", "0.5")
    assert Retention.from_environment() == Retention(runs=3, days=0.5)
    monkeypatch.setenv("MEDILYTICA_KEEP_BYTES", "much")
    with pytest.raises(InputError, match="MEDILYTICA_KEEP_BYTES is 'much'"):
        Retention.from_environment()
