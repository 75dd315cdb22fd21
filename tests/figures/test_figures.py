"""Every figure is valid plotly, fit for JSON, made of scatter and bar only, and says what it was given."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medilytica_widgets import figures
from medilytica_widgets.errors import InputError
from medilytica_widgets.figures import theme as themes

CLASSES = ["CONFIRMED", "CANDIDATE", "FALSE POSITIVE"]
HOSTILE = "<b>me</b> & %{x} </script>"


@dataclass
class Mark:
    epoch: float
    name: str
    before: Any
    after: Any
    author: str | None = None


@dataclass
class Grid:
    x: str = "koi_period"
    y: str = "koi_prad"
    x_range: tuple[float, float] = (1.0, 1000.0)
    y_range: tuple[float, float] = (-2.0, 2.0)
    x_log: bool = True
    y_log: bool = False
    classes: Any = None
    confidence: Any = None
    points: Any = None
    held_sentence: str = "The other columns are held at their median."

    def __post_init__(self) -> None:
        self.classes = np.array([[0, 1, 2], [2, 2, 2]], np.uint8) if self.classes is None else self.classes
        self.confidence = np.array([[85, 255, 170], [255, 255, 255]], np.uint8)
        if self.points is None:
            self.points = {
                "x": np.array([10.0, 100.0, 0.0, 5.0]),
                "y": np.array([0.0, 1.0, 0.5, -1.0]),
                "label": np.array([0, 1, 2, 0]),
                "wrong": np.array([False, True, False, True]),
            }


def history(n: int = 30) -> dict[str, np.ndarray[Any, Any]]:
    epoch = np.arange(1, n + 1, dtype=float)
    loss = np.exp(-epoch / 10)
    return {
        "epoch": epoch,
        "train_loss": loss,
        "val_loss": loss + 0.1,
        "train_accuracy": 1 - loss,
        "val_accuracy": -loss,
    }


def every_figure(theme: str) -> dict[str, figures.Figure]:
    rows = [{"precision": 0.5, "recall": 1.0, "f1": float("nan"), "support": 3}] * 3
    return {
        "curves": figures.curves(history(), "loss", marks=[Mark(5, "l1", 0, 1, HOSTILE)], best_epoch=7, theme=theme),
        "empty curves": figures.curves({"epoch": [], "train_loss": [], "val_loss": []}, theme=theme),
        "boundary": figures.boundary(Grid(), CLASSES, theme=theme),
        "regression boundary": figures.boundary(Grid(), value_range=(0, 9), target=HOSTILE, theme=theme),
        "confusion": figures.confusion([[5, 0, 1], [2, 3, 0], [0, 0, 9]], [*CLASSES[:2], HOSTILE], theme=theme),
        "per class": figures.per_class(rows, CLASSES, theme=theme),
        "histogram": figures.histogram([1.0, 2.0, np.nan, -1.0], name=HOSTILE, log=True, theme=theme),
        "empty histogram": figures.histogram([], theme=theme),
        "counts": figures.counts({HOSTILE: 3, "b": 12345}, classes=True, theme=theme),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", list(every_figure("light")))
def test_a_figure_is_valid_plotly_of_the_basic_bundle(name: str, theme: str) -> None:
    figure = every_figure(theme)[name]
    go.Figure(figure)
    assert {trace["type"] for trace in figure["data"]} <= {"scatter", "bar"}
    assert json.loads(json.dumps(figure, allow_nan=False)) == figure
    assert figure["layout"]["meta"]["alt"]


@pytest.mark.parametrize("name", list(every_figure("light")))
def test_a_users_markup_is_shown_and_not_obeyed(name: str) -> None:
    figure = every_figure("light")[name]
    figure["layout"].pop("meta")
    assert "<b>me" not in json.dumps(figure)
    assert "& %{x}" not in json.dumps(figure)


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(InputError, match="'light' or 'dark'"):
        figures.counts({"a": 1}, theme="blue")  # type: ignore[arg-type]


# --- palette ----------------------------------------------------------------------------------------


def test_colours_repeat_later_than_symbols_do_not_and_no_pair_repeats_before_88() -> None:
    pairs = {(figures.palette(i), figures.symbol(i)) for i in range(88)}
    assert len(pairs) == 88


@pytest.mark.parametrize("look", list(themes.THEMES.values()), ids=str)
def test_words_reach_the_contrast_that_accessibility_asks_for(look: themes.Theme) -> None:
    colours = [themes.readable(figures.palette(i, look.dark), look) for i in range(8)]
    for colour in [*colours, look.ink, look.ink2, look.ink3]:
        assert themes.contrast(colour, look.surface) >= 4.5


# --- png --------------------------------------------------------------------------------------------


def decode_png(png: bytes) -> np.ndarray[Any, Any]:
    """A decoder of its own, so that the encoder is not its own judge."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
            lambda s: st.sampled_from([s, (*s, 1), (*s, 3), (*s, 4)])
        ),
    )
)
def test_a_png_decodes_to_the_pixels_it_was_made_of(pixels: np.ndarray[Any, Any]) -> None:
    expected = pixels[:, :, None] if pixels.ndim == 2 else pixels
    np.testing.assert_array_equal(decode_png(figures.encode_png(pixels)), expected)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 3), np.uint8)])
