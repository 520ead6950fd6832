"""Whole numbers beyond those that were seen.

A column's least and greatest value stand for their whole tails, so that the probabilities of the values there are add up to
one. A billionth of an end's probability is left to the values beyond it:

    P(end + d) = BEYOND P(end) / (d (d + 1)),   d = 1, 2, ...,   as  sum_d 1 / (d (d + 1)) = 1

so that what nobody saw is not impossible, the less likely the farther out, and a point's probability says so.
"""

from __future__ import annotations

import math

from torch import Tensor

BEYOND = 1e-9


def log_beyond(distance: Tensor) -> Tensor:
    """log P(end + d) - log P(end) of distances d >= 0, elementwise; 0 where d is."""
    return (math.log(BEYOND) - distance.clamp(min=1).log() - distance.log1p()).where(distance > 0, 0)
