"""What a person waits for first: the import, the table, the first page of the grid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

import medilytica_widgets as mw

from .harness import race, record

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "kepler_koi_cumulative.csv"


def main() -> None:
    """Measure and write the table."""
    source = str(TABLE) if TABLE.exists() else "kepler"
    data = mw.load_dataset(source, target="koi_disposition")
    contestants = {
        "interpreter alone": lambda: _python("pass"),
        "import medilytica_widgets": lambda: _python("import medilytica_widgets"),
        "import ipywidgets": lambda: _python("import ipywidgets"),
        "import pandas": lambda: _python("import pandas"),
        f"load_dataset, {len(data)} rows": lambda: _drop(mw.load_dataset(source, target="koi_disposition")),
        "pandas.read_csv of the same": lambda: _drop(_read(source)),
        "first 50 rows from a new pager": lambda: _page(data),
    }
    lines = ["| what | milliseconds | spread |", "| --- | --- | --- |"]
    lines += [f"| {t.name} | {1000 * t.median:.0f} | {t.spread} |" for t in race(contestants)]
    record("Start", lines)


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def _read(source: str) -> pd.DataFrame:
    return pd.read_csv(source, comment="#") if source != "kepler" else mw.load_dataset(source).frame


def _page(data: mw.Dataset) -> None:
    pager = mw.load_dataset(data.frame).pager()
    pager.rows(0, 50)
    pager.close()


def _drop(_: object) -> None:
    return None


if __name__ == "__main__":
    main()
