"""The kinds of the columns of an experiment's table: a change that can be undone, and that the next run learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import ColumnNotFoundError, DataError, SpecError

ROWS = 120


def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    code = rng.integers(1, 5, ROWS)
    return pd.DataFrame(
        {
            "code": code,
            "grade": [f"0{k}" for k in rng.integers(1, 4, ROWS)],
            "x": rng.normal(size=ROWS),
            "y": np.where(code % 2, "odd", "even"),
        }
    )


def experiment(data: mw.Dataset | None = None) -> mw.Experiment:
    return mw.Experiment(data or mw.load_dataset(table(), "y"), algorithm="decision_tree")


def test_a_kind_is_one_step_of_undo_and_part_of_the_specification() -> None:
    exp = experiment()
    first, told = exp.data, []
    exp.changed.connect(told.append)
    exp.set_kinds({"code": "categorical"}, author="Ann")
    assert exp.data.column("code").kind == "categorical" and exp.spec.data.kinds == {"code": "categorical"}
    assert "data" in told and first.column("code").kind == "numeric"
    exp.set_kinds({"x": "identifier"})
    assert exp.spec.data.kinds == {"code": "categorical", "x": "identifier"}
    exp.undo()
    assert exp.spec.data.kinds == {"code": "categorical"} and exp.data.column("x").role == "feature"
    exp.undo()
    assert exp.spec.data == first.spec and exp.data.frame.equals(first.frame)
    exp.redo()
    assert exp.data.column("code").kind == "categorical" == exp.data.columns[0].kind
    exp.set_kinds({"code": None})
    assert exp.spec.data.kinds == {} and exp.data.column("code").kind == "numeric"
    assert any("code is categorical" in note["what"] and note["who"] == "Ann" for note in exp._activity)


def test_the_next_run_learns_from_it() -> None:
    exp = experiment()
    assert not any(name.startswith("code_") for name in exp.prepared().feature_names)
    exp.set_kinds({"code": "categorical", "x": "identifier"})
    run = exp.train(wait=True)
    exp.undo()
    assert run.status == "finished"
    names = run.prepared.feature_names
    assert sum(name.startswith("code") for name in names) == 4 and "x" not in names
    assert run.data.column("code").kind == "categorical", "a change after it is none of the run's"
    assert exp.data.column("code").kind == "numeric" and "x" in exp.prepared().feature_names
    exp.redo()
    assert '"code"' in exp.to_code() and '"x"' not in exp.to_code()


def test_a_refused_kind_changes_nothing() -> None:
    exp = experiment()
    spec, data = exp.spec, exp.data
    with pytest.raises(DataError, match="no number"):
        exp.set_kinds({"code": "categorical", "y": "numeric"})
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'code'"):
        exp.set_kinds({"cod": "categorical"})
    assert exp.spec == spec and exp.data is data and not exp.can_undo


def test_words_of_a_file_come_back_by_undo_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    exp = experiment(mw.load_dataset(path, "y"))
    assert exp.data.column("grade").kind != "text"
    exp.set_kinds({"grade": "categorical"})
    assert exp.data.frame["grade"][0].startswith("0")
    exp.undo()
    path.write_text(path.read_text().replace("odd", "uneven"))
    exp.redo()
    assert exp.data.frame["grade"][0].startswith("0"), "it is kept, and the file is not read again"
    exp.undo()
    with pytest.raises(SpecError, match="has changed since"):
        exp.set_kinds({"code": "text"})
    assert exp.spec.data.kinds == {}


def test_a_specification_with_other_kinds_can_be_assigned() -> None:
    exp = experiment()
    plain = exp.spec.to_json()
    plain["data"]["kinds"] = {"code": "categorical"}
    wanted = experiment(exp.data.with_kinds({"code": "categorical"})).spec
    exp.spec = {**plain, "data": wanted.to_json()["data"]}
    assert exp.data.column("code").kind == "categorical" and exp.can_undo
    exp.undo()
    assert exp.data.column("code").kind == "numeric"
    other = table().assign(x=0.5)
    with pytest.raises(SpecError, match="another table"):
        exp.spec = experiment(mw.load_dataset(other, "y").with_kinds({"code": "categorical"})).spec


def test_edits_stay_beside_kinds() -> None:
    exp = experiment()
    exp.edit_cell(0, "x", 7.5)
    exp.set_kinds({"code": "categorical"})
    assert exp.data.frame["x"][0] == 7.5 and len(exp.spec.data.edits) == 1
    exp.undo()
    assert exp.data.frame["x"][0] == 7.5 and exp.data.column("code").kind == "numeric"
    exp.undo()
    assert exp.data.frame["x"][0] != 7.5
