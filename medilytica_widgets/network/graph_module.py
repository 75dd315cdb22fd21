"""The torch module of a network whose layers branch and join."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Network(nn.Module):
    """Runs named steps in order; each takes the input or the outputs of earlier steps.

    Parameters
    ----------
    steps : sequence of (str, nn.Module, tuple of int)
        Name, module, and the indices of the steps that it takes, -1 for the input.
    heads : sequence of (str, nn.Module, int)
        Name, module, and the step that it sits on.
    """

    def __init__(
        self, steps: Sequence[tuple[str, nn.Module, tuple[int, ...]]], heads: Sequence[tuple[str, nn.Module, int]]
    ) -> None:
        super().__init__()
        for name, module, _ in (*steps, *heads):
            self.add_module(name, module)
        self._steps = tuple((name, sources) for name, _, sources in steps)
        self._heads = tuple((name, source) for name, _, source in heads)

    @property
    def steps(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The names of the steps and what each takes."""
        return self._steps

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the head's output, shape (rows, outputs); a tuple of them where there are several heads."""
        values = [x]
        for name, sources in self._steps:
            values.append(self._modules[name](*(values[source + 1] for source in sources)))  # type: ignore[misc]
        outputs = tuple(self._modules[name](values[source + 1]) for name, source in self._heads)  # type: ignore[misc]
        return outputs[0] if len(outputs) == 1 else outputs
