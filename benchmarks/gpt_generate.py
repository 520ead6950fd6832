"""Generating text: 200 new characters after one, in one stream and in 64, drawn from the whole distribution.

`generate` of genus, and of transformers with its cache, for a GPT of 4 layers, 4 heads, width 128, context 256. Both
generate everything once before they are measured: transformers' first time at 64 streams takes twice as long, while the
allocator learns the sizes of its growing caches.
"""

from __future__ import annotations

from functools import partial

from benchmarks.gpt_train import HEADS, LAYERS, VOCABULARY, WIDTH, dataset
from benchmarks.harness import Measured, Row, stopwatch

CONTEXT, NEW = 256, 200
REPEATS = {1: 4, 64: 1}


def ours(streams: int) -> Measured:
    import genus

    model = genus.GPT(n_layers=LAYERS, n_heads=HEADS, width=WIDTH, context=CONTEXT, dropout=0.0)
    model.fit(dataset(), steps=1, batch_size=2, progress=False)
    prompts = ["A"] * streams
    model.generate(prompts, max_new_tokens=NEW)
    with stopwatch() as clock:
        for repeat in range(REPEATS[streams]):
            texts = model.generate(prompts, max_new_tokens=NEW, seed=repeat)
    tokens = sum(len(text) - 1 for text in texts) * REPEATS[streams]
    return Measured(tokens / clock.seconds, {"tokens": tokens, "parameters": model.n_parameters})


def theirs(streams: int) -> Measured:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
            bos_token_id=0, eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip
    model.generation_config.eos_token_id = None
    prompts = torch.zeros(streams, 1, dtype=torch.long)

    def generate() -> torch.Tensor:
        options = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": True, "top_k": 0, "use_cache": True}
        return model.generate(prompts, attention_mask=torch.ones_like(prompts), **options)

    generate()
    with stopwatch() as clock:
        for _ in range(REPEATS[streams]):
            out = generate()
    tokens = (out.numel() - streams) * REPEATS[streams]
    return Measured(tokens / clock.seconds, {"tokens": tokens, "parameters": sum(p.numel() for p in model.parameters())})


ROWS = [
    Row(
        name=f"gpt-generate-{streams}",
        what=f"generating {NEW} tokens, {streams} stream{'s' * (streams > 1)}, same size",
        unit="tokens/s",
        ours=partial(ours, streams),
        theirs=partial(theirs, streams),
        peer="transformers",
        needs=("transformers",),
        target=target,
        agree={"tokens": 0, "parameters": 0.05},
    )
    for streams, target in ((1, 3.0), (64, 1.3))
]
