"""A mixture of 8 Gaussians on 10 million x 16 float32, 640 MB on disk, streamed: how much memory does the process take?

There is no peer to set beside it: scikit-learn holds the data and 8 responsibilities a row in memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Measured, Row

N, D, K, PART = 10_000_000, 16, 8, 250_000


def write(path: Path) -> None:
    """The file, part by part."""
    import numpy as np
    from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0

    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((K, D)).astype("float32")
    with open(path, "wb") as file:
        header = header_data_from_array_1_0(np.empty((0, D), "float32")) | {"shape": (N, D)}
        write_array_header_1_0(file, header)
        for _ in range(N // PART):
            part = rng.standard_normal((PART, D), dtype="float32") + centres[rng.integers(K, size=PART)]
            part.tofile(file)


def ours() -> Measured:
    import resource
    import sys

    import genus
    from genus.data.rows import Rows

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write(path)
        model = genus.GaussianMixture(n_components=K, max_iter=3).fit(Rows(path), progress=False)
        sample = Rows(path)[:10_000]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(peak / 2**30, {"log_likelihood": model.score(sample)})


ROWS = [
    Row(
        name="gmm-memory",
        what=f"EM of a full mixture on {N // 10**6} million x {D} float32 streamed from disk, K={K}: peak memory",
        unit="GiB",
        ours=ours,
        theirs=None,
        peer="-",
        target=1.0,
        measure="rate",
        at_most=True,
        pairs=1,
    )
]
