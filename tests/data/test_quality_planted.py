"""Every defect that is planted in a clean table is found, and nothing of its kind in the clean one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.data import Dataset, Finding, load_dataset, split
from medilytica_widgets.data.findings import PARTS, POINTS
from medilytica_widgets.data.quality import assess

Rng = np.random.Generator


def clean_table(rng: Rng, rows: int) -> pd.DataFrame:
    """Return a table of every kind of column in which nothing is wrong."""
    x = rng.normal(size=rows)
    table = {
        "height": rng.normal(170, 9, rows),
        "offset": x,
        "wait": rng.gamma(4, 1, rows),
        "income": rng.lognormal(3, 0.5, rows),
        "share": rng.uniform(size=rows),
        "visits": rng.integers(0, 9, rows),
        "count": rng.integers(100, 900, rows),
        "group": rng.choice(["red", "green", "blue", "grey"], rows),
        "smoker": rng.choice(["yes", "no"], rows),
        "seen": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), unit="D"),
    }
    y = np.where(x + rng.normal(0, 2.5, rows) > 0, "ill", "well")
    frame = pd.DataFrame({**table, "y": y})
    return frame[[*rng.permutation(list(table)), "y"]]


@dataclass
class Planted:
    """A table with a defect, and what is to be found."""

    table: pd.DataFrame
    columns: list[str]
    rows: list[int] | None = None
    dataset: Callable[[pd.DataFrame], Dataset] = lambda table: load_dataset(table, "y")


def _spread(rng: Rng, rows: int, count: int) -> list[int]:
    return sorted(int(r) for r in rng.choice(rows, count, replace=False))


def _inserted(rng: Rng, table: pd.DataFrame, name: str, values: Any) -> pd.DataFrame:
    out = table.copy()
    out.insert(int(rng.integers(0, table.shape[1])), name, values)
    return out


def empty(rng: Rng, table: pd.DataFrame) -> Planted:
    return Planted(_inserted(rng, table, "bad", None), ["bad"])


def constant(rng: Rng, table: pd.DataFrame) -> Planted:
    return Planted(_inserted(rng, table, "bad", rng.choice(["a", "7"])), ["bad"])


def near_constant(rng: Rng, table: pd.DataFrame) -> Planted:
    kind = rng.integers(3)
    usual, other = [("a", "b"), (0.0, 3.5), (4, 9)][kind]
    rows = _spread(rng, len(table), max(1, len(table) // 200))
    values = pd.Series([usual] * len(table))
    values.iloc[rows] = other
    return Planted(_inserted(rng, table, "bad", values), ["bad"], rows)


def identifier(rng: Rng, table: pd.DataFrame) -> Planted:
    return Planted(_inserted(rng, table, "sample_id", rng.permutation(len(table)) + 1000), ["sample_id"])


def mixed_types(rng: Rng, table: pd.DataFrame) -> Planted:
    name = rng.choice(["height", "offset", "income", "count"])
    rows = _spread(rng, len(table), 3)
    values = table[name].astype(object)
    values.iloc[rows] = ["unknown", "n.d.", "broken"]
    return Planted(table.assign(**{name: values}), [name], rows)


def duplicate_rows(rng: Rng, table: pd.DataFrame) -> Planted:
    copies = _spread(rng, len(table), 4)
    out = pd.concat([table, table.iloc[copies]], ignore_index=True)
    return Planted(out, [], list(range(len(table), len(table) + 4)))


def split_overlap(rng: Rng, table: pd.DataFrame) -> Planted:
    parts = split(load_dataset(table, "y"), seed=0)
    # the answers stay, so that the rows are divided in the same way again
    tested = int(rng.choice(parts.test))
    trained = int(rng.choice([r for r in parts.train if table.y[r] == table.y[tested]]))
    out = table.copy()
    out.iloc[tested] = out.iloc[trained]
    return Planted(out, [], [tested])


def missing_values(rng: Rng, table: pd.DataFrame) -> Planted:
    name = rng.choice([c for c in table.columns if c != "y"])
    rows = _spread(rng, len(table), 9)
    out = table.copy()
    out[name] = out[name].mask(out.index.isin(rows))
    return Planted(out, [name], rows)


def missing_together(rng: Rng, table: pd.DataFrame) -> Planted:
    names = [str(n) for n in rng.choice([c for c in table.columns if c != "y"], 3, replace=False)]
    rows = _spread(rng, len(table), 12)
    out = table.copy()
    for name in names:
        out[name] = out[name].mask(out.index.isin(rows))
    # another column's gaps lie elsewhere
    other = next(c for c in table.columns if c not in (*names, "y"))
    out[other] = out[other].mask(rng.random(len(table)) < 0.05)
    return Planted(out, [c for c in table.columns if c in names], rows)


def outliers(rng: Rng, table: pd.DataFrame) -> Planted:
    name = str(rng.choice(["height", "offset", "income", "count", "share", "wait", "visits"]))
    rows = _spread(rng, len(table), 1 if name == "visits" else 2)
    out = table.copy()
    sign = rng.choice([-1, 1]) if name in ("height", "offset") else 1
    far = {"wait": 1e5, "income": 1e5, "count": 10**6, "visits": 500, "share": 40.0}.get(name, 5000.0)
    out.loc[rows, name] = (sign * far) if isinstance(far, float) else far
    return Planted(out, [name], rows)


def class_imbalance(rng: Rng, table: pd.DataFrame) -> Planted:
    rows = _spread(rng, len(table), len(table) // 20)
    y = pd.Series(["well"] * len(table))
    y.iloc[rows] = "ill"
    return Planted(table.assign(y=y), ["y"], rows)


def leakage(rng: Rng, table: pd.DataFrame) -> Planted:
    ill = (table.y == "ill").to_numpy()
    values = [
        np.where(ill, 5.0, 2.0) + rng.normal(0, 0.05, len(table)),
        np.where(ill, "treated", "sent home"),
        np.where(ill & (rng.random(len(table)) < 0.5), "yes", "no"),
        np.where(ill, rng.normal(size=len(table)), np.nan),
    ][int(rng.integers(4))]
    return Planted(_inserted(rng, table, "bad", values), ["bad"])


def rare_categories(rng: Rng, table: pd.DataFrame) -> Planted:
    rows = _spread(rng, len(table), 2)
    out = table.copy()
    out.loc[rows, "group"] = ["gren", "violet"]
    return Planted(out, ["group"], rows)


def skew(rng: Rng, table: pd.DataFrame) -> Planted:
    sign = rng.choice([-1, 1])
    return Planted(_inserted(rng, table, "bad", sign * rng.lognormal(0, 1.8, len(table))), ["bad"])


def unnamed_or_duplicate_columns(rng: Rng, table: pd.DataFrame) -> Planted:
    out = table.copy()
    names = [str(c) for c in out.columns]
    first, second = sorted(int(i) for i in rng.choice(len(names) - 1, 2, replace=False))
    unnamed = bool(rng.integers(2))
    names[second] = "" if unnamed else names[first]
    out.columns = pd.Index(names)
    return Planted(out, [f"column {second + 1}" if unnamed else f"{names[first]} (2)"])


def small_table(rng: Rng, table: pd.DataFrame) -> Planted:
    return Planted(table.head(int(rng.integers(40, 99))), [])


DEFECTS = (
    empty,
    constant,
    near_constant,
    identifier,
    mixed_types,
    duplicate_rows,
    split_overlap,
    missing_values,
    missing_together,
    outliers,
    class_imbalance,
    leakage,
    rare_categories,
    skew,
    unnamed_or_duplicate_columns,
    small_table,
)


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_planted_defect_is_found_and_the_clean_table_has_none(plant: Any, seed: int) -> None:
    kind = plant.__name__
    rng = np.random.default_rng(seed)
    table = clean_table(rng, int(rng.integers(420, 900)))
    assert load_dataset(table, "y").quality().of(kind) == []
    planted = plant(rng, table)
    found = planted.dataset(planted.table).quality().of(kind)
    assert [f.columns for f in found] == [planted.columns]
    if planted.rows is not None:
        assert found[0].rows == planted.rows and found[0].count == len(planted.rows)
    assert found[0].message and found[0].advice


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_clean_table_has_no_findings_at_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quality = load_dataset(clean_table(rng, int(rng.integers(420, 900))), "y").quality()
    assert quality.findings == [] and quality.score == 100


def test_a_table_without_any_value_scores_nothing() -> None:
    quality = load_dataset(pd.DataFrame({"a": [None] * 200, "b": ["", "NA"] * 100})).quality()
    (finding,) = quality.findings
    assert (finding.kind, finding.columns, finding.severity) == ("empty_table", ["a", "b"], "error")
    assert quality.score == 0 and all(part.points == 0 for part in quality.parts)


def test_memory_is_estimated_and_warned_of_before_it_hurts() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.normal(size=5000), "c": rng.choice([f"k{i}" for i in range(40)], 5000)})
    data = load_dataset(frame)
    plenty = assess(data, available=10**9)
    assert plenty.of("memory") == [] and plenty.memory is not None
    assert plenty.memory.training == 5000 * 41 * 12 and plenty.memory.available == 10**9
    real = data.frame.memory_usage(deep=True, index=False).sum()
    assert 0.8 * real < plenty.memory.table < 1.25 * real
    (finding,) = assess(data, available=4 * 10**6).of("memory")
    assert "2 MB" in finding.message and "4 MB" in finding.message and finding.severity == "error"


def test_rows_on_both_sides_of_a_given_split_are_found() -> None:
    table = clean_table(np.random.default_rng(5), 500)
    table = pd.concat([table, table.iloc[:60]], ignore_index=True)
    data = load_dataset(table, "y")
    parts = split(data, seed=9)
    (finding,) = data.quality(parts).of("split_overlap")
    train = {int(r) for r in (*parts.train, *parts.validation)}
    twins = {r: (r + 500 if r < 60 else r - 500) for r in (*range(60), *range(500, 560))}
    assert finding.rows == sorted(int(r) for r in parts.test if twins.get(int(r)) in train)
    assert "this split" in finding.message


def test_the_score_is_the_sum_of_its_parts() -> None:
    table = clean_table(np.random.default_rng(2), 600).assign(bad=1, gone=None)
    table.loc[:59, "height"] = np.nan
    table["copy"] = table["y"]
    quality = load_dataset(table, "y").quality()
    assert sum(most for most, _ in PARTS.values()) == 100
    assert quality.score == round(sum(part.points for part in quality.parts))
    parts = {part.name: part for part in quality.parts}
    share = table["height"].isna().mean() / 11
    assert parts["completeness"].points == pytest.approx(25 - 100 * share - POINTS["missing_values"][0] - 2)  # type: ignore[index]
    assert parts["honesty"].points == 20 - 8 and "leakage" in parts["honesty"].reason
    assert parts["balance"].points == 10 and parts["balance"].reason == ""
    kinds = [kind for _, members in PARTS.values() for kind in members]
    assert sorted(kinds) == sorted(POINTS), "every kind counts in one part"


def test_the_gravest_come_first() -> None:
    table = clean_table(np.random.default_rng(2), 600).assign(one=1)
    table["copy"] = table["y"]
    table.loc[5, "height"] = 9000.0
    told: list[Finding] = load_dataset(table, "y").quality().findings
    assert [f.severity for f in told] == ["error", "warning", "note"]


def test_a_leak_that_was_set_aside_is_a_note_and_costs_nothing() -> None:
    table = clean_table(np.random.default_rng(2), 600)
    table["treated"] = np.where(table.y == "ill", 1.5, np.nan) * np.arange(1, 601)
    quality = load_dataset(table, "y", exclude=["treated"]).quality()
    (finding,) = quality.of("leakage")
    assert finding.settled and finding.severity == "note" and quality.score == 100
    assert load_dataset(table, "y").quality().of("leakage")[0].severity == "error"


def test_a_long_tail_is_skewed_and_no_outlier() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"pay": np.where(rng.random(3000) < 0.6, 0, rng.lognormal(8, 1.5, 3000)), "loss": 0.0})
    frame["loss"] = -rng.lognormal(2, 1.7, 3000)
    quality = load_dataset(frame).quality()
    assert quality.of("outliers") == []
    assert quality.of("skew")[0].columns == ["loss"]


def test_two_heaps_are_not_skewed() -> None:
    rng = np.random.default_rng(1)
    values = rng.permutation(np.concatenate([rng.normal(0, 1, 290), rng.normal(30, 1, 310)]))
    assert load_dataset(pd.DataFrame({"x": values})).quality().of("skew") == []


def test_a_large_table_takes_about_a_second() -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"n{k}": rng.normal(size=100_000) for k in range(18)}
    columns |= {f"i{k}": rng.integers(0, 1000, 100_000) for k in range(4)}
    columns |= {f"c{k}": rng.choice(["a", "b", "c", "d"], 100_000) for k in range(7)}
    data = load_dataset(pd.DataFrame({**columns, "y": rng.choice(["u", "v"], 100_000)}), "y")
    # the processor's time, so that a busy machine counts for nothing
    began = time.process_time()
    quality = data.quality()
    assert time.process_time() - began < 4
    assert quality.score == 100
