"""The lines of a standalone script that read a table from where it came; text tables are in ``source_code.py``."""

from __future__ import annotations

import json
from pathlib import Path

from .dataset import Dataset

#: These forms are printed here.
FORMS = ("parquet", "feather", "stream", "folder", "json", "excel", "sql")


def text_of(value: str) -> str:
    """Return a string's literal: JSON's escapes are Python's too, and keep a hostile name on one line."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


def read_lines(data: Dataset) -> tuple[list[str], list[str]]:
    """Return the imports and the lines that define ``frame`` as it comes, of a form that is in `FORMS`."""
    reading = data.reading
    at = f"DATA = {text_of(reading.location)}"
    if reading.form == "parquet":
        return [], [at, "frame = pd.read_parquet(DATA).reset_index(drop=True)"]
    if reading.form == "feather":
        return [], [at, "frame = pd.read_feather(DATA).reset_index(drop=True)"]
    if reading.form == "stream":
        lines = [
            at,
            "with pa.ipc.open_stream(DATA) as stream:",
            "    frame = stream.read_pandas().reset_index(drop=True)",
        ]
        return ["import pyarrow as pa"], lines
    if reading.form == "folder":
        pattern = text_of(str(Path(reading.location) / "**" / "*"))
        lines = [
            f'DATA = {pattern[:-1]}.parquet"',
            "frame = duckdb.read_parquet(DATA, hive_partitioning=True, union_by_name=True).df()",
        ]
        return ["import duckdb"], lines
    if reading.form == "json":
        return _json(data, at)
    if reading.form == "excel":
        return [], [at, _excel(data)]
    return _sql(data)


def sample_lines(data: Dataset) -> list[str]:
    """Return the lines that keep the rows of the sample; none where all rows were taken."""
    sample = data.reading.sample
    if sample is None:
        return []
    return [
        f"# a sample of {sample.rows} of {sample.total} rows",
        f"keys = np.random.default_rng({sample.seed}).random(len(frame))",
        f'frame = frame.iloc[np.sort(np.argsort(keys, kind="stable")[:{sample.rows}])].reset_index(drop=True)',
    ]


def _json(data: Dataset, at: str) -> tuple[list[str], list[str]]:
    form, key = data.reading.shape
    packed = data.reading.packed == "gzip"
    opened = f'{"gzip.open" if packed else "open"}(DATA, "rt", encoding="utf-8-sig")'
    table = {
        "lines": "pd.json_normalize([json.loads(line) for line in file if line.strip()], max_level=1)",
        "records": "pd.json_normalize(json.load(file), max_level=1)",
        "wrapped": f"pd.json_normalize(json.load(file)[{text_of(key)}], max_level=1)",
        "columns": "pd.DataFrame(json.load(file)).reset_index(drop=True)",
        "split": 'pd.DataFrame((table := json.load(file))["data"], columns=table["columns"])',
    }[form]
    imports = ["import gzip", "import json"] if packed else ["import json"]
    return imports, [at, f"with {opened} as file:", f"    frame = {table}"]


def _excel(data: Dataset) -> str:
    row, columns = data.reading.shape
    first, end = columns.split(":")
    said = data.spec.read_as.header
    named = data.spec.names is not None if said == "auto" else said is None
    header = f"header=None, skiprows={row}" if named else f"header={row}"
    return (
        f"frame = pd.read_excel(DATA, sheet_name={text_of(data.reading.sheet or '')}, {header}, "
        f'usecols=range({first}, {end}), keep_default_na=False, na_values=[""], engine="calamine")'
    )


def _sql(data: Dataset) -> tuple[list[str], list[str]]:
    spec = data.spec
    query, source = (spec.sql or "").strip(), spec.source
    is_name = len(query.split()) == 1
    lines = [f"QUERY = {text_of(query)}"]
    given = f", {spec.parameters!r}" if spec.parameters else ""
    if "://" not in source and not source.endswith((".sqlite", ".sqlite3", ".db")):
        connection = "duckdb.connect()" if source == "duckdb" else f"duckdb.connect({text_of(source)}, read_only=True)"
        lines.append(f"with {connection} as connection:")
        asked = "connection.table(QUERY)" if is_name else f"connection.execute(QUERY{given})"
        return ["import duckdb"], [*lines, f"    frame = {asked}.df()"]
    url = source if "://" in source else f"sqlite:///{source}"
    lines += ["# an address without its password: give it as your database wants it", f"URL = {text_of(url)}"]
    lines.append("engine = sqlalchemy.create_engine(URL)")
    if is_name:
        schema, _, table = query.rpartition(".")
        within = f", schema={text_of(schema)}" if schema else ""
        lines.append(f"frame = pd.read_sql_table({text_of(table)}, engine{within})")
    else:
        params = f", params={spec.parameters!r}" if spec.parameters else ""
        lines.append(f"frame = pd.read_sql(sqlalchemy.text(QUERY), engine{params})")
    return ["import sqlalchemy"], lines
