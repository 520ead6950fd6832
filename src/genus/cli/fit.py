"""genus fit MODEL --data DATA: learn a model from data; the folder of the run is the fitted model."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from genus.cli.answer import Answer, aligned, entry, rank, writing
from genus.cli.fitted import given_example
from genus.cli.parsing import Mistake, Parser, add_hyper_parameters, flag_of, hyper_parameters, place, real, whole
from genus.cli.source import GIVEN, Source, add_data_options, remember, source_of
from genus.learning import Learns, Recipe
from genus.model import Classifies
from genus.registry import find_model, model_classes, name_of, space_names

SECONDS = 15.0  # that scoring held-out data after a fit may take
MOST_TOKENS = 20_000  # of one long text scored then
# type, placeholder and sentence of each; not every way of learning takes the first of these
LENGTH: dict[str, tuple[Any, str, str]] = {
    "epochs": (whole, "N", "passes over the data, instead of steps"),
    "steps": (whole, "N", "optimiser steps, instead of epochs"),
    "batch_size": (whole, "N", "examples in a step"),
    "learning_rate": (real, "X", "of the optimiser"),
    "validation": (str, "SHARE|DATA", "a share of the training data to watch, or other data (default: the valid part)"),
}
SETTING: dict[str, tuple[Any, str, str]] = {
    "seed": (whole, "N", "the same seed gives the same model (default 0)"),
    "device": (str, "NAME", "auto, cpu, cuda or cuda:N (default auto)"),
    "precision": (str, "NAME", "auto, float32, float64 or bfloat16 (default auto)"),
}


def run(words: list[str]) -> Answer:
    """Fit, save, and say how it went."""
    rest = words[1:]
    if not rest or rest[0] in ("-h", "--help"):
        return Answer(overview(), {"models": list(model_classes())})
    if rest[0].startswith("-"):
        raise Mistake("fit: say first which model, as in genus fit vae --data digits; genus models lists them")
    cls = find_model(rest[0])
    name = name_of(cls)
    if not issubclass(cls, Learns):
        raise Mistake(f"fit: {name} does not learn from data")
    arguments = parser(cls).parse(rest[1:])
    model = cls(**hyper_parameters(arguments))
    source = source_of(arguments)
    folder = _folder(arguments, name, source)
    data, validation = source.load(cls), validation_of(arguments.validation)
    started = time.monotonic()
    try:
        with writing(folder):
            model.fit(
                data, validation=validation, run=folder, resume=arguments.resume,
                progress=arguments.progress and not arguments.quiet, **learning_options(arguments),
            )  # fmt: skip
    except KeyboardInterrupt:
        kept = (folder / "checkpoints").is_dir() and any((folder / "checkpoints").iterdir())
        raise KeyboardInterrupt(f"; to go on: the same command with --run {folder} --resume" if kept else "") from None
    return _report(model, name, data, source, folder, time.monotonic() - started, arguments)


# -- help --------------------------------------------------------------------------------------------------------


def parser(cls: type[Learns]) -> Parser:
    """The parser of one model, made of its fields and of what its way of learning takes."""
    name = name_of(cls)
    about = (cls.__doc__ or "").strip("\n").split("\n")
    description = "\n".join(line.removeprefix("    ") for line in about).strip()
    made = Parser(
        f"fit {name}",
        "--data DATA [options]",
        f"{description}\n\nIt learns {cls.way}, from: {space_names(cls)}.",
        _examples(cls, name),
    )
    add_hyper_parameters(made, cls)
    add_data_options(made, given=GIVEN)
    add_learning_options(made, cls.takes, getattr(cls, "recipe", None))
    return made


def add_learning_options(made: Parser, takes: frozenset[str], recipe: Recipe | None = None) -> None:
    """fit's own options. Those that a way of learning does not take are refused by `fit` itself, with its reason."""
    add = add_learning_flags(made, LENGTH.keys() - takes, recipe)
    resume = "go on with an unfinished run, exactly where it stopped"
    add("--run", type=place, metavar="FOLDER", help="the folder to save in (default runs/MODEL-DATA, a new one each time)")
    add("--resume", action="store_true", help=resume if "resume" in takes else argparse.SUPPRESS)
    add("--no-progress", dest="progress", action="store_false", help="no progress bar")
    add("--quiet", dest="quiet", action="store_true", help="print nothing but mistakes")


