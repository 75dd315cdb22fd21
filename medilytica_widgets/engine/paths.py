"""Chooses and makes the path of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import torch

from . import devices
from .choice import Choice
from .choice import choose_path as choose_by_shape
from .general import GeneralPath
from .loop import Host
from .network_parts import NetworkParts
from .stepping import Path, StepSettings


def choose_path(
    parts: NetworkParts,
    values: Mapping[str, Any],
    path: str | None = None,
    threads: int | None = None,
    cache: FilePath | None = None,
) -> Choice:
    """Return the path and the number of threads for a run's next epochs.

    Parameters
    ----------
    parts : NetworkParts
    values : mapping
        The hyperparameters in effect.
    path, threads
        Those of a run that is resumed; chosen when None.
    cache : path, optional
        Where what was measured on this machine is kept.
    """
    if path and threads:
        return Choice(path, int(threads), "As before.")
    own = parts.model.own is not None
    if parts.device.type == "cuda" and parts.part_rows is None and parts.heads is None and not own:
        return Choice("graph", torch.get_num_threads(), "Steps are captured in a CUDA graph.")
    if parts.device.type != "cpu":
        return Choice("general", torch.get_num_threads(), f"On {parts.device.type} every step is torch's own.")
    size = parts.settings(values).batch_size
    if parts.part_rows is not None:
        # it alone takes a batch in parts
        return Choice("general", torch.get_num_threads(), "A batch does not fit into memory at once.")
    # bfloat16 on the processor is torch's own business, and a registered optimizer knows tensors only
    plan = None if parts.mixed(values) or own else parts.plan
    found = choose_by_shape(plan, size, values["optimizer"], cores=torch.get_num_threads(), cache=cache)
    if found.threads:
        return found
    placed = devices.place("cpu", parts.model.module, parts.job.n_features, size)
    return Choice(found.path, placed.threads, found.reason)


def make_path(
    choice: Choice, parts: NetworkParts, settings: StepSettings, values: Mapping[str, Any], host: Host
) -> Path:
    """Return the path that carries out the steps, on the flat buffers of the network."""
    generator = parts.dropout_generator if parts.dropouts else None
    if choice.path == "compiled":
        from .perceptron import compiler
        from .perceptron.compiled import CompiledPath

        # until it is ready numpy does the same, bit for bit
        compiler.warm()
        assert parts.plan is not None  # choose_path found one
        data = (parts.X, parts.y, parts.X_val, parts.y_val)
        return CompiledPath(parts.plan, parts.model.state, parts.objective, *data, generator, waiting=host.waiting)
    X, y, X_val, y_val = (torch.from_numpy(a).to(parts.device) for a in (parts.X, parts.y, parts.X_val, parts.y_val))
    if choice.path == "written":
        from .perceptron.written import WrittenPath

        assert parts.plan is not None  # choose_path found one
        return WrittenPath(
            parts.plan, parts.model.state, parts.objective, X, y, X_val, y_val, generator, threads=choice.threads
        )
    kind: Callable[..., Path] = GeneralPath
    if parts.heads is not None:
        from .heads_path import HeadsPath

        kind = partial(HeadsPath, heads=parts.heads)
    elif choice.path == "graph":
        from .cuda_graph import GraphPath

        kind = GraphPath
    return kind(
        parts.model,
        parts.objective,
        X,
        y,
        X_val,
        y_val,
        dropouts=parts.dropouts,
        settings=settings,
        threads=choice.threads,
        mixed=parts.mixed(values),
        part_rows=parts.part_rows,
        note=host.note,
    )
