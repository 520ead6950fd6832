"""Importing genus beside importing torch: processor seconds of a fresh process, from compiled files."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from functools import partial

from benchmarks.harness import Measured, Row


def importing(name: str) -> Measured:
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)  # compiles what is not, and warms the disk
    start = time.process_time()
    importlib.import_module(name)
    return Measured(time.process_time() - start, {})


ROWS = [
    Row(
        name="import",
        what="import genus beside import torch",
        unit="CPU s",
        ours=partial(importing, "genus"),
        theirs=partial(importing, "torch"),
        peer="torch",
        needs=("torch",),
        target=0.1,
        measure="difference",
        at_most=True,
    )
]
