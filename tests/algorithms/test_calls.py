"""Calls as data: what is built is what is printed."""

from __future__ import annotations

import ast

import pytest

from medilytica_widgets.algorithms.calls import Call
from medilytica_widgets.errors import MissingExtraError

TREE = Call("sklearn.tree.DecisionTreeClassifier", {"max_depth": 3, "random_state": 0})
VOTING = Call(
    "sklearn.ensemble.VotingClassifier",
    {
        "estimators": [("tree", TREE), ("bayes", Call("sklearn.naive_bayes.GaussianNB"))],
        "voting": "soft",
        "weights": (1.0, 2.0),
    },
)


@pytest.mark.parametrize("call", (TREE, VOTING, Call("sklearn.pipeline.make_pipeline", {}, (TREE,))))
def test_the_printed_call_makes_what_is_built(call):
    names: dict[str, object] = {}
    exec("\n".join((*call.imports(), f"model = {call.source()}")), names)
    assert repr(names["model"]) == repr(call.build())


def test_a_long_call_has_an_argument_a_line_and_a_short_one_is_one_line():
    assert TREE.source() == "DecisionTreeClassifier(max_depth=3, random_state=0)"
    lines = VOTING.source(4).split("\n")
    assert len(lines) == 8 and max(map(len, lines)) <= 100
    ast.parse(VOTING.source())


def test_each_import_stands_once():
    assert len(VOTING.imports()) == len(set(VOTING.imports())) == 3


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(MissingExtraError, match="pip install no_such_package"):
        Call("no_such_package.Thing").build()
