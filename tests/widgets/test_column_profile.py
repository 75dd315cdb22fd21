"""The profile of one column: what travels, changing kinds, the static form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import load_dataset
from medilytica_widgets.errors import ColumnNotFoundError
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.widgets.column_profile import ColumnProfile

ROWS = 240
HOSTILE = "<img src=x onerror=alert(1)>"


def people() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "zip": rng.integers(501, 99_950, ROWS),
            "mass_kg": rng.normal(70, 9, ROWS),
            HOSTILE: rng.choice(["low", "medium", "high"], ROWS),
            "y": rng.choice(["ill", "well"], ROWS),
        }
    )


@pytest.fixture
def profile(browser: Any) -> ColumnProfile:
    return ColumnProfile(load_dataset(people(), "y", name="people"), "zip")


def test_the_first_message_carries_the_columns_and_the_first_profile(browser: Any, profile: ColumnProfile) -> None:
    state = next(c.opened["state"] for c in browser.comms if c.comm_id == profile.self_id)
    assert [c["name"] for c in state["columns"]] == ["zip", "mass_kg", HOSTILE, "y"]
    assert state["first"]["name"] == "zip" and state["first"]["hints"][0]["kind"] == "postal_code"
    assert (state["code"], state["version"]) == ("", 0)
    json.dumps(state["first"], allow_nan=False)


def test_it_begins_with_the_target(browser: Any) -> None:
    assert ColumnProfile(load_dataset(people(), "y")).first["name"] == "y"
    assert ColumnProfile(people()).first["name"] == "zip"
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'zip'"):
        ColumnProfile(people(), "zap")


def test_any_column_can_be_read(browser: Any, profile: ColumnProfile) -> None:
    envelope, _ = browser.ask(profile, "profile.read", {"column": HOSTILE})
    assert envelope["body"]["version"] == 0
    told = envelope["body"]["profile"]
    assert told["hints"][0]["value"] == "low < medium < high"
    assert sum(count for _, count in told["bars"]["items"]) == ROWS
    envelope, _ = browser.ask(profile, "profile.read", {"column": "gone"})
    assert envelope["kind"] == "profile.read.error"


def test_a_changed_kind_makes_another_dataset(browser: Any, profile: ColumnProfile) -> None:
    given = profile.data
    envelope, _ = browser.ask(profile, "profile.kind", {"column": "zip", "kind": "categorical"})
    assert envelope["kind"] == "profile.kind.result"
    assert profile.data is not given and given.column("zip").kind == "numeric"
    assert profile.data.column("zip").kind == profile.first["kind"] == profile.columns[0]["kind"] == "categorical"
    assert profile.first["by_hand"] and profile.version == 1
    assert profile.code == "data = data.with_kinds({'zip': 'categorical'})"
    browser.ask(profile, "profile.kind", {"column": "zip", "kind": ""})
    assert profile.data.column("zip").kind == "numeric" and profile.code == "" and profile.version == 2


def test_a_kind_that_the_values_do_not_fit_is_refused_and_nothing_changes(browser: Any, profile: ColumnProfile) -> None:
    given = profile.data
    envelope, _ = browser.ask(profile, "profile.kind", {"column": HOSTILE, "kind": "numeric"})
    assert envelope["kind"] == "profile.kind.error" and "are no number" in envelope["body"]["message"]
    assert profile.data is given and profile.version == 0


def test_of_an_experiment_a_kind_is_a_change_of_its_specification(browser: Any) -> None:
    exp = Experiment(load_dataset(people(), "y", name="people"), algorithm="logistic_regression")
    shown = ColumnProfile(exp, "zip")
    envelope, _ = browser.ask(shown, "profile.kind", {"column": "zip", "kind": "identifier"})
    assert envelope["kind"] == "profile.kind.result"
    assert exp.data.column("zip").kind == "identifier" == shown.first["kind"] and shown.data is exp.data
    assert exp.spec.data.kinds == {"zip": "identifier"} and shown.code == "exp.set_kinds({'zip': 'identifier'})"
    exp.undo()
    browser.until(lambda: shown.first["kind"] == "numeric")
    assert shown.data is exp.data and shown.code == "" and shown.version == 2
    envelope, _ = browser.ask(shown, "profile.kind", {"column": "y", "kind": "numeric"})
    assert envelope["kind"] == "profile.kind.error" and exp.spec.data.kinds == {}


def test_the_static_form_shows_the_column(headless: Any) -> None:
    html = ColumnProfile(load_dataset(people(), "y", name="<b>people</b>"), HOSTILE).static_html()
    assert "low &lt; medium &lt; high" in html and "categorical" in html and "different values" in html
    assert "<img src=x" not in html and "<b>people" not in html
    assert headless.comms == []
    assert "kg" in ColumnProfile(people(), "mass_kg").static_html()