def add_learning_flags(made: Parser, hidden: Collection[str] = (), recipe: Recipe | None = None) -> Callable[..., Any]:
    """The flags of how to learn, but for the hidden ones told in --help with a model's own recipe; returns what adds more to
    their group."""
    group = made.add_argument_group("learning")
    usual = {} if recipe is None else {
        "steps": f" (default {recipe.steps}" + f", or {recipe.epochs} epochs if these are more" * (recipe.epochs > 0) + ")",
        "batch_size": f" (default {recipe.batch_size})", "learning_rate": f" (default {recipe.learning_rate:g})",
    }  # fmt: skip
    for name, (kind, metavar, explanation) in {**LENGTH, **SETTING}.items():
        shown = argparse.SUPPRESS if name in hidden else explanation + usual.get(name, "")
        group.add_argument(flag_of(name), type=kind, metavar=metavar, help=shown)
    return group.add_argument


def learning_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that were named, but for `validation`."""
    told = {name: getattr(arguments, name) for name in {**LENGTH, **SETTING} if name != "validation"}
    return {name: value for name, value in told.items() if value is not None}


def overview() -> str:
    """The models by family, with their first sentences."""
    lines, family = [], ""
    for name, cls in model_classes().items():
        if (own := cls.__module__.split(".")[2]) != family:
            family = own
            lines.append(family)
        lines += entry(name, " ".join((cls.__doc__ or "").split("\n\n")[0].split()))
    listed = "\n".join(lines)
    return f"""\
usage: genus fit MODEL --data DATA [options]

Learn a model from data. The folder of the run is the fitted model, which genus sample, score, complete, predict,
forecast and generate take.
`genus fit MODEL --help` explains a model, its hyper-parameters and the options.

{listed}

examples:
  genus fit gaussian-mixture --data penguins.csv --n-components 3
  genus fit vae --data digits --latent-dim 2 --epochs 20 --run runs/vae
  genus fit gpt --data book.txt --run runs/gpt"""


def _examples(cls: Any, name: str) -> str:
    from genus.fields import fields_of
    from genus.spaces import Images, Reals, Sequence, Space, Tokens

    kinds = set(cls.spaces)
    data = "digits" if kinds & {Images, Space} else "iris" if Reals in kinds else "survey.csv"
    data, other = {
        Tokens: ("tiny_shakespeare", "book.txt"), Sequence: ("nile", "series.csv"), Images: ("textures/brick", "photograph.png"),
    }.get(cls.spaces[0], (data, "measurements.csv" + " --given species" * issubclass(cls, Classifies)))  # fmt: skip
    field = next((f for f in fields_of(cls).values() if type(f.default) is int), None)
    flag = f" {flag_of(field.name)} {field.default}" if field else ""
    length = " --epochs 20" if "epochs" in cls.takes else ""
    return f"  genus fit {name} --data {data}{flag}{length} --run runs/{name}\n  genus fit {name} --data {other}"


# -- before ------------------------------------------------------------------------------------------------------


def _folder(arguments: argparse.Namespace, name: str, source: Source) -> Path:
    """Where to save: --run, else runs/MODEL-DATA, numbered so that nothing there is lost."""
    if arguments.run is not None:
        folder = Path(arguments.run).expanduser()
        ours = ("config.json", "run.json", "history.jsonl", "checkpoints")
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"--run {folder}: is a file; pass a folder")
        if folder.exists() and any(folder.iterdir()) and not any((folder / part).exists() for part in ours):
            raise FileExistsError(f"--run {folder}: holds other files, and no run; pass a new folder")
        return folder
    first = Path("runs") / f"{name}-{source.stem}"
    folder, number = first, 1
    while Path(f"{first}-{number + 1}").exists() or (folder.exists() and not arguments.resume):
        number += 1
        folder = Path(f"{first}-{number}")
    return folder


def validation_of(text: str | None) -> Any:
    """What --validation means: a share, or data to watch instead of the valid part."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return Source(text).load().train.raw


# -- after -------------------------------------------------------------------------------------------------------


