"""genus sample FOLDER: draw new points of a fitted model, to the screen or into a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from genus.cli import export
from genus.cli.answer import Answer, refuse_place
from genus.cli.fitted import add_folder, given_for, load_fitted
from genus.cli.parsing import Mistake, Parser, whole
from genus.cli.source import remembered
from genus.model import CanSample
from genus.spaces import Space


def parser() -> Parser:
    made = Parser(
        "sample",
        "FOLDER [-n N] [-o FILE] [options]",
        "Draw new points of a fitted model. The same seed gives the same points.\n\n"
        "Without -o, tables, numbers, series and texts are printed (as CSV into a pipe); pictures and recordings are saved\n"
        "in the current folder.",
        "  genus sample runs/vae -n 64 --seed 0 -o samples.png\n"
        "  genus sample runs/mixture -n 1000 > synthetic.csv\n"
        "  genus sample runs/cvae --given species=setosa -o setosa.csv\n"
        "  genus sample runs/hidden-markov -n 1 -o sound.wav",
    )
    add_folder(made)
    add = made.add_argument
    add("-n", type=whole, default=16, metavar="N", help="how many (default 16)")
    add("--seed", type=whole, default=0, metavar="N", help="the same seed gives the same points (default 0)")
    add(
        "--given", action="append", metavar="NAME=VALUE",
        help="the condition of a model fitted with --given; or known cells, of a model that completes",
    )  # fmt: skip
    add(
        "-o", "--output", type=Path, metavar="FILE",
        help=".png .npz .npy .csv .parquet .txt .wav, by what the space is; several recordings are numbered",
    )  # fmt: skip
    add("--sample-rate", type=whole, metavar="HZ", help="of recordings (default: that of the data)")
    return made


def run(words: list[str]) -> Answer:
    """Sample; print or save."""
    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_place(output)
    model = load_fitted(arguments.folder, arguments.device, CanSample, "sample")
    space = model.fitted_space
    heard = export.is_recording(space) and (output is None or output.suffix.lower() == ".wav")
    if arguments.sample_rate is not None and not heard:
        raise Mistake(f"--sample-rate {arguments.sample_rate}: only recordings have one; leave it out, or pass -o FILE.wav")
    if output is not None:  # told before a long draw
        export.refuse_suffix(output, space)
    _refuse_beyond_memory(arguments.n, space)
    samples = model.sample(arguments.n, given=given_for(model, arguments.given), seed=arguments.seed)
    found: dict[str, Any] = {"n": arguments.n, "seed": arguments.seed}
    rate = arguments.sample_rate or remembered(Path(arguments.folder).expanduser())[1]
    told = f"{arguments.n} samples of {space!r}"
    return export.shown_or_saved(samples, space, output, told, found, name="samples", rate=rate)


def _refuse_beyond_memory(n: int, space: Space) -> None:
    """Raise Mistake for more points than the machine could hold."""
    needed = n * max(space.dims, 1) * space.encoded_dtype.itemsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise Mistake(
            f"-n {n}: so many points take {needed / 2**30:,.0f} GB at least, and this machine has {memory / 2**30:,.0f}; "
            "draw fewer at once, each time with another --seed"
        )
