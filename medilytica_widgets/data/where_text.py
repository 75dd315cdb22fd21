"""A condition typed by hand in SQL, as ``WHERE`` takes it: read by DuckDB's own parser, checked node by node.

Only comparisons, arithmetic and functions that look at nothing but their arguments pass. What comes out is
written anew from the checked tree, with columns by position, so that no text of a person's reaches a query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from ..errors import InputError, hint

LONGEST_WHERE = 4_000
_CLASSES = ("CONSTANT", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION", "CAST", "CASE", "BETWEEN")
_FUNCTIONS = frozenset(
    """
    + - * / // % ^ ** || ~~ !~~ ~~* !~~* ~~~ ! ~ @ abs sign ceil ceiling floor round trunc sqrt cbrt exp ln log
    log2 log10 pow power mod sin cos tan asin acos atan atan2 degrees radians greatest least isnan isinf
    isfinite even pi lower upper length len strlen trim ltrim rtrim substr substring left right replace reverse
    concat contains starts_with ends_with prefix suffix instr strpos position like_escape not_like_escape
    ilike_escape not_ilike_escape regexp_matches regexp_full_match regexp_extract regexp_replace split_part
    ascii chr unicode levenshtein damerau_levenshtein jaccard jaro_similarity coalesce ifnull nullif if iif
    constant_or_null year month day hour minute second quarter week weekday dayofweek dayofyear isodow decade
    century date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub last_day monthname
    dayname epoch epoch_ms strftime strptime try_strptime make_date make_timestamp to_days to_months to_years
    to_hours to_minutes to_seconds
    """.split()
)
_TYPES = frozenset(
    """
    BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE DECIMAL VARCHAR
    DATE TIMESTAMP TIME INTERVAL TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS
    """.split()
)
_BEFORE, _AFTER = "SELECT 1 FROM source WHERE (", "\n)"
_WRITTEN = 'SELECT 1 FROM "source" WHERE '
#: A text that a condition makes is at most so many times as long as the longest cell: DuckDB neither counts this memory
#: nor stops in the middle of it.
MOST_GROWTH = 64
_REPLACING = {"replace": 2, "regexp_replace": 2}
_LETTER_BY_LETTER = ("levenshtein", "damerau_levenshtein", "jaccard", "jaro_similarity")
_NOTHING_ELSE = "The WHERE box takes one condition, such as price > 10 and name like 'A%', and nothing else."


def compile_where(text: str, cells: Mapping[str, str], parser: duckdb.DuckDBPyConnection | None = None) -> str:
    """Return a typed condition as SQL that is safe to run on the table.

    Parameters
    ----------
    text : str
        As it stands after ``WHERE``; a name of a column may stand in double quotes.
    cells : dict of str to str
        The SQL name of every column.
    parser : DuckDBPyConnection, optional
        Cut off from files and networks; a new one when None. It reads the text and runs nothing of it.

    Raises
    ------
    InputError
        The text is no condition, names no column of the table, or holds more than a condition may.
    """
    if len(text) > LONGEST_WHERE:
        raise InputError(f"The condition is {len(text):,} characters long; {LONGEST_WHERE:,} are the most.")
    if "\0" in text:
        raise InputError("The condition holds a zero character. Type it anew.")
    if parser is None:
        with duckdb.connect(":memory:", config={"enable_external_access": False}) as own:
            return _compiled(text, cells, own)
    return _compiled(text, cells, parser)


def _compiled(text: str, cells: Mapping[str, str], parser: duckdb.DuckDBPyConnection) -> str:
    try:
        tree = _parsed(parser, f"{_BEFORE}{text}{_AFTER}")
        empty = _parsed(parser, f"{_BEFORE}TRUE{_AFTER}")
        condition = _only_condition(tree, empty)
        _check(condition, cells, _lowered(cells))
        _growth(condition)
        row = parser.execute("select json_deserialize_sql(?::json)", [json.dumps(tree)]).fetchone()
    except duckdb.InterruptException:
        raise
    except (RecursionError, duckdb.Error):
        raise InputError("The condition has too many parts inside each other. Write it flatter.") from None
    written = str(row[0]) if row else ""
    if not written.startswith(_WRITTEN):
        raise InputError(_NOTHING_ELSE)
    return f"({written.removeprefix(_WRITTEN)})"


def _parsed(parser: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = parser.execute("select json_serialize_sql(?::varchar)", [query]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree.get("error"):
        said = str(tree.get("error_message", "")).splitlines()
        raise InputError(f"The condition could not be read: {said[0] if said else 'it is no SQL'}.")
    return tree


def _only_condition(tree: Any, empty: Any) -> Any:
    """Return the condition of a query that must be our own frame around it."""
    try:
        node = tree["statements"][0]["node"]
        condition = node["where_clause"]
        same = json.loads(json.dumps(tree))
        same["statements"][0]["node"]["where_clause"] = empty["statements"][0]["node"]["where_clause"]
    except (KeyError, IndexError, TypeError):
        raise InputError(_NOTHING_ELSE) from None
    if _without_places(same) != _without_places(empty):
        raise InputError(_NOTHING_ELSE)
    return condition


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_places(value) for key, value in node.items() if not key.startswith("query_location")}
    return [_without_places(item) for item in node] if isinstance(node, list) else node


def _lowered(cells: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in cells:
        found.setdefault(name.lower(), []).append(name)
    return found


def _check(node: Any, cells: Mapping[str, str], lowered: Mapping[str, Sequence[str]]) -> None:
    """Refuse what does not belong into a condition; name the columns by position."""
    if isinstance(node, list):
        for item in node:
            _check(item, cells, lowered)
        return
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind is not None and kind not in _CLASSES:
        words = {"SUBQUERY": "a query inside it", "WINDOW": "a window function", "STAR": "a star"}
        raise InputError(f"A condition cannot hold {words.get(str(kind), str(kind).lower())}. {_NOTHING_ELSE}")
    if "from_table" in node or "cte_map" in node:
        raise InputError(f"A condition cannot hold a query inside it. {_NOTHING_ELSE}")
    if kind == "COLUMN_REF":
        node["column_names"] = [_position(node["column_names"], cells, lowered)]
        return
    if kind == "FUNCTION":
        _check_function(node)
    if kind == "CAST":
        _check_type(node.get("type_expr") or {})
    for key, value in node.items():
        if key != "type_expr":
            _check(value, cells, lowered)


def _growth(node: Any) -> float:
    """Return how many cells' lengths the text of an expression may have; refuse one that could fill the memory."""
    if isinstance(node, list):
        return max((_growth(item) for item in node), default=0.0)
    if not isinstance(node, dict):
        return 0.0
    if node.get("class") == "COLUMN_REF":
        return 1.0
    if node.get("class") == "CONSTANT":
        return len(_constant(node) or "") / LONGEST_WHERE
    if node.get("class") != "FUNCTION":
        return max((_growth(child) for child in node.values()), default=0.0)
    name, arguments = str(node["function_name"]).lower(), [given["expression"] for given in node["arguments"]]
    grown = [_growth(argument) for argument in arguments]
    size = max(grown, default=0.0)
    if name in ("||", "concat"):
        size = sum(grown)
    elif name in _REPLACING and len(arguments) > 2:
        sought, put = _constant(arguments[1]), _constant(arguments[2])
        if put is None or (name == "replace" and sought is None):
            raise InputError(f"In a condition {name!r} takes text in quotes for what it seeks and what it puts there.")
        # a pattern can match nothing at all, between any two letters
        size = grown[0] * max(1.0, len(put) / len(sought) if name == "replace" and sought else len(put) + 1)
    elif name in _LETTER_BY_LETTER and sum(grown) > 2:
        raise InputError(f"In a condition {name!r} compares cells as they are, with a text or with another column's.")
    if size > MOST_GROWTH:
        raise InputError(
            f"{name!r} would make texts more than {MOST_GROWTH} times as long as the cells, which could fill the "
            "memory. Write the condition without it."
        )
    return size


