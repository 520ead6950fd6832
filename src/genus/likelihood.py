"""LogLikelihood: how probable data are to a model, with what kind of number it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LikelihoodKind = Literal["exact", "lower bound", "estimate"]


@dataclass(frozen=True)
class LogLikelihood:
    """log p(x) of n examples in nats of the data's own units.

    nats (n,): float64. kind: "exact"; "lower bound" (the truth is above it in expectation: an ELBO, an importance-
    weighted bound, a density seen through dequantisation); "estimate" (may err to either side). standard_error (n,):
    of each value as an estimate, None where there is nothing random about it. dims: numbers in one example that are known,
    an int or (n,) where examples differ; characters for text.
    """

    nats: Tensor
    kind: LikelihoodKind
    standard_error: Tensor | None = None
    dims: int | Tensor = 1

    @property
    def mean(self) -> float:
        """Mean over the examples, nats."""
        return float(self.nats.mean())

    @property
    def total(self) -> float:
        """Sum over the examples, nats."""
        return float(self.nats.sum())

    @property
    def mean_standard_error(self) -> float:
        """Standard error of `mean`: of the examples as a sample of all there could be (nan for a single one)."""
        return float(self.nats.std() / math.sqrt(len(self.nats))) if len(self.nats) > 1 else math.nan

    @property
    def nats_per_dim(self) -> float:
        """Nats *lost* per dimension (character, pixel, known cell): -total / all dims; nan where there are none (empty texts)."""
        dims = self.dims * len(self.nats) if isinstance(self.dims, int) else int(self.dims.sum())
        return -self.total / dims if dims else math.nan

    @property
    def bits_per_dim(self) -> float:
        """Bits lost per dimension: what an ideal compressor would pay. Lower is better; a density's can be negative."""
        return self.nats_per_dim / math.log(2)

    def __len__(self) -> int:
        return len(self.nats)

    def __repr__(self) -> str:
        spread = "" if math.isnan(self.mean_standard_error) else f" +- {self.mean_standard_error:.4g}"
        return f"LogLikelihood(mean {self.mean:.6g}{spread} nats, {self.bits_per_dim:.4g} bits/dim, {self.kind}, n={len(self)})"


def concatenate(parts: list[LogLikelihood]) -> LogLikelihood:
    """One LogLikelihood of consecutive batches."""
    dims: int | Tensor = parts[0].dims
    if not all(isinstance(p.dims, int) for p in parts):  # points differ
        dims = torch.cat([torch.as_tensor(p.dims).expand(len(p)) for p in parts])
    errors = [p.standard_error for p in parts]
    error = None if errors[0] is None else torch.cat(errors)  # type: ignore[arg-type]
    return LogLikelihood(torch.cat([p.nats for p in parts]), parts[0].kind, error, dims)
