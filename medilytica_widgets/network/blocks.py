"""Modules that torch.nn lacks. Scripts print their source, so each stands alone: torch and nn, nothing else."""

from __future__ import annotations

import torch
from torch import nn


class FirstOutput(nn.Module):
    """Passes on the first of the things that a module returns."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the module's first output."""
        output: torch.Tensor = self.module(*inputs)[0]
        return output


class SequenceLSTM(nn.LSTM):
    """An LSTM that returns its output at every step, shape (rows, tokens, units)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the outputs without the cell's state."""
        output: torch.Tensor = super().forward(x)[0]
        return output


class SequenceGRU(nn.GRU):
    """A GRU that returns its output at every step, shape (rows, tokens, units)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the outputs without the last state."""
        output: torch.Tensor = super().forward(x)[0]
        return output


class BothEnds(nn.Module):
    """Takes the last output of the forward reading and the first of the backward one."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (rows, tokens, 2 · units) into (rows, 2 · units)."""
        return torch.cat((x[:, -1, : self.units], x[:, 0, self.units :]), dim=1)


class Take(nn.Module):
    """Takes one token of each row."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (rows, tokens, width) into (rows, width)."""
        return x[:, self.position]


class Pool(nn.Module):
    """Takes the mean or the largest value along some dimensions."""

    def __init__(self, how: str, dimensions: tuple[int, ...]) -> None:
        super().__init__()
        self.how = how
        self.dimensions = dimensions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tensor without these dimensions."""
        return x.mean(dim=self.dimensions) if self.how == "mean" else x.amax(dim=self.dimensions)


class Transpose(nn.Module):
    """Swaps the last two dimensions: channels and length, or tokens and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (rows, a, b) into (rows, b, a)."""
        return x.transpose(1, 2)


class Add(nn.Module):
    """Adds tensors of equal shape."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Concatenate(nn.Module):
    """Puts tensors one behind the other along a dimension."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return all of them in one."""
        return torch.cat(inputs, dim=self.dim)


class CodeEmbedding(nn.Embedding):
    """Looks up a learned vector for each whole number; numbers beyond the table take its nearest end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (rows, …) into (rows, …, width)."""
        codes = x.long().clamp(0, self.num_embeddings - 1)
        return super().forward(codes)


class FeatureTokens(nn.Module):
    """Makes a token of each feature, its value times a learned vector plus another (Gorishniy et al. 2021)."""

    def __init__(self, features: int, width: int, class_token: bool = False) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(nn.init.uniform_(torch.empty(features, width), -bound, bound))
        self.bias = nn.Parameter(nn.init.uniform_(torch.empty(features, width), -bound, bound))
        self.class_token = nn.Parameter(nn.init.uniform_(torch.empty(1, width), -bound, bound)) if class_token else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (rows, features) into (rows, features, width), with one token more at the end for the class."""
        tokens = x.unsqueeze(-1) * self.weight + self.bias
        if self.class_token is None:
            return tokens
        return torch.cat((tokens, self.class_token.expand(x.shape[0], 1, -1)), dim=1)


class Attention(nn.MultiheadAttention):
    """Multi-head attention from each token to all, or to those of a second input."""

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:  # type: ignore[override]
        """Return what each token of x has gathered, shape (rows, tokens, width)."""
        source = x if context is None else context
        output: torch.Tensor = super().forward(x, source, source, need_weights=False)[0]
        return output


class ResidualBlock(nn.Module):
    """Two linear layers whose result is added to what came in."""

    def __init__(self, features: int, units: int, normalisation: str, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        norms = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
        self.norm = norms[normalisation](features) if normalisation in norms else nn.Identity()
        self.linear_1 = nn.Linear(features, units)
        self.activation = activation
        self.dropout_1 = nn.Dropout(dropout)
        self.linear_2 = nn.Linear(units, features)
        self.dropout_2 = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the same shape."""
        inner = self.dropout_1(self.activation(self.linear_1(self.norm(x))))
        correction: torch.Tensor = self.dropout_2(self.linear_2(inner))
        return x + correction


class TransformerBlock(nn.Module):
    """Attention among the tokens, then two linear layers for each; both are added to what came in."""

    def __init__(self, width: int, heads: int, units: int, activation: nn.Module, dropout: float, first: bool) -> None:
        super().__init__()
        self.first = first
        self.norm_1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.dropout_1 = nn.Dropout(dropout)
        self.norm_2 = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, units)
        self.activation = activation
        self.dropout_2 = nn.Dropout(dropout)
        self.linear_2 = nn.Linear(units, width)
        self.dropout_3 = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the same shape."""
        if self.first:
            x = x + self.attend(self.norm_1(x))
            return x + self.transform(self.norm_2(x))
        x = self.norm_1(x + self.attend(x))
        normed: torch.Tensor = self.norm_2(x + self.transform(x))
        return normed

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each token gathers from all."""
        gathered: torch.Tensor = self.dropout_1(self.attention(x, x, x, need_weights=False)[0])
        return gathered

    def transform(self, x: torch.Tensor) -> torch.Tensor:
        """Return each token through the two linear layers."""
        inner = self.dropout_2(self.activation(self.linear_1(x)))
        outer: torch.Tensor = self.dropout_3(self.linear_2(inner))
        return outer
