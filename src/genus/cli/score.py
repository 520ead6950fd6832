"""genus score FOLDER --data DATA: the log-likelihood of each example, with its kind; or a score that is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from genus.cli.answer import Answer, refuse_table, table_bytes, write_file
from genus.cli.fit import likelihood, spoken
from genus.cli.fitted import add_folder, load_fitted
from genus.cli.parsing import Mistake, Parser, one_of, whole
from genus.cli.source import PARTS, Source, add_data_options, given_of, remembered, source_of
from genus.likelihood import LogLikelihood, concatenate
from genus.model import HasLikelihood, HasScore


def parser() -> Parser:
    made = Parser(
        "score",
        "FOLDER [--data DATA] [-o scores.csv] [options]",
        "The log-likelihood of each example under a fitted model, in nats of the data's own units, with its kind:\n"
        "exact, a lower bound or an estimate. Models without one may have a score, larger the more typical. The lowest\n"
        "are the outliers.\n\n"
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
    given = "of a model of p(x | given): where the conditions are, as fit takes it (default: where they were in fit)"
    add_data_options(made, fitted=True, given=given)
    return made


def run(words: list[str]) -> Answer:
    """Score; print the mean and save every value."""
    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_table(output, "scores")
    model = load_fitted(arguments.folder, arguments.device, HasScore, "score")
    fitted_to, _ = remembered(Path(arguments.folder).expanduser())
    source = source_of(arguments, fitted_to)
    if model.given_space is not None and not model.given_optional and "given" not in source.options:
        source = Source(source.data, {**source.options, "given": given_of(model)})
    if model.given_optional and arguments.given is None and "given" in source.options:
        source = source.without_labels(model)
    own = source.named or (fitted_to is not None and source.same_data(fitted_to))
    part = arguments.part or ("test" if own or arguments.shares else "all")
    examples = _examples(source, part, model)
    found, text, frame = (_likelihoods if isinstance(model, HasLikelihood) else _scores)(model, examples, arguments)
    values = {} if output is not None else {f"{frame.columns[0]}s": torch.from_numpy(frame.iloc[:, 0].to_numpy(copy=True))}
    what = {"all": "all", "test": "the test part", "valid": "the valid part", "train": "the training part"}[part]
    text += f"; {len(frame):,} examples, {what} of {source.data}"
    if output is not None:
        text += f"; each in {write_file(output, table_bytes(frame, output.suffix.lower()))}"
    return Answer(text, {**found, "data": source.data, "part": part, "output": output, **values})


def _likelihoods(model: Any, examples: list[tuple[str, Any]], arguments: Any) -> tuple[dict[str, Any], str, Any]:
    """What is found, in words, and a row for each example."""
    if arguments.samples is not None and model.likelihood_kind == "exact":
        raise Mistake(f"--samples {arguments.samples}: this likelihood is exact and takes no draws; leave it out")
    options = {"samples": arguments.samples, "batch_size": arguments.batch_size, "seed": arguments.seed}
    scores = [(name, model.log_likelihood(piece, **options)) for name, piece in examples]
    whole_score = concatenate([score for _, score in scores])
    return likelihood(whole_score), spoken(whole_score), _frame(scores)


def _scores(model: Any, examples: list[tuple[str, Any]], arguments: Any) -> tuple[dict[str, Any], str, Any]:
    """The same of a model whose scores are no log-probabilities."""
    import pandas as pd

    if arguments.samples is not None:
        raise Mistake(f"--samples {arguments.samples}: the scores of this model are no estimates; drop it")
    frames = [pd.DataFrame({"score": model.score_samples(piece), "kind": "score", "part": name}) for name, piece in examples]
    frame = pd.concat(frames, ignore_index=True)
    mean = float(frame["score"].mean())
    found = {"mean": mean, "kind": "score", "n": len(frame)}
    return found, f"score {mean:.5g} (no log-probability)", frame if len(frames) > 1 else frame.drop(columns="part")


def _examples(source: Source, part: str, model: HasScore) -> list[tuple[str, Any]]:
    """The parts to score, by name."""
    if part == "all":
        return source.every_example(model)
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
