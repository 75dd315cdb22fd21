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
from .edits import edit_lines
from .inputs import MISSING
from .layout import Block, Layout, layout_of, read_view
from .load_code import FORMS, read_lines, sample_lines
from .numerals import plain_lines
from .plan import DEFAULT, Plan, definition_lines, link_lines
from .preprocess import LIMIT
from .spec import DataSpec, Task
from .split_code import split_imports, split_lines
from .splits import Split
from .target import class_names
from .transformer import DATE_PARTS, MAX_CATEGORIES

#: Where the script looks for a table that was given in memory.
FRAME_FILE = "table.csv"
_WIDTH = 110
_TABLE_IMPORTS = ("import numpy as np", "import pandas as pd")


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
        lines = builtin_lines(data.reading.source, data.reading.options)
    elif form == "own":
        imports, lines = _own_lines(data)
    elif form in FORMS:
        imports, lines = read_lines(data)
        lines += _renamed(data)
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
    return [*_TABLE_IMPORTS, *imports, "", *lines, *sample_lines(data), *_cleaning(spec, data)]


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
    layout = layout_of(data, plan, split.reserved)
    targets = _targets(chosen, ("train", "validation", "test"))
    listed = _cleaned_numbers(read_view(data, plan, split))
    lines = [*_transformer_lines(listed, "preprocess", layout), ""]
    for block in layout.blocks:
        lines += _filled(block, layout)
    lines += targets if plan.target else []
    answers = ", y_train" if plan.target else ""
    lines.append(f"X_train = clipped(preprocess.fit_transform(frame.iloc[train]{answers}))")
    lines += [f"X_{part} = clipped(preprocess.transform(frame.iloc[{part}]))" for part in ("validation", "test")]
    lines += targets if not plan.target else []
    steps = link_lines(plan, widths[: len(plan.links)])
    further = [line for line in steps if line.startswith(("import ", "from "))]
    lines += steps[len(further) :]
    return [*_imports(layout, split), *further, "", *_target_lines(data, chosen), *split_lines(split), *lines]


def pipeline_lines(
    data: Dataset, split: Split, task: Task | None = None, plan: Plan = DEFAULT, widths: Sequence[int] = ()
) -> list[str]:
    """Return lines that define ``columns`` and ``clipped``, the first two steps of a scikit-learn pipeline.

    ``columns`` takes rows of ``frame``; ``clipped`` is a function of its result. Together they give bit for bit the
    matrix that `prepare_lines` does. What fills a missing category is part of ``columns``, so that a fitted pipeline
    takes new rows too.

    Parameters
    ----------
    data, split, task, plan, widths
        As of `prepare_lines`; the steps after the clipping are `medilytica_widgets.data.plan.link_sources`.
    """
    chosen = task or data.task
    layout = layout_of(data, plan, split.reserved)
    listed = _cleaned_numbers(read_view(data, plan, split))
    lines = [*_transformer_lines(listed, "columns", layout, fills=True), ""]
    for block in layout.blocks:
        if not _fills_itself(block, layout):
            lines += _filled(block, layout)
    lines += definition_lines(plan, widths)
    lines += _targets(chosen, ("train", "test"))
    return [
        *_imports(layout, split, fills=True),
        "",
        *_target_lines(data, chosen),
        *split_lines(split),
        *lines,
    ]


def _imports(layout: Layout, split: Split, fills: bool = False) -> list[str]:
    blocks = layout.blocks
    calls = [call for block in blocks for call in (block.maker, block.filler) if call is not None]
    made = [line for call in calls for line in call.imports()]
    plain = [block for block in blocks if block.maker is None]
    default = any(block.treated == "numbers" for block in plain)
    inside = fills and any(_fills_itself(block, layout) for block in blocks)
    lines = ["import numpy as np", *(["import pandas as pd"] if layout.dates or split.method == "grouped" else [])]
    lines.append("from sklearn.compose import ColumnTransformer")
    if default or inside:
        lines.append("from sklearn.impute import SimpleImputer")
    lines += split_imports(split)
    if default or inside or any(block.filler is not None for block in blocks):
        lines.append("from sklearn.pipeline import make_pipeline")
    encoders = ["OneHotEncoder"] if any(block.treated != "numbers" for block in plain) else []
    encoders += ["StandardScaler"] if default else []
    lines += [f"from sklearn.preprocessing import {', '.join(encoders)}"] if encoders else []
    return [*lines, *(line for line in made if line not in lines)]


def _fills_itself(block: Block, layout: Layout) -> bool:
    """Whether a pipeline can fill a block's gaps with a word as a step of its own."""
    return block.words and not block.single and not set(block.columns) & set(layout.shared)


