"""What people register: in lists, widgets, specifications, scripts and other processes; and what is refused."""

from __future__ import annotations

import importlib
import inspect
import linecache
import runpy
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import medilytica_widgets as mw
from medilytica_widgets import network, registered
from medilytica_widgets.errors import (
    DataError,
    InputError,
    MedilyticaError,
    ModelFileError,
    ParameterError,
    ShapeError,
    SpecError,
    UnknownAlgorithmError,
    UnknownArgumentError,
)
from medilytica_widgets.network.losses import losses_of
from tests.code_trials import Interpreter, read_metrics
from tests.own_things import IDS


def clear() -> None:
    for kind in registered.KINDS:
        for entry in registered.entries(kind):
            mw.register.remove(kind, entry.id)


clear()  # importing the module registers; every test begins with nothing


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    clear()


@pytest.fixture
def things() -> types.ModuleType:
    """Register one of each."""
    return importlib.reload(sys.modules["tests.own_things"])


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as process:
        yield process


def rings(**options: Any) -> mw.Dataset:
    return mw.load_dataset("own_rings", **options)


def network_of_all(**more: Any) -> mw.Experiment:
    """Return an experiment with a layer, an activation, a loss and an optimizer of one's own."""
    values = {"optimizer": "own_signum", "own_signum_beta": 0.8, "epochs": 4, "learning_rate": 0.01, "batch_size": 32}
    return mw.Experiment(
        rings(rows=200),
        hyperparameters={**values, **more},
        layers=[mw.Layer("linear", units=8, activation="own_soft_step"), mw.Layer("own_scale", start=2.0)],
        heads=[mw.Head("classification", loss="custom:own_brier", power=1.5)],
    )


def trained(experiment: mw.Experiment, **options: Any) -> mw.Run:
    run = experiment.train(wait=False, **options)
    run.wait(120)
    return run


# -- each kind, from list to prediction


def test_each_is_listed_and_described(things: types.ModuleType) -> None:
    assert {entry["kind"]: entry["id"] for entry in mw.register.list()} == IDS
    about = mw.algorithms.describe("own_nearest_mean")
    assert (about["name"], about["category"], about["tasks"]) == ("Nearest mean", ["Your own"], ["classification"])
    found = {p["id"]: (p["kind"], p["default"], p["choices"]) for p in about["parameters"]}
    assert found == {"shrink": ("float", 0.0, []), "metric": ("choice", "euclid", ["euclid", "city"])}
    layer = next(kind for kind in network.layer_kinds() if kind["kind"] == "own_scale")
    assert (layer["name"], layer["group"], layer["help"]) == (
        "Own scale",
        "Your own",
        "Multiplies each feature by a learned number.",
    )
    for kind in ("linear", "conv1d", "activation", "transformer"):
        table = network.LAYER_KINDS[kind].parameters if kind in network.LAYER_KINDS else {}
        choice = table.get("activation") or table.get("name")
        assert choice is None or "own_soft_step" in choice.to_json()["choices"]
    assert "custom:own_brier" in losses_of("classification") and "custom:own_brier" not in losses_of("regression")
    for algorithm in mw.algorithms.list(category="Neural networks"):
        if "optimizer" in algorithm.parameters:
            assert "own_signum" in algorithm.parameters["optimizer"].choices
            assert algorithm.parameters["own_signum_beta"].only_if == ("optimizer", "own_signum")