def test_a_png_of_anything_else_is_refused(pixels: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="uint8 pixels"):
        figures.encode_png(pixels)


# --- curves -----------------------------------------------------------------------------------------


def test_curves_hold_the_history_and_name_their_ends() -> None:
    figure = figures.curves(history(), "accuracy")
    train, validation, best = figure["data"]
    assert (train["name"], validation["name"]) == ("train", "validation")
    np.testing.assert_allclose(train["y"], history()["train_accuracy"], rtol=1e-5)
    assert best["x"] == []
    ends = {note["name"]: note for note in figure["layout"]["annotations"]}
    assert ends["end:train"]["x"] == 30
    assert ends["end:validation"]["text"] == "validation"


def test_ends_that_nearly_touch_are_pushed_apart() -> None:
    rows = history()
    rows["val_loss"] = rows["train_loss"] + 1e-4
    shifts = [note["yshift"] for note in figures.curves(rows)["layout"]["annotations"]]
    assert shifts[1] - shifts[0] >= 12


def test_the_best_epoch_is_a_dot_on_the_validation_line() -> None:
    best = figures.curves(history(), best_epoch=7)["data"][2]
    assert best["x"] == [7.0]
    assert best["y"] == pytest.approx([history()["val_loss"][6]], rel=1e-5)


def test_values_that_are_not_finite_become_gaps() -> None:
    rows = history(4)
    rows["train_loss"][2] = np.inf
    rows["val_loss"][:] = np.nan
    figure = figures.curves(rows)
    assert figure["data"][0]["y"][2] is None
    assert figure["data"][1]["y"] == [None] * 4
    assert [note["name"] for note in figure["layout"]["annotations"]] == ["end:train"]


def test_a_metric_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="'accuracy'"):
        figures.curves(history(), "acuracy")


def test_a_logarithmic_axis_gives_labels_powers_of_ten() -> None:
    layout = figures.curves(history(), "loss", y_log=True)["layout"]
    end = next(n for n in layout["annotations"] if n["name"] == "end:train")
    assert end["y"] == pytest.approx(np.log10(history()["train_loss"][-1]), rel=1e-4)
    assert figures.curves(history(), "accuracy", y_log=True)["layout"]["yaxis"].get("type") != "log"


def spans(figure: figures.Figure, width: int = 460) -> dict[float, list[tuple[float, float]]]:
    """Where the words of marks lie, by row, in pixels at the width promised."""
    layout = figure["layout"]
    low, high = layout["xaxis"]["range"]
    scale = (width - layout["margin"]["l"] - layout["margin"]["r"]) / (high - low)
    rows: dict[float, list[tuple[float, float]]] = {}
    for note in layout["annotations"]:
        if note["name"].startswith("mark:"):
            place, length = (note["x"] - low) * scale + note["xshift"], 5.4 * len(note["text"])
            left = place - length if note["xanchor"] == "right" else place
            rows.setdefault(note["yshift"], []).append((left, left + length))
    return rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 30, allow_nan=False), max_size=25))
def test_words_of_marks_never_touch_and_every_change_is_told(epochs: list[float]) -> None:
    marks = [Mark(epoch, "learning_rate", 0.01, 0.003 + i, "you") for i, epoch in enumerate(epochs)]
    figure = figures.curves(history(), marks=marks)
    for row in spans(figure).values():
        ordered = sorted(row)
        assert all(one[1] <= other[0] for one, other in zip(ordered, ordered[1:], strict=False))
    assert len(figure["layout"]["shapes"]) == len(marks)
    told = "<br>".join(note.get("hovertext", "") for note in figure["layout"]["annotations"])
    assert all(figures.mark_text(mark) in told for mark in marks)


def test_a_mark_is_told_in_words() -> None:
    assert figures.mark_text(Mark(1, "learning_rate", 0.01, 0.003, "you")) == "learning rate 0.01 → 0.003 · you"
    assert figures.mark_text(Mark(1, "dropout", None, 0.5)) == "dropout off → 0.5"


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(float, st.integers(1, 3000), elements=st.floats(-1e6, 1e6)), st.integers(4, 200))
def test_thinning_keeps_ends_and_extremes(values: np.ndarray[Any, Any], points: int) -> None:
    x, y = figures.decimate(np.arange(len(values)), values, points)
    assert len(x) <= max(points, 4)
    assert (x[0], x[-1]) == (0, len(values) - 1)
    assert (y.min(), y.max()) == (values.min(), values.max())
    assert np.all(np.diff(x) > 0)
    np.testing.assert_array_equal(values[x.astype(int)], y)


def test_a_long_history_stays_small() -> None:
    assert len(json.dumps(figures.curves(history(100_000)))) < 120_000


# --- boundary ---------------------------------------------------------------------------------------


def pixels_of(figure: figures.Figure) -> np.ndarray[Any, Any]:
    import base64

    source = figure["layout"]["images"][0]["source"]
    return decode_png(base64.b64decode(source.removeprefix("data:image/png;base64,")))


