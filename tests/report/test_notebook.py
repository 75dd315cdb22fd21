"""A notebook becomes one HTML file, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from medilytica_widgets.errors import InputError, MissingFileError, UnknownParameterError
from medilytica_widgets.report.__main__ import main, parse_value, parse_yaml
from medilytica_widgets.report.export import (
    WIDGET_VIEW,
    notebook_html,
    remote_references,
    title_of,
    without_widget_views,
)
from medilytica_widgets.report.notebook import make_report, read_notebook

MakeNotebook = Callable[..., Path]

SHOW = "print(f'{name} has {learning_rate!r}')"
PARAMETERS = "learning_rate = 0.1\nname = 'x'"
FAIL = "from medilytica_widgets.errors import DataError\nraise DataError('The column <b> is empty.')"


def test_the_command_writes_a_report(
    make_notebook: MakeNotebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, page = make_notebook(SHOW, parameters=PARAMETERS), tmp_path / "new" / "out.html"
    before = source.read_bytes()
    assert main([str(source), str(page), "-p", "learning_rate", "1e-3", "-y", "name: me", "--no-progress"]) == 0
    html = page.read_text("utf-8")
    assert "me has 0.001" in html
    assert "<title>A small report</title>" in html
    assert remote_references(html) == []
    assert source.read_bytes() == before
    assert f"Wrote {page}." in capsys.readouterr().err


def test_progress_is_shown_on_stderr(
    make_notebook: MakeNotebook, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:

    main([str(make_notebook("1")), str(tmp_path / "out.html")])
    out, err = capfd.readouterr()
    assert "100%" in err
    assert out == ""


def test_a_cell_that_fails_is_told_and_what_ran_is_kept(
    make_notebook: MakeNotebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, page = make_notebook("print('before it')", FAIL, "print('after it')"), tmp_path / "out.html"
    assert main([str(source), str(page), "--no-progress", "--no-input"]) == 1
    sentence = (
        "The notebook stopped in cell [2] (from medilytica_widgets.errors import DataError): The column <b> is empty."
    )
    assert sentence in capsys.readouterr().err
    html = page.read_text("utf-8")
    assert "before it" in html
    assert "after it" not in html
    assert "The column &lt;b&gt; is empty." in html
    assert "<title>A small report</title>" in html


def test_an_error_of_python_keeps_its_name(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    report = make_report(make_notebook("{}['a']"), tmp_path / "out.html", progress=False)
    assert report.error == "The notebook stopped in cell [1] ({}['a']): KeyError: 'a'"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["-p", "learning_rat", "1"], "Did you mean 'learning_rate'? The notebook's parameters cell takes: learning"),
        (["-y", "a"], "gives no names and values"),
        (["-y", "{"], "is not YAML"),
        (["--kernel", "cobol"], "No such kernel named cobol"),
        (["--executed", "in/notebook.ipynb"], "is the notebook itself"),
    ],
)  # fmt: skip
def test_what_is_given_wrong_is_said_before_any_cell_runs(
    option: list[str], said: str, make_notebook: MakeNotebook, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    source = make_notebook("open('ran', 'w')", parameters=PARAMETERS)
    monkeypatch.chdir(tmp_path)
    assert main([str(source), "out.html", "--no-progress", *option]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("ran"))
    assert not Path("out.html").exists()


def test_an_algorithms_value_out_of_range_is_said_before_any_cell_runs(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    source = make_notebook("open('ran', 'w')", parameters="algorithm = 'mlp'\nlearning_rate = 0.1")
    with pytest.raises(InputError, match=r"learning_rate is -1; it takes a number from"):
        make_report(source, tmp_path / "out.html", {"learning_rate": -1}, progress=False)
    assert not list(tmp_path.rglob("ran"))


def test_files_that_are_no_notebook_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="There is no notebook"):
        make_report(tmp_path / "no.ipynb", tmp_path / "out.html")
    for number, content in enumerate(["not json", "[1]", '{"cells": 3}']):
        path = tmp_path / f"{number}.ipynb"
        path.write_text(content)
        with pytest.raises(InputError, match="is not a notebook"):
            make_report(path, tmp_path / "out.html")


def test_cells_run_beside_the_notebook_and_the_executed_one_can_be_kept(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    source = make_notebook("import os; print(os.getcwd(), os.environ['MEDILYTICA_HEADLESS'])")
    report = make_report(source, tmp_path / "out.html", executed=tmp_path / "kept.ipynb", progress=False)
    assert report.executed is not None
    (cell,) = [cell for cell in read_notebook(report.executed).cells if cell.cell_type == "code"]
    assert cell.outputs[0].text.split() == [str(source.parent), "1"]


def test_a_folder_with_braces_is_no_template(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    odd = tmp_path / "{odd}"
    make_notebook("1").parent.rename(odd)
    assert make_report(odd / "notebook.ipynb", tmp_path / "out.html", progress=False).error == ""


# --- export -----------------------------------------------------------------------------------------


def with_output(data: dict[str, object], **metadata: object) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("show()", outputs=[output])
    return nbformat.v4.new_notebook(cells=[cell], metadata=metadata)


def test_the_static_form_is_shown_and_not_the_widget_view() -> None:
    view = {"model_id": "1", "version_major": 2, "version_minor": 0}
    state = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
    notebook = with_output({WIDGET_VIEW: view, "text/html": "<p>static form</p>", "text/plain": "W()"}, widgets=state)
    html = notebook_html(notebook)
    assert "static form" in html
    assert "widget-view" not in html
    assert "widget-state" not in html
    assert WIDGET_VIEW in notebook.cells[0].outputs[0].data


def test_an_output_that_is_only_a_view_leaves_nothing_blank() -> None:
    notebook = with_output({WIDGET_VIEW: {"model_id": "1"}})
    assert without_widget_views(notebook).cells[0].outputs == []


@pytest.mark.parametrize("show_input", [True, False])
def test_the_page_shows_code_only_when_asked(show_input: bool) -> None:
    html = notebook_html(with_output({"text/plain": "answer"}), show_input=show_input)
    assert ("show" in html.split("<main>")[1]) is show_input
    assert "answer" in html


def test_the_title_comes_from_metadata_then_heading_then_file() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("words\n\n## A `title` ##\n")])
    assert title_of(notebook) == "A title"
    notebook.metadata.title = "Another & one"
    assert "<title>Another &amp; one</title>" in notebook_html(notebook)
    assert "<title>file</title>" in notebook_html(nbformat.v4.new_notebook(), fallback_title="file")


@pytest.mark.parametrize(
    "markup",
    [
        "<script src='https://a.b/c.js'></script>",
        "<link rel=stylesheet href=//a.b/c.css>",
        "<img src=HTTP://a.b/c.png>",
        "<p style=\"background:url('https://a.b/c')\">",
        "<style>@import 'https://a.b/c.css'</style>",
        "<style>p{background:url(https://a.b/c)}</style>",
        "<script type=module>import x from 'https://a.b/c.js'</script>",
        "<script>const a = 1; import('https://a.b/c.js')</script>",
    ],
)
def test_what_the_network_would_be_asked_for_is_found(markup: str) -> None:
    assert len(remote_references(markup)) == 1


def test_links_to_click_and_addresses_in_text_are_left_alone() -> None:
    markup = "<a href='https://a.b'>https://a.b</a><img src='data:image/png;base64,AA=='><script>'https://a.b'</script>"
    assert remote_references(markup) == []


def test_a_picture_of_the_notebooks_own_from_the_network_is_told(
    make_notebook: MakeNotebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_notebook(heading="![x](https://example.org/x.png)")
    assert main([str(source), str(tmp_path / "out.html"), "--no-progress"]) == 0
    assert "shows https://example.org/x.png, which is missing" in capsys.readouterr().err


# --- values of the command line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("1e-3", 0.001), ("True", True), ("None", None), ("kepler", "kepler"), ("-1", -1)]
)
def test_values_are_read_as_papermill_reads_them(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_yaml_is_text_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: 1e-3\nb: [1, x]\n")
    assert parse_yaml(str(path)) == parse_yaml("{a: 0.001, b: [1, x]}") == {"a": 0.001, "b": [1, "x"]}


def test_a_wrong_name_is_an_error_of_ours(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(UnknownParameterError):
        make_report(make_notebook("1"), tmp_path / "out.html", {"a": 1})
