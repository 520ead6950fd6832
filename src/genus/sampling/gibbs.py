"""Gibbs: draw a part of x from its conditional given the rest, then another part, and so on.

    x_B ~ p(x_B | x_rest)        leaves p as it is for every block B, and needs no step size: nothing is ever refused

systematic scan: the blocks in turn. random scan: a block at random each time, which makes the chain reversible. Blocks that are
independent given the rest (the layers of a restricted Boltzmann machine, the colours of a chessboard) are drawn at once.
Geman & Geman 1984; Glauber 1963 for spins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from genus.sampling.arguments import seeded
from genus.sampling.chains import Chains, State, check_points, run_chains


def gibbs(
    conditionals: Sequence[Callable[[Tensor], Tensor]],
    x: Tensor,
    num_samples: int,
    *,
    num_warmup: int = 500,
    thinning: int = 1,
    scan: Literal["systematic", "random"] = "systematic",
    seed: int | None = None,
) -> Chains:
    """Gibbs sampling from x (chains, *shape), real or discrete.

    conditionals: each a function x -> x with one block drawn anew given the rest, for all chains at once; it may write into
    the x it is given. A step is a sweep: as many draws as there are blocks, in turn or at random. num_samples sweeps are
    kept, each after `thinning` more. Raises ValueError, TypeError.
    """
    check_points(x)
    if not conditionals:
        raise ValueError("conditionals: is empty; pass a function x -> x for each block")
    if scan not in ("systematic", "random"):
        raise ValueError(f"scan={scan!r} is not known: choose 'systematic' or 'random'")
    blocks = len(conditionals)

    def sweep(state: State) -> tuple[State, None]:
        order = range(blocks) if scan == "systematic" else torch.randint(blocks, (blocks,)).tolist()
        x = state.x
        for block in order:
            x = _drawn(conditionals[block](x), x, block)
        return State(x), None

    with seeded(seed, "gibbs"):
        return run_chains(sweep, State(x.clone()), num_samples=num_samples, num_warmup=num_warmup, thinning=thinning)


def _drawn(drawn: Tensor, x: Tensor, block: int) -> Tensor:
    """What a conditional made of x, or TypeError or ValueError where it is no x."""
    if not isinstance(drawn, Tensor):
        raise TypeError(f"conditionals: number {block} gave {type(drawn).__name__}; return all of x, with its block drawn anew")
    if drawn.shape != x.shape:
        raise ValueError(
            f"conditionals: number {block} gave shape {tuple(drawn.shape)} for x of shape {tuple(x.shape)}; return all of x, with its "
            "block drawn anew"
        )
    return drawn
