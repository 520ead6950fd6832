"""Sampling: points can be drawn, and the missing parts of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import check_count
from genus.model.cells import place_in_cells
from genus.model.model import BEYOND, Model, completed_like, join
from genus.spaces import Encoded
from genus.spaces.arrays import said_of
from genus.spaces.known import space_row


class CanSample(Model):
    """New points can be drawn. A model writes `draw(n, g) -> x`."""

    sample_chunk: ClassVar[int] = 4096  # points drawn at once: a million need no more memory than this many

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        raise NotImplementedError

    def sample(self, n: int = 1, *, given: Any = None, seed: int = 0) -> Any:
        """n new points, as the kind of thing the data were (tensor, DataFrame, list of strings).

        given: what a conditional model was fitted with (one for all, or one each); for a model that Completes, known
        cells as {column: value}. The same seed gives the same points. Raises ValueError, RuntimeError if not fitted.
        """
        space = self.fitted_space
        n = check_count("n", n)
        known = space_row(space, given) if given is not None and isinstance(self, Completes) and self.given_space is None else None
        drawn = max(n, 1)  # of none, one: it has the kind and the shape
        g = self.given_features(given, drawn) if known is None else None
        parts = []
        for chunk, start in enumerate(range(0, drawn, self.sample_chunk)):
            size = min(self.sample_chunk, drawn - start)
            with self.verb(seed, f"sample/{chunk}"):
                if known is not None:
                    with said_of("given"):
                        parts.append(self.fill(known.expand(size, *known.shape[1:]).to(self.device)))  # type: ignore[attr-defined]
                else:
                    parts.append(self.draw(size, None if g is None else g[start : start + size]))
        whole = parts[0] if len(parts) == 1 else join(parts)
        return space.decode(whole.to("cpu")[0:n])


class Completes(Model):
    """Any part of a point may be given, the rest is drawn. A model writes `fill(x)`: NaN in, no NaN out."""

    completes: ClassVar[bool] = True

    def fill(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def fill_density(self, x: Tensor, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """`fill` of a density: to its coordinates and back, with what was known left exactly as it is.

        Known whole numbers are first drawn in their cells [x, x + 1), given all that is known (`genus.model.cells`).
        """
        space, flat = self.fitted_space, x.reshape(len(x), -1).double()
        known = ~flat.isnan()
        whole = known & space.integer_coordinates.to(flat.device)
        rows = (whole.any(1) & ~known.all(1)).nonzero()[:, 0]
        if len(rows):
            flat = flat.index_put((rows,), place_in_cells(flat[rows], whole[rows], self._log_density_of_real))
        return self._there_and_back(x, flat, fill)

    def _log_density_of_real(self, real: Tensor) -> Tensor:
        """The density at real coordinates (n, dims), but for a factor of their known set: what is missing is integrated out."""
        z, _ = self.fitted_space.standardise(real)
        return self.log_density(z.to(self.dtype), None).double()  # type: ignore[attr-defined,operator]

    def _there_and_back(self, x: Tensor, real: Tensor, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """x with its holes from `fill` of z, the standardised of its real coordinates (n, dims)."""
        space = self.fitted_space
        z, _ = space.standardise(real)
        if bool((z.abs() > BEYOND).any()):
            raise ValueError("data: holds a known value too far from anything seen, from which nothing follows; check it")
        drawn = space.from_standardised(fill(z))
        return torch.where(torch.isnan(x), drawn, x.to(drawn.dtype))

    def complete(self, data: Any, *, seed: int = 0) -> Any:
        """The same rows with every missing cell (NaN) drawn from its distribution given the others. A DataFrame's columns that
        the model was not fitted to stay as they are. What a density draws given real numbers is exact; given whole numbers it
        is by Metropolis's algorithm, and given more than 16 of them approximate (`genus.model.cells`)."""
        parts = self.on_batches(self.examples(data), lambda x, g: self.fill(x).to("cpu"), "complete", seed)
        return completed_like(self.fitted_space.decode(join(parts)), data)


class Imputes(Completes):
    """What is missing has a best guess that is known exactly and needs no draw. A model writes `best(x)`."""

    def best(self, x: Tensor) -> Encoded:
        """Encoded points with what is missing (NaN) at its best guess."""
        raise NotImplementedError

    def best_density(self, x: Tensor, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """`fill_density`, with known whole numbers at the middle of their cells [x, x + 1) instead of anywhere in them."""
        return self._there_and_back(x, self.fitted_space.middles(x, torch.float64), fill)

    def impute(self, data: Any) -> Any:
        """The same rows with every missing cell (NaN) at its best guess given the others: the mean of a number, rounded where
        it is a whole one, the likeliest category. `complete` draws them, and so keeps their spread."""
        parts = self.on_batches(self.examples(data), lambda x, g: self.best(x).to("cpu"), "impute")
        return completed_like(self.fitted_space.decode(join(parts)), data)
