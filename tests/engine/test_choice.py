"""The choice of a path: forced, clear without a measurement, measured once, and always the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medilytica_widgets.engine import choice
from medilytica_widgets.engine.choice import Choice, Speeds, choose_path, costs
from medilytica_widgets.engine.perceptron.plan import Plan, Stage, plan_of
from medilytica_widgets.errors import InputError
from medilytica_widgets.network import Head, Layer

HEAD = Head("classification")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "_known", {})


def perceptron(units: int, inputs: int = 100, outputs: int = 10, activation: str = "relu") -> Plan:
    plan = plan_of([Layer("linear", units=units, activation=activation)] * 2, inputs, HEAD, outputs)
    assert plan is not None
    return plan


class Measuring:
    """Stands for a machine of known speed, and counts how often it was measured."""

    def __init__(self, compiled: float, single: float, many: float) -> None:
        self.speeds, self.calls = Speeds(compiled, single, many), 0

    def __call__(self, stage: Stage, rows: int, cores: int) -> Speeds:
        self.calls += 1
        return self.speeds


EVEN = (80e9, 80e9, 80e9)


def test_a_network_without_a_plan_takes_the_general_path() -> None:
    chosen = choose_path(None, 32, "adam", cores=4)
    assert (chosen.path, chosen.threads) == ("general", 0)


@pytest.mark.parametrize("batch_size", [1, 16, 32])
def test_small_layers_are_compiled_without_a_measurement(batch_size: int) -> None:
    machine = Measuring(*EVEN)
    assert choose_path(perceptron(64, 30, 2), batch_size, "adam", cores=2, measure=machine).path == "compiled"
    assert machine.calls == 0


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ((80e9, 80e9, 80e9), ("compiled", 1)),  # a tie
        ((80e9, 85e9, 85e9), ("compiled", 1)),  # within the margin
        ((80e9, 80e9, 155e9), ("written", 2)),
        ((40e9, 80e9, 80e9), ("written", 1)),
        ((80e9, 80e9, 1e9), ("compiled", 1)),  # threads that wait for each other
        ((160e9, 80e9, 155e9), ("compiled", 1)),
    ],
)
def test_what_is_clearly_faster_by_measurement_is_chosen(
    speeds: tuple[float, float, float], expected: tuple[str, int]
) -> None:
    chosen = choose_path(perceptron(512), 4096, "sgd", cores=2, measure=Measuring(*speeds))
    assert (chosen.path, chosen.threads) == expected
    assert "µs a step" in chosen.reason


def test_narrow_layers_never_take_several_threads() -> None:
    chosen = choose_path(perceptron(64, 30, 2), 4096, "adam", cores=2, measure=Measuring(20e9, 80e9, 300e9))
    assert (chosen.path, chosen.threads) == ("written", 1)


def test_an_activation_that_is_not_compiled_is_written() -> None:
    chosen = choose_path(perceptron(16, activation="gelu"), 32, "adam", cores=2, measure=Measuring(*EVEN))
    assert chosen.path == "written"


def test_a_measurement_is_kept_in_the_file_and_decides_ever_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "new" / "paths.json"
    first, second = Measuring(80e9, 80e9, 155e9), Measuring(*EVEN)
    one = choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=first)
    assert first.calls == 1
    monkeypatch.setattr(choice, "_known", {})  # another process
    assert choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=second) == one
    assert second.calls == 0


def test_the_same_size_of_batches_to_a_power_of_two_is_one_measurement(tmp_path: Path) -> None:
    machine, cache = Measuring(*EVEN), tmp_path / "paths.json"
    for batch_size in (65, 100, 128):
        choose_path(perceptron(512), batch_size, "adam", cores=2, cache=cache, measure=machine)
    assert machine.calls == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"machine": {}, "speeds": {}}',
        b'{"machine": null}',
    ],
)
def test_a_damaged_or_foreign_file_is_ignored_and_replaced(content: bytes, tmp_path: Path) -> None:
    cache, machine = tmp_path / "paths.json", Measuring(80e9, 80e9, 155e9)
    cache.write_bytes(content)
    assert choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=machine).path == "written"
    assert machine.calls == 1
    assert choice.read_speeds(cache, 2)


@pytest.mark.parametrize("value", ["fast", None, [], -1.0, 0.0, "NaN"])
def test_a_speed_that_is_none_is_measured_again(value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, machine = tmp_path / "paths.json", Measuring(*EVEN)
    choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=machine)
    content = json.loads(cache.read_text())
    for speeds in content["speeds"].values():
        speeds["many"] = value
    cache.write_text(json.dumps(content))
    monkeypatch.setattr(choice, "_known", {})
    choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=machine)
    assert machine.calls == 2


def test_what_another_machine_measured_does_not_count(tmp_path: Path) -> None:
    cache, machine = tmp_path / "paths.json", Measuring(*EVEN)
    choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=machine)
    choose_path(perceptron(512), 4096, "adam", cores=8, cache=cache, measure=machine)
    assert machine.calls == 2
    assert choice.read_speeds(cache, 2) == {}


def test_a_folder_that_cannot_be_written_to_changes_no_choice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache, machine = tmp_path / "file" / "paths.json", Measuring(80e9, 80e9, 155e9)
    for _ in range(2):
        assert choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=machine).threads == 2
    assert machine.calls == 1


def test_threads_that_a_busy_machine_held_up_are_not_remembered(tmp_path: Path) -> None:
    cache = tmp_path / "paths.json"
    choose_path(perceptron(512), 4096, "adam", cores=2, cache=cache, measure=Measuring(80e9, 80e9, 20e9))
    assert not cache.exists()


@pytest.mark.parametrize("path", ["compiled", "written", "general"])
def test_a_path_can_be_forced(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Measuring(*EVEN)
    by_argument = choose_path(perceptron(64), 32, "adam", cores=2, path=path, measure=machine)
    monkeypatch.setenv(choice.VARIABLE, path)
    by_variable = choose_path(perceptron(64), 32, "adam", cores=2, measure=machine)
    assert by_argument.path == by_variable.path == path
    assert choice.VARIABLE in by_variable.reason
    assert choose_path(perceptron(64), 32, "adam", cores=2, path="auto", measure=machine).path == "compiled"


def test_a_forced_path_that_cannot_serve_the_network_is_not_taken() -> None:
    assert choose_path(None, 32, "adam", cores=2, path="compiled").path == "general"
    gelu = perceptron(64, activation="gelu")
    chosen = choose_path(gelu, 32, "adam", cores=2, path="compiled")
    assert chosen == Choice("general", 0, "The compiled path does not serve this network's activations.")


def test_an_unknown_path_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no training path 'compild'.*Did you mean 'compiled'"):
        choose_path(perceptron(64), 32, "adam", cores=2, path="compild")
    monkeypatch.setenv(choice.VARIABLE, "numba")
    with pytest.raises(InputError, match="environment variable MEDILYTICA_PATH"):
        choose_path(None, 32, "adam", cores=2)


def test_costs_grow_with_everything_that_costs() -> None:
    speeds = Speeds(*EVEN)
    base = costs(perceptron(128), 128, "adam", speeds, 2)
    for more in (
        costs(perceptron(256), 128, "adam", speeds, 2),
        costs(perceptron(128), 256, "adam", speeds, 2),
        costs(perceptron(128), 128, "adam", Speeds(40e9, 40e9, 40e9), 2),
    ):
        assert all(more[name] > base[name] for name in base)


def test_a_real_measurement_gives_speeds_of_this_world() -> None:
    before = torch.get_num_threads()
    found = choice.measure_speeds(perceptron(512).stages[0], 128, before)
    assert all(1e8 < speed < 1e13 for speed in (found.compiled, found.single))
    assert 0 < found.many < 1e13
    assert torch.get_num_threads() == before


def test_the_module_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys, medilytica_widgets.engine.choice, medilytica_widgets.engine.memory;"
        "sys.exit(bool({'torch', 'scipy', 'numba', 'sklearn', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
