"""python -m benchmarks [names ...]: genus beside its peers, and the ratio."""

from __future__ import annotations

import argparse
import json
import os
import sys

from benchmarks.harness import NANOGPT, machine, run, table, versions
from benchmarks.rows import ROWS, choose


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"rows, or files of rows; all by default: {', '.join(r.name for r in ROWS)}")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each side (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="of each side (default 1: processor time is measured)")
    parser.add_argument("--nanogpt", metavar="DIR", help="a clone of nanoGPT, for the rows that need one")
    parser.add_argument("--json", action="store_true", help="a line of JSON a row instead of a table")
    asked = parser.parse_args()
    if asked.pairs < 1 or asked.threads < 1:
        parser.error("--pairs and --threads must be at least 1")
    if asked.nanogpt:
        os.environ[NANOGPT] = os.path.abspath(asked.nanogpt)
    try:
        rows = choose(asked.names)
    except ValueError as error:
        parser.error(str(error))
    about = {"machine": machine(), "threads": asked.threads, "versions": versions()}
    if asked.json:
        print(json.dumps(about), flush=True)
    results = []
    for row in rows:
        results.append(run(row, asked.pairs, asked.threads))
        if asked.json:
            print(json.dumps(results[-1].record()), flush=True)
    if not asked.json:
        print(table(results))
        print(f"\n{about['machine']}; {asked.threads} thread{'s' * (asked.threads > 1)}; ", end="")
        print(", ".join(f"{name} {version}" for name, version in versions().items()))
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main())
