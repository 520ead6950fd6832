"""genus demo: the tour."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from genus.cli.answer import Answer
from genus.cli.parsing import Parser, whole


def parser() -> Parser:
    made = Parser(
        "demo",
        "[FOLDER]",
        "The tour: six models of handwritten digits are fitted, sampled and compared, in about two minutes and without\n"
        "a network. Writes FOLDER/report.html and the fitted models.",
        "  genus demo\n  genus demo /tmp/tour --seed 1",
    )
    add = made.add_argument
    add("folder", nargs="?", default="genus-demo", metavar="FOLDER", help="for the report and the models (default genus-demo)")
    add("--seed", type=whole, default=0, metavar="N", help="the same seed gives the same tour (default 0)")
    add("--no-progress", dest="progress", action="store_false", help="no progress bars")
    return made


def run(words: list[str]) -> Answer:
    """Take the tour, telling it as it goes."""
    from genus.evaluation.demo import run_demo

    arguments = parser().parse(words[1:])
    tell = partial(print, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    board = run_demo(arguments.folder, progress=arguments.progress, seed=arguments.seed, tell=tell)
    return Answer("", {**board.to_dict(), "report": Path(arguments.folder).expanduser() / "report.html"})