def test_an_estimator_trains_predicts_and_comes_back(
    things: types.ModuleType, interpreter: Interpreter, tmp_path: Path
) -> None:
    experiment = mw.Experiment(
        rings(noise=0.2), algorithm="own_nearest_mean", hyperparameters={"shrink": 0.25, "metric": "city"}, seed=3
    )
    again = mw.Experiment.from_spec(experiment.spec.to_json())
    assert again.spec == experiment.spec and again.data.spec.options == {"rows": 300, "noise": 0.2}
    run = trained(experiment, worker="thread")
    bare = things.NearestMean(0.25, "city", 3).fit(run.trainer.job.prepared.X_train, run.trainer.job.prepared.y_train)
    frame = experiment.data.frame.head(9)
    expected = bare.predict_proba(run.preprocessor.transform(frame))
    np.testing.assert_array_equal(run.predict(frame).filter(like="probability_").to_numpy(), expected)
    metrics = run.evaluate().metrics
    for style in ("script", "sklearn"):
        found = interpreter.metrics(experiment.to_code(style), tmp_path)
        assert found == pytest.approx(metrics, abs=1e-9)


def test_a_network_of_ones_own_parts_trains_as_its_script_does(
    things: types.ModuleType, interpreter: Interpreter, tmp_path: Path
) -> None:
    experiment = network_of_all(weight_decay=0.1, l2=1e-4, schedule="cosine")
    assert mw.Experiment.from_spec(experiment.spec.to_json()).spec == experiment.spec
    run = trained(experiment)
    assert run.path == "general"
    metrics = run.evaluate().metrics
    for style in ("script", "torch"):
        found = interpreter.metrics(experiment.to_code(style), tmp_path)
        assert found == pytest.approx(metrics, abs=1e-6)
    assert "mw.register" not in experiment.to_code() and "medilytica_widgets" not in experiment.to_code()
    # the engine made the very steps that torch makes by hand
    assert run.history.train_loss.iloc[-1] < run.history.train_loss.iloc[0]


def test_a_plain_head_and_a_learned_weight_leave_the_variance_undecayed(
    things: types.ModuleType, interpreter: Interpreter, tmp_path: Path
) -> None:
    frame = rings(rows=200).frame.assign(size=lambda table: np.hypot(table.x, table.y))
    values = {"optimizer": "own_signum", "epochs": 3, "weight_decay": 0.5}
    heads = [
        mw.Head("classification", name="ring", weight="uncertainty"),
        mw.Head("regression", name="size", target="size", weight="uncertainty"),
    ]
    experiment = mw.Experiment(mw.load_dataset(frame, target="ring"), hyperparameters=values, heads=heads)
    run = trained(experiment)
    (tmp_path / "script.py").write_text(experiment.to_code(), encoding="utf-8")
    experiment.data.frame.to_csv(tmp_path / "table.csv", index=False)
    found = interpreter.metrics(experiment.to_code(), tmp_path)
    metrics = run.evaluate().metrics
    assert {name: found[name] for name in ("accuracy", "log_loss")} == pytest.approx(
        {name: metrics[name] for name in ("accuracy", "log_loss")}, abs=1e-5
    )


def test_an_optimizer_goes_on_bit_for_bit(things: types.ModuleType) -> None:
    experiment = network_of_all(epochs=6)
    run = trained(experiment)
    frame = experiment.data.frame.head(20)
    branch = run.branch(3, wait=False)
    branch.wait(120)
    pd.testing.assert_frame_equal(branch.predict(frame), run.predict(frame), check_exact=True)
    changed = run.branch(3, wait=False, own_signum_beta=0.1)
    changed.wait(120)
    assert not changed.predict(frame).equals(run.predict(frame))


