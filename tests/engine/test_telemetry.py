"""Columns that only grow, read by cursor."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from medilytica_widgets.engine import Telemetry, history_columns
from medilytica_widgets.errors import StateError


def test_a_reader_gets_only_what_is_new() -> None:
    telemetry = Telemetry(("epoch", "loss"))
    telemetry.append({"epoch": 1, "loss": 0.5})
    rows, cursor = telemetry.read()
    assert (rows["epoch"].tolist(), rows["loss"].tolist(), cursor) == ([1.0], [0.5], 1)
    assert telemetry.read(cursor)[0]["epoch"].size == 0
    telemetry.append({"epoch": 2, "loss": 0.25})
    rows, cursor = telemetry.read(cursor)
    assert (rows["epoch"].tolist(), cursor, len(telemetry)) == ([2.0], 2, 2)


def test_what_was_read_does_not_change() -> None:
    telemetry = Telemetry(("epoch",))
    telemetry.append({"epoch": 1})
    rows, _ = telemetry.read()
    rows["epoch"][0] = 99
    assert telemetry.read()[0]["epoch"][0] == 1
    with pytest.raises((AttributeError, TypeError)):
        telemetry.columns.append("more")  # type: ignore[attr-defined]


@pytest.mark.parametrize("cursor", [-5, 7])
def test_a_cursor_out_of_range_is_brought_back(cursor: int) -> None:
    telemetry = Telemetry(("epoch",))
    telemetry.append({"epoch": 1})
    assert telemetry.read(cursor)[1] == 1


def test_missing_columns_are_nan_and_unknown_ones_refused() -> None:
    telemetry = Telemetry(("epoch", "loss"))
    telemetry.append({"epoch": 1})
    assert np.isnan(telemetry.read()[0]["loss"][0])
    with pytest.raises(StateError, match="lost"):
        telemetry.append({"lost": 1.0})


def test_the_frame_has_the_history_columns_in_order() -> None:
    telemetry = Telemetry(history_columns("classification"))
    telemetry.append({"epoch": 3, "train_loss": 0.1})
    frame = telemetry.frame()
    assert list(frame.columns) == [
        "epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "seconds",
        "samples_per_second",
    ]  # fmt: skip
    assert frame["epoch"].dtype == np.int64
    assert "val_mean_absolute_error" in history_columns("regression")


def test_readers_beside_a_writer_see_whole_rows() -> None:
    telemetry = Telemetry(("epoch", "double"))
    total, seen, wrong = 20_000, [], []

    def read() -> None:
        cursor = 0
        while cursor < total:
            rows, cursor = telemetry.read(cursor)
            if not np.array_equal(rows["double"], 2 * rows["epoch"]):
                wrong.append(cursor)
            seen.append(len(rows["epoch"]))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(total):
        telemetry.append({"epoch": i, "double": 2 * i})
    for reader in readers:
        reader.join(30)
    assert not wrong
    assert sum(seen) == 3 * total
