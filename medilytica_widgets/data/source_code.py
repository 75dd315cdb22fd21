"""The part of a standalone script that loads, divides and prepares a table, in plain pandas and scikit-learn.

`load_lines`, then `prepare_lines` or `pipeline_lines`; each begins with its imports, one a line, followed by an empty
line. After `prepare_lines` the script has, exactly as `prepare` makes them, ``X_train, y_train, X_validation,
y_validation, X_test, y_test`` (numpy arrays) and ``classes`` (list of str; empty for regression). After
`pipeline_lines` it has ``train, validation, test`` (rows of ``frame``), ``y_train, y_test``, ``classes``, and the first
steps of a scikit-learn pipeline instead.

A table that was given in memory (source ``"<frame>"``) has no address: the script reads it from a CSV file named in the
constant ``DATA`` at its top. Its user writes that file with ``frame.to_csv(DATA, index=False)``, the rows in the same
order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..errors import SpecError
from ..parameters import OWN_FIRST
from ..registered import find, hoisted, printed
from .builtin import builtin_lines
from .cleaning import LARGEST
from .dataset import Dataset
from .inputs import MISSING
from .plan import DEFAULT, Plan, link_lines
from .preprocess import LIMIT, MAX_CATEGORIES
from .spec import DataSpec, Task
from .splits import Split
from .target import class_names

#: Where the script looks for a table that was given in memory.
FRAME_FILE = "table.csv"
_WIDTH = 110
_TABLE_IMPORTS = ("import numpy as np", "import pandas as pd")
SHARE_LINES = [
    "# each category becomes its share of the training rows",
    "for name in categories:",
    "    shares = frame[name].iloc[train].value_counts(normalize=True)",
    "    frame[name] = frame[name].map(shares).astype(np.float64).fillna(0.0)",
]
"""What counts categories for a frequency encoder."""


def load_lines(spec: DataSpec, data: Dataset) -> list[str]:
    """Return lines that define ``frame``: the table, its used columns clean.

    Parameters
    ----------
    spec : DataSpec
        The dataset's spec (its missing tokens are read).
    data : Dataset
        The loaded table.
    """
    form = data.reading.form
    imports: list[str] = []
    lines: list[str]
    if form == "builtin":
        lines = builtin_lines(data.reading.source)
    elif form == "own":
        imports, lines = _own_lines(data)
    elif form in ("parquet", "json"):
        reader = f"frame = pd.read_{form}(DATA).reset_index(drop=True)"
        lines = [f"DATA = {_text(data.reading.location)}", reader, *_renamed(data)]
    elif form == "frame":
        lines = [
            "# The table was given in memory. Write it once: frame.to_csv(DATA, index=False), rows in the same order.",
            f"DATA = {_text(FRAME_FILE)}",
            "frame = pd.read_csv(DATA, dtype=str, keep_default_na=False, skip_blank_lines=False)",
            *_renamed(data),
        ]
    else:
        lines = [f"DATA = {_text(data.reading.location)}", *_read_csv(data)]
    imports = [line for line in imports if line not in _TABLE_IMPORTS]
    return [*_TABLE_IMPORTS, *imports, "", *lines, *_cleaning(spec, data)]


def _own_lines(data: Dataset) -> tuple[list[str], list[str]]:
    """Return the imports and the definition of a registered table, and its call."""
    entry = find("dataset", data.reading.source)
    if entry is None:
        raise SpecError(f"No data set is registered as {data.reading.source!r}. {OWN_FIRST}")
    imports, lines = hoisted(printed(entry))
    options = ", ".join(f"{name}={value!r}" for name, value in data.reading.options.items())
    return imports, [*lines, "", "", f"frame = {entry.called}({options}).reset_index(drop=True)", *_renamed(data)]


def prepare_lines(
    data: Dataset, split: Split, task: Task | None = None, plan: Plan = DEFAULT, widths: Sequence[int] = ()
) -> list[str]:
    """Return lines that define the six arrays and ``classes`` from ``frame``.

    Parameters
    ----------
    data : Dataset
    split : Split
        As made by `split` for this dataset and task.
    task : {"classification", "regression"}, optional
        A head's task; the table's own when None.
    plan : Plan, optional
        What takes the place of the default treatment of columns, and the steps after it.
    widths : sequence of int
        Columns of the matrix before each of these steps.
    """
    chosen = task or data.task
    blocks = _blocks(data)
    targets = _targets(chosen, ("train", "validation", "test"))
    lines = [*_transformer_lines(data, "preprocess", plan=plan), ""]
    if blocks["categories"]:
        lines.append(f"frame[categories] = frame[categories].fillna({_text(MISSING)})")
        lines += SHARE_LINES if plan.shares else []
    lines += targets if plan.target else []
    answers = ", y_train" if plan.target else ""
    lines.append(f"X_train = clipped(preprocess.fit_transform(frame.iloc[train]{answers}))")
    lines += [f"X_{part} = clipped(preprocess.transform(frame.iloc[{part}]))" for part in ("validation", "test")]
    lines += targets if not plan.target else []
    steps = link_lines(plan, widths[: len(plan.links)])
    further = [line for line in steps if line.startswith(("import ", "from "))]
    lines += steps[len(further) :]
    return [*_imports(data, plan=plan), *further, "", *_target_lines(data, chosen), *_split_lines(split), *lines]


def pipeline_lines(data: Dataset, split: Split, task: Task | None = None, plan: Plan = DEFAULT) -> list[str]:
    """Return lines that define ``columns`` and ``clipped``, the first two steps of a scikit-learn pipeline.

    ``columns`` takes rows of ``frame``; ``clipped`` is a function of its result. Together they give bit for bit the
    matrix that `prepare_lines` does. What fills a missing category is part of ``columns``, so that a fitted pipeline
    takes new rows too.

    Parameters
    ----------
    data, split, task, plan
        As of `prepare_lines`; the steps after the clipping are `medilytica_widgets.data.plan.link_sources`.
    """
    chosen = task or data.task
    shared = plan.shares and bool(_blocks(data)["categories"])
    lines = [*_transformer_lines(data, "columns", fills=not shared, plan=plan), ""]
    if shared:
        lines += [f"frame[categories] = frame[categories].fillna({_text(MISSING)})", *SHARE_LINES]
    lines += _targets(chosen, ("train", "test"))
    return [
        *_imports(data, fills=not shared, plan=plan),
        "",
        *_target_lines(data, chosen),
        *_split_lines(split),
        *lines,
    ]


def _imports(data: Dataset, fills: bool = False, plan: Plan = DEFAULT) -> list[str]:
    blocks = _blocks(data)
    own = [call for call, block in ((plan.imputer, "numbers"), (plan.encoder, "categories")) if call and blocks[block]]
    made = [line for call in own for line in call.imports()]
    default = bool(blocks["numbers"] and plan.imputer is None)
    piped = default or bool(fills and blocks["categories"])
    lines = ["import numpy as np", "from sklearn.compose import ColumnTransformer"]
    if piped:
        lines.append("from sklearn.impute import SimpleImputer")
    lines.append("from sklearn.model_selection import train_test_split")
    if piped:
        lines.append("from sklearn.pipeline import make_pipeline")
    encoders = ["OneHotEncoder"] if blocks["flags"] or (blocks["categories"] and plan.encoder is None) else []
    encoders += ["StandardScaler"] if default else []
    lines += [f"from sklearn.preprocessing import {', '.join(encoders)}"] if encoders else []
    return [*lines, *(line for line in made if line not in lines)]


def _text(value: str) -> str:
    # JSON's escapes are Python's too, and keep a hostile name on one line
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _listed(name: str, values: Sequence[str]) -> list[str]:
    """Return ``name = [...]``, broken into lines where it is long."""
    words = [_text(value) for value in values]
    flat = f"{name} = [{', '.join(words)}]"
    if len(flat) <= _WIDTH:
        return [flat]
    lines, line = [f"{name} = ["], "   "
    for word in words:
        if len(line) + len(word) > _WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += f" {word},"
    return [*lines, line, "]"]


def _blocks(data: Dataset) -> dict[str, list[str]]:
    """Return the columns that each part of the preprocessing reads, as `Preprocessor` divides them."""
    found: dict[str, list[str]] = {"numbers": [], "flags": [], "categories": [], "dates": []}
    for column in data.features:
        storage = data.cells[column.name].storage
        if storage == "text":
            found["categories"].append(column.name)
        elif storage == "number" and column.kind == "binary":
            found["flags"].append(column.name)
        else:
            found["numbers"].append(column.name)
            if storage == "datetime":
                found["dates"].append(column.name)
    return found


def _read_csv(data: Dataset) -> list[str]:
    form = data.reading.text
    assert form is not None, "a text table knows how it was read"
    options = ["dtype=str", "keep_default_na=False", "skipinitialspace=True"]
    if form.delimiter != ",":
        options.append('sep=r"\\s+"' if form.delimiter == r"\s+" else f"sep={_text(form.delimiter)}")
    if form.skip_rows:
        options.append(f"skiprows={form.skip_rows}")
    if form.encoding != "utf-8":
        options.append(f"encoding={_text(form.encoding)}")
    if not form.quoted:
        options.append("quoting=3")
    if not form.header:
        options.append("header=None")
    if form.width:
        # an extra delimiter at the ends of lines must not make the first column an index
        options += [f"usecols=range({form.width})", "index_col=False"]
    return [f"frame = pd.read_csv(DATA, {', '.join(options)})", *_renamed(data)]


def _renamed(data: Dataset) -> list[str]:
    names = [c.name for c in data.columns]
    plain = data.reading.text is None or data.reading.text.plain_header
    if plain and names == [c for c in data.reading.columns if isinstance(c, str)]:
        return []
    return _listed("frame.columns", names)


def _cleaned_numbers(data: Dataset) -> list[str]:
    """Return every column that is read as numbers, the target included."""
    blocks = _blocks(data)
    numbers = [n for n in blocks["numbers"] if n not in blocks["dates"]] + blocks["flags"]
    target = data.target
    return [*numbers, target] if target is not None and data.cells[target].storage == "number" else numbers


def _cleaning(spec: DataSpec, data: Dataset) -> list[str]:
    blocks = _blocks(data)
    target = data.target
    storage = data.cells[target].storage if target is not None else None
    numbers = _cleaned_numbers(data)
    words = blocks["categories"] + ([target] if target is not None and storage == "text" else [])
    dates = blocks["dates"] + ([target] if target is not None and storage == "datetime" else [])
    typed = data.reading.form in ("builtin", "own", "parquet", "json")
    lines: list[str] = []
    if data.reading.form != "builtin":
        tokens = list(dict.fromkeys(token.strip() for token in [*spec.missing]))
        if data.reading.form == "frame" and "" not in tokens:
            tokens.insert(0, "")
        lines += ["", "# blanks around values are stripped; these words mean that a value is missing"]
        lines += _listed("missing", tokens)
        if not typed:
            lines += [
                "frame = frame.apply(lambda column: column.str.strip()).astype(object)",
                "frame = frame.mask(frame.isin(missing), np.nan)",
            ]
    if numbers:
        lines += ["", *_listed("numbers", numbers)]
        lines += [
            'frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce")',
            "# infinite numbers count as missing, and so do those whose squares would be",
            f"frame[numbers] = frame[numbers].where(frame[numbers].abs() <= {LARGEST:g})",
        ]
    if words and typed:
        lines += [
            "",
            *_listed("words", words),
            "present = frame[words].notna()",
            "frame[words] = frame[words].astype(str).apply(lambda column: column.str.strip())"
            ".astype(object).where(present, np.nan)",
        ]
        if data.reading.form != "builtin":
            lines.append("frame[words] = frame[words].mask(frame[words].isin(missing), np.nan)")
    for name in dates:
        cells = data.cells[name]
        lines += [
            "",
            f'dates = pd.to_datetime(frame[{_text(name)}], format={_text(cells.format)}, errors="coerce", utc=True)',
            f'frame[{_text(name)}] = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)',
        ]
    return lines


def _target_lines(data: Dataset, task: Task | None) -> list[str]:
    target = _text(data.target or "")
    lines = ["# the target"]
    if task is None:
        return ["# there is no target", "y = pd.Series(-1, index=frame.index)", "classes: list[str] = []"]
    if task == "regression":
        return [*lines, f"y = frame[{target}].astype(np.float32)", "classes: list[str] = []"]
    classes = class_names(data)
    storage = data.cells[data.target or ""].storage
    lines += _listed("classes", classes)
    if storage == "text":
        return [*lines, f"y = frame[{target}].map({{name: index for index, name in enumerate(classes)}})"]
    values = f"sorted(frame[{target}].dropna().unique())"
    return [*lines, f"y = frame[{target}].map({{value: index for index, value in enumerate({values})}})"]


def _split_lines(split: Split) -> list[str]:
    stratify = (", stratify=y[rows]", ", stratify=y[rest]") if split.stratified else ("", "")
    return [
        "",
        "# train, validation and test rows",
        "rows = np.flatnonzero(y.notna())",
        f"rest, test = train_test_split(rows, test_size={len(split.test)}, random_state={split.seed}{stratify[0]})",
        f"train, validation = train_test_split(rest, test_size={len(split.validation)}, "
        f"random_state={split.seed}{stratify[1]})",
    ]


def _transformer_lines(data: Dataset, name: str, fills: bool = False, plan: Plan = DEFAULT) -> list[str]:
    """Return the transformer under a name, and the function that clips what it gives."""
    blocks = _blocks(data)
    lines = ["", "# preprocessing, fitted on the training rows only"]
    parts: list[str] = []
    if blocks["numbers"]:
        # the list that the cleaning used stands unless it held more
        if blocks["numbers"] != _cleaned_numbers(data):
            lines += _listed("numbers", blocks["numbers"])
        filler = 'make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())'
        parts.append(f'("numbers", {filler if plan.imputer is None else plan.imputer.source(4)}, numbers)')
    encoder = (
        f'OneHotEncoder(max_categories={MAX_CATEGORIES}, handle_unknown="infrequent_if_exist", sparse_output=False)'
    )
    if blocks["flags"]:
        lines += _listed("flags", blocks["flags"])
        parts.append(f'("flags", {encoder}, flags)')
    if blocks["categories"]:
        lines += _listed("categories", blocks["categories"])
        encoder = encoder if plan.encoder is None else plan.encoder.source(4)
        if fills:
            filler = f'SimpleImputer(strategy="constant", fill_value={_text(MISSING)}, keep_empty_features=True)'
            encoder = f"make_pipeline({filler}, {encoder})"
        parts.append(f'("categories", {encoder}, categories)')
    return [
        *lines,
        f"{name} = ColumnTransformer([",
        *(f"    {part}," for part in parts),
        "])",
        "",
        "",
        "def clipped(matrix: np.ndarray) -> np.ndarray:",
        f'    """End columns at {LIMIT:g} standard deviations, so that a slip of the unit carries no model away."""',
        f"    return np.ascontiguousarray(matrix.clip(-{LIMIT:g}, {LIMIT:g}), dtype=np.float32)",
        "",
    ]


def _targets(task: Task | None, parts: Sequence[str]) -> list[str]:
    kind = "np.float32" if task == "regression" else "np.int64"
    return [f"y_{part} = y.iloc[{part}].to_numpy({kind})" for part in parts]
