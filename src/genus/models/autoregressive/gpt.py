"""GPT: a sequence one token at a time, each given all before it.

    p(x) = prod_t p(x_t | x_1 ... x_(t-1)),    p(x_t | past) = softmax(transformer(start, x_1 ... x_(t-1)))_t

The chain rule is no approximation: log p(x) is exact. A sequence longer than the context is scored through windows that
overlap by half, and drawn through the same windows.

Tokens are characters, bytes or merges of bytes of a text, any whole numbers, or the pixels of an image in reading order.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Examples
from genus.fields import Count, Depth, Share
from genus.learning import LearnsByGradient, Recipe
from genus.learning.batches import Batches, Shuffled, Windows
from genus.model import CanGenerate, Conditional, Decoding, HasLogProb
from genus.networks.attention import CausalTransformer, Decoder
from genus.sampling.decoding import beam_search, generate
from genus.spaces import Binary, Encoded, Images, Ragged, Space, Tokens

HELD_OUT_WINDOWS = 64  # windows of a long text that are watched in training


class GPT(LearnsByGradient, CanGenerate, HasLogProb, Conditional):
    """Generative pre-trained transformer: a sequence one token at a time, each given all before it.

    p(x) = prod_t p(x_t | x_<t), exactly. Text, whole numbers, or pixels in reading order.

    Radford et al. 2018 and 2019 (GPT-2); Vaswani et al. 2017, arXiv:1706.03762; pixels: Chen et al. 2020 (image GPT).
    """

    spaces: ClassVar = (Tokens, Images, Binary)
    score_batch_size: ClassVar[int] = 32
    sample_chunk: ClassVar[int] = 256
    recipe: ClassVar[Recipe] = Recipe(
        steps=5000, batch_size=8, learning_rate=2e-3, betas=(0.9, 0.99), weight_decay=0.1, warmup=0.03, decay="linear",
        evaluations=20,
    )  # fmt: skip

    n_layers: Depth = 4  # blocks of attention and perceptron
    n_heads: Count = 4  # attention heads of a block
    width: Count = 128  # numbers a token is inside the network; a multiple of 2 n_heads
    context: Count = 128  # tokens it looks back on; points of one length are always seen whole
    dropout: Share = 0.0  # share of hidden numbers left out in training

    mean_length = 1.0  # tokens of a training text, where texts are learned whole

    def build(self, space: Space) -> None:
        self.n_symbols = space.levels  # type: ignore[attr-defined]  # what can be drawn; one more token starts a sequence
        reach = self.context if space.ragged else space.dims
        self.network = CausalTransformer(
            self.n_symbols + 1, reach, self.n_layers, self.n_heads, self.width, self.dropout, self.given_dims
        )

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is None and self.width % (2 * self.n_heads):
            return f"width={self.width} must be a multiple of 2 * n_heads = {2 * self.n_heads}"
        return reason

    # -- likelihood ---------------------------------------------------------------------------------------------

    def token_log_probs(self, tokens: Tensor, g: Tensor | None) -> Tensor:
        """log p(x_t | x_<t) for tokens (n, L): (n, L)."""
        start = tokens.new_full((len(tokens), 1), self.n_symbols)

        def log_prob(logits: Tensor, token: Tensor) -> Tensor:
            return -torch.nn.functional.cross_entropy(logits[..., : self.n_symbols].float().mT, token, reduction="none")

        return self.network.slide(log_prob, torch.cat([start, tokens[:, :-1]], 1), tokens, g)

    def log_prob_of(self, x: Encoded, g: Tensor | None) -> Tensor:
        if isinstance(x, Ragged):
            tokens, mask = x.padded()
            if not tokens.shape[1]:
                return torch.zeros(len(x), device=self.device)
            return (self.token_log_probs(tokens, g) * mask).sum(1)
        return self.token_log_probs(x.reshape(len(x), -1).long(), g).sum(1)

    # -- learning -----------------------------------------------------------------------------------------------

    def loss(self, x: Encoded, g: Tensor | None) -> Tensor:
        """Nats per token of whole sequences, or of windows (n, context + 1) whose first token is only looked back on."""
        if isinstance(x, Ragged):  # over the mean length: over its own, a short sequence would count for more than a long one
            return -self.log_prob_of(x, g) / self.mean_length
        tokens = x.reshape(len(x), -1).long()
        if not self.fitted_space.ragged:
            return -self.token_log_probs(tokens, g).mean(1)
        past, target = tokens[:, :-1].clone(), tokens[:, 1:]
        if self.training and not self.fitted_space.ends:  # type: ignore[attr-defined]  # text without end: it may begin anywhere
            past[:, 0].masked_fill_(torch.rand(len(past), device=past.device) < 0.125, self.n_symbols)
        logits = self.network(past, g)[..., : self.n_symbols]
        # where a target is `start`, another text begins: nothing to predict
        losses = torch.nn.functional.cross_entropy(logits.mT, target, reduction="none", ignore_index=self.n_symbols)
        return losses.mean(1)

    def batches(self, train: Examples, batch_size: int, seed: int, device: torch.device) -> Batches:
        if self._long(train):
            stream = self._stream(train.points)
            if len(stream.values) <= self.network.context:
                raise ValueError(
                    f"context={self.context}, but the text has only {len(stream.values)} tokens; pass a smaller context"
                )
            return Windows(stream, self.network.context + 1, batch_size, seed, device)
        if isinstance(train.points, Ragged):
            self.mean_length = max(1.0, float(train.points.lengths.double().mean()))
        return Shuffled(train, batch_size, seed, device)

    def held_out(self, valid: Examples, batch_size: int, device: torch.device) -> list[Any]:
        if not self._long(valid):
            return super().held_out(valid, self.score_batch_size, device)
        tokens, length = self._stream(valid.points).values, self.network.context + 1
        windows = tokens.unfold(0, min(length, len(tokens)), length)
        chosen = windows[:: max(1, len(windows) // HELD_OUT_WINDOWS)][:HELD_OUT_WINDOWS]
        return [(part.to(device), None) for part in chosen.split(16)]

    def _long(self, examples: Examples) -> bool:
        """Whether sequences are learned in windows: some are longer than the context, and none is given anything."""
        ragged = isinstance(examples.points, Ragged)
        return ragged and examples.given is None and int(examples.points.lengths.max()) > self.network.context

    def _stream(self, points: Ragged) -> Ragged:
        """All sequences end to end, each behind a start token."""
        start = torch.tensor([self.n_symbols])
        return Ragged.of([torch.cat([start, tokens]) for tokens in points])

    # -- drawing ------------------------------------------------------------------------------------------------

    def continue_from(self, prompts: Tensor, g: Tensor | None, max_new_tokens: int, how: Decoding) -> Tensor:
        space = self.fitted_space
        if not space.ragged:  # a distribution over points of one length, and over nothing longer
            if prompts.shape[1] > space.dims:
                raise ValueError(f"prompt: has {prompts.shape[1]} tokens, but points of {space!r} have {space.dims}; shorten it")
            if (max_new_tokens := min(max_new_tokens, space.dims - prompts.shape[1])) == 0:
                return prompts[:, :0]
        if how.num_beams > 1:
            prompts = prompts.repeat_interleave(how.num_beams, 0)
            g = None if g is None else g.repeat_interleave(how.num_beams, 0)
        decoder = Decoder(self.network, len(prompts), g)
        start = prompts.new_full((len(prompts), 1), self.n_symbols)
        logits = decoder.read(torch.cat([start, prompts], 1))[:, : self.n_symbols]
        if how.num_beams > 1:
            found, _ = beam_search(
                lambda token, rows: decoder.step(token, rows)[:, : self.n_symbols],
                logits, max_new_tokens, how.num_beams, length_penalty=how.length_penalty, end=self.end_token,
            )  # fmt: skip
            return found[:, 0]
        return generate(
            lambda token: decoder.step(token)[:, : self.n_symbols],
            logits, max_new_tokens, temperature=how.temperature, top_k=how.top_k, top_p=how.top_p, end=self.end_token,
        )  # fmt: skip
