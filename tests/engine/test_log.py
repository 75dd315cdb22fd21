"""The log of a run: lines that are only added, read by cursor, in bounded memory."""

from __future__ import annotations

import json
import threading
import time

import pandas as pd
import pytest

from medilytica_widgets.engine.log import LogEntry, TrainingLog
from medilytica_widgets.errors import InputError


def _numbers(entries: list[LogEntry]) -> list[int]:
    return [entry.number for entry in entries]


def test_a_line_says_when_where_and_what_to_try() -> None:
    log = TrainingLog()
    before = time.time()
    entry = log.append("warning", "Units are dead.", epoch=1.5, step=30, advice="Try gelu.", kind="dead_units")
    assert before <= entry.time <= time.time()
    assert log.read()[0] == [LogEntry(0, entry.time, "warning", 1.5, 30, "Units are dead.", "Try gelu.", "dead_units")]
    with pytest.raises(AttributeError):
        entry.message = "changed"  # type: ignore[misc]


def test_a_reader_gets_only_what_is_new() -> None:
    log = TrainingLog()
    log.append("info", "one")
    entries, cursor = log.read()
    assert (_numbers(entries), cursor) == ([0], 1)
    assert log.read(cursor) == ([], 1)
    log.append("training", "two")
    entries, cursor = log.read(cursor)
    assert ([e.message for e in entries], cursor, len(log)) == (["two"], 2, 2)


@pytest.mark.parametrize("cursor", [-5, 7])
def test_a_cursor_out_of_range_is_brought_back(cursor: int) -> None:
    log = TrainingLog()
    log.append("info", "one")
    assert log.read(cursor)[1] == 1


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    log = TrainingLog()
    with pytest.raises(InputError, match="info, warning, error, training"):
        log.append("debug", "…")  # type: ignore[arg-type]
    assert len(log) == 0


def test_progress_is_thinned_and_warnings_stay() -> None:
    log = TrainingLog(capacity=100)
    for i in range(5000):
        log.append("warning" if i % 500 == 0 else "training", str(i))
    entries, _ = log.read(notices=False)
    assert len(log) == len(entries) <= 100
    assert [e.number for e in entries if e.level == "warning"] == list(range(0, 5000, 500))
    progress = [e.number for e in entries if e.level == "training"]
    assert progress[-1] == 4999
    gaps = [b - a for a, b in zip(progress, progress[1:], strict=False)]
    assert max(gaps[-10:]) <= 2 < max(gaps[:10])


def test_where_nothing_else_is_left_old_warnings_go_before_errors() -> None:
    log = TrainingLog(capacity=80)
    for i in range(60):
        log.append("error", str(i))
    for i in range(1000):
        log.append("info" if i % 2 else "warning", str(i))
    entries, _ = log.read(notices=False)
    assert len(entries) <= 80
    assert [e.number for e in entries if e.level == "error"] == list(range(60))
    assert entries[-1].number == 1059


def test_a_reader_who_was_too_slow_is_told_how_many_are_missing() -> None:
    log = TrainingLog(capacity=50)
    for i in range(20):
        log.append("training", str(i))
    _, cursor = log.read()
    for i in range(20, 1000):
        log.append("training", str(i))
    entries, end = log.read(cursor)
    notice, kept = entries[0], entries[1:]
    assert (notice.kind, notice.number, notice.level) == ("missing", 20, "info")
    assert notice.message.startswith(f"{1000 - 20 - len(kept)} lines ")
    assert _numbers(log.read(cursor, notices=False)[0]) == _numbers(kept)
    assert all(n >= 20 for n in _numbers(kept))
    assert log.read(end) == ([], 1000)


def test_ten_thousand_lines_are_kept_whole() -> None:
    log = TrainingLog()
    for i in range(10_000):
        log.append("training", str(i))
    assert _numbers(log.read()[0]) == list(range(10_000))
    log.append("training", "one more")
    assert len(log) < 10_000


def test_json_brings_back_lines_numbers_and_gaps() -> None:
    log = TrainingLog(capacity=40)
    for i in range(300):
        log.append("training", str(i), epoch=i / 10, step=i)
    again = TrainingLog.from_json(json.loads(json.dumps(log.to_json())), capacity=40)
    assert again.read() == log.read()
    assert again.append("info", "next").number == 300


def test_damaged_json_is_said() -> None:
    entry = TrainingLog().append("info", "one").to_json()
    with pytest.raises(InputError, match="cannot be read"):
        LogEntry.from_json({**entry, "number": "x"})
    with pytest.raises(InputError, match="cannot be read"):
        LogEntry.from_json({**entry, "level": "debug"})
    with pytest.raises(InputError, match="no training log"):
        TrainingLog.from_json({"lines": []})


def test_a_twin_in_another_process_follows_under_the_same_numbers() -> None:
    log, twin, cursor = TrainingLog(capacity=40), TrainingLog(capacity=400), 0
    for i in range(200):
        log.append("training", str(i))
        if i % 70 == 0:
            entries, cursor = log.read(cursor, notices=False)
            twin.receive(entries, cursor)
            twin.receive(entries, cursor)
    assert twin.total == cursor == 141
    numbers = _numbers(twin.read(notices=False)[0])
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0 and numbers[-1] == 140


def test_the_frame_has_a_row_for_each_line() -> None:
    log = TrainingLog()
    assert len(log.frame()) == 0
    log.append("info", "one", epoch=0.5, kind="start")
    frame = log.frame()
    assert list(frame.columns) == ["number", "time", "level", "epoch", "step", "message", "advice", "kind"]
    assert isinstance(frame["time"].dtype, pd.DatetimeTZDtype)
    assert frame["message"].tolist() == ["one"]


def test_threads_add_and_read_without_loss() -> None:
    log, wrong = TrainingLog(capacity=40_000), []

    def write() -> None:
        for i in range(5000):
            log.append("info", str(i))

    def read() -> None:
        cursor, seen = 0, []
        while cursor < 20_000:
            entries, cursor = log.read(cursor)
            seen += _numbers(entries)
        if seen != list(range(20_000)):
            wrong.append(seen)

    threads = [threading.Thread(target=f) for f in (write,) * 4 + (read,) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert len(log) == 20_000
