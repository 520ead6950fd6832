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
        "Without -o, tables, numbers and texts are printed (as CSV into a pipe), and anything else is saved beside you.",
        "  genus sample runs/vae -n 64 --seed 0 -o samples.png\n"
        "  genus sample runs/mixture -n 1000 > synthetic.csv\n"
        "  genus sample runs/cvae --given species=setosa -o setosa.csv",
    )
    add_folder(made)
    made.add_argument("-n", type=whole, default=16, metavar="N", help="how many (default 16)")
    made.add_argument("--seed", type=whole, default=0, metavar="N", help="the same seed gives the same points (default 0)")
    made.add_argument(
        "--given", action="append", metavar="NAME=VALUE",
        help="what a point is given: the condition of a model fitted with --given, or known cells for one that completes",
    )  # fmt: skip
    made.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help=".png .npz .npy .csv .parquet .txt .wav, by what the space is; several recordings are numbered",
    )  # fmt: skip
    made.add_argument("--sample-rate", type=whole, metavar="HZ", help="of recordings (default: that of the data)")
    return made


def run(words: list[str]) -> Answer:
    """Sample; print or save."""
    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_place(output)
    model = load_fitted(arguments.folder, arguments.device, CanSample, "sample")
    space = model.fitted_space
    given = given_for(model, arguments.given)
    if output is not None and arguments.n > 0:  # a suffix that does not fit is told before a long draw
        _refuse_suffix(output, space, model, given)
    samples = model.sample(arguments.n, given=given, seed=arguments.seed)
    if output is None:
        text = _printable(space, samples)
        if text is not None:
            return Answer(text, {"n": arguments.n, "seed": arguments.seed, "output": None, "samples": samples})
        output = _free(Path("samples.png" if ".png" == next(iter(export.suffixes_of(space, samples))) else "samples.npz"))
    rate = arguments.sample_rate or remembered(Path(arguments.folder).expanduser())[1] or export.RATE
    written = _save(output, space, samples, rate)
    where = str(written[0]) if len(written) == 1 else f"{written[0]} to {written[-1].name}"
    found = {"n": arguments.n, "seed": arguments.seed, "output": str(written[0]), "outputs": written}
    return Answer(f"{arguments.n} samples of {space!r} in {where}", found)


def _refuse_suffix(output: Path, space: Space, model: Any, given: Any) -> None:
    if output.suffix.lower() == ".wav" and export.is_recording(space):
        return
    export.writer_of(output, space, model.sample(0, given=given))


def _save(output: Path, space: Space, samples: Any, rate: int) -> list[Path]:
    """Write samples; recordings beyond the first are files of their own."""
    if output.suffix.lower() == ".wav" and export.is_recording(space):
        if not len(samples):
            raise Mistake("-n 0: a recording needs at least one sample")
        digits = len(str(len(samples) - 1))
        paths = [output.with_stem(f"{output.stem}-{i:0{digits}}") if len(samples) > 1 else output for i in range(len(samples))]
        return [write_file(path, export.wav_bytes(sample, rate)) for path, sample in zip(paths, samples)]
    return [write_file(output, export.writer_of(output, space, samples)())]


def _printable(space: Space, samples: Any) -> str | None:
    """Samples for the screen: texts as they are, rows as a table, or as CSV into a pipe; None for pictures and the like."""
    frame = export.as_frame(space, samples)
    if export.is_text(space) or frame is None and ".txt" in export.suffixes_of(space, samples):
        return export.as_text(space, samples)
    if frame is None or len(frame.columns) > 100:
        return None
    return frame.to_string(index=False, max_rows=60) if sys.stdout.isatty() else frame.to_csv(index=False).rstrip("\n")


def _free(path: Path) -> Path:
    """The path, numbered if there is such a file: what nobody named overwrites nothing."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
