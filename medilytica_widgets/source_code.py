"""The standalone script that an experiment stands for.

Each room writes its own fragment: imports first, one a line, then a blank line, then the code. This
module only puts them in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import algorithms
from .data import Dataset, Prepared
from .data.source_code import load_lines, prepare_lines
from .engine import Mark
from .metrics import score_lines
from .spec import ExperimentSpec


def script(
    spec: ExperimentSpec,
    data: Dataset,
    prepared: Prepared,
    values: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] = (),
) -> str:
    """Return the script.

    Parameters
    ----------
    spec : ExperimentSpec
    data : Dataset
        Its table.
    prepared : Prepared
        The table as split and preprocessed, for its widths and classes.
    values : mapping, optional
        Hyperparameters that the run started with, instead of the specification's.
    marks : sequence of Mark
        The run's mid-run changes; the script makes them at the same steps.
    """
    algorithm = algorithms.get(spec.algorithm)
    full = algorithm.validate(spec.hyperparameters if values is None else values)
    fragments = [
        load_lines(spec.data, data),
        prepare_lines(data, prepared.split, prepared.task),
        algorithm.code(
            full,
            prepared.task,
            spec.seed,
            n_features=len(prepared.feature_names),
            n_classes=len(prepared.classes) if prepared.task == "classification" else 1,
            layers=spec.layers,
            changes=[(mark.step, mark.name, mark.after) for mark in marks],
        ),
        score_lines(prepared.task, len(prepared.classes)),
    ]
    titles = ("The table", "Split and preprocessing", algorithm.name, "Held-out test rows")
    imports: list[str] = []
    bodies: list[list[str]] = []
    for fragment in fragments:
        head, body = _parts(fragment)
        imports += [line for line in head if line not in imports]
        bodies.append(body)
    lines = [_docstring(spec, algorithm.name), "", *sorted(imports, key=_import_order)]
    for title, body in zip(titles, bodies, strict=True):
        lines += ["", f"# --- {title}", *body]
    return "\n".join(lines).rstrip() + "\n"


def _docstring(spec: ExperimentSpec, algorithm: str) -> str:
    # a name is a person's text: it must not end the docstring or escape a character in it
    name = " ".join(spec.name.split()).replace("\\", "/").replace('"', "'")
    return f'"""{name}: {algorithm.lower()}, seed {spec.seed}. Needs no package but the ones imported below."""'


def _parts(fragment: Sequence[str]) -> tuple[list[str], list[str]]:
    split = 0
    while split < len(fragment) and fragment[split].startswith(("import ", "from ")):
        split += 1
    body = list(fragment[split:])
    while body and not body[0].strip():
        body.pop(0)
    return list(fragment[:split]), body


def _import_order(line: str) -> tuple[bool, str, str]:
    module = line.split()[1]
    standard = module.split(".")[0] in {"copy", "io", "json", "math", "pathlib", "re", "sys", "warnings"}
    return (not standard, module.lower(), line)