def test_an_optimizer_that_puts_other_tensors_in_place_learns_all_the_same() -> None:
    @mw.register.optimizer("replacing")
    class Replacing(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = p.data - group["lr"] * p.grad

    values = {"epochs": 3, "learning_rate": 0.1, "momentum": 0.0}
    data = mw.load_dataset("moons")
    own = trained(mw.Experiment(data, hyperparameters={**values, "optimizer": "replacing"}))
    usual = trained(mw.Experiment(data, hyperparameters={**values, "optimizer": "sgd"}))
    np.testing.assert_allclose(own.history.val_loss, usual.history.val_loss, rtol=1e-4)


def test_a_saved_network_needs_its_parts_registered(things: types.ModuleType, tmp_path: Path) -> None:
    run = trained(network_of_all())
    path, frame = run.save(tmp_path / "own.mw"), rings().frame.head(5)
    pd.testing.assert_frame_equal(mw.load_model(path).predict(frame), run.predict(frame))
    mw.register.remove("layer", "own_scale")
    with pytest.raises(ModelFileError, match="no layer of this kind.*run the cell, or import the module"):
        mw.load_model(path)


def test_a_saved_estimator_needs_its_class_registered(things: types.ModuleType, tmp_path: Path) -> None:
    run = trained(mw.Experiment(rings(), algorithm="own_nearest_mean"), worker="thread")
    path, frame = run.save(tmp_path / "own.mw"), rings().frame.head(5)
    pd.testing.assert_frame_equal(mw.load_model(path).predict(frame), run.predict(frame))
    mw.register.remove("algorithm", "own_nearest_mean")
    with pytest.raises(ModelFileError, match="NearestMean.*run the cell, or import the module"):
        mw.load_model(path)


# -- other forms


def test_a_function_of_values_gives_the_estimator(interpreter: Interpreter, tmp_path: Path) -> None:
    depth = mw.Parameter("depth", "int", 2, low=1, high=9)

    @mw.register.algorithm("stump", tasks=["classification", "regression"], parameters=[depth])
    def stump(values):  # type: ignore[no-untyped-def]
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=values["depth"], random_state=0)

    experiment = mw.Experiment(mw.load_dataset("moons"), algorithm="stump", hyperparameters={"depth": 3})
    metrics = trained(experiment, worker="thread").evaluate().metrics
    assert interpreter.metrics(experiment.to_code(), tmp_path) == pytest.approx(metrics, abs=1e-9)
    with pytest.raises(ParameterError, match="from 1 to 9"):
        experiment.set("depth", 10)


def test_an_activation_may_be_a_class_that_learns() -> None:
    @mw.register.activation("learned_slope")
    class LearnedSlope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = nn.Parameter(torch.ones(3).sum())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 0, x, x * self.slope)

    layers = [mw.Layer("linear", units=4, activation="learned_slope"), mw.Layer("activation", name="learned_slope")]
    head = mw.Head("regression")
    found = network.analyse(layers, 2, head, 1)
    module = network.build(layers, 2, head, 1, seed=0)
    assert [row.parameters for row in found.rows] == [13, 1]
    assert found.total_parameters == sum(p.numel() for p in module.parameters())


def test_a_layer_that_the_meta_device_cannot_run_is_tried_with_zeros() -> None:
    @mw.register.layer("by_numpy")
    class ByNumpy(nn.Module):
        """Doubles the features, by way of numpy."""

        def __init__(self, shape: tuple[int, ...]) -> None:
            super().__init__()
            self.width = shape[-1]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.concatenate([x.detach().numpy()] * 2, axis=1))

    found = network.analyse([mw.Layer("by_numpy")], 3, mw.Head("regression"), 1)
    assert found.error is None and found.rows[0].output_shape == (6,)


def test_a_table_knows_its_options_and_refuses_others(things: types.ModuleType) -> None:
    assert len(rings(rows=50)) == 50 and rings().target == "ring"
    assert rings(target="x").task == "regression"
    with pytest.raises(UnknownArgumentError, match="'noise'"):
        rings(nois=0.1)
    with pytest.raises(ParameterError, match="whole number"):
        rings(rows=1.5)
    assert "options" not in mw.load_dataset("moons").spec.model_dump()

    @mw.register.dataset("broken")
    def broken() -> list[int]:
        return [1]

    with pytest.raises(DataError, match="broken has to return a pandas DataFrame"):
        mw.load_dataset("broken")


# -- who may take whose place


def cell(source: str, number: int) -> types.ModuleType:
    """Run a notebook's cell: its source is in no file, and its module has none."""
    module = sys.modules.setdefault("a_notebook", types.ModuleType("a_notebook"))
    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), vars(module))
    return module


