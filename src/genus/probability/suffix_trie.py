"""A trie of n-grams in sorted arrays: every sequence of at most `depth` symbols that a text holds, with its count.

A node is an n-gram. Its key says which node it continues and by which symbol,

    key = parent * base + symbol,

and the nodes stand in the order of their keys, so that a node's number is where its key lies: node 0 is the empty
n-gram, then come the unigrams, the bigrams, ...; the children of a node stand side by side, and to find a child is a
binary search, for all positions of a text at once. Any depth and vocabulary fit in 64 bits, since no key spells its n-gram.
A node also has a *suffix*, the n-gram without its first symbol: where a model with a shorter memory would be.

The last node, number -1 to an index, is nowhere: what is not there is found there, and nothing continues it.
Tries as sorted arrays: Pauls & Klein 2011; Heafield 2011 (KenLM). Suffix links: Weiner 1973.
"""

from typing import NamedTuple

import torch
from torch import Tensor

ROOT, NOWHERE = 0, -1
SMALLEST, LARGEST = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max


class SuffixTrie(NamedTuple):
    """The trie of a text: keys, suffix and counts of its N nodes, (N,) int64."""

    keys: Tensor
    suffix: Tensor
    counts: Tensor


def grow(symbols: Tensor, positions: Tensor, depth: int, base: int) -> SuffixTrie:
    """The n-grams of up to `depth` of the symbols (T,), 0 .. base - 1; positions (T,) count anew where another text begins."""
    like = {"dtype": torch.int64, "device": symbols.device}
    keys, suffix, counts = ([torch.tensor([value], **like)] for value in (SMALLEST, ROOT, len(symbols)))
    at = torch.arange(len(symbols), device=symbols.device)  # where the n-grams of the present length end
    node = torch.zeros_like(symbols)  # the n-gram that ends at each symbol, one shorter
    size = 1
    for length in range(1, depth + 1):
        at = at[positions[at] >= length - 1]
        parent = node[at - 1] if length > 1 else node
        found, which, count = torch.unique(parent * base + symbols[at], return_inverse=True, return_counts=True)
        shorter = torch.empty_like(found)
        shorter[which] = node[at]
        keys.append(found), suffix.append(shorter), counts.append(count)  # type: ignore[func-returns-value]
        node = torch.full_like(symbols, NOWHERE)
        node[at] = size + which
        size += len(found)
    for parts, value in ((keys, LARGEST), (suffix, ROOT), (counts, 0)):
        parts.append(torch.tensor([value], **like))
    return SuffixTrie(torch.cat(keys), torch.cat(suffix), torch.cat(counts))


def child(keys: Tensor, base: int, node: Tensor, symbol: Tensor) -> Tensor:
    """The n-grams that continue nodes by symbols, NOWHERE where the text held none."""
    key = node * base + symbol
    place = torch.searchsorted(keys, key)
    return torch.where(keys[place] == key, place, NOWHERE)


def parents(keys: Tensor, base: int) -> Tensor:
    """The node that each node but the root and nowhere continues, (N - 2,)."""
    return keys[1:-1] // base


def first_children(keys: Tensor, base: int) -> Tensor:
    """(N,): the children of node i are the nodes first[i] .. first[i + 1] - 1."""
    return torch.searchsorted(keys, torch.arange(len(keys), device=keys.device) * base)


def level_starts(keys: Tensor, base: int, depth: int) -> list[int]:
    """Where the n-grams of length 0, 1, ..., depth begin among the nodes, and where those of length depth end."""
    starts = [0, 1]
    for _ in range(depth):
        starts.append(int(torch.searchsorted(keys, starts[-1] * base)))
    return starts
