"""Train, pause, resume, step and stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms
from ..errors import DivergenceError, InputError, OutOfMemoryError, StateError, hint
from ..report import html
from ._base import experiment_of, serves
from ._holding import holding_of
from ._latest_run import FollowsRuns, unit_of
from ._presence import HUB
from ._warm import warm_up

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run

_COMMANDS = ("start", "pause", "resume", "stop", "step")


class RunControls(FollowsRuns):
    """The buttons that train, pause, resume, step and stop, and where the latest run stands.

    Train is disabled, with the reason beside it, while the network's stack cannot be or the algorithm
    cannot learn the target. A failed run says why and offers the change most likely to cure it.

    Parameters
    ----------
    experiment : Experiment
    """

    run = traitlets.Dict(allow_none=True, default_value=None, help="Where the latest run stands").tag(sync=True)
    blocked = traitlets.Unicode(help="Why no run can start; empty where one can").tag(sync=True)
    hold = traitlets.Dict(help="Who holds the controls, and who asks for them").tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        self._holding = holding_of(self.experiment)
        super().__init__(**kwargs)
        self.update_view()
        self.follow_runs(experiment, ("status_changed", "telemetry_advanced"))
        self.follow(experiment.changed, self._on_change)
        self.follow(self._holding.changed, self.mark)
        self.follow(HUB.changed, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)
        if experiment.algorithm.engine == "torch" and not self._headless:
            warm_up()

    def update_view(self) -> None:
        """Bring status, progress and the reason for a disabled Train up to date."""
        state = run_state(self.experiment)
        reason = blocked_reason(self.experiment)
        with self.together():
            self.set_trait("run", state)
            self.blocked = reason
            self.hold = self._holding.told()

    def _on_change(self, part: str) -> None:
        if part in ("algorithm", "layers", "hyperparameters"):
            self.mark()

    # --- requests ---------------------------------------------------------------------------------

    @serves("run.command")
    def _command(self, body: dict[str, Any]) -> dict[str, Any]:
        command = body["command"]
        if command not in _COMMANDS:
            raise InputError(f"There is no command {command!r}. {hint(command, _COMMANDS)}")
        self._holding.use()
        active = self.experiment.active
        if command == "start":
            if active is not None:
                raise StateError(f"{active.name} is {active.status}; stop it first, or wait for its end.")
            return {"run": self.experiment.train(wait=False).id}
        if active is None:
            latest = self.experiment.run
            told = f"{latest.name} is {latest.status}" if latest is not None else "no run was started yet"
            raise StateError(f"There is nothing to {command}: {told}. Press Train to start a run.")
        if command == "step":
            active.step("epoch")
        else:
            getattr(active, command)()
        return {"run": active.id}

    @serves("run.ask")
    def _ask_for_it(self, body: dict[str, Any]) -> None:
        self._holding.ask()

    @serves("run.answer")
    def _answer_who_asks(self, body: dict[str, Any]) -> None:
        self._holding.answer(body["to"], body["give"])

    @serves("hyperparameters.set")
    def _cure(self, body: dict[str, Any]) -> None:
        self.experiment.set(body["name"], body["value"])

    # --- report -----------------------------------------------------------------------------------

    def static_html(self) -> str:
        """Return how the latest run ended."""
        state = run_state(self.experiment)
        if state is None:
            return html.section("Training", html.sentence("Nothing was trained."))
        facts = {
            "run": state["name"],
            "algorithm": self.experiment.run.algorithm if self.experiment.run else "",
            "status": state["status"],
            f"{state['unit']}s": f"{state['epoch']} of {state['epochs']}" if state["epochs"] else state["epoch"],
            "device": state["device"],
        }
        if state["samples_per_second"]:
            facts["rows a second"] = html.grouped(int(state["samples_per_second"]))
        error = html.sentence(state["error"], "error") if state["error"] else None
        return html.section("Training", html.card("", html.key_values(facts), error))


def run_state(experiment: Experiment) -> dict[str, Any] | None:
    """Return where the latest run stands, rounded so that what looks equal is equal; None before the first."""
    run = experiment.run
    if run is None:
        return None
    progress = run.progress()
    running = run.status == "running"
    error = run.error
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "epoch": int(progress.get("epoch") or 0),
        "epochs": int(progress.get("epochs") or 0),
        "unit": unit_of(algorithms.get(run.algorithm)),
        "samples_per_second": _rounded(progress.get("samples_per_second"), 2),
        "remaining_seconds": _rounded(progress.get("remaining_seconds"), 2) if running else None,
        "device": _device(str(progress.get("device") or "")),
        "path": run.path,
        "error": error.message if error is not None else None,
        "remedy": remedy(experiment, run) if error is not None else None,
    }


def _rounded(value: Any, digits: int) -> float | None:
    if value is None or not math.isfinite(value) or value < 0:
        return None
    if value < 1:
        return 1.0 if value > 0 else 0.0
    return float(f"{value:.{digits}g}")


def _device(name: str) -> str:
    return name.upper() if name.split(":")[0] in ("cpu", "mps", "cuda") else name


def blocked_reason(experiment: Experiment) -> str:
    """Return why no run can start, as a sentence; empty where one can."""
    algorithm = experiment.algorithm
    if reason := algorithm.unavailable(experiment.task):
        return f"{algorithm.name} cannot learn this target: {reason}"
    if algorithm.has_layers:
        error = experiment.analysis().error
        if error is not None:
            return str(error)
    return ""


def remedy(experiment: Experiment, run: Run) -> dict[str, Any] | None:
    """Return the change of one hyperparameter most likely to cure a failed run; None where none is known.

    A diverged run gets a learning rate ten times smaller, one that ran out of memory half the batch.
    """
    if run.algorithm != experiment.algorithm.id:
        return None
    error, now = run.error, run.values
    if isinstance(error, DivergenceError) and now.get("learning_rate"):
        return _change(experiment, "learning_rate", float(now["learning_rate"]) / 10)
    if isinstance(error, OutOfMemoryError) and now.get("batch_size"):
        return _change(experiment, "batch_size", int(now["batch_size"]) // 2)
    return None


def _change(experiment: Experiment, name: str, value: float) -> dict[str, Any] | None:
    parameter = experiment.algorithm.parameters[name]
    low = parameter.low if parameter.low is not None else -math.inf
    if value < low or value == experiment.hyperparameters[name]:
        return None
    # one digit, as in the sentence of the error that stands beside the button
    value = int(value) if parameter.kind == "int" else float(f"{value:.1g}")
    label = parameter.to_json()["label"]
    return {"label": f"Set {label} to {value:g} and train again", "name": name, "value": value}
