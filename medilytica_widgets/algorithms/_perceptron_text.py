"""Lines that a perceptron's script has as they stand."""

from __future__ import annotations

from collections.abc import Sequence

PLATEAU = [
    "    waited = 0 if validation_loss < lowest_loss else waited + 1",
    "    lowest_loss = min(lowest_loss, validation_loss)",
    "    if waited == plateau_patience:",
    "        factor, waited = max(factor / 2, 2**-30), 0",
]
PATIENCE = [
    "    if validation_loss < best_loss:",
    "        best_loss, best_epoch = validation_loss, epoch",
    "        best_weights = copy.deepcopy(model.state_dict())",
    "    elif epoch - best_epoch >= patience:",
    "        break",
    "model.load_state_dict(best_weights)",
]
AUTOCAST = "with torch.autocast(inputs.device.type, torch.bfloat16)"
L1 = "l1 * sum(w.abs().sum() for w in weights)"
L2 = "l2 * sum((w * w).sum() for w in weights)"
LEFT_OVER = "batch normalisation cannot use a single row that is left over"


def indent(lines: Sequence[str], levels: int = 1) -> list[str]:
    """Return lines further in by so many levels."""
    return ["    " * levels + line if line else line for line in lines]
