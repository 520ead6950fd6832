"""Training a GPT of 0.8 million parameters, nanoGPT's recipe for a CPU: 4 layers of 4 heads, width 128, context 64.

`genus.GPT.fit` with all that a run does, beside a tight loop over transformers' GPT2LMHeadModel and, where it lies at
hand, over nanoGPT's model: forward, backward, clipping, fused AdamW, on batches made beforehand.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.harness import NANOGPT, Measured, Row, stopwatch

LAYERS, HEADS, WIDTH, CONTEXT, BATCH, VOCABULARY = 4, 4, 128, 64, 12, 65
STEPS, WARM = 40, 3


def text(length: int = 200_000) -> str:
    """Random characters of an alphabet of 65."""
    import numpy as np

    letters = np.random.default_rng(0).integers(VOCABULARY, size=length)
    letters[:VOCABULARY] = range(VOCABULARY)
    return "".join(chr(48 + letter) for letter in letters)


def dataset() -> Any:
    import genus

    return genus.Dataset.of([text()], split=(1.0, 0.0, 0.0))


def ours() -> Measured:
    import genus

    def model() -> Any:
        return genus.GPT(n_layers=LAYERS, n_heads=HEADS, width=WIDTH, context=CONTEXT, dropout=0.0)

    data = dataset()
    fit = {"batch_size": BATCH, "learning_rate": 1e-3, "progress": False}
    model().fit(data, steps=WARM, **fit)
    trained = model()
    with stopwatch() as clock:
        trained.fit(data, steps=STEPS, **fit)
    tokens = STEPS * BATCH * CONTEXT
    return Measured(tokens / clock.seconds, {"tokens": tokens, "parameters": trained.n_parameters})


def loop(model: Any, optimiser: Any, loss_of: Any) -> Measured:
    """The tight loop around somebody else's model."""
    import torch

    torch.manual_seed(0)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]

    def steps(count: int) -> None:
        for _ in range(count):
            loss = loss_of(torch.randint(VOCABULARY, (BATCH, CONTEXT + 1)))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()

    model.train()
    steps(WARM)
    with stopwatch() as clock:
        steps(STEPS)
    tokens = STEPS * BATCH * CONTEXT
    return Measured(tokens / clock.seconds, {"tokens": tokens, "parameters": sum(p.numel() for p in model.parameters())})


def transformers() -> Measured:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, use_cache=False,
        )
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    cross_entropy = torch.nn.functional.cross_entropy

    def loss_of(x: Any) -> Any:
        return cross_entropy(model(x[:, :-1]).logits.flatten(0, 1), x[:, 1:].flatten())

    return loop(model, optimiser, loss_of)


def nanogpt() -> Measured:
    import torch

    sys.path.insert(0, os.environ[NANOGPT])
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    model = GPT(
        GPTConfig(block_size=CONTEXT, vocab_size=VOCABULARY, n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, dropout=0.0, bias=False)
    )
    # its own optimiser is fused on a GPU only: give it what the others have
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    return loop(model, optimiser, lambda x: model(x[:, :-1].contiguous(), x[:, 1:].contiguous())[1])


ROWS = [
    Row(
        name=name,
        what=f"training a GPT of 0.8 million parameters, context {CONTEXT}, batch {BATCH}",
        unit="tokens/s",
        ours=ours,
        theirs=theirs,
        peer=peer,
        needs=needs,
        target=round(target, 2),
        agree={"tokens": 0, "parameters": 0.03},  # positions are learned there and turned here
    )
    for name, peer, needs, theirs, target in (
        ("gpt-train", "transformers", ("transformers",), transformers, 1.0),
        ("gpt-train-nanogpt", "nanoGPT", (), nanogpt, 1 / 1.3),
    )
]