def _filled(block: Block, layout: Layout) -> list[str]:
    """Return lines that fill the gaps of a block of words, and count their shares where these take their place."""
    if not block.words:
        return []
    lines = [f"frame[{block.name}] = frame[{block.name}].fillna({_text(MISSING)})"]
    if set(block.columns) & set(layout.shared):
        lines += [
            "# each category becomes its share of the training rows",
            f"for name in {block.name}:",
            "    shares = frame[name].iloc[train].value_counts(normalize=True)",
            "    frame[name] = frame[name].map(shares).astype(np.float64).fillna(0.0)",
        ]
    return lines


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
    if form.comments:
        options.append(f"skiprows={[*range(form.skip_rows), *form.comments]}")
    elif form.skip_rows:
        options.append(f"skiprows={form.skip_rows}")
    if data.reading.packed:
        options.append(f"compression={_text(data.reading.packed)}")
    if form.encoding != "utf-8":
        options.append(f"encoding={_text(form.encoding)}")
    if not form.quoted:
        options.append("quoting=3")
    elif form.marks.quotechar != '"':
        options.append(f"quotechar={_text(form.marks.quotechar)}")
    if not form.header:
        options.append("header=None")
    if form.width:
        # an extra delimiter at the ends of lines must not make the first column an index
        options += [f"usecols=range({form.width})", "index_col=False"]
    return [f"frame = pd.read_csv(DATA, {', '.join(options)})", *_renamed(data), *plain_lines(form.styles)]


def _renamed(data: Dataset) -> list[str]:
    names = [c.name for c in data.columns]
    # names by hand are the script's to give, unless a text's own header says the same
    plain = data.spec.names is None if data.reading.text is None else data.reading.text.plain_header
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
    typed = data.reading.form not in ("text", "frame")
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
    return [*lines, *edit_lines(data, [*numbers, *words, *dates])]


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


def _transformer_lines(numbers: Sequence[str], name: str, layout: Layout, fills: bool = False) -> list[str]:
    """Return the transformer under a name, and the function that clips what it gives.

    ``numbers`` is the list that the cleaning left under this name.
    """
    lines = ["", "# preprocessing, fitted on the training rows only", *_date_lines(layout)]
    parts: list[str] = []
    for block in layout.blocks:
        # the list that the cleaning used stands unless it held more
        if block.name != "numbers" or block.columns != numbers:
            lines += _listed(block.name, block.columns)
        if block.treated == "numbers" and block.maker is not None:
            # what fills a gap need be no whole number
            lines.append(f"frame[{block.name}] = frame[{block.name}].astype(np.float64)")
        own = _one_of(block)
        if block.filler is not None:
            own = f"make_pipeline({block.filler.source(4)}, {own})"
        if fills and _fills_itself(block, layout):
            filler = f'SimpleImputer(strategy="constant", fill_value={_text(MISSING)}, keep_empty_features=True)'
            own = f"make_pipeline({filler}, {own})"
        parts.append(f'("{block.name}", {own}, {block.name}{"[0]" if block.single else ""})')
    dense = "], sparse_threshold=0)" if any(block.single for block in layout.blocks) else "])"
    return [
        *lines,
        f"{name} = ColumnTransformer([",
        *(f"    {part}," for part in parts),
        dense,
        "",
        "",
        "def clipped(matrix: np.ndarray) -> np.ndarray:",
        f'    """End columns at {LIMIT:g} standard deviations, so that a slip of the unit carries no model away."""',
        f"    return np.ascontiguousarray(matrix.clip(-{LIMIT:g}, {LIMIT:g}), dtype=np.float32)",
        "",
    ]


def _one_of(block: Block) -> str:
    if block.maker is not None:
        return block.maker.source(4)
    if block.treated == "numbers":
        return 'make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())'
    return f'OneHotEncoder(max_categories={MAX_CATEGORIES}, handle_unknown="infrequent_if_exist", sparse_output=False)'


def _date_lines(layout: Layout) -> list[str]:
    lines: list[str] = []
    for name, parts in layout.dates.items():
        lines += [
            "# dates, days since 1970, are taken apart",
            f"days = frame[{_text(name)}]",
            'moments = pd.Series((days * 86400).round().to_numpy().astype("datetime64[s]"))',
        ]
        for new, part in parts.items():
            source = DATE_PARTS[part].format(moments="moments", days="days")
            lines.append(f"frame[{_text(new)}] = {source}")
    return lines


def _targets(task: Task | None, parts: Sequence[str]) -> list[str]:
    kind = "np.float32" if task == "regression" else "np.int64"
    return [f"y_{part} = y.iloc[{part}].to_numpy({kind})" for part in parts]