CELL = """
import torch
from torch import nn
import medilytica_widgets as mw

@mw.register.layer(
    "own_shift",
    help="Adds.",
)
class Shift(nn.Module):
    def __init__(self, in_features, by: float = {default}):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x + self.by

@mw.register.activation("cube", help="{words}")
def cube(x):
    return x ** 3
"""


def test_a_cell_runs_twice_and_the_latest_counts() -> None:
    for number, default in enumerate((1.0, 2.5)):
        cell(CELL.format(default=default, words=f"Number {number}."), number)
    layers = [mw.Layer("own_shift"), mw.Layer("activation", name="cube")]
    lines = network.source_lines(layers, 2, mw.Head("regression"), 1)
    source = "\n".join(lines)
    assert "by: float = 2.5" in source and "Shift(2, by=2.5)" in source and "register" not in source
    names: dict[str, Any] = {}
    exec(source, names)
    module = network.build(layers, 2, mw.Head("regression"), 1, seed=0)
    names["model"].load_state_dict(module.state_dict())
    rows = torch.linspace(-1, 1, 8).reshape(4, 2)
    torch.testing.assert_close(names["model"](rows), module(rows))
    assert registered.find("activation", "cube").help == "Number 1."  # type: ignore[union-attr]


def test_what_fails_leaves_what_was_there() -> None:
    cell(CELL.format(default=1.0, words="First."), 0)
    with pytest.raises(SpecError, match="made \\(5, 8\\) of a tensor of shape \\(5, 4\\)"):
        cell(CELL.format(default=1.0, words="Second.").replace("x ** 3", "torch.cat((x, x), dim=1)"), 1)
    assert registered.find("activation", "cube").help == "First."  # type: ignore[union-attr]
    module = network.build([mw.Layer("activation", name="cube")], 2, mw.Head("regression"), 1, seed=0)
    assert module[0](torch.tensor([[2.0, 3.0]])).tolist() == [[8.0, 27.0]]  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("algorithm", "mlp"),
        ("layer", "linear"),
        ("activation", "relu"),
        ("loss", "mse"),
        ("optimizer", "adam"),
        ("dataset", "spiral"),
    ],
)
def test_an_id_that_is_taken_is_refused(things: types.ModuleType, kind: str, taken: str) -> None:
    given = getattr(things, {"algorithm": "NearestMean", "layer": "OwnScale", "activation": "soft_step",
                             "loss": "brier", "optimizer": "Signum", "dataset": "rings"}[kind])  # fmt: skip
    more = {"parameters": [mw.Parameter("start", "float", 1.0)]} if kind == "layer" else {}
    with pytest.raises(SpecError, match=f"the id '{taken}' is there already"):
        getattr(mw.register, kind)(taken, **more)(given)
    impostor = types.FunctionType(given.__code__, {}, given.__name__) if not isinstance(given, type) else None
    if impostor is not None:
        impostor.__module__, impostor.__defaults__ = "somewhere", given.__defaults__
        impostor.__annotations__ = given.__annotations__
        with pytest.raises(SpecError, match="registered already, by .* of tests.own_things"):
            getattr(mw.register, kind)(IDS[kind], **more)(impostor)
    assert {entry["kind"]: entry["id"] for entry in mw.register.list()} == IDS


@pytest.mark.parametrize(
    "id", ["", "two words", "1st", "a-b", "<script>", "../up", "class", "naïve\u2028line", "x" * 61, None, 7]
)
@pytest.mark.parametrize("kind", registered.KINDS)
def test_hostile_ids_are_refused(things: types.ModuleType, kind: str, id: Any) -> None:
    clear()
    given = {"algorithm": things.NearestMean, "layer": things.OwnScale, "optimizer": things.Signum,
             "dataset": things.rings, "loss": things.brier, "activation": things.soft_step}[kind]  # fmt: skip
    more = {"parameters": [mw.Parameter("start", "float", 1.0)]} if kind == "layer" else {}
    with pytest.raises(SpecError, match="letters, digits and underscores"):
        getattr(mw.register, kind)(id, **more)(given)
    assert mw.register.list() == []


