"""Codes: points have a place in a space of fewer numbers, and come back from it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genus.model.model import Model, indexed_like, join
from genus.spaces import Encoded
from genus.spaces.arrays import as_tensor, refuse_shape


class HasLatent(Model):
    """Points have a code. A model writes `code_of(x, g) -> z` and `point_of(z, g) -> x`."""

    latent_dim: int

    def code_of(self, x: Any, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def point_of(self, z: Tensor, g: Tensor | None) -> Encoded:
        raise NotImplementedError

    def encode(self, x: Any, *, given: Any = None) -> Tensor:
        """The codes of data: (n, latent_dim), the mean of q(z|x) where the code is random."""
        parts = []
        for points, g in self.examples(x, given).batches(1024):
            with self.verb(0, "encode"):
                parts.append(self.code_of(points.to(self.device), None if g is None else g.to(self.device)).cpu())
        return torch.cat(parts)

    def decode(self, z: Any, *, given: Any = None) -> Any:
        """The points of codes (n, latent_dim): the kind of thing the data were, the head's most likely value."""
        space = self.fitted_space
        z = as_tensor(z, "z").float()
        refuse_shape(z, (self.latent_dim,), "z")
        g = self.given_features(given, len(z))
        with self.verb(0, "decode"):
            return space.decode(self.point_of(z.to(self.device), g).to("cpu"))

    def reconstruct(self, x: Any, *, given: Any = None) -> Any:
        """decode(encode(x)): what the model keeps of x."""
        parts = []
        for points, g in self.examples(x, given).batches(1024):
            g = None if g is None else g.to(self.device)
            with self.verb(0, "encode"):
                parts.append(self.point_of(self.code_of(points.to(self.device), g), g).to("cpu"))
        return indexed_like(self.fitted_space.decode(join(parts)), x)
