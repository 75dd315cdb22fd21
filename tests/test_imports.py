"""Imports run one way, and importing the package costs next to nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "medilytica_widgets"

# DESIGN.md's list, from the top down: a room imports only from rooms after it.
ORDER = (
    "widgets",
    "report",
    "server",
    "collab",
    "experiment",
    "monitor",
    "explain",
    "evaluate",
    "figures",
    "store",
    "engine",
    "headless",
    "algorithms",
    "network",
    "text",
    "data",
    "metrics",
    "measures",
    "registered",
    "parameters",
    "wire",
    "acting",
    "errors",
)
# The façade is several files: the spec, the experiment, its runs and the model.
FACADE = {
    "_either",
    "code_styles",
    "editor",
    "experiment",
    "experiment_runs",
    "further_code",
    "launching",
    "layer_editor",
    "model",
    "moment",
    "network_editor",
    "options",
    "preparation_editor",
    "presets",
    "records",
    "register",
    "register_parts",
    "reopening",
    "run",
    "run_epochs",
    "run_view",
    "signatures",
    "source_code",
    "spec",
    "spec_diff",
    "spec_holder",
    "spec_migrations",
    "spec_values",
    "table_editor",
    "tables",
}
DOMAIN = ORDER[ORDER.index("monitor") :]
WIDGET_LIBRARIES = {"ipywidgets", "anywidget", "traitlets", "pycrdt"}
HEAVY = {"torch", "pandas", "sklearn", "shap", "plotly", "duckdb", "numba", "ipywidgets", "anywidget"}


def room_of(parts: tuple[str, ...]) -> str:
    """Name the room of a module given by its path inside the package."""
    return "experiment" if parts[0] in FACADE else parts[0]


def modules() -> Iterator[tuple[Path, tuple[str, ...]]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts not in {("__init__",), ("_version",)}:
            yield path, parts


def imported(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield line and absolute name of everything a module imports, wherever in the file it does so."""
    package = ("medilytica_widgets", *parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            target = ".".join((*base, *(node.module or "").split("."))).strip(".")
            for alias in node.names:
                yield node.lineno, f"{target}.{alias.name}"


def test_every_room_has_its_place() -> None:
    unknown = {room_of(parts) for _, parts in modules()} - set(ORDER)
    assert not unknown, f"Give these rooms a place in ORDER (DESIGN.md has the list): {sorted(unknown)}"


def test_imports_run_one_way() -> None:
    wrong = []
    for path, parts in modules():
        rank = ORDER.index(room_of(parts))
        for line, name in imported(path, parts):
            inner = name.split(".")[1:]
            if not name.startswith("medilytica_widgets.") or inner[0] == "_version":
                continue
            room = room_of(tuple(inner))
            if room not in ORDER:
                wrong.append(f"{path.name}:{line} imports {name} from the package itself: import it from its room")
            elif ORDER.index(room) < rank:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} reaches up to {room} ({name})")
    assert not wrong, "\n".join(wrong)


def test_domain_rooms_import_no_widget_library() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path, parts in modules()
        if room_of(parts) in DOMAIN
        for line, name in imported(path, parts)
        if name.split(".")[0] in WIDGET_LIBRARIES
    ]
    assert not wrong, "\n".join(wrong)


def cold(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=90)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, medilytica_widgets; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(cold(code).stdout.split())
    assert "medilytica_widgets" in loaded
    assert not loaded & HEAVY


def test_domain_rooms_load_no_widget_library() -> None:
    rooms = [room for room in DOMAIN if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file()]
    code = (
        f"import importlib, sys\nfor room in {rooms}: importlib.import_module('medilytica_widgets.' + room)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = set(cold(code).stdout.split())
    assert not loaded & WIDGET_LIBRARIES


def test_importing_the_package_takes_under_300_ms() -> None:
    def seconds() -> float:
        report = cold("import medilytica_widgets", "-X", "importtime").stderr
        line = re.search(r"\|\s*(\d+) \| medilytica_widgets$", report, re.MULTILINE)
        assert line, report
        return int(line[1]) / 1e6

    # The best of three: a busy machine slows an import down, nothing speeds it up.
    assert min(seconds() for _ in range(3)) < 0.3