def test_hostile_names_and_helps_are_text(things: types.ModuleType, interpreter: Interpreter, tmp_path: Path) -> None:
    clear()
    name = 'x"""\nimport os; os.remove("y") # <b>'
    mw.register.algorithm("odd", name=name, help=name, category=name)(things.NearestMean)
    experiment = mw.Experiment(mw.load_dataset("moons"), algorithm="odd")
    metrics = trained(experiment, worker="thread").evaluate().metrics
    assert interpreter.metrics(experiment.to_code(), tmp_path) == pytest.approx(metrics, abs=1e-9)
    with pytest.raises(SpecError, match="at most 120 characters"):
        mw.register.algorithm("long", name="n" * 121)(things.NearestMean)


def test_one_thread_wins_an_id_and_all_ids_are_kept() -> None:
    errors: list[Exception] = []

    def register(number: int) -> None:
        source = f"import medilytica_widgets as mw\ndef table_{number}():\n    return None\n"
        scope: dict[str, Any] = {"__name__": "somewhere"}
        exec(source, scope)
        mw.register.dataset(f"table_{number}")(scope[f"table_{number}"])
        try:
            mw.register.dataset("wanted")(scope[f"table_{number}"])
        except SpecError as error:
            errors.append(error)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(errors) == 15 and len(mw.register.list("dataset")) == 17


def test_what_is_removed_is_gone_everywhere(things: types.ModuleType) -> None:
    before = set(mw.algorithms.get("mlp").parameters)
    experiment = network_of_all()
    clear()
    assert mw.register.list() == []
    assert before - set(mw.algorithms.get("mlp").parameters) == {"own_signum_beta"}
    with pytest.raises(InputError, match="Nothing of this kind is"):
        mw.register.remove("layer", "own_scale")
    with pytest.raises(InputError, match="'activation'"):
        mw.register.remove("activations", "own_soft_step")
    with pytest.raises(MedilyticaError):
        experiment.train(wait=True)


# -- specifications of what nobody registered


def test_a_specification_says_what_has_to_be_registered(things: types.ModuleType) -> None:
    estimator = mw.Experiment(rings(), algorithm="own_nearest_mean").spec.to_json()
    full, data = network_of_all().spec.to_json(), rings(rows=200)
    first = "run the cell, or import the module, that does so"
    clear()
    with pytest.raises(SpecError, match=f"No data set is registered as 'own_rings'.*{first}"):
        mw.Experiment.from_spec(full)
    with pytest.raises(UnknownAlgorithmError, match=f"no algorithm 'own_nearest_mean'.*{first}"):
        mw.Experiment.from_spec(estimator, data)
    with pytest.raises(MedilyticaError, match="own_signum"):
        mw.Experiment.from_spec(full, data)
    plain = {**full, "hyperparameters": {}}
    with pytest.raises(SpecError, match=f"No loss is registered as 'own_brier'.*{first}"):
        mw.Experiment.from_spec(plain, data)
    plain["heads"] = [{"task": "classification"}]
    with pytest.raises(ShapeError, match=f"In layer 1 .*own_soft_step.*{first}"):
        mw.Experiment.from_spec(plain, data)
    plain["layers"] = plain["layers"][1:]
    with pytest.raises(ShapeError, match=f"In layer 1 .own_scale.*{first}"):
        mw.Experiment.from_spec(plain, data)
    plain["layers"], plain["hyperparameters"] = [], {"optimizer": "own_signum"}
    with pytest.raises(ParameterError, match=f"optimizer is 'own_signum'.*{first}"):
        mw.Experiment.from_spec(plain, data)


# -- other processes


