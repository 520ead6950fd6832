"""The causal transformer: every position looks back at what was said before it.

    attention(Q, K, V) = softmax(Q K' / sqrt(d)) V                 a weighted look-up, the weights found by likeness
    x <- x + attention(norm(x));   x <- x + mlp(norm(x))           one block; everything adds to one stream x

Attention, heads and blocks: Vaswani et al. 2017, arXiv:1706.03762. The decoder alone as a language model, normalising
before each branch: Radford et al. 2018, 2019 (GPT, GPT-2). Position as rotation: Su et al. 2021, arXiv:2104.09864.
Layer normalisation: Ba et al. 2016, arXiv:1607.06450. Branches that start as zero, so that a deep network starts as the
identity: Bachlechner et al. 2020, arXiv:2003.04887, and Zhang et al. 2019, arXiv:1901.09321.

Shapes: n sequences, L positions, H heads of d numbers each, width w = H d. Tensors in, tensors out: probability lives
in the models.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "CausalTransformer", "Decoder", "SelfAttention", "scaled_dot_product_attention"]

POSITIONS = 2**12  # of windows read at once


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
    """softmax(Q K' / sqrt(d)) V on (..., L, d); `causal` lets position i see positions 0..i only.

    Without positions this is permutation *equi*variant: shuffle the keys with their values and nothing changes. Torch's
    kernel never writes the (L, L) matrix down.
    """
    return F.scaled_dot_product_attention(query, key, value, is_causal=causal)


@lru_cache(maxsize=32)
def rotations(length: int, dim: int, device: torch.device) -> Tensor:
    """exp(i m theta_j) for position m and frequency theta_j = 10000^(-2j/d): complex (length, dim / 2).

    A function with a memory and not a buffer: a network built on the meta device has nothing to lose.
    """
    with torch.inference_mode(False):  # a table first made while sampling must also serve training
        frequency = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64, device=device) / dim)
        angle = torch.outer(torch.arange(length, dtype=torch.float64, device=device), frequency)
        return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn each pair of numbers in x (..., d) by the angles in `rotation` (..., d / 2).

    q at position m meets k at position n as Re(q exp(imt) conj(k exp(int))): only the distance m - n is left. Complex
    multiplication is one kernel forward and one back, three times faster than sines and cosines spelled out.
    """
    pairs = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    turned = torch.view_as_complex(pairs.unflatten(-1, (-1, 2))) * rotation
    return torch.view_as_real(turned).flatten(-2).type_as(x)


class SelfAttention(nn.Module):
    """H heads that look back side by side, each through its own d-dimensional window."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.n_heads, -1))  # (n, L, 3, H, d)
        rotation = rotations(x.shape[1], qkv.shape[-1], x.device)  # (L, d/2)
        query, key = rotate(qkv[:, :, :2], rotation[:, None, None]).unbind(2)  # one product turns both
        query, key, value = (part.transpose(1, 2) for part in (query, key, qkv[:, :, 2]))  # (n, H, L, d) each
        mixed = scaled_dot_product_attention(query, key, value, causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))  # (n, L, w)


class Block(nn.Module):
    """Attention carries information between positions, the perceptron works on it within each."""

    def __init__(self, width: int, n_heads: int, dropout: float = 0.0):
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, bias=False)
        self.attention = SelfAttention(width, n_heads)
        self.norm_mlp = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)  # on what a branch adds: attention weights keep their fast kernel

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        return x + self.dropout(self.mlp(self.norm_mlp(x)))

    def mlp(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class CausalTransformer(nn.Module):
    """Tokens (n, L) -> logits (n, L, vocabulary): row i speaks of token i + 1 and has seen tokens 0..i only.

    Sequences of unequal length are padded on the right: what comes later cannot be seen, so no mask is needed.
    `condition` (n, n_conditions), one-hot for a class or any numbers, is added to every token's embedding.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,  # the longest sequence it reads at once
        n_layers: int = 4,
        n_heads: int = 4,
        width: int = 128,
        dropout: float = 0.0,
        n_conditions: int = 0,
    ):
        super().__init__()
        if width % (2 * n_heads):
            raise ValueError(
                f"width must be a multiple of 2 * n_heads = {2 * n_heads} (rotary positions turn pairs of numbers), "
                f"got {width}; try width={-(-width // (2 * n_heads)) * 2 * n_heads}"
            )
        self.vocabulary, self.context, self.n_heads = vocabulary, context, n_heads
        self.embedding = nn.Embedding(vocabulary, width)
        self.condition = nn.Linear(n_conditions, width, bias=False) if n_conditions else None
        self.blocks = nn.ModuleList(Block(width, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Variance is kept through every product; whatever adds to the stream, and the head, starts at zero.

        So the first loss is log(vocabulary) exactly, and early gradients reach the embedding unmixed.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for block in self.blocks:
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.down.weight)
        nn.init.zeros_(self.head.weight)

    def embed(self, tokens: Tensor, condition: Tensor | None = None) -> Tensor:
        """Tokens (n, L) -> the stream (n, L, w) that the blocks add to."""
        x = self.embedding(tokens)
        return x if self.condition is None else x + self.condition(condition).unsqueeze(-2)

    def forward(self, tokens: Tensor, condition: Tensor | None = None) -> Tensor:
        if tokens.shape[1] > self.context:
            raise ValueError(f"tokens has {tokens.shape[1]} positions, context is {self.context}: use slide")
        x = self.dropout(self.embed(tokens, condition))  # (n, L, w)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))  # (n, L, vocabulary)

    def slide(
        self, score: Callable[[Tensor, Tensor], Tensor], tokens: Tensor, target: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """score(logits (b, l, vocabulary), target (b, l)) -> (b, l), for sequences of any length: tokens, target (n, L) -> (n, L).

        The first window speaks for all its positions, each later one, which begins half a context on, for those that have half
        a context behind them. `Decoder` moves its window the same way, so what it draws has exactly the probabilities scored
        here. Logits are reduced a few windows at a time: those of a long text would not fit.
        """

        def scored(window: Tensor, row: Tensor) -> Tensor:
            logits = self(window[:, 0], None if condition is None else condition[row])
            return score(logits, window[:, 1])

        both, rows = torch.stack((tokens, target), 1), torch.arange(len(tokens), device=tokens.device)  # (n, 2, L), (n,)
        length, keep = tokens.shape[1], self.context // 2
        if length <= self.context:
            return scored(both, rows)
        step, at_once = self.context - keep, max(1, POSITIONS // self.context)
        windows = both.unfold(2, self.context, step).transpose(1, 2)  # (n, W, 2, context)
        n, count = windows.shape[:2]
        batches = zip(windows.flatten(0, 1).split(at_once), rows.repeat_interleave(count).split(at_once), strict=True)
        scores = torch.cat([scored(*batch) for batch in batches]).unflatten(0, (n, count))
        spoken = [scores[:, 0, :keep], scores[:, :, keep:].flatten(1)]
        if count * step + keep < length:  # a last window that is not full
            spoken.append(scored(both[:, :, count * step :], rows)[:, keep:])
        return torch.cat(spoken, 1)


class Decoder:
    """Reads b streams a token at a time and remembers keys and values, so that a token costs one position, not L.

        decoder = Decoder(network, streams=b)
        logits = decoder.read(prompt)           # (b, t) -> (b, vocabulary): what comes after the prompt
        logits = decoder.step(token)            # (b,)   -> (b, vocabulary)
        logits = decoder.step(token, rows)      # the same, stream i going on from the past of stream rows[i]: for beams

    The same numbers as the network's last row, by a flat loop over its raw weights (float32 or float64, outside
    autocast): some sixty operations a token where the tree of modules makes hundreds, and for small networks the
    operations are the cost. When the context is full, the last half of it is read again and becomes the past: the
    windows of `CausalTransformer.slide`.

    Shazeer 2019, arXiv:1911.02150, section 2, on incremental decoding and why memory traffic bounds it.
    """

    @torch.inference_mode()
    def __init__(self, network: CausalTransformer, streams: int = 1, condition: Tensor | None = None):
        weight = network.embedding.weight
        n_heads = network.n_heads
        dim = weight.shape[1] // n_heads
        self.network, self.context, self.keep = network, network.context, network.context // 2
        self.heads = (streams, 3, n_heads, dim)  # (b, 3, H, d): queries, keys, values
        self.pairs = (streams, 3, n_heads, dim // 2, 2)
        self.offset = None if network.condition is None else network.condition(condition)  # (b, w)
        turn = rotations(self.context, dim, weight.device)  # (context, d/2)
        # values are turned by nothing: then one product serves queries, keys and values (context, 3, 1, d/2)
        self.turns = torch.stack((turn, turn, torch.ones_like(turn)), 1).unsqueeze(2)
        self.tokens = torch.zeros(streams, self.context, dtype=torch.long, device=weight.device)
        self.length = 0  # positions read in the present window
        # keys and values (b, 2, H, context, d) of each layer in one block of memory: a step writes both at once
        self.caches = [weight.new_empty(streams, 2, n_heads, self.context, dim) for _ in network.blocks]
        self.weights = [
            (
                block.norm_attention.weight,
                block.attention.qkv.weight.T,
                block.attention.out.weight.T,
                block.norm_mlp.weight,
                block.up.weight.T,
                block.down.weight.T,
            )
            for block in network.blocks
        ]

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """Read t >= 1 tokens (b, t) in every stream; the logits (b, vocabulary) of the next one."""
        if self.length:  # there is a past: go on a token at a time
            for token in tokens.unbind(1):
                logits = self.step(token)
            return logits
        while tokens.shape[1] > self.context:  # the windows of `slide`, but only the last one matters
            tokens = tokens[:, self.context - self.keep :]
        self.length = length = tokens.shape[1]
        self.tokens[:, :length] = tokens
        x = self.network.embedding(tokens)  # (b, t, w)
        if self.offset is not None:
            x = x + self.offset.unsqueeze(1)
        for block, cache in zip(self.network.blocks, self.caches, strict=True):
            qkv = block.attention.qkv(block.norm_attention(x)).unflatten(-1, self.heads[1:])  # (b, t, 3, H, d)
            query, key, value = rotate(qkv, self.turns[:length]).permute(2, 0, 3, 1, 4)  # (b, H, t, d) each
            cache[:, 0, :, :length], cache[:, 1, :, :length] = key, value
            mixed = scaled_dot_product_attention(query, key, value, causal=True)
            x = x + block.attention.out(mixed.transpose(1, 2).flatten(2))
            x = x + block.mlp(block.norm_mlp(x))
        return self.network.head(self.network.norm(x[:, -1]))

    @torch.inference_mode()
    def step(self, token: Tensor, rows: Tensor | None = None) -> Tensor:
        """Read one token (b,) in every stream; the logits (b, vocabulary) of the next one."""
        if rows is not None:
            self.tokens = self.tokens[rows]
            for cache in self.caches:
                cache[:, :, :, : self.length] = cache[rows, :, :, : self.length]
        if self.length == self.context:  # full: what was said last becomes the past
            self.length = 0
            if self.keep:
                self.read(self.tokens[:, -self.keep :].clone())
        now = self.length
        self.length += 1
        self.tokens[:, now] = token
        turn, shape = self.turns[now], self.network.norm.weight.shape
        x = F.embedding(token, self.network.embedding.weight)  # (b, w)
        if self.offset is not None:
            x = x + self.offset
        for (norm_attention, qkv, out, norm_mlp, up, down), cache in zip(self.weights, self.caches, strict=True):
            heads = torch.mm(torch.layer_norm(x, shape, norm_attention), qkv)
            heads = torch.view_as_real(torch.view_as_complex(heads.view(self.pairs)) * turn).view(self.heads)
            cache.select(3, now).copy_(heads.narrow(1, 1, 2))
            key, value = cache.narrow(3, 0, self.length).unbind(1)  # (b, H, t, d) each
            mixed = F.scaled_dot_product_attention(heads.select(1, 0).unsqueeze(2), key, value)  # (b, H, 1, d)
            x = torch.addmm(x, mixed.view(x.shape), out)  # product and sum in one
            x = torch.addmm(x, F.gelu(torch.mm(torch.layer_norm(x, shape, norm_mlp), up)), down)
        return F.linear(torch.layer_norm(x, shape, self.network.norm.weight), self.network.head.weight)