def _constant(node: Any) -> str | None:
    """Return a text in quotes; None for anything else."""
    literal = node.get("literal") if isinstance(node, dict) and node.get("class") == "CONSTANT" else None
    text = literal.get("text") if isinstance(literal, dict) else None
    return str(text) if text is not None else None


def _check_type(written: Mapping[str, Any]) -> None:
    name = str(written.get("type_name", "")).upper()
    inside = [child.get("class") for child in written.get("children") or []]
    if name not in _TYPES or written.get("schema") or written.get("catalog") or set(inside) - {"CONSTANT"}:
        raise InputError(f"A condition cannot turn a value into {name[:60]!r}. {hint(name, sorted(_TYPES))}")


def _check_function(node: Mapping[str, Any]) -> None:
    name = str(node.get("function_name", "")).lower()
    path = (node.get("qualified_name") or {"path": [name]})["path"]
    if name not in _FUNCTIONS or node.get("schema") or node.get("catalog") or len(path) != 1:
        raise InputError(
            f"A condition cannot use the function {name[:60]!r}. "
            f"{hint(name, sorted(f for f in _FUNCTIONS if f[0].isalpha()))}"
        )
    if node.get("filter") or node.get("distinct") or (node.get("order_bys") or {}).get("orders"):
        raise InputError(f"{name!r} is written as an aggregate. {_NOTHING_ELSE}")


def _position(parts: Sequence[str], cells: Mapping[str, str], lowered: Mapping[str, Sequence[str]]) -> str:
    name = ".".join(parts)
    if name in cells:
        return cells[name]
    found = lowered.get(name.lower(), ())
    if len(found) == 1:
        return cells[found[0]]
    if found:
        raise InputError(
            f"{name!r} can be {' or '.join(map(repr, found))}: write the column in double quotes as it is."
        )
    raise InputError(
        f"The table has no column {name[:80]!r}. {hint(name, cells)} Text stands in single quotes: 'like this'."
    )