def test_a_process_imports_the_module_that_registers(things: types.ModuleType) -> None:
    # both processes load torch at the same time, beside the thread
    run = network_of_all().train(wait=False, worker="process")
    one = mw.Experiment(rings(), algorithm="own_nearest_mean").train(wait=False, worker="process")
    here = trained(network_of_all(), worker="thread")
    frame = rings().frame.head(10)
    run.wait(120)
    np.testing.assert_allclose(run.predict(frame).probability_inner, here.predict(frame).probability_inner, rtol=1e-6)
    assert one.wait(120).status == "finished"


def test_what_lives_in_a_notebook_trains_in_a_thread_and_never_in_a_process(things: types.ModuleType) -> None:
    for entry in registered.entries("algorithm") + registered.entries("layer"):
        entry.object.__module__ = "__main__"
    try:
        clear()
        mw.register.dataset("own_rings", target="ring")(things.rings)
        mw.register.algorithm("own_nearest_mean")(things.NearestMean)
        mw.register.layer("own_scale", parameters=[mw.Parameter("start", "float", 1.0)])(things.OwnScale)
        estimator = mw.Experiment(rings(), algorithm="own_nearest_mean")
        stack = mw.Experiment(rings(), hyperparameters={"epochs": 1}, layers=[mw.Layer("own_scale")])
        for experiment, words in ((estimator, "own_nearest_mean|Own nearest mean"), (stack, "layer 'own_scale'")):
            with pytest.raises(SpecError, match=f"({words}).*is known to this process only.*worker='thread'"):
                experiment.train(worker="process", wait=False)
            assert experiment.runs == []
        # left to choose, an estimator of one fit would take a process
        assert trained(estimator).status == "finished"
    finally:
        things.NearestMean.__module__ = things.OwnScale.__module__ = things.__name__


