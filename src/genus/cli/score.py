"""genus score FOLDER --data DATA: the log-likelihood of each example, with its kind."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from genus.cli.answer import Answer, refuse_place, table_bytes, write_file
from genus.cli.fit import likelihood, spoken
from genus.cli.fitted import add_folder, load_fitted
from genus.cli.parsing import Mistake, Parser, one_of, whole
from genus.cli.source import Source, add_data_options, given_of, remembered, source_of
from genus.likelihood import LogLikelihood, concatenate
from genus.model import HasLikelihood

PARTS = ("train", "valid", "test")


def parser() -> Parser:
    made = Parser(
        "score",
        "FOLDER [--data DATA] [-o scores.csv] [options]",
        "The log-likelihood of each example under a fitted model, in nats of the data's own units, with its kind:\n"
        "exact, a lower bound or an estimate. The lowest are the outliers.\n\n"
        "Of the data that the model was fitted to, and of named sets, the test part is scored; of others, all.",
        "  genus score runs/vae --data digits -o scores.csv\n"
        "  genus score runs/mixture --data new.csv --split all\n"
        "  genus score runs/mixture --json",
    )
    add_folder(made)
    add = made.add_argument
    add("--split", dest="part", type=one_of(*PARTS, "all"), metavar="PART", help="train, valid, test or all")
    add("-o", "--output", type=Path, metavar="FILE", help="a row for each example: .csv or .parquet")
    add("--samples", type=whole, metavar="N", help="draws per example of a likelihood that is a bound or an estimate")
    add("--batch-size", type=whole, metavar="N", help="examples at once")
    add("--seed", type=whole, default=0, metavar="N", help="of those draws (default 0)")
    add_data_options(made, shares="--shares")
    return made


def run(words: list[str]) -> Answer:
    """Score; print the mean and save every value."""
    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_place(output)
        if output.suffix.lower() not in (".csv", ".parquet"):
            raise Mistake(f"-o {output}: {output.suffix or 'no suffix'} does not fit scores; what fits: .csv, .parquet")
    model = load_fitted(arguments.folder, arguments.device, HasLikelihood, "score")
    fitted_to, _ = remembered(Path(arguments.folder).expanduser())
    source = source_of(arguments, fitted_to)
    if model.given_space is not None and "given" not in source.options:
        source = Source(source.data, {**source.options, "given": given_of(model)})
    own = source.named or (fitted_to is not None and source.same_data(fitted_to))
    part = arguments.part or ("test" if own or arguments.shares else "all")
    examples = _examples(source, part, model)
    options = {"samples": arguments.samples, "batch_size": arguments.batch_size, "seed": arguments.seed}
    scores = [(name, model.log_likelihood(piece, **options)) for name, piece in examples]
    frame = _frame(scores)
    whole_score = concatenate([score for _, score in scores])
    found = {**likelihood(whole_score), "data": source.data, "part": part, "output": output}
    if output is None:
        found["log_likelihoods"] = whole_score.nats
    what = {"all": "all", "test": "the test part", "valid": "the valid part", "train": "the training part"}[part]
    text = f"{spoken(whole_score)}; {len(whole_score):,} examples, {what} of {source.data}"
    if output is not None:
        text += f"; each in {write_file(output, table_bytes(frame, output.suffix.lower()))}"
    return Answer(text, found)


def _examples(source: Source, part: str, model: HasLikelihood) -> list[tuple[str, Any]]:
    """The parts to score, by name; all of a file that nobody has split is one part, in the file's order."""
    if part == "all":
        try:
            whole_file = source.load(model, split=(1.0, 0.0, 0.0))
            return [("all", whole_file.train)]
        except ValueError:  # it comes split; or it is wrong, which the next load says again
            data = source.load(model)
            return [(name, getattr(data, name)) for name in PARTS if len(getattr(data, name))]
    examples = getattr(source.load(model), part)
    if not len(examples):
        raise Mistake(f"score: {source.data} has no {part} part; pass --split all")
    return [(part, examples)]


def _frame(scores: list[tuple[str, LogLikelihood]]) -> Any:
    """A row for each example."""
    import pandas as pd

    frames = []
    for name, score in scores:
        bits = -score.nats / torch.as_tensor(score.dims).clamp_min(1) / math.log(2)
        columns: dict[str, Any] = {"log_likelihood": score.nats.numpy()}
        if score.standard_error is not None:
            columns["standard_error"] = score.standard_error.numpy()
        columns |= {"kind": score.kind, "bits_per_dim": bits.numpy()}
        if len(scores) > 1:
            columns["part"] = name
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
