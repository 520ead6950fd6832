"""One side of one row, in this process: `python -m benchmarks.worker ROW ours|theirs` prints a line of JSON."""

from __future__ import annotations

import json
import sys

from benchmarks.rows import find


def main(name: str, side: str) -> None:
    row = find(name)
    measured = (row.ours if side == "ours" else row.theirs)()  # type: ignore[misc]
    print(json.dumps({"rate": measured.rate, "unit": row.unit, "value": measured.value}))


if __name__ == "__main__":
    main(*sys.argv[1:])