def test_a_script_may_register_and_train_under_papermill_or_alone(
    interpreter: Interpreter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A plain script's own things are of its ``__main__``; its printed program runs without this package."""
    code = (
        inspect.getsource(sys.modules["tests.own_things"])
        + """
exp = mw.Experiment(mw.load_dataset("own_rings"), hyperparameters={"optimizer": "own_signum", "epochs": 2},
                    layers=[mw.Layer("own_scale"), mw.Layer("activation", name="own_soft_step")])
run = exp.train(wait=True)
for name, value in run.evaluate().metrics.items():
    print(name, repr(value))
open("printed.py", "w").write(exp.to_code())
"""
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # it is the __main__ of this process while it runs: another one would load torch for seconds
    names = runpy.run_path("main.py", run_name="__main__")
    assert names["OwnScale"].__module__ == "__main__"
    printed = (tmp_path / "printed.py").read_text(encoding="utf-8")
    assert interpreter.metrics(printed, tmp_path) == pytest.approx(read_metrics(capsys.readouterr().out), abs=1e-6)


# -- what cannot be registered, or printed


HELPER = 3.0


def test_a_script_refuses_what_it_cannot_hold(things: types.ModuleType) -> None:
    @mw.register.activation("leaning")
    def leaning(x):  # type: ignore[no-untyped-def]
        return torch.relu(x) * HELPER

    head = mw.Head("regression")
    with pytest.raises(SpecError, match="leaning .*uses HELPER, which a script cannot import"):
        network.source_lines([mw.Layer("activation", name="leaning")], 2, head, 1)
    mw.register.activation("by_lambda")(lambda x: x.sin())
    with pytest.raises(SpecError, match="The source of <lambda> .* cannot be had"):
        network.source_lines([mw.Layer("activation", name="by_lambda")], 2, head, 1)


class NoFit:
    pass


class OnlyPredict:
    def fit(self, X: Any, y: Any) -> None: ...

    def predict(self, X: Any) -> None: ...


class NoStep(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None: ...  # type: ignore[override]


class Needs(nn.Module):
    def __init__(self, in_features: int, how: int) -> None:
        super().__init__()


def untold(x: Any = ()) -> None: ...


def detached(x: torch.Tensor) -> torch.Tensor:
    return x.detach().relu()


def mixing(x: torch.Tensor) -> torch.Tensor:
    return x.softmax(0)


def model(x: torch.Tensor) -> torch.Tensor:
    return x


def one_argument(outputs: torch.Tensor) -> torch.Tensor:
    return outputs


@pytest.mark.parametrize(
    ("kind", "given", "more", "words"),
    [
        ("algorithm", NoFit, {}, "has no fit and no predict"),
        ("algorithm", OnlyPredict, {"tasks": "classification"}, "no predict_proba"),
        ("algorithm", OnlyPredict, {"tasks": "forecasting"}, "takes 'classification', 'regression'"),
        ("algorithm", OnlyPredict, {"tasks": ["clustering", "regression"]}, "both, or one of 'clustering'"),
        ("algorithm", OnlyPredict, {"tasks": "anomaly"}, "has no score_samples; anomaly needs fit, predict"),
        ("algorithm", OnlyPredict, {"tasks": "transform"}, "has no transform"),
        ("algorithm", 7, {}, "a function or a class"),
        ("dataset", untold, {}, "what values x takes cannot be told"),
        ("layer", NoFit, {}, "a class of torch.nn.Module"),
        ("layer", Needs, {}, "the argument how has no default"),
        ("layer", Needs, {"parameters": []}, "needs how, which is no parameter"),
        ("activation", detached, {}, "has no gradient"),
        ("activation", mixing, {}, "mixes the rows"),
        ("activation", model, {}, "printed scripts use themselves"),
        ("loss", one_argument, {}, "a function of outputs and targets"),
        ("loss", lambda o, t: o, {"tasks": "clustering"}, "names the task 'clustering'"),
        ("optimizer", NoFit, {}, "a class of torch.optim.Optimizer"),
        ("optimizer", NoStep, {}, "changed nothing in a step"),
        ("optimizer", torch.optim.LBFGS, {"parameters": []}, "raised TypeError|closure|ValueError"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(kind: str, given: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(MedilyticaError, match=words):
        getattr(mw.register, kind)("mine", **more)(given)
    assert mw.register.list() == []


def test_weight_decay_that_an_optimizer_does_not_know_is_refused() -> None:
    @mw.register.optimizer("plain_descent")
    class PlainDescent(NoStep):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"])

    experiment = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"optimizer": "plain_descent"})
    with pytest.raises(ParameterError, match="the optimizer 'plain_descent' has no such argument"):
        experiment.set("weight_decay", 0.1)
    assert experiment.hyperparameters["weight_decay"] == 0.0


def test_open_panels_show_what_is_registered_later() -> None:
    from medilytica_widgets.widgets import algorithm_browser, head_editor, hyperparameter_panel, layer_builder

    experiment = mw.Experiment(mw.load_dataset("moons"))
    tree, form = algorithm_browser.AlgorithmBrowser(experiment), hyperparameter_panel.HyperparameterPanel(experiment)
    heads, stack = head_editor.HeadEditor(experiment), layer_builder.LayerBuilder(experiment)
    asked: list[Any] = []
    for widget in (tree, form, heads, stack):
        widget.mark = lambda *_, widget=widget: asked.append(widget)  # type: ignore[method-assign]
    importlib.reload(sys.modules["tests.own_things"])
    for widget in (tree, form, heads, stack):
        widget.update_view()
    assert any(entry["id"] == "own_nearest_mean" for entry in tree.catalogue)
    assert {"optimizer", "own_signum_beta"} <= {parameter["id"] for parameter in form.form}
    assert any(loss["id"] == "custom:own_brier" for loss in heads.losses)
    kinds = {kind["kind"]: kind for kind in stack.kinds}
    assert kinds["own_scale"]["group"] == "Your own"
    assert "own_soft_step" in next(p for p in kinds["linear"]["parameters"] if p["id"] == "activation")["choices"]
    for widget in (tree, form, heads, stack):
        widget.close()
