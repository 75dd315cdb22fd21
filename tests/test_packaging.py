"""The wheel carries all that its widgets need, and neither building it from the sdist nor using it takes Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIC = {f"medilytica_widgets/static/{name}" for name in ("loader.js", "widgets.js.gz", "plotly.js.gz")}
LAB = "share/jupyter/labextensions/medilytica-widgets"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment whose PATH has this Python and no Node, and that knows no other Jupyter folder."""
    tools = tmp_path_factory.mktemp("tools")
    for name in ("python3", "git", "sh", "uname"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "PIP_"))}
    environment = {**kept, "PATH": str(tools), "HOME": str(home)}
    assert shutil.which("node", path=environment["PATH"]) is None
    assert shutil.which("npm", path=environment["PATH"]) is None
    return environment


def run(command: list[str | Path], environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory, without_node: dict[str, str]) -> tuple[Path, Path]:
    """Build the sdist from the checkout and, as `build` does by default, the wheel from that sdist."""
    for name in sorted(STATIC):
        assert (ROOT / name).is_file(), f"{name} is not built: run 'make js' first"
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT], without_node, ROOT)
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def contents(wheel: Path) -> set[str]:
    """Name a wheel's files, those of its data section by where they are installed."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.split(".data/data/")[-1] for name in archive.namelist()}


def test_wheel_carries_front_end_and_jupyter_configuration(distributions: tuple[Path, Path]) -> None:
    names = contents(distributions[1])
    assert names >= STATIC
    assert {f"{LAB}/package.json", f"{LAB}/install.json"} <= names
    assert "etc/jupyter/labconfig/page_config.d/medilytica-widgets.json" in names
    assert "etc/jupyter/jupyter_server_config.d/medilytica-widgets.json" in names
    assert any(name.startswith(f"{LAB}/static/remoteEntry.") for name in names)
    assert "medilytica_widgets/data/samples/kepler.csv" in names
    assert "medilytica_widgets/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_carries_nothing_else(distributions: tuple[Path, Path]) -> None:
    roots = {name.split("/")[0] for name in contents(distributions[1])}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"medilytica_widgets", "share", "etc"}
    assert not any("labextension/" in name for name in contents(distributions[1]) if name.startswith("medilytica"))


def test_sdist_carries_sources_and_built_files(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= STATIC
    assert {"LICENSE", "js/package-lock.json", "js/src/index.ts"} <= names
    assert "medilytica_widgets/labextension/package.json" in names
    assert not any(name.startswith(("js/node_modules", ".venv", "js/lib/")) for name in names)


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, distributions: tuple[Path, Path], without_node: dict[str, str]
) -> Path:
    """Install the wheel in an environment of its own; the dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", home], without_node, home)
    python = home / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    run([*pip, distributions[1]], without_node, home)
    # A path file's folder comes after site-packages, and its own path files (an editable install's, say) are not read.
    (site,) = (home / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_installed_widgets_work_without_node(installed: Path, without_node: dict[str, str], tmp_path: Path) -> None:
    code = """
import json
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"))
widgets = [mw.Workbench(exp), mw.RunControls(exp), mw.HyperparameterPanel(exp)]
states = [widget.get_state() for widget in widgets]
from medilytica_widgets.widgets._assets import shared_assets
assets = shared_assets()
print(json.dumps({"file": mw.__file__, "esm": [len(state["_esm"]) for state in states], "bundle": len(assets.bundle)}))
"""
    answer = json.loads(run([installed, "-c", code], without_node, tmp_path).splitlines()[-1])
    assert Path(answer["file"]).is_relative_to(installed.parent.parent)
    assert all(0 < size <= 10 * 1024 for size in answer["esm"])
    assert answer["bundle"] > 1000


def test_jupyterlab_finds_the_installed_extension_enabled(
    installed: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
    code = """
import json
from jupyter_core.paths import jupyter_path
from jupyterlab_server.config import get_page_config, get_static_page_config
config = get_page_config(jupyter_path("labextensions"))
names = {item["name"]: item for item in config["federated_extensions"]}
print(json.dumps({"extension": names["medilytica-widgets"], "disabled": list(config["disabledExtensions"]),
                  "stated": get_static_page_config()["disabledExtensions"]}))
"""
    answer = json.loads(run([installed, "-c", code], without_node, tmp_path).splitlines()[-1])
    assert answer["extension"]["load"].startswith("static/remoteEntry.")
    assert "medilytica-widgets" not in answer["disabled"]
    assert answer["stated"]["medilytica-widgets"] is False
