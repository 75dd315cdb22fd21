"""The lines of a standalone script that divide a table's rows as a split did."""

from __future__ import annotations

import json

from .splits import PART_WORDS, Split


def split_lines(split: Split) -> list[str]:
    """Return lines that define ``train, validation, test`` and ``rows`` from ``frame`` and ``y``."""
    begin = ["", "# train, validation and test rows", "rows = np.flatnonzero(y.notna())"]
    # JSON's escapes are Python's too, and keep a hostile name on one line
    column = f"frame[{json.dumps(split.column, ensure_ascii=not split.column.isprintable())}]"
    if split.method == "grouped":
        test, validation = split.shares
        return [
            *begin,
            "# whole groups go into one part; rows without one are a group",
            f"groups = pd.factorize({column}, use_na_sentinel=False)[0]",
            f"draw = GroupShuffleSplit(1, test_size={test!r}, random_state={split.seed})",
            "kept, tested = next(draw.split(rows, groups=groups[rows]))",
            "rest, test = rows[kept], rows[tested]",
            f"draw = GroupShuffleSplit(1, test_size={validation / (1 - test)!r}, random_state={split.seed})",
            "kept, held = next(draw.split(rest, groups=groups[rest]))",
            "train, validation = rest[kept], rest[held]",
        ]
    if split.method == "group_kfold":
        share = split.shares[1] / (1 - 1 / split.folds)
        return [
            *begin,
            "# whole groups go into one fold; rows without one are a group",
            f"groups = pd.factorize({column}, use_na_sentinel=False)[0]",
            f"folds = GroupKFold({split.folds}, shuffle=True, random_state={split.seed})",
            f"kept, tested = list(folds.split(rows, groups=groups[rows]))[{split.fold}]",
            "rest, test = rows[kept], rows[tested]",
            f"draw = GroupShuffleSplit(1, test_size={share!r}, random_state={split.seed})",
            "kept, held = next(draw.split(rest, groups=groups[rest]))",
            "train, validation = rest[kept], rest[held]",
        ]
    if split.method == "time":
        first, second = len(split.train), len(split.train) + len(split.validation)
        return [
            *begin,
            "# the earliest rows are trained on, the latest tested on",
            f"known = rows[{column}.iloc[rows].notna().to_numpy()]",
            f'order = known[np.argsort({column}.iloc[known].to_numpy(), kind="stable")]',
            f"train, validation, test = order[:{first}], order[{first}:{second}], order[{second}:]",
        ]
    if split.method == "column":
        words = {part: json.dumps(names) for part, names in PART_WORDS.items()}
        taken = [part for part in PART_WORDS if part != "validation" or not split.drawn]
        lines = [f"{part} = rows[said.isin({words[part]}).to_numpy()]" for part in taken]
        if split.drawn:
            size = f"test_size={len(split.validation)}, random_state={split.seed}"
            lines.append(f"train, validation = train_test_split(train, {size})")
        return [*begin, f"said = {column}.iloc[rows].str.lower()", *lines]
    stratify = (", stratify=y[rows]", ", stratify=y[rest]") if split.stratified else ("", "")
    if split.method == "kfold":
        kind = "StratifiedKFold" if split.stratified else "KFold"
        taken_apart = f"folds = {kind}({split.folds}, shuffle=True, random_state={split.seed})"
        first_lines = [
            taken_apart,
            f"others, tested = list(folds.split(rows, y.iloc[rows]))[{split.fold}]",
            "rest, test = rows[others], rows[tested]",
        ]
    else:
        size = f"test_size={len(split.test)}, random_state={split.seed}"
        first_lines = [f"rest, test = train_test_split(rows, {size}{stratify[0]})"]
    return [
        *begin,
        *first_lines,
        f"train, validation = train_test_split(rest, test_size={len(split.validation)}, "
        f"random_state={split.seed}{stratify[1]})",
    ]


def split_imports(split: Split) -> list[str]:
    """Return the import lines of `split_lines`."""
    names = {
        "random": ["train_test_split"],
        "grouped": ["GroupShuffleSplit"],
        "time": [],
        "column": ["train_test_split"] if split.drawn else [],
        "group_kfold": ["GroupKFold", "GroupShuffleSplit"],
        "kfold": ["StratifiedKFold" if split.stratified else "KFold", "train_test_split"],
    }[split.method]
    return [f"from sklearn.model_selection import {', '.join(names)}"] if names else []
