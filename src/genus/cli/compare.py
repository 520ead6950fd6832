"""genus compare MODEL ... --data DATA: models side by side on one yardstick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genus.cli.answer import Answer, refuse_place, writing
from genus.cli.fit import add_learning_flags, learning_options, validation_of
from genus.cli.parsing import Mistake, Parser, literal, place, whole
from genus.cli.source import GIVEN, add_data_options, source_of
from genus.cli.wording import as_typed


def parser() -> Parser:
    made = Parser(
        "compare",
        "MODEL [MODEL ...] --data DATA [--report report.html] [options]",
        "Fit models to the same data and judge them on its held-out part: log-likelihood with its kind, and how\n"
        "well a classifier tells their samples from real data. Models are ranked within a kind.\n\n"
        "A model is a name, a name with hyper-parameters (vae:latent-dim=2,beta=4), or the folder of a fitted one.",
        "  genus compare gaussian-mixture vae --data digits --report report.html\n"
        "  genus compare gaussian-mixture:n-components=3 gaussian-mixture:n-components=9 --data table.csv\n"
        "  genus compare runs/vae gaussian --data digits --json",
    )
    add = made.add_argument
    add("models", nargs="+", metavar="MODEL", help="genus models lists them")
    add("--report", type=Path, metavar="FILE", help="one .html file with the table, the samples and the curves")
    add("--runs", type=place, metavar="FOLDER", help="keep the fitted models in it")
    add("--n-samples", type=whole, default=64, metavar="N", help="samples of each to show (default 64)")
    add("--samples", type=whole, metavar="N", help="draws per example of a likelihood that is a bound or an estimate")
    add("--no-two-sample", dest="two_sample", action="store_false", help="train no classifiers: faster")
    add_data_options(made, given=GIVEN)
    add_learning_flags(made)("--no-progress", "--quiet", dest="progress", action="store_false", help="no progress on stderr")
    return made


def run(words: list[str]) -> Answer:
    """Compare; print the leaderboard and save the report."""
    from genus.evaluation.compare import compare, named_models

    arguments = parser().parse(words[1:])
    if arguments.report is not None:
        refuse_report(arguments.report)
    models = named_models([_model(word) for word in arguments.models])
    board = compare(
        models,
        source_of(arguments).load(),
        n_samples=arguments.n_samples,
        samples=arguments.samples,
        two_sample=arguments.two_sample,
        runs=arguments.runs,
        progress=arguments.progress,
        validation=validation_of(arguments.validation),
        **learning_options(arguments),
    )
    for entry in board.entries:
        entry.notes[:] = map(as_typed, entry.notes)
    if not board.models:
        raise Mistake("compare: no model could be fitted: " + "; ".join(f"{e.name} {e.note}" for e in board.entries))
    return save_report(board, arguments.report)


def save_report(result: Any, path: Path | None) -> Answer:
    """The answer of a Leaderboard or an Evaluation, with its report where one was asked for."""
    if path is None:
        return Answer(repr(result), {**result.to_dict(), "report": None})
    path = path.expanduser()
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        result.save(path)
    return Answer(f"{result!r}\n\nreport in {path}", {**result.to_dict(), "report": str(path)})


def refuse_report(path: Path) -> None:
    """Raise Mistake or OSError before the work where a report could not be written after it."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise Mistake(f"--report {path}: {path.suffix or 'no suffix'} does not fit a report; it is one .html file")
    refuse_place(path)


def _model(word: str) -> Any:
    """A model as it was typed: a name, a folder, or NAME:FIELD=VALUE,..."""
    from genus.fields import fields_of
    from genus.registry import find_model

    if ":" not in word or Path(word).exists():
        return word.rstrip("/")
    name, _, told = word.partition(":")
    cls: Any = find_model(name)
    fields, values = fields_of(cls), {}
    for pair in told.split(","):
        field, equals, value = pair.partition("=")
        if not equals:
            raise Mistake(f"compare: {word!r} must be like {name}:FIELD=VALUE,FIELD=VALUE")
        field = field.strip().replace("-", "_")
        values[field] = literal(value, fields[field].type) if field in fields else value
    return cls(**values)