def _report(
    model: Any, name: str, data: Any, source: Source, folder: Path, seconds: float, arguments: argparse.Namespace
) -> Answer:
    if rank() != 0:
        return Answer("", {})
    remember(folder, source, data.sample_rate)
    score = held_out_score(model, data)
    accuracy = model.accuracy(data) if isinstance(model, Classifies) and len(data.test) else None
    following = next_command(model, folder)
    found: dict[str, Any] = {
        "model": name,
        "hyper_parameters": model.get_params(),
        "data": source.data,
        "space": repr(data.space),
        "train": len(data.train),
        "valid": len(data.valid),
        "test": len(data.test),
        "n_parameters": model.n_parameters,
        "seconds": round(seconds, 3),
        "run": str(folder),
        "log_likelihood": None if score is None else {**likelihood(score[0]), "scored": score[1]},
        "accuracy": accuracy,
        "next": following,
    }
    if arguments.quiet:
        return Answer("", found)
    rows = [
        ("learned", f"{type(model).__name__}({model.extra_repr()}) of {data.space!r}, {model.n_parameters:,} numbers"),
        ("from", f"{amount(data.train)} of {data.name}, in {spoken_time(seconds)}"),
    ]
    if score is not None:
        rows.append(("held out", f"{spoken(score[0])}, of {score[1]}"))
    else:
        why = f"{name} has no likelihood" if len(data.test) else "the data have no test part"
        rows.append(("held out", f"no score: {why}"))
    if accuracy is not None:
        rows.append(("accuracy", f"{accuracy:.1%} of the test part"))
    rows += [("saved in", str(folder)), ("next", following)]
    return Answer(aligned(rows, indent=""), found)


def held_out_score(model: Any, data: Any) -> tuple[Any, str] | None:
    """Log-likelihood of as much of the test part as time allows, and what was scored; None where there is none."""
    from genus.model import HasLikelihood
    from genus.spaces import Ragged

    test = data.test
    if not isinstance(model, HasLikelihood) or not len(test):
        return None
    if len(test) == 1 and isinstance(test.points, Ragged) and len(test.points[0]) > MOST_TOKENS:
        part = replace(test, points=Ragged.of([test.points[0][:MOST_TOKENS]]))
        return model.log_likelihood(part), f"the first {MOST_TOKENS:,} steps of the test part"
    count, most = 0, min(64, len(test))
    while most > count:  # ever more of it, until time is nearly up
        started = time.monotonic()
        score, count = model.log_likelihood(test[:most]), most
        pace = (time.monotonic() - started) / count
        most = min(len(test), int(SECONDS / max(pace, 1e-9)))
        most = most if most >= 2 * count or most == len(test) else count
    whole_part = count == len(test)
    return (
        score,
        f"the test part, {amount(test)}" if whole_part else f"the first {count:,} of {len(test):,} test examples",
    )


def amount(examples: Any) -> str:
    """How much there is: examples, and of sequences their steps."""
    from genus.spaces import Ragged

    n = len(examples)
    count = f"{n:,} {'example' if n == 1 else 'examples'}"
    return f"{count} ({len(examples.points.values):,} steps)" if isinstance(examples.points, Ragged) else count


def likelihood(score: Any) -> dict[str, Any]:
    """A LogLikelihood as numbers."""
    return {
        "mean": score.mean,
        "standard_error": score.mean_standard_error,
        "bits_per_dim": score.bits_per_dim,
        "kind": score.kind,
        "n": len(score),
    }


def spoken(score: Any) -> str:
    """A LogLikelihood in words."""
    error = score.mean_standard_error
    spread = "" if error != error else f" +- {error:.2g}"
    return f"log-likelihood {score.mean:.5g}{spread} nats ({score.kind}), {score.bits_per_dim:.4g} bits/dim"


def next_command(model: Any, folder: Path) -> str:
    """What to type next."""
    from genus.model import CanGenerate, CanSample
    from genus.spaces import Images, Table, Tokens

    space = model.fitted_space
    given = f" {given_example(model.given_space)}" if model.given_space is not None else ""
    if isinstance(model, CanGenerate) and isinstance(space, Tokens) and space.tokenizer is not None:
        return f"genus generate {folder}{given}"
    if isinstance(model, CanSample):
        suffix = ".png" if isinstance(space, Images) else ".csv" if isinstance(space, Table) else ""
        return f"genus sample {folder} -n 64{given}" + (f" -o samples{suffix}" if suffix else "")
    return f"genus score {folder}"


def spoken_time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