def test_the_picture_wears_the_class_colours_and_fades_where_the_model_is_unsure() -> None:
    pixels = pixels_of(figures.boundary(Grid(), CLASSES))
    assert pixels.shape == (2, 3, 4)
    for column in range(3):
        assert tuple(pixels[0, column, :3]) == themes.rgb(figures.palette(column))
    unsure, sure, between = (int(a) for a in pixels[0, :, 3])
    assert unsure < between < sure < 255


def test_the_picture_of_a_regression_runs_from_low_to_high() -> None:
    grid = Grid()
    grid.confidence = np.array([[0, 128, 255]], np.uint8)
    grid.classes = np.zeros((1, 3), np.uint8)
    light = pixels_of(figures.boundary(grid, value_range=(0, 1)))[0, :, :3].sum(axis=1).astype(int)
    assert light[0] > light[1] > light[2]


def test_the_picture_lies_on_a_logarithmic_axis_in_powers_of_ten() -> None:
    layout = figures.boundary(Grid(), CLASSES)["layout"]
    image = layout["images"][0]
    assert (image["x"], image["sizex"]) == pytest.approx((0, 3))
    assert (image["y"], image["sizey"]) == pytest.approx((2, 4))
    assert layout["xaxis"]["type"] == "log"
    assert layout["xaxis"]["range"] == pytest.approx([0, 3])
    assert "The other columns are held at their median." in layout["meta"]["alt"]


def test_wrong_rows_have_a_ring_and_a_symbol_of_their_own() -> None:
    traces = figures.boundary(Grid(), CLASSES)["data"]
    drawn = {(t["name"], t["marker"]["symbol"]): (t["x"], t["marker"]["line"]["color"]) for t in traces if t["x"]}
    ink = figures.THEMES["light"].ink
    assert drawn[("CONFIRMED", "circle")] == ([10.0], figures.THEMES["light"].surface)
    assert drawn[("CONFIRMED", "circle-dot")] == ([5.0], ink)
    assert drawn[("CANDIDATE", "square-dot")] == ([100.0], ink)
    assert drawn[("ringed: wrong", "circle-dot")][1] == ink


def test_rows_that_a_logarithmic_axis_cannot_show_are_left_out() -> None:
    traces = figures.boundary(Grid(), CLASSES)["data"]
    assert all(0.0 not in trace["x"] for trace in traces)


# --- confusion, bars --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(2, 11))
def test_a_confusion_matrix_says_every_count_in_a_colour_that_reads(size: int) -> None:
    counts = np.arange(size * size).reshape(size, size)
    figure = figures.confusion(counts, [f"class {i}" for i in range(size)])
    (trace,) = figure["data"]
    assert [int(words.split("<br>")[0]) for words in trace["text"]] == counts.ravel().tolist()
    for shape, ink in zip(figure["layout"]["shapes"], trace["textfont"]["color"], strict=True):
        assert themes.contrast(shape["fillcolor"], ink) >= 4.5
        assert shape["x1"] - shape["x0"] < 1


def test_a_confusion_matrix_tells_the_most_common_mistake() -> None:
    figure = figures.confusion([[5, 0, 1], [2, 3, 0], [0, 0, 9]], CLASSES)
    assert figure["layout"]["meta"]["alt"].endswith("Most common mistake: 2 CANDIDATE taken for CONFIRMED.")
    assert "2 of 5 CANDIDATE taken for CONFIRMED (40.0%)" in figure["data"][0]["hovertext"]


def test_a_confusion_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="3 rows and columns"):
        figures.confusion([[1, 2], [3, 4]], CLASSES)


def test_scores_of_each_class_are_bars_told_apart_by_pattern() -> None:
    rows = [{"class": "a", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4}]
    figure = figures.per_class(rows)
    assert [trace["x"][0] for trace in figure["data"]] == pytest.approx([0.5, 0.25, 1 / 3], rel=1e-5)
    assert len({trace["marker"]["pattern"]["shape"] for trace in figure["data"]}) == 3
    assert figure["layout"]["yaxis"]["ticktext"] == ["a<br>4 rows"]


@pytest.mark.parametrize("log", [False, True])
def test_a_histogram_counts_every_finite_value_once(log: bool) -> None:
    values = np.concatenate([np.random.default_rng(0).lognormal(size=500), [np.nan, np.inf]])
    (trace,) = figures.histogram(values, log=log, bins=20)["data"]
    assert sum(trace["y"]) == 500
    edges = np.array(trace["x"]) - np.array(trace["width"]) / 2
    np.testing.assert_allclose(edges[1:], (np.array(trace["x"]) + np.array(trace["width"]) / 2)[:-1], rtol=1e-6)
    assert edges[0] == pytest.approx(np.nanmin(values), rel=1e-5)


def test_counts_keep_their_order_and_the_classes_their_colours() -> None:
    (trace,) = figures.counts({"b": 3, "a": 12345}, classes=True)["data"]
    assert trace["y"] == [3, 12345]
    assert trace["marker"]["color"] == [figures.palette(0), figures.palette(1)]
