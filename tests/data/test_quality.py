"""Findings about tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import BUILTIN, Dataset, FindingKind, load_dataset


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "y": rng.choice(["u", "v"], rows)})


def kinds(data: Dataset) -> set[str]:
    return {f.kind.value for f in data.quality().findings}


def test_a_sound_table_has_no_findings() -> None:
    quality = load_dataset(frame(), "y").quality()
    assert quality.findings == [] and quality.score == 100


def test_empty_constant_and_identifier_columns() -> None:
    table = frame().assign(e=None, c=3, patient_id=range(7000, 7400))
    quality = load_dataset(table, "y").quality()
    for kind, name in (("empty", "e"), ("constant", "c"), ("identifier", "patient_id")):
        assert quality.of(kind)[0].columns == [name]
        assert "aside" in quality.of(kind)[0].advice


def test_duplicate_rows_apart_from_identifiers() -> None:
    table = pd.concat([frame(200), frame(200).iloc[:7]], ignore_index=True).assign(row_id=range(207))
    (finding,) = load_dataset(table, "y").quality().of(FindingKind.DUPLICATE_ROWS)
    assert finding.rows == list(range(200, 207))


def test_class_imbalance() -> None:
    table = frame(400).assign(y=["rare"] * 20 + ["common"] * 380)
    (finding,) = load_dataset(table, "y").quality().of("class_imbalance")
    assert "'rare'" in finding.message and finding.rows == list(range(20))
    assert "class_imbalance" not in kinds(load_dataset(table.assign(y=["u", "v"] * 200), "y"))


def test_missing_values_name_the_worst_first() -> None:
    table = frame()
    table.loc[:9, "a"] = np.nan
    table.loc[:299, "b"] = np.nan
    (finding,) = load_dataset(table, "y").quality().of("missing_values")
    assert finding.columns == ["b", "a"] and len(finding.rows) == 300
    assert "'b'" in finding.advice


def test_a_missing_target_is_said() -> None:
    table = frame()
    table.loc[:9, "y"] = None
    (finding,) = load_dataset(table, "y").quality().of("missing_values")
    assert finding.columns == ["y"] and finding.rows == list(range(10))


def test_small_tables() -> None:
    assert "small_table" in kinds(load_dataset(frame(40), "y"))


def test_a_copy_of_the_answer_is_suspected() -> None:
    table = frame()
    table["code"] = np.where(table.y == "u", 1.0, 2.0) + np.random.default_rng(1).normal(0, 0.01, 400)
    table["word"] = table.y.map({"u": "sick", "v": "well"})
    leaks = {f.columns[0] for f in load_dataset(table, "y").quality().of("leakage")}
    assert leaks == {"code", "word"}


def test_a_flag_only_ever_set_for_one_class_is_suspected() -> None:
    table = frame()
    table["flag"] = ((table.y == "u") & (table.index % 3 == 0)).astype(int)
    (finding,) = load_dataset(table, "y").quality().of("leakage")
    assert finding.columns == ["flag"] and "100.0%" in finding.message and "exclude" in finding.advice


def test_a_column_present_only_for_one_class_is_suspected() -> None:
    table = frame()
    table["treated"] = np.where(table.y == "u", np.random.default_rng(1).normal(size=400), np.nan)
    (finding,) = load_dataset(table, "y").quality().of("leakage")
    assert finding.columns == ["treated"]


def test_rows_whose_classes_take_turns_are_judged_like_any_others() -> None:
    table = pd.DataFrame({"y": ["u", "v"] * 200, "noise": np.random.default_rng(0).normal(size=400)})
    table["code"] = np.where(table.y == "u", 1.0, 2.0) + np.random.default_rng(1).normal(0, 0.01, 400)
    (finding,) = load_dataset(table, "y").quality().of("leakage")
    assert finding.columns == ["code"]


def test_a_number_that_is_the_answer_in_other_units_is_suspected() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"f": rng.normal(size=400), "noise": rng.normal(size=400)})
    table["c"] = (table.f - 32) / 1.8
    (finding,) = load_dataset(table, "c").quality().of("leakage")
    assert finding.columns == ["f"]


def test_keplers_own_leaks_are_found_by_the_numbers(kepler: Dataset) -> None:
    expected = {
        "kepler_name",
        "koi_pdisposition",
        "koi_score",
        "koi_fpflag_nt",
        "koi_fpflag_ss",
        "koi_fpflag_co",
        "koi_fpflag_ec",
    }
    assert {f.columns[0] for f in kepler.quality().of("leakage")} == expected
    assert {f.columns[0] for f in load_dataset("kepler").quality().of("leakage")} == expected
    (name,) = (f for f in kepler.quality().of("leakage") if f.columns == ["kepler_name"])
    assert "CONFIRMED" in name.message and "set aside already" in name.advice


def test_honest_tables_raise_no_suspicion(adult: Dataset, heart: Dataset, planets: Dataset) -> None:
    for data in (adult, heart, planets, *(load_dataset(name) for name in BUILTIN if name != "kepler")):
        assert data.quality().of("leakage") == [], data.name


def test_the_score_falls_with_what_is_wrong(kepler: Dataset) -> None:
    assert kepler.quality().score < load_dataset("wine").quality().score == 100


def test_summary_is_plain_data(kepler: Dataset) -> None:
    summary = json.loads(json.dumps(kepler.summary(), allow_nan=False))
    assert summary["rows"] == 9564 and summary["target"] == "koi_disposition"
    assert summary["features"][0]["role"] == "target" and len(summary["features"][0]["histogram"]) == 3
    heights = {f["name"]: f["histogram"] for f in summary["features"]}
    assert len(heights["koi_period"]) == 16 and max(heights["koi_period"]) == 1.0
    # the periods spread over decades: a log scale fills more than the first bars
    assert sum(h > 0.05 for h in heights["koi_period"]) > 8
    assert {a["name"] for a in summary["set_aside"]} == set(kepler.set_aside)


@pytest.mark.parametrize("name", ["diabetes", "iris"])
def test_quality_is_computed_once(name: str) -> None:
    data = load_dataset(name)
    assert data.quality() is data.quality()
