"""``python -m medilytica_widgets.report IN.ipynb OUT.html``: run a notebook headless and write the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ..errors import InputError, MedilyticaError


def parse_value(text: str) -> Any:
    """Return a value of the command line as papermill reads it: True, False, None, a number, or text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_yaml(text: str) -> dict[str, Any]:
    """Return parameters given as YAML, or as the name of a YAML file.

    Raises
    ------
    InputError
        It is no mapping of names to values.
    """
    path = Path(text)
    try:
        source = path.read_text(encoding="utf-8") if path.suffix in (".yaml", ".yml") and path.is_file() else text
        values = yaml.safe_load(source)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"-y {text!r} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"-y {text!r} gives no names and values; write 'learning_rate: 0.01', or name a .yaml file.")
    # YAML 1.1 takes 1e-3, without a point, for text
    return {name: parse_value(v) if isinstance(v, str) else v for name, v in values.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medilytica_widgets.report",
        description="Run a notebook without a browser and write it as one HTML file that opens offline.",
    )
    parser.add_argument("notebook", metavar="IN.ipynb")
    parser.add_argument("html", metavar="OUT.html")
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter of the notebook's parameters cell; may be given several times",
    )
    parser.add_argument("-y", "--yaml", default="", help="parameters as YAML text, or the name of a .yaml file")
    parser.add_argument("--kernel", help="name of the kernel; the notebook's own when not given")
    parser.add_argument("--executed", metavar="OUT.ipynb", help="also keep the executed notebook")
    parser.add_argument("--no-input", action="store_true", help="leave the code out of the report")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    return parser


def _say(words: str) -> None:
    sys.stderr.write(words.rstrip() + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 when a cell failed or something given is wrong."""
    options = _parser().parse_args(arguments)
    # papermill and nbconvert take a second to load; a wrong option need not wait for them
    from .notebook import make_report

    try:
        given = parse_yaml(options.yaml) if options.yaml else {}
        given |= {name: parse_value(value) for name, value in options.parameter}
        report = make_report(
            options.notebook,
            options.html,
            given,
            executed=options.executed,
            kernel=options.kernel,
            show_input=not options.no_input,
            progress=not options.no_progress,
        )
    except MedilyticaError as error:
        _say(f"{error.message}\nNothing was written.")
        return 1
    for address in report.remote:
        _say(f"Note: the notebook itself shows {address}, which is missing when the report is opened offline.")
    if report.error:
        _say(f"{report.error}\nThe report of what ran until then is {report.html}.")
        return 1
    _say(f"Wrote {report.html}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
