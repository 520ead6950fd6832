"""genus predict FOLDER --data DATA: the likeliest class of each example, and the probability of every class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genus.cli import export
from genus.cli.answer import Answer, refuse_table, table_bytes, write_file
from genus.cli.fitted import add_folder, load_fitted
from genus.cli.parsing import Parser
from genus.cli.source import add_data_options, given_of, remembered, source_of
from genus.data import classes_of
from genus.model import Classifies


def parser() -> Parser:
    made = Parser(
        "predict",
        "FOLDER [--data DATA] [-o classes.csv] [options]",
        "The likeliest class of each example and the probability of every class, by Bayes' rule from what a generative\n"
        "classifier has learned. Where the data have labels, the share of right answers is told, too.",
        "  genus predict runs/naive-bayes --data new.csv -o classes.csv\n  genus predict runs/naive-bayes --data iris --json",
    )
    add_folder(made)
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="a row for each example: .csv or .parquet")
    given = "the true classes, for the accuracy: a column, or alone the labels (default: where they were in fit)"
    add_data_options(made, fitted=True, given=given)
    return made


def run(words: list[str]) -> Answer:
    """Predict; print or save."""
    import pandas as pd

    arguments = parser().parse(words[1:])
    output = arguments.output
    if output is not None:
        refuse_table(output, "classes")
    model = load_fitted(arguments.folder, arguments.device, Classifies, "predict")
    fitted_to, _ = remembered(Path(arguments.folder).expanduser())
    source = source_of(arguments, fitted_to)
    if "given" not in source.options:
        source.options["given"] = given_of(model)
    if arguments.given is None:
        source = source.without_labels(model)
    parts = source.every_example(model)
    frame = pd.concat([_frame(model, examples) for _, examples in parts], ignore_index=True)
    found: dict[str, Any] = {"n": len(frame), "data": source.data, "classes": model.classes}
    told = f"{len(frame):,} examples of {source.data}"
    if all(examples.given is not None for _, examples in parts):
        found["accuracy"] = sum(model.accuracy(examples) * len(examples) for _, examples in parts) / len(frame)
        found["includes_training"] = fitted_to is not None and source.same_data(fitted_to)
        whose = ", training examples included" if found["includes_training"] else ""
        told = f"accuracy {found['accuracy']:.4f}{whose}; {told}"
    if output is None:
        return Answer(export.printed(frame), {**found, "output": None, "predicted": frame})
    written = write_file(output, table_bytes(frame, output.suffix.lower()))
    return Answer(f"{told}; each in {written}", {**found, "output": written})


def _frame(model: Classifies, examples: Any) -> Any:
    """A row for each example: its class, and what probability each class has."""
    import pandas as pd

    column = classes_of(model.given_space)
    name = column.name if model.given_space.form == "frame" else "class"  # type: ignore[union-attr]
    probabilities = model.predict_proba(examples)
    found = {name: model.classes_[probabilities.argmax(1)]}
    return pd.DataFrame(found | {f"p({c})": p for c, p in zip(model.classes, probabilities.T)})
