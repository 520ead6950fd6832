"""Randomness as a function of (seed, stream, step, rank).

Every random number in genus is drawn from a generator keyed by what it is for, never by what was drawn before it. So
the same seed gives the same result, batch t needs no history, and a checkpoint holds one integer instead of a
generator's state.

Inside `randomness(...)` the default generators of torch are keyed, so model code writes plain `torch.randn_like(x)`; on
leaving, the user's own stream of random numbers goes on as if nothing had happened. There is one such generator for all
threads, so that one thread at a time is inside.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_alone = threading.RLock()


def key(seed: int, stream: str, step: int = 0, rank: int = 0) -> int:
    """A 63-bit key that is different for every (seed, stream, step, rank)."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, stream: str, step: int = 0, rank: int = 0) -> torch.Generator:
    """A CPU generator of its own for the given key."""
    return torch.Generator().manual_seed(key(seed, stream, step, rank))


def reseed(seed: int, stream: str, step: int = 0, rank: int = 0) -> None:
    """Key the default generators in place (1.4 us on a CPU; torch.manual_seed costs 230 us)."""
    number = key(seed, stream, step, rank)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(number)


@contextmanager
def randomness(seed: int, stream: str, step: int = 0, rank: int = 0) -> Iterator[None]:
    """Key torch's default generators for a block and give the user's own states back afterwards."""
    with _alone:
        state = torch.default_generator.get_state()
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
        reseed(seed, stream, step, rank)
        try:
            yield
        finally:
            torch.default_generator.set_state(state)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda)


def check_seed(seed: object) -> int:
    """Return the seed as an int, or say what a seed is."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"seed={seed!r} is of type {type(seed).__name__}, but a seed must be a whole number")
    return int(seed.__index__())
