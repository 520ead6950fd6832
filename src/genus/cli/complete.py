"""genus complete FOLDER --data DATA: the same rows with their missing cells filled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from genus.cli import export
from genus.cli.answer import Answer, refuse_place
from genus.cli.fitted import add_folder, load_fitted
from genus.cli.parsing import Mistake, Parser, whole
from genus.cli.source import add_data_options, remembered, source_of
from genus.model import Completes, Imputes
from genus.model.model import completed_like, join
from genus.registry import name_of
from genus.spaces import Sequence


def parser() -> Parser:
    made = Parser(
        "complete",
        "FOLDER [--data DATA] [-o filled.csv] [options]",
        "The same rows with every missing cell drawn from its distribution given what is known of the row. What is known\n"
        "stays as it is. Draws keep the spread of the data; --best-guess gives the single likeliest answer instead: the mean\n"
        "of a number, the likeliest category.",
        "  genus complete runs/mixture --data holes.csv -o filled.csv\n"
        "  genus complete runs/mixture --data holes.csv --best-guess -o filled.csv\n"
        "  genus complete runs/gaussian --data holes.npz -o filled.npz --seed 1",
    )
    add_folder(made)
    add = made.add_argument
    add("--best-guess", action="store_true", help="the best single guess instead of a draw")
    add("--seed", type=whole, default=0, metavar="N", help="the same seed gives the same draws (default 0)")
    add("-o", "--output", type=Path, metavar="FILE", help=".csv .parquet .npz .npy .png, by what the space is")
    add_data_options(made, fitted=True)
    return made


def run(words: list[str]) -> Answer:
    """Fill; print or save."""
    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_place(output)
    model = load_fitted(arguments.folder, arguments.device, Completes, "complete")
    if arguments.best_guess and not isinstance(model, Imputes):
        raise Mistake(f"--best-guess: {name_of(type(model))} only draws; leave it out, or fit a mixture or a gaussian")
    space = model.fitted_space
    if output is not None:  # told before a long draw
        export.refuse_suffix(output, space)
    source = source_of(arguments, remembered(Path(arguments.folder).expanduser())[0])
    parts = [examples for _, examples in source.every_example(model)]
    rows = replace(parts[0], points=join([examples.x for examples in parts])).raw  # as they came: the model has codes of its own
    examples = model.examples(rows)
    points = examples.x
    missing = int((points if not space.ragged else points.values).isnan().sum())
    filled = completed_like(model.impute(examples) if arguments.best_guess else model.complete(examples, seed=arguments.seed), rows)
    how = "at their best guess" if arguments.best_guess else "drawn"
    told = f"{len(points):,} examples with their {missing:,} missing cells {how} given the rest"
    if isinstance(space, Sequence) and len(points) == 1 and export.is_flat(space.item):  # a file of one series stays one
        space, filled = space.item, filled[0]
    found = {"n": len(points), "missing": missing, "data": source.data}
    return export.shown_or_saved(filled, space, output, told, found, name="filled")
