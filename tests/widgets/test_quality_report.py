"""The quality report: what travels, the rows it answers with, the static form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import Dataset, load_dataset
from medilytica_widgets.errors import UnknownArgumentError
from medilytica_widgets.widgets.quality_report import QualityReport

HOSTILE = "<script>alert(1)</script>"
ROWS = 400


def sick() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "patient_id": range(7000, 7000 + ROWS),
            "height": rng.normal(170, 9, ROWS),
            HOSTILE: rng.normal(size=ROWS),
            "y": rng.choice(["ill", "well"], ROWS),
        }
    )
    table.loc[[40, 90], "height"] = [9000.0, -9000.0]
    table[HOSTILE] = np.where(table.y == "ill", 5, 1) + rng.normal(0, 0.01, ROWS)
    return table


@pytest.fixture
def report(browser: Any) -> QualityReport:
    return QualityReport(load_dataset(sick(), "y", name="<b>patients</b>"))


def test_the_first_message_carries_the_whole_report(browser: Any, report: QualityReport) -> None:
    state = next(c.opened["state"] for c in browser.comms if c.comm_id == report.self_id)
    told = state["report"]
    json.dumps(told, allow_nan=False)
    quality = report.data.quality()
    assert (told["score"], told["rows"], told["columns"], told["total"]) == (
        quality.score,
        ROWS,
        4,
        len(quality.findings),
    )
    assert told["score"] == round(sum(part["points"] for part in told["parts"]))
    kinds = [(f["severity"], f["kind"]) for f in told["findings"]]
    assert kinds == [("error", "leakage"), ("warning", "outliers"), ("note", "identifier")]
    assert told["findings"][1]["count"] == told["findings"][1]["examples"] == 2
    assert state["component"] == "QualityReport"


def test_example_rows_come_with_what_helps_to_recognise_them(browser: Any, report: QualityReport) -> None:
    envelope, _ = browser.ask(report, "quality.rows", {"finding": 1})
    body = envelope["body"]
    assert body["rows"] == [40, 90]
    assert [(c["name"], c["about"]) for c in body["columns"]][:3] == [
        ("height", True),
        ("patient_id", False),
        ("y", False),
    ]
    assert [row[:2] for row in body["cells"]] == [["9000", "7040"], ["-9000", "7090"]]


@pytest.mark.parametrize("place", [-1, 3, 99])
def test_a_finding_that_is_none_is_refused(browser: Any, report: QualityReport, place: int) -> None:
    envelope, _ = browser.ask(report, "quality.rows", {"finding": place})
    assert envelope["kind"] == "quality.rows.error" and "the table has 3" in envelope["body"]["message"]


def test_long_cells_are_cut(browser: Any) -> None:
    frame = pd.DataFrame({"t": ["word " * 400] * 3 + [f"other {k} remarks on it all" for k in range(200)], "x": 1})
    report = QualityReport(frame)
    place = next(i for i, f in enumerate(report.report["findings"]) if f["kind"] == "duplicate_rows")
    envelope, _ = browser.ask(report, "quality.rows", {"finding": place})
    assert max(len(cell) for row in envelope["body"]["cells"] for cell in row) == 160


def test_a_frame_and_an_experiment_can_be_shown_too(browser: Any) -> None:
    import medilytica_widgets as mw

    assert isinstance(QualityReport(sick()).data, Dataset)
    exp = mw.Experiment(load_dataset("iris"), algorithm="logistic_regression")
    assert QualityReport(exp).data is exp.data
    assert mw.QualityReport is QualityReport


def test_an_unknown_argument_names_what_there_is(browser: Any) -> None:
    with pytest.raises(UnknownArgumentError, match="heigth"):
        QualityReport(sick(), heigth=3)


def test_the_static_form_shows_score_findings_rows_and_advice(headless: Any) -> None:
    report = QualityReport(load_dataset(sick(), "y", name="<b>patients</b>"))
    html = report.static_html()
    assert f"Quality score: {report.data.quality().score} of 100" in html
    for words in ("Error: leakage", "Warning: outliers", "Note: identifier", "What to do:", "9000", "honesty"):
        assert words in html, words
    assert "<script>alert" not in html and "<b>patients" not in html and "&lt;script&gt;" in html
    assert headless.comms == []


def test_a_sound_table_says_so_in_a_report(headless: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "y": rng.choice(["u", "v"], ROWS)})
    html = QualityReport(load_dataset(frame, "y")).static_html()
    assert "Nothing was found that needs attention." in html and "100 of 100" in html
