"""The alias method: a draw from a table of any size at the price of one uniform number and one comparison.

    p_v = 1/V (threshold_v + sum over w with alias_w = v of (1 - threshold_w))

V boxes of equal height are filled by the V values, no box by more than two: its own value up to the threshold, above it the
alias. Draw a box, then a height. Walker 1977; a table in O(V), Vose 1991.

Vose hands every poor value (V p_v < 1) to the rich one that is being spent, which, once spent below 1, is poor itself and
handed to the next. With the poor in a row and the rich in a row, who meets whom is told by two cumulative sums, of what
the poor lack and of what the rich can spare, so that the whole table is two searches (Hübschle-Schneider & Sanders 2022).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import check_weights, seeded


class AliasTable:
    """The alias table of probabilities (V,), which need not sum to one; `draw(n)` in O(n) whatever V.

    threshold (V,) float64: share of a box that is its own value's. alias (V,) int64: whose the rest is. Raises ValueError
    for negative, infinite or all zero probabilities.
    """

    def __init__(self, probabilities: Any) -> None:
        weights = check_weights("probabilities", probabilities)
        if weights.dim() != 1:
            raise ValueError(f"probabilities: have shape {tuple(weights.shape)}; a table is made of one row (V,)")
        share = weights * (len(weights) / weights.sum())  # (V,), 1 on average
        is_rich = share >= 1
        is_rich[share.argmax()] = True  # were all to be rounded below 1
        poor, rich = (~is_rich).nonzero()[:, 0], is_rich.nonzero()[:, 0]
        lacks, spares = (1 - share[poor]).cumsum(0), (share[rich] - 1).cumsum(0)

        self.threshold, self.alias = share.clone(), torch.arange(len(weights), device=weights.device)
        before = torch.cat((lacks.new_zeros(1), lacks))[:-1]  # what those ahead in the row have used up
        self.alias[poor] = rich[torch.searchsorted(spares, before).clamp_(max=len(rich) - 1)]
        # the poor that spends each rich but the last below 1; beyond the row where rounding left a little to spare
        spender = torch.searchsorted(lacks, spares[:-1], right=True)
        spent = torch.cat((lacks, spares[-1:]))[spender]
        self.threshold[rich[:-1]] = 1 + spares[:-1] - spent
        self.alias[rich[:-1]] = rich[1:]
        self.threshold[rich[-1]] = 1.0

    def __len__(self) -> int:
        return len(self.alias)

    def draw(self, n: int, *, seed: int | None = None) -> Tensor:
        """n draws (n,) int64 of 0 .. V-1."""
        n = check_count("n", n)
        with seeded(seed, "alias"):
            u = torch.rand(n, dtype=torch.float64, device=self.alias.device)
        u *= len(self)
        box = u.long()  # the box, and what is left of u is the height in it
        return torch.where(u.sub_(box) < self.threshold[box], box, self.alias[box])
