"""What `import genus` takes beyond `import torch`: processor seconds of a fresh process, from compiled files.

torch is imported first and in the same process: two processes differ by more than what is measured here.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time

from benchmarks.harness import Measured, Row


def ours() -> Measured:
    subprocess.run([sys.executable, "-c", "import genus"], check=True)  # compiles what is not, and warms the disk
    seconds = []
    for name in ("torch", "genus"):
        start = time.process_time()
        importlib.import_module(name)
        seconds.append(time.process_time() - start)
    return Measured(seconds[1], {"torch": seconds[0]})


ROWS = [
    Row(
        name="import",
        what="import genus after import torch",
        unit="CPU s",
        ours=ours,
        theirs=None,
        peer="-",
        target=0.1,
        measure="rate",
        at_most=True,
    )
]
