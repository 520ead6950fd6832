"""Codes: points have a place in a space of fewer numbers, and come back from it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genus.model.model import Model, indexed_like, join
from genus.spaces import Encoded
from genus.spaces.arrays import as_tensor, refuse_shape

BATCH = 1024  # points that go through a network at once


class HasLatent(Model):
    """Points have a code. A model writes `code_of(x, g) -> z` and `point_of(z, g) -> x`."""

    latent_dim: int

    def code_of(self, x: Any, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def point_of(self, z: Tensor, g: Tensor | None) -> Encoded:
        raise NotImplementedError

    def encode(self, x: Any, *, given: Any = None) -> Tensor:
        """The codes of data: (n, latent_dim), the mean of q(z|x) where the code is random."""
        examples = self.examples(x, given)
        return torch.cat(self.on_batches(examples, lambda x, g: self.code_of(x, g).cpu(), "encode", size=BATCH))

    def decode(self, z: Any, *, given: Any = None) -> Any:
        """The points of codes (n, latent_dim): the kind of thing the data were, the head's most likely value."""
        space = self.fitted_space
        z = as_tensor(z, "z").float()
        refuse_shape(z, (self.latent_dim,), "z")
        if not bool((finite := z.isfinite()).all()):
            row = int((~finite).any(1).nonzero()[0])
            raise ValueError(
                f"z: row {row} holds {'NaN' if z[row].isnan().any() else 'infinity'}, but codes are finite numbers; drop the row"
            )
        g = self.given_features(given, len(z))
        with self.verb(0, "decode"):
            return space.decode(self.point_of(z.to(self.device), g).to("cpu"))

    def reconstruct(self, x: Any, *, given: Any = None) -> Any:
        """decode(encode(x)): what the model keeps of x."""

        def there_and_back(points: Any, g: Tensor | None) -> Encoded:
            return self.point_of(self.code_of(points, g), g).to("cpu")

        parts = self.on_batches(self.examples(x, given), there_and_back, "encode", size=BATCH)
        return indexed_like(self.fitted_space.decode(join(parts)), x)
