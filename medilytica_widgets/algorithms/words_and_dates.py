"""Steps that read what other steps leave aside: free text, and what a date says beside its place in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice, switch
from ._unsupervised import entry, transform_lines
from .calls import Call
from .columns import TASK, nothing

TEXT = "tfidf"
DATES = "date_parts"


def words_call(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    """Return what turns one column of texts into columns of words."""
    arguments: dict[str, Any] = {"max_features": values["max_words"], "min_df": values["min_rows"]}
    if values["phrase"] > 1:
        arguments["ngram_range"] = (1, values["phrase"])
    if values["stop_words"] != "none":
        arguments["stop_words"] = values["stop_words"]
    if values["sublinear"]:
        arguments["sublinear_tf"] = True
    return Call("sklearn.feature_extraction.text.TfidfVectorizer", arguments)


def parts_of(values: Mapping[str, Any]) -> list[str]:
    """Return the names of the new columns of a date, as `medilytica_widgets.data.transformer.DATE_PARTS` has them."""
    parts = [name for name in ("year", "day") if values[name]]
    for name in ("month", "weekday", "hour"):
        if values[name] and values["cyclical"]:
            parts += [f"{name} sin", f"{name} cos"]
        elif values[name]:
            parts.append(name)
    return [*parts, *(["days"] if values["keep"] or not parts else [])]


TFIDF = entry(
    id=TEXT,
    name="Words of a text (TF-IDF)",
    category=("Preprocessing", "Text"),
    tasks=TASK,
    summary=(
        "Makes a column for each frequent word of a column of free text: how often it stands in a row's text, weighed "
        "up when few rows have it. Which words there are and how rare each is, is learned from the training rows."
    ),
    when=(
        "For remarks, reports, titles and reviews, before a linear model or trees. Free text is left aside without it."
    ),
    when_not=(
        "For short labels of few different values, which are categories; and when the order of words or their meaning "
        "matters, which it does not see."
    ),
    references=(
        "Spärck Jones (1972), A statistical interpretation of term specificity and its application in retrieval, "
        "doi:10.1108/eb026526",
        "https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "max_words",
                "int",
                200,
                low=1,
                high=20_000,
                scale="log",
                unit="columns",
                label="most words",
                help="How many words get a column; the most frequent ones stay.",
            ),
            Parameter(
                "min_rows",
                "int",
                2,
                low=1,
                high=10_000,
                scale="log",
                unit="rows",
                label="least rows of a word",
                help="Words that fewer training rows hold are left out.",
            ),
            Parameter(
                "phrase",
                "int",
                1,
                low=1,
                high=3,
                unit="words",
                label="longest phrase",
                help="Up to how many words that follow each other are taken together too; 2 tells apart 'no pain'.",
            ),
            choice(
                "stop_words",
                "none",
                ("none", "english"),
                "Whether words such as 'the' and 'of' are left out.",
                label="common words left out",
            ),
            switch(
                "sublinear",
                False,
                "Whether the tenth mention of a word in a text counts less than the first.",
                label="dampen repetition",
            ),
        )
    ),
    recipe=nothing,
    lines=transform_lines,
    presets={
        "fast": {"max_words": 50},
        "accurate": {"max_words": 1000, "phrase": 2, "sublinear": True},
        "regularised": {"max_words": 50, "min_rows": 10},
    },
)

DATE_PARTS = entry(
    id=DATES,
    name="Parts of a date",
    category=("Preprocessing", "Dates"),
    tasks=TASK,
    summary=(
        "Takes dates apart: year, month, day of the week and hour become columns of their own. What goes around in a "
        "circle becomes a sine and a cosine, so that December lies beside January. Without it a date is a number, the "
        "days since 1970. Nothing is learned."
    ),
    when="When what happens follows the season, the day of the week or the hour.",
    when_not="When only the time that has passed matters: a date is a number of days without it.",
    references=(
        "https://scikit-learn.org/stable/auto_examples/applications/plot_cyclical_feature_engineering.html",
        "https://pandas.pydata.org/docs/user_guide/timeseries.html#time-date-components",
    ),
    parameters=ParameterTable(
        (
            switch("year", True, "Whether the year becomes a column."),
            switch("month", True, "Whether the month becomes a column, 1 to 12."),
            switch("day", False, "Whether the day of the month becomes a column, 1 to 31."),
            switch("weekday", True, "Whether the day of the week becomes a column, Monday being 0."),
            switch("hour", False, "Whether the hour becomes a column, 0 to 23, for dates with a time."),
            switch(
                "cyclical",
                True,
                "Whether month, day of the week and hour are places on a circle (two columns each) instead of numbers.",
                label="around a circle",
            ),
            switch("keep", False, "Whether the days since 1970 stay as a column too.", label="keep the date"),
        )
    ),
    recipe=nothing,
    lines=transform_lines,
)

WORDS_AND_DATES = (TFIDF, DATE_PARTS)
