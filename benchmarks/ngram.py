"""N-gram models: counting, smoothing and scoring in seconds, and how fast they write. There is no peer: limits are to be kept.

The first two also check what comes out: words of the Penn Treebank, modified Kneser-Ney of order 5, test perplexity
(141.2 is published: Mikolov et al. 2011), and characters of tiny Shakespeare, order 7, nats a character of the last tenth.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

WORST = {"perplexity": 141.5, "nats_per_character": 1.52}
NEW = {1: 200_000, 64: 4000}  # characters a stream


def shakespeare() -> Any:
    """Tiny Shakespeare, the last tenth held out."""
    import genus

    parts = genus.load_dataset("tiny_shakespeare")
    text = "".join(part.raw[0] for part in (parts.train, parts.valid, parts.test))
    return genus.Dataset.of([text], split=(0.9, 0.0, 0.1))


def learned(data: str) -> Measured:
    import genus

    dataset = shakespeare() if data == "shakespeare" else genus.load_dataset("penn_treebank", tokenizer="words")
    with stopwatch() as clock:
        model = genus.NGram(order=7 if data == "shakespeare" else 5).fit(dataset, progress=False)
        nats = model.log_likelihood(dataset.test).nats_per_dim
    name, value = ("nats_per_character", nats) if data == "shakespeare" else ("perplexity", math.exp(nats))
    if value > WORST[name]:
        raise AssertionError(f"{name} {value:.4f} is above {WORST[name]}")
    return Measured(clock.seconds, {name: value})


def generated(streams: int) -> Measured:
    import genus

    model = genus.NGram(order=7).fit(shakespeare(), progress=False)
    with stopwatch() as clock:
        texts = model.generate(["ROMEO:\n"] * streams, max_new_tokens=NEW[streams])
    return Measured(streams * NEW[streams] / clock.seconds, {"characters": sum(map(len, texts))})


ROWS = [
    Row(
        name=f"ngram-{data}",
        what=f"fitting and scoring modified Kneser-Ney: {what}",
        unit="CPU s",
        ours=partial(learned, data),
        theirs=None,
        peer="-",
        target=seconds,
        measure="rate",
        at_most=True,
    )
    for data, what, seconds in (
        ("treebank", "0.93 million words, order 5", 60.0),
        ("shakespeare", "1.0 million characters, order 7", 20.0),
    )
] + [
    Row(
        name=f"ngram-generate-{streams}",
        what=f"writing with a 7-gram of characters, {streams} stream{'s' * (streams > 1)}",
        unit="characters/s",
        ours=partial(generated, streams),
        theirs=None,
        peer="-",
        target=100_000,
        measure="rate",
    )
    for streams in NEW
]
