"""The rows, in the order of the table."""

from __future__ import annotations

from benchmarks import (
    classifiers,
    gmm,
    gmm_memory,
    gpt_generate,
    gpt_train,
    hmm,
    importing,
    iw_bound,
    kde,
    neighbours,
    ngram,
    sampling,
    texture,
    vae,
)
from benchmarks.harness import Row

MODULES = (
    gmm, gmm_memory, kde, neighbours, classifiers, hmm, vae, iw_bound, gpt_train, gpt_generate, ngram, sampling, texture, importing,
)  # fmt: skip
ROWS: tuple[Row, ...] = tuple(row for module in MODULES for row in module.ROWS)


def find(name: str) -> Row:
    """The row of that name. Raises ValueError."""
    for row in ROWS:
        if row.name == name:
            return row
    raise ValueError(f"no row is called {name!r}: there are {', '.join(row.name for row in ROWS)}")


def choose(names: list[str]) -> list[Row]:
    """The rows of these names, or of the files of these names; all where none is named. Raises ValueError."""
    if not names:
        return list(ROWS)
    files = {module.__name__.split(".")[-1]: module.ROWS for module in MODULES}
    chosen: list[Row] = []
    for name in names:
        chosen += files.get(name.replace("-", "_")) or [find(name)]
    return [row for i, row in enumerate(chosen) if row not in chosen[:i]]
