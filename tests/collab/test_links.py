"""Links to a view: whole when they come back, and harmless whatever somebody else put into one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.collab.links import MARK, ViewReference
from medilytica_widgets.errors import WorkspaceError

words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60)
numbers = st.integers(0, 2**53 - 1)
references = st.builds(
    ViewReference,
    words.map(lambda word: f"folder/{word.replace('/', '').replace(chr(92), '').replace('..', '')}.medilytica"),
    *(st.none() | words for _ in range(3)),
    st.none() | numbers,
    st.none() | words,
    st.none() | numbers,
    st.none() | words,
)


@given(references, st.text(max_size=30))
def test_a_link_comes_back_as_it_was(view: ViewReference, text: str) -> None:
    assert ViewReference.decode(view.encode()) == view
    assert ViewReference.decode(f"http://host/lab/tree/a.ipynb{view.encode()}") == view
    link = view.markdown(text, "http://host/lab")
    assert ViewReference.decode(link) == view
    assert "\n" not in link


def test_a_link_says_what_it_shows() -> None:
    view = ViewReference("team.medilytica", run="3", epoch=11)
    assert view.markdown(page="lab").startswith("[epoch 12 of run 3](lab#medilytica=eyJ3b3Jrc3BhY2UiOiJ0ZWFt")
    assert ViewReference("team.medilytica").describe() == "team.medilytica"
    assert view.markdown("[x](http://evil)").startswith(r"[\[x\](http://evil)](#medilytica=")


def link(value: Any) -> str:
    return MARK + base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "http://host/",
        MARK,
        MARK + "!!!",
        MARK + "AAAA",
        MARK + "A" * 8000,
        link([]),
        link({}),
        link({"workspace": 5}),
        link({"workspace": ""}),
        link({"workspace": "/etc/passwd"}),
        link({"workspace": "../up.medilytica"}),
        link({"workspace": "a\\..\\b"}),
        link({"workspace": "a", "epoch": -1}),
        link({"workspace": "a", "epoch": 1.5}),
        link({"workspace": "a", "row": True}),
        link({"workspace": "a", "row": 2**60}),
        link({"workspace": "a", "run": ["x"]}),
        link({"workspace": "a", "chart": "x" * 501}),
        link({"workspace": "a", "layer": "a\u0000b"}),
    ],
)
def test_a_bad_link_is_refused_with_a_sentence(bad: str) -> None:
    with pytest.raises(WorkspaceError, match="link"):
        ViewReference.decode(bad)


def test_what_a_newer_release_adds_is_left_out() -> None:
    assert ViewReference.decode(link({"workspace": "a", "zoom": 3})) == ViewReference("a")
