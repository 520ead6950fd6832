"""Noise of the whole batch, however many processes share it: row i has the same random numbers wherever it is.

Every process keys its generator alike. What an operation draws it draws for all rows of the batch, and keeps the rows of this
process: r, r + W, ... of W processes (`Batches`). So the losses of a run do not depend on how many processes there are, but
where numbers are drawn for the padding of sequences, which is as long as the longest of a process. Rows come first; what is
drawn in another shape is drawn for each process apart, and by `multinomial`, `randperm` and fused attention for all alike.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

OTHERS = {"randperm", "multinomial"}  # what they draw has not the shape of what they are given


class NoiseOfTheWholeBatch(TorchDispatchMode):
    """Inside the block, n rows of this process are every `world`-th of the batch from `rank` on."""

    def __init__(self, n: int, rank: int, world: int) -> None:
        super().__init__()
        self.n, self.rank, self.world = n, rank, world

    def __torch_dispatch__(self, draw: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        shape = next((list(a.shape) if isinstance(a, Tensor) else a for a in args if isinstance(a, Tensor | list)), None)
        name = draw.overloadpacket.__name__
        random = torch.Tag.nondeterministic_seeded in draw.tags and kwargs.get("generator") is None
        if not random or not shape or name in OTHERS or "attention" in name:
            return draw(*args, **kwargs)
        # n k numbers ahead are k of each row; any other number has nothing to do with rows, and each process has its own
        n, k = (self.n, shape[0] // self.n) if shape[0] % self.n == 0 else (1, shape[0])

        def widened(value: Any) -> Any:
            if isinstance(value, Tensor) and value.dim() and value.shape[0] == shape[0]:
                rows = value.unflatten(0, (n, 1, k)).expand(n, self.world, k, *value.shape[1:]).flatten(0, 2)
                outermost = sorted(range(value.dim()), key=lambda axis: -value.stride(axis))  # memory is filled in its order
                return torch.empty_permuted(rows.shape, outermost, dtype=rows.dtype, device=rows.device).copy_(rows)
            return [self.world * shape[0], *shape[1:]] if isinstance(value, list) else value

        def mine(value: Any) -> Any:
            return value.unflatten(0, (n, self.world, k))[:, self.rank].flatten(0, 1) if isinstance(value, Tensor) else value

        drawn = tree_map(mine, draw(*map(widened, args), **kwargs))
        return args[0].copy_(drawn) if name.endswith("_") else drawn
