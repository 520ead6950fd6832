"""genus sample FOLDER: draw new points of a fitted model, to the screen or into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from genus.cli import export
from genus.cli.answer import Answer, refuse_place, write_file
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
        "Without -o, tables, numbers and texts are printed (as CSV into a pipe), and pictures are saved.",
        "  genus sample runs/vae -n 64 --seed 0 -o samples.png\n"
        "  genus sample runs/mixture -n 1000 > synthetic.csv\n"
        "  genus sample runs/cvae --given species=setosa -o setosa.csv",
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
    if output is not None:  # told before a long draw
        export.refuse_suffix(output, space)
    samples = model.sample(arguments.n, given=given_for(model, arguments.given), seed=arguments.seed)
    found: dict[str, Any] = {"n": arguments.n, "seed": arguments.seed}
    if output is None:
        text = _printable(space, samples)
        if text is not None:
            return Answer(text, {**found, "output": None, "samples": samples})
        output = _free(Path(f"samples{export.fitting(space)[0]}"))
    rate = arguments.sample_rate or remembered(Path(arguments.folder).expanduser())[1] or export.RATE
    written = _save(output, space, samples, rate)
    where = str(written[0]) if len(written) == 1 else f"{written[0]} to {written[-1].name}"
    return Answer(f"{arguments.n} samples of {space!r} in {where}", {**found, "output": written[0], "outputs": written})


def _save(output: Path, space: Space, samples: Any, rate: int) -> list[Path]:
    """Write samples; several recordings are files of their own."""
    suffix = output.suffix.lower()
    if suffix in (".wav", ".png") and not len(samples):
        raise Mistake(f"-n 0: {output} needs at least one sample")
    if suffix != ".wav":
        return [write_file(output, export.content(space, samples, suffix))]
    paths, digits = [output], len(str(len(samples) - 1))
    if len(samples) > 1:
        paths = [output.with_stem(f"{output.stem}-{i:0{digits}}") for i in range(len(samples))]
    return [write_file(path, export.wav_bytes(sample, rate)) for path, sample in zip(paths, samples)]


def _printable(space: Space, samples: Any) -> str | None:
    """Samples for the screen: texts as they are, rows as a table, or as CSV into a pipe; None for anything else."""
    if ".txt" in export.fitting(space):
        return export.as_text(space, samples)
    if not export.is_flat(space) or space.dims > 100:
        return None
    frame = export.as_frame(space, samples)
    if sys.stdout.isatty():
        return frame.to_string(index=False, max_rows=60)
    return frame.to_csv(index=False).rstrip("\n")


def _free(path: Path) -> Path:
    """The path, numbered if there is such a file: what nobody named overwrites nothing."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
