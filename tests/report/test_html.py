"""The pieces of static output: what a reader sees, and that nothing given becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets import report
from medilytica_widgets.report import Html

HOSTILE = "</td><script>alert(1)</script>\"'&"


class Tags(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def everything(text: str) -> list[Html]:
    return [
        report.section(text, text, note=text),
        report.card(text, text, note=text),
        report.key_values({text: text}),
        report.pills(text),
        report.sentence(text, "error"),
        report.code(text),
        report.table(pd.DataFrame({text: [text]}, index=[text]), caption=text),
        report.metrics({text: 1.0}, notes={text: text}),
        report.figure({"data": [], "layout": {}}, alt=text, caption=text),
    ]


@given(st.text(min_size=1, max_size=80) | st.sampled_from([HOSTILE, "<!--", "-->", "<b>", "]]>"]))
def test_any_text_comes_out_as_text(text: str) -> None:
    for given_text, neutral in zip(everything(text), everything("x"), strict=True):
        assert Tags(given_text).tags == Tags(neutral).tags


def test_parts_that_are_markup_stay_markup() -> None:
    assert report.join(Html("<b>a</b>"), "<i>", None) == "<b>a</b>&lt;i&gt;"
    assert "<b>a</b>" in report.key_values({"x": Html("<b>a</b>")})


def test_a_table_shows_its_head_and_says_what_it_leaves_out() -> None:
    frame = pd.DataFrame(np.arange(60).reshape(20, 3), columns=["a", "b", "c"])
    markup = report.table(frame, caption="First rows.", rows=4, columns=2)
    assert markup.count("<tr>") == 5
    assert "<caption>First rows. (4 of 20 rows and 2 of 3 columns shown)</caption>" in markup
    assert '<th scope="col" class=mwr-number>b</th>' in markup
    assert '<th scope="row">3</th>' in markup


def test_missing_cells_are_a_dim_dash() -> None:
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None], "c": pd.to_datetime(["2020-01-01", None])})
    frame["d"] = pd.array([1, None], dtype="Int64")
    markup = report.table(frame)
    assert markup.count('<td class="mwr-missing" title="missing">–</td>') == 4
    assert "nan" not in markup.lower().replace("missing", "")


def test_a_long_cell_is_cut_and_tells_the_rest_when_pointed_at() -> None:
    markup = report.table(pd.DataFrame({"a": ["y" * 300]}))
    assert "y" * 119 + "…" in markup
    assert f'title="{"y" * 300}"' in markup


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.23456789, "1.23457"), (2.0, "2"), (7, "7"), (10797460, "10797460"), (1e-9, "1e-09"), (True, "True"),
     (None, "–"), (float("nan"), "–"), (pd.NA, "–"), (np.float32("nan"), "–"), (float("inf"), "inf"), ("a", "a")],
)  # fmt: skip
def test_values_read_well(value: object, words: str) -> None:
    assert report.format_value(value) == words


def test_metrics_come_with_their_doubt() -> None:
    text = report.plain_text(report.metrics({"accuracy": 0.9043, "log_loss": 12.345}, {"accuracy": 0.0131}))
    assert text.splitlines() == ["accuracy 0.904 ± 0.013", "log loss 12.35"] or text.split() == [
        "accuracy", "0.904", "±", "0.013", "log", "loss", "12.35",
    ]  # fmt: skip


def test_a_metric_that_is_not_known_is_a_dash() -> None:
    assert "<dd>–</dd>" in report.metrics({"roc_auc": float("nan")})


def test_the_words_of_markup_without_its_scripts() -> None:
    markup = report.section("Title", Html("<style>p{}</style><script>x()</script><p>one</p><p>two &amp; three</p>"))
    assert report.plain_text(markup) == "Title\none\ntwo & three"


def test_a_section_is_a_region_with_a_name() -> None:
    assert report.section(HOSTILE).startswith('<section class="mwr" aria-label="&lt;/td&gt;')
