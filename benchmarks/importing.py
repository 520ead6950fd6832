"""What `import genus` takes beyond `import torch`: processor seconds of a fresh process, from compiled files.

torch is imported first and in the same process: two processes differ by more than what is measured here. A public name is
imported when it is first asked for, so that there is a row for a program that asks for a model, too.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from functools import partial

from benchmarks.harness import Measured, Row


def ours(names: tuple[str, ...]) -> Measured:
    subprocess.run([sys.executable, "-c", "from genus import *"], check=True)  # compiles what is not, and warms the disk
    importlib.import_module("torch")
    start = time.process_time()
    genus = importlib.import_module("genus")
    for name in names:
        getattr(genus, name)
    return Measured(time.process_time() - start, {"names": len(names)})


ROWS = [
    Row(
        name=name,
        what=what,
        unit="CPU s",
        ours=partial(ours, names),
        theirs=None,
        peer="-",
        target=0.1,
        measure="rate",
        at_most=True,
    )
    for name, what, names in (
        ("import", "import genus after import torch", ()),
        ("import-model", "the same, and a model and a data set asked for", ("VAE", "load_dataset")),
    )
]
