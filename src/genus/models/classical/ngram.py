"""The n-gram model: counts of what followed what, longer contexts backed by shorter ones."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from genus.fields import Depth, NonNegative
from genus.learning import LearnsByMemory
from genus.model import CanGenerate, Decoding, HasLogProb
from genus.probability import suffix_trie
from genus.probability.suffix_trie import LARGEST, NOWHERE, ROOT, SMALLEST, SuffixTrie
from genus.sampling.decoding import go_on
from genus.spaces import Encoded, Ragged, Space, Tokens

CACHED = 2**23  # probabilities of next tokens that are kept while a sharpened or searched text is generated
DRAWN = 1024  # random numbers drawn at a time: one by one each would cost more than all else


class NGram(LearnsByMemory, CanGenerate, HasLogProb):
    """N-gram model: each token given the n - 1 before it, by counts of what was seen, backed by shorter contexts.

        p(w | h) = (c(h w) - D(c(h w))) / c(h) + b(h) p(w | h'),    h' = h without its first token,    at last p = 1 / V

    modified-kneser-ney     D takes D1, D2 or D3 from counts 1, 2 and more; below n tokens c counts the different tokens
                            that stood before h w: a word is likely in a new place if it was seen in many
    kneser-ney              one D for all counts
    witten-bell             c(h w) / (c(h) + t(h)),  b(h) = t(h) / (c(h) + t(h)),  t(h) different tokens followed h
    add-k                   (c(h w) + k) / (c(h) + k V), h the longest context that was seen

    b(h) makes it sum to one, exactly, after every context, seen or not. Sequences that end, and those of one length, begin
    with a token of their own; an endless text begins with shorter contexts.

    Kneser & Ney 1995; Chen & Goodman 1998 (modified, interpolated); Witten & Bell 1991; Lidstone 1920; Shannon 1948.
    """

    spaces: ClassVar = (Tokens,)
    data_sized: ClassVar = ("keys", "suffix", "share", "backoff")

    order: Depth = 5  # tokens of the longest n-gram: one is predicted from those before it
    smoothing: Literal["modified-kneser-ney", "kneser-ney", "witten-bell", "add-k"] = "modified-kneser-ney"  # what the unseen gets
    k: NonNegative = 0.1  # times that add-k pretends to have seen each token

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is None and space.n_symbols >= 2**31:  # type: ignore[attr-defined]
            return f"its vocabulary of {space.n_symbols} is too large; use fewer than 2**31 tokens"  # type: ignore[attr-defined]
        return reason

    def build(self, space: Space) -> None:
        assert isinstance(space, Tokens)
        self.n_symbols = space.n_symbols  # what can follow; the number after them begins a sequence
        self.base = space.n_symbols + 1
        self.begins = space.ends or not space.ragged
        self._links: _Links | None = None
        for name, dtype in (("keys", torch.int64), ("suffix", torch.int64), ("share", torch.float64), ("backoff", torch.float64)):
            self.register_buffer(name, torch.empty(0, dtype=dtype))  # of each n-gram (suffix_trie); `share` of its context

    # -- learning -----------------------------------------------------------------------------------------------

    def remember(self, kept: Encoded) -> None:
        text = self._text(kept)
        trie = suffix_trie.grow(text.values, text.positions, self.order, self.base)
        self.keys, self.suffix = trie.keys, trie.suffix
        self.share, self.backoff = self._smooth(trie)

    def _text(self, x: Encoded) -> Ragged:
        """The sequences, each behind the symbol that begins it, where there is one."""
        text = x if isinstance(x, Ragged) else Ragged.of_rows(x)
        if not self.begins:
            return text
        symbols = text.values.new_full((len(text.values) + len(text),), self.n_symbols)
        begun = Ragged(symbols, text.offsets + torch.arange(len(text) + 1))
        symbols[begun.positions > 0] = text.values
        return begun

    def _smooth(self, trie: SuffixTrie) -> tuple[Tensor, Tensor]:
        """Of each n-gram (N,): its share of what followed its context, and the weight of shorter contexts after it."""
        starts = suffix_trie.level_starts(trie.keys, self.base, self.order)
        levels = [slice(*ends) for ends in pairwise(starts)]
        parent = suffix_trie.parents(trie.keys, self.base)
        kneser_ney = self.smoothing.endswith("kneser-ney")
        counts = self._kinds_before(trie, levels) if kneser_ney else trie.counts
        counts = torch.where(trie.keys == self.n_symbols, 0, counts).double()  # where a sequence begins is not drawn
        counts[[ROOT, NOWHERE]] = 0
        discount = torch.zeros_like(counts)
        if kneser_ney:
            for level in levels[1:]:
                amounts = _discounts(counts[level], modified=self.smoothing == "modified-kneser-ney")
                discount[level] = amounts[counts[level].clamp(max=3).long()]
        after = lambda each: torch.zeros_like(counts).index_add_(0, parent, each[1:-1])  # noqa: E731  # sums over children
        total = after(counts)
        extra = {"witten-bell": after((counts > 0).double()), "add-k": self.k * self.n_symbols}.get(self.smoothing, 0)
        backoff = torch.where(total > 0, (after(discount) + extra) / (total + extra), 1.0)
        share = torch.zeros_like(counts)
        share[1:-1] = ((counts - discount)[1:-1] / (total + extra)[parent]).nan_to_num(0.0)  # 0 / 0: nothing but beginnings
        return share, backoff

    def _kinds_before(self, trie: SuffixTrie, levels: list[slice]) -> Tensor:
        """The different tokens that were seen before an n-gram; the count itself for the longest, which have no room for
        one before, and for those that begin a sequence, which have none."""
        kinds = torch.bincount(trie.suffix[1:-1], minlength=len(trie.keys)).clamp_min(1)
        begins = trie.keys == self.n_symbols
        for level in levels[2:]:
            begins[level] = begins[trie.keys[level] // self.base]
        begins[levels[-1]] = True
        return torch.where(begins, trie.counts, kinds)

    # -- likelihood ---------------------------------------------------------------------------------------------

    def log_prob_of(self, x: Encoded, g: Tensor | None) -> Tensor:
        text = self._text(x)
        told = self._probabilities(text.values, text.positions).log()
        told[text.values == self.n_symbols] = 0.0  # that a sequence begins was sure
        return told.new_zeros(len(text)).index_add_(0, text.owners, told)

    def _probabilities(self, symbols: Tensor, positions: Tensor) -> Tensor:
        """p(symbol | those before it), (T,): from no context to the longest."""
        p = torch.full(symbols.shape, 1 / self.n_symbols, dtype=torch.float64, device=symbols.device)
        node = torch.full_like(symbols, ROOT)
        for length in range(self.order):
            context = torch.where(positions >= length, node.roll(1), NOWHERE)  # the `length` symbols before
            node = suffix_trie.child(self.keys, self.base, context, symbols)
            weight = self.backoff[context]
            below = torch.where(weight < 1, 1 / self.n_symbols, p) if self.smoothing == "add-k" else p
            p = self.share[node] + weight * below
        return p

    # -- drawing ------------------------------------------------------------------------------------------------

    def continue_from(self, prompts: Tensor, g: Tensor | None, max_new_tokens: int, how: Decoding) -> Tensor:
        state = self._read(prompts)
        if how.is_a_draw:
            return self._walk(state, max_new_tokens)
        return go_on(state, self._advance, self._next_log_probs(), max_new_tokens, how, self.end_token)

    def _read(self, prompts: Tensor) -> Tensor:
        """The longest context that was seen at the end of each prompt (b, t): a node (b,)."""
        state = prompts.new_full((len(prompts),), ROOT)
        if self.begins:
            prompts = torch.cat([prompts.new_full((len(prompts), 1), self.n_symbols), prompts], 1)
        for token in prompts[:, prompts.shape[1] - min(self.order - 1, prompts.shape[1]) :].T:
            state = self._advance(state, token)
        return state

    def _advance(self, state: Tensor, token: Tensor) -> Tensor:
        """The longest context that was seen, one token on."""
        node = suffix_trie.child(self.keys, self.base, state, token)
        while bool((lost := (node == NOWHERE) & (state != ROOT)).any()):
            state = torch.where(lost, self.suffix[state], state)
            node = suffix_trie.child(self.keys, self.base, state, token)
        node = node.clamp_min(ROOT)
        return torch.where(node >= self.links.longest, self.suffix[node], node)

    def _next_log_probs(self) -> Any:
        """log p(next token | state): (b,) -> (b, V)."""
        links, symbols = self.links, self.keys % self.base

        @lru_cache(maxsize=max(CACHED // self.n_symbols, 16))
        def following(node: int) -> Tensor:
            if node == NOWHERE:
                return torch.full((self.base,), 1 / self.n_symbols, dtype=torch.float64, device=self.device)
            p = following(int(links.below[node])) * self.backoff[node]
            children = slice(int(links.first[node]), int(links.first[node + 1]))
            p[symbols[children]] += self.share[children]
            return p

        return lambda state: torch.stack([following(node) for node in state.tolist()])[:, : self.n_symbols].log()

    def _walk(self, state: Tensor, max_new_tokens: int) -> Tensor:
        """Draws from the model itself, one token at a time (b, at most max_new_tokens)."""
        links, base, end = self.links, self.base, self.end_token
        # numbers one by one: from a view without a copy, many times as fast as from a tensor
        keys, suffix, backoff = (memoryview(t.cpu().numpy()) for t in (self.keys, self.suffix, self.backoff))
        first, below, levels = (memoryview(t.numpy()) for t in (links.first, links.below, links.levels))

        def draw(node: int, left: float) -> int:
            """A token after a context: one that was seen there or, with probability b(h), one of the shorter context. One
            number `left`, uniform on [0, 1), decides both: what remains of it when a context is left is uniform again."""
            while node != NOWHERE:
                stays = 1 - backoff[node]
                if left < stays:
                    place = bisect_right(levels, levels[first[node] - 1] + left, first[node], first[node + 1])
                    if place < first[node + 1]:  # else a rounding error beyond the last: it leaves
                        return keys[place] - node * base
                left = max(left - stays, 0.0) / backoff[node]
                node = below[node]
            return min(int(left * self.n_symbols), self.n_symbols - 1)

        def advance(node: int, token: int) -> int:
            """`_advance` of one stream."""
            while True:
                key = node * base + token
                place = bisect_left(keys, key, first[node], first[node + 1])
                if keys[place] == key:
                    return suffix[place] if place >= links.longest else place
                if node == ROOT:
                    return ROOT
                node = suffix[node]

        streams: list[list[int]] = []
        for node in state.tolist():
            streams.append([])
            for left in _uniform(max_new_tokens):
                token = draw(node, left)
                streams[-1].append(token)
                if token == end:
                    break
                node = advance(node, token)
        longest = max(map(len, streams))
        fill = 0 if end is None else end
        return torch.tensor([tokens + [fill] * (longest - len(tokens)) for tokens in streams], device=self.device).long()

    @property
    def links(self) -> _Links:
        """What walks need beside the buffers, made of them when it is first asked for."""
        if self._links is None:
            keys, suffix, share, backoff = (t.cpu() for t in (self.keys, self.suffix, self.share, self.backoff))
            below = suffix.clone()
            if self.smoothing == "add-k":
                below[backoff < 1] = NOWHERE
            below[ROOT] = NOWHERE
            self._links = _Links(
                suffix_trie.first_children(keys, self.base), below, share.cumsum(0),
                suffix_trie.level_starts(keys, self.base, self.order)[self.order],
            )  # fmt: skip
        return self._links

    # -- files --------------------------------------------------------------------------------------------------

    def flaw(self) -> str | None:
        keys, suffix, share, backoff = (getattr(self, name) for name in self.data_sized)
        if len({len(keys), len(suffix), len(share), len(backoff)}) > 1 or len(keys) < 2:
            return "keys, suffix, share and backoff must be of one length, at least 2"
        if not bool((keys[:-1] < keys[1:]).all()) or (int(keys[0]), int(keys[-1])) != (SMALLEST, LARGEST):
            return "keys must be in order, between the two that stand for no n-gram"
        starts = suffix_trie.level_starts(keys, self.base, self.order)
        if starts[-1] != len(keys) - 1:
            return f"keys must be of n-grams of at most order={self.order} tokens, each after one that is there"
        level = torch.searchsorted(torch.tensor(starts), torch.arange(len(keys)), right=True) - 1  # tokens of an n-gram
        level[NOWHERE] = 0
        if not bool(((suffix >= 0) & (suffix < len(keys) - 1)).all() and (level[suffix] == (level - 1).clamp_min(0)).all()):
            return "suffix must be n-grams that are one token shorter"
        drawn = keys % self.base != self.n_symbols
        drawn[[ROOT, NOWHERE]] = False
        if not bool((share[drawn] >= 0).all() and (share[~drawn] == 0).all() and (backoff >= 0).all()):
            return "share and backoff must be probabilities, and none of a token that begins a sequence"
        total = backoff.index_add(0, suffix_trie.parents(keys, self.base), share[1:-1])
        if not bool(((total - 1).abs() < 1e-6).all()):
            return "share and backoff must add up to one after every context"
        return None


class _Links(NamedTuple):
    """first (N,): where the children of a node begin. below (N,): the context that backs a node. levels (N,): running sums
    of share. longest: the first node of n tokens, which is no context."""

    first: Tensor
    below: Tensor
    levels: Tensor
    longest: int


def _discounts(counts: Tensor, modified: bool) -> Tensor:
    """D of a count of 0, 1, 2, and 3 or more (4,): least leaving-one-out error (Ney, Essen & Kneser 1994), from how many
    n-grams were seen once, twice, ... Where too little was seen to tell, half a count a count up to 1.5."""
    n1, n2, n3, n4 = (int((counts == times).sum()) for times in (1, 2, 3, 4))
    amounts = [0.0, 0.5, 1.0, 1.5] if modified else [0.0, 0.5, 0.5, 0.5]
    if n1 and n2 and not modified:
        amounts = [0.0] + [n1 / (n1 + 2 * n2)] * 3
    elif n1 and n2 and n3 and n4:
        once = n1 / (n1 + 2 * n2)
        exact = [0.0, once, 2 - 3 * once * n3 / n2, 3 - 4 * once * n4 / n3]
        amounts = exact if min(exact[1:]) > 0 else amounts
    return counts.new_tensor(amounts)


def _uniform(n: int) -> Iterator[float]:
    """n numbers of [0, 1), drawn many at a time."""
    for start in range(0, n, DRAWN):
        yield from torch.rand(min(DRAWN, n - start), dtype=torch.float64).tolist()
