"""Kinds that a person chose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import DataSpec, load_dataset
from medilytica_widgets.errors import ColumnNotFoundError, DataError, MissingFileError, UnknownArgumentError

RNG = np.random.default_rng(4)
ROWS = 90


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "zip": RNG.integers(10_000, 99_999, ROWS),
            "group": RNG.integers(0, 5, ROWS),
            "dose": [f"{k * 0.5}" for k in range(ROWS)],
            "when": [f"March {1 + k % 28}, 2021" for k in range(ROWS)],
            "year": 1990 + RNG.integers(0, 30, ROWS),
            "mark": ["a", "b", "c"] * (ROWS // 3),
            "same": 7,
            "gone": None,
            "y": RNG.choice(["u", "v"], ROWS),
        }
    )


def test_numbers_become_categories_and_the_evidence_says_who_chose() -> None:
    data = load_dataset(table(), "y", kinds={"group": "categorical"})
    column = data.column("group")
    assert (column.kind, column.role, column.discrete) == ("categorical", "feature", False)
    assert "by hand" in column.evidence
    chosen = load_dataset(table(), kinds={"zip": "identifier"}).column("zip")
    assert "by hand" in chosen.evidence and "it would be numeric" in chosen.evidence
    assert set(data.frame["group"]) == {"0", "1", "2", "3", "4"}
    assert data.column("zip").kind == load_dataset(table(), "y").column("zip").kind


def test_words_of_a_file_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,x\n" + "".join(f"{k % 7:0{1 + k % 3}d},{k}.5\n" for k in range(60)))
    written = [f"{k % 7:0{1 + k % 3}d}" for k in range(60)]
    assert load_dataset(path).column("code").kind == "numeric"
    assert load_dataset(path, kinds={"code": "categorical"}).frame["code"].tolist() == written
    assert load_dataset(path).with_kinds({"code": "categorical"}).frame["code"].tolist() == written


def test_with_kinds_gives_another_dataset_and_leaves_this_one_alone() -> None:
    data = load_dataset(table(), "y")
    other = data.with_kinds({"group": "categorical", "zip": "identifier"})
    assert data.column("group").kind == "numeric" and data.spec.kinds == {}
    assert other.column("group").kind == "categorical" and other.column("zip").role == "set_aside"
    assert other.spec.kinds == {"group": "categorical", "zip": "identifier"}
    more = other.with_kinds({"group": None})
    assert more.column("group").kind == "numeric" and more.spec.kinds == {"zip": "identifier"}
    assert more.frame["group"].tolist() == data.frame["group"].tolist()
    assert other.target == "y" and len(other) == len(data)


def test_both_ways_give_the_same_table() -> None:
    frame = table()
    kinds = {"group": "categorical", "dose": "numeric", "when": "datetime", "year": "datetime"}
    at_once, later = load_dataset(frame, "y", kinds=kinds), load_dataset(frame, "y").with_kinds(kinds)
    assert at_once.spec == later.spec
    pd.testing.assert_frame_equal(at_once.frame, later.frame)
    assert [c.kind for c in at_once.columns] == [c.kind for c in later.columns]
    assert later.frame["when"].iloc[2] == pd.Timestamp("2021-03-03")
    assert later.frame["year"].dt.year.tolist() == frame["year"].tolist()


def test_a_file_is_read_again_only_for_its_words(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table().to_csv(path, index=False)
    data = load_dataset(path, "y")
    path.unlink()
    assert data.with_kinds({"zip": "identifier", "when": "datetime"}).column("when").kind == "datetime"
    with pytest.raises(MissingFileError):
        data.with_kinds({"zip": "categorical"})


def test_other_kinds_are_no_other_content() -> None:
    for name in ("iris", "kepler"):
        data = load_dataset(name)
        number = next(c.name for c in data.features if c.kind == "numeric")
        other = data.with_kinds({number: "categorical"})
        assert other.column(number).kind == "categorical"
        back = other.with_kinds({number: None})
        assert back.spec == data.spec
        for table_ in (other, back):
            assert not any("has changed" in note for note in table_.notes)


def test_what_was_said_of_other_columns_is_not_lost() -> None:
    frame = pd.DataFrame({"dose": [*(f"{k}.5" for k in range(60)), "high"], "g": [*range(3)] * 20 + [1]})
    frame.columns = ["dose", "dose"]
    other = load_dataset(frame).with_kinds({"dose (2)": "categorical"})
    assert other.quality().of("mixed_types")[0].rows == [60]
    assert other.quality().of("unnamed_or_duplicate_columns")[0].columns == ["dose (2)"]
    assert any("'dose'" in note for note in other.notes)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"mark": "numeric"}, r"'mark' cannot be numeric: 90 cells are no number, for example 'a', 'b', 'c'"),
        ({"mark": "datetime"}, r"'mark' cannot be datetime: 90 cells are no date .*'a', 'b', 'c'"),
        ({"zip": "datetime"}, r"'zip' cannot be datetime"),
        ({"mark": "binary"}, r"'mark' cannot be binary.*3 different values, for example 'a', 'b', 'c'"),
        ({"mark": "constant"}, r"'mark' cannot be constant.*3 different.*exclude=\['mark'\]"),
        ({"same": "categorical"}, r"'same' cannot be categorical: its only value is '7'"),
        ({"gone": "text"}, r"'gone' cannot be text: no cell"),
        ({"mark": "categoric"}, r"The kind of 'mark' is 'categoric'.*Did you mean 'categorical'"),
    ],
)
def test_values_that_do_not_fit_are_named(kinds: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_dataset(table(), "y", kinds=kinds)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=said):
        load_dataset(table(), "y").with_kinds(kinds)  # type: ignore[arg-type]


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'group'"):
        load_dataset(table(), "y", kinds={"gruop": "categorical"})
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'group'"):
        load_dataset(table(), "y").with_kinds({"gruop": "categorical"})
    with pytest.raises(UnknownArgumentError, match="Did you mean 'kinds'"):
        load_dataset(table(), "y", kind={"group": "categorical"})


def test_the_spec_carries_the_kinds_and_an_old_spec_stays_what_it_was() -> None:
    plain = load_dataset("kepler").spec
    assert "kinds" not in plain.model_dump()
    assert DataSpec.model_validate(plain.model_dump()) == plain
    chosen = load_dataset("kepler", kinds={"koi_tce_plnt_num": "categorical"})
    again = type(chosen).from_spec(json.loads(chosen.spec.model_dump_json()))
    assert again.spec == chosen.spec and again.column("koi_tce_plnt_num").kind == "categorical"


def test_a_category_by_hand_is_learned_as_one_and_its_numbers_are_understood_in_new_rows() -> None:
    import medilytica_widgets as mw

    frame = table().drop(columns=["same", "gone", "when"])
    exp = mw.Experiment(load_dataset(frame, "y", kinds={"group": "categorical"}), algorithm="logistic_regression")
    assert {"group=0", "group=4"} <= set(exp.prepared().preprocessor.feature_names)
    run = exp.train(wait=True)
    one, other = run.predict(frame.head(20)), run.predict(frame.head(20).astype({"group": float}))
    pd.testing.assert_frame_equal(one, other)


def test_the_script_of_such_a_run_prints_its_metrics(tmp_path: Path) -> None:
    import medilytica_widgets as mw

    group = RNG.integers(0, 5, 300)
    frame = pd.DataFrame(
        {
            "group": [f"{v:02d}" if k % 2 else str(v) for k, v in enumerate(group)],
            "when": [f"March {1 + k % 28}, 2021" for k in range(300)],
            "day": 20_210_101 + RNG.integers(0, 28, 300),
            "x": RNG.normal(size=300),
        }
    )
    frame["y"] = np.where(frame.x + (group == 3) * 2 + RNG.normal(0, 0.4, 300) > 0.4, "u", "v")
    frame.to_csv(tmp_path / "table.csv", index=False)
    kinds = {"group": "categorical", "when": "datetime", "day": "datetime"}
    data = load_dataset(tmp_path / "table.csv", "y", kinds=kinds)  # type: ignore[arg-type]
    run = mw.Experiment(data, algorithm="logistic_regression").train(wait=True)
    (tmp_path / "script.py").write_text(run.to_code())
    said = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    ).stdout
    printed = {name: float(value) for name, value in (line.split() for line in said.splitlines() if line)}
    assert printed and all(run.evaluate().metrics[name] == value for name, value in printed.items())
