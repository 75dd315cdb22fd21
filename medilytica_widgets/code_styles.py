"""How a standalone program is laid out: one script, a notebook, a scikit-learn pipeline; and its formatting."""

from __future__ import annotations

import ast
import html
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import InputError, hint

Style = Literal["script", "notebook", "sklearn", "torch"]
STYLES: tuple[str, ...] = get_args(Style)
WIDTH = 100
"""Characters of a formatted line."""
_SECONDS = 30.0


@dataclass(frozen=True)
class Section:
    """One part of a program.

    Parameters
    ----------
    id : str
        Of its cell in a notebook: letters and digits.
    title : str
        A person may have written it.
    lines : sequence of str
        Without imports.
    imports : sequence of str
        One a line, ``import …`` or ``from … import …``.
    """

    id: str
    title: str
    lines: Sequence[str]
    imports: Sequence[str] = field(default=())

    @classmethod
    def of(cls, id: str, title: str, fragment: Sequence[str]) -> Section:
        """Divide a room's fragment: imports come first, one a line, then a blank line, then the code."""
        split = 0
        while split < len(fragment) and fragment[split].startswith(("import ", "from ")):
            split += 1
        body = list(fragment[split:])
        while body and not body[0].strip():
            body.pop(0)
        return cls(id, plain(title), body, tuple(fragment[:split]))


def check_style(style: str) -> None:
    """Raise `InputError` for a style that there is not."""
    if style not in STYLES:
        raise InputError(f"There is no style {style!r} of code. {hint(str(style), STYLES)}")


def plain(text: str) -> str:
    """Return a person's text as one line that can stand in a comment or a docstring."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    # it must not end the docstring or escape a character in it
    return " ".join(shown.split()).replace("\\", "/").replace('"', "'")


def as_script(summary: str, sections: Sequence[Section]) -> str:
    """Return a formatted script; ``summary`` is its docstring."""
    lines = [f'"""{plain(summary)}"""', "", *merged(i for s in sections for i in s.imports)]
    for section in sections:
        lines += ["", f"# --- {section.title}", *section.lines]
    return formatted("\n".join(lines).rstrip() + "\n", "script.py")


def as_notebook(title: str, summary: str, sections: Sequence[Section]) -> str:
    """Return the text of a notebook (nbformat 4.5): a heading and a cell for each section, none of them run yet."""
    cells = [
        _cell("markdown", "title", [f"# {_markdown(title)}", "", _markdown(summary)]),
        _cell("code", "imports", merged(i for s in sections for i in s.imports)),
    ]
    for section in sections:
        cells.append(_cell("markdown", f"{section.id}-title", [f"## {_markdown(section.title)}"]))
        cells.append(_cell("code", section.id, section.lines))
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return formatted(json.dumps(notebook, indent=1, ensure_ascii=True) + "\n", "notebook.ipynb")


def formatted(source: str, name: str) -> str:
    """Return a script or notebook as ``ruff format`` lays it out at `WIDTH` characters.

    Where ruff cannot be run the source comes back as it is: it says the same.
    """
    try:
        from ruff import find_ruff_bin

        options = ["--isolated", "--no-cache", f"--line-length={WIDTH}", "--target-version=py311"]
        done = subprocess.run(
            [find_ruff_bin(), "format", *options, f"--stdin-filename={name}", "-"],
            input=source.encode(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (ImportError, OSError, subprocess.TimeoutExpired):
        return source
    return done.stdout.decode() if done.returncode == 0 else source


def merged(imports: Iterable[str]) -> list[str]:
    """Return import lines, each module once, the standard library's first, in the order that isort has."""
    whole: set[str] = set()
    names: dict[str, set[str]] = {}
    for line in imports:
        words = line.split()
        if words[0] == "import":
            whole.add(line)
        else:
            names.setdefault(words[1], set()).update(n.strip() for n in line.partition(" import ")[2].split(","))
    lines = sorted(whole, key=_module)
    lines += [
        f"from {module} import {', '.join(sorted(names[module], key=_member))}"
        for module in sorted(names, key=str.lower)
    ]
    standard = [line for line in lines if _module(line).split(".")[0] in sys.stdlib_module_names]
    others = [line for line in lines if line not in standard]
    return [*standard, *([""] if standard and others else []), *others]


def pipelined(lines: Sequence[str], steps: Sequence[str] = ()) -> list[str] | None:
    """Return an estimator's lines with the preparation in front of it, as one scikit-learn pipeline.

    Parameters
    ----------
    lines : sequence of str
        Without imports: they make ``model``, fit it on ``X_train, y_train`` and predict ``X_test``.
    steps : sequence of str
        Source of further steps, ``("pca", PCA(2))``, between the clipping and the estimator.

    Returns
    -------
    list of str or None
        None where the lines do anything else with the matrices; then only the preparation is a pipeline.
    """
    text = "\n".join(lines)
    found = re.search(r"^model = (?=\w)", text, re.MULTILINE)
    if found is None:
        return None
    made = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "model"
    )
    estimator = ast.get_source_segment(text, made.value)
    assert estimator is not None
    further = "".join(f"    {step},\n" for step in steps)
    pipeline = (
        'model = Pipeline([\n    ("columns", columns),\n    ("clip", FunctionTransformer(clipped)),\n'
        f'{further}    ("estimator", {estimator}),\n])'
    )
    before, after = text[: found.start()], text[found.end() + len(estimator) :]
    after = re.sub(
        r"^model\.fit\(X_train, y_train, (\w+=)", r"model.fit(X_train, y_train, estimator__\1", after, flags=re.M
    )
    after = after.replace("model.fit(X_train, y_train", "model.fit(frame.iloc[train], y_train")
    after = re.sub(r"\bmodel\.(predict|predict_proba)\(X_test\)", r"model.\1(frame.iloc[test])", after)
    if re.search(r"\bX_(train|validation|test)\b|\bmodel\.\w+_\b|\b(y_validation)\b", before + after):
        return None
    return [*before.split("\n"), *(pipeline + after).split("\n")] if before else (pipeline + after).split("\n")


def _module(line: str) -> str:
    return line.split()[1].lower()


def _member(name: str) -> tuple[int, str]:
    constant = name.isupper() and len(name) > 1
    return (0 if constant else 1 if name[:1].isupper() else 2), name.lower()


def _cell(kind: str, id: str, lines: Sequence[str]) -> dict[str, Any]:
    source = [f"{line}\n" for line in "\n".join(lines).strip("\n").split("\n")]
    source[-1] = source[-1].removesuffix("\n")
    own: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": id, "metadata": {}, **own, "source": source}


def _markdown(text: str) -> str:
    """Return a person's text as words: no link, image, heading, formula or element begins in it."""
    return re.sub(
        r"([\\`*_{}\[\]()#+!|~$<>-])",
        r"\\\1",
        html.escape(plain(text), quote=False).replace("&lt;", "<").replace("&gt;", ">"),
    )
