"""genus evaluate --real A --synthetic B: judge synthetic data, whoever made them."""

from __future__ import annotations

from pathlib import Path

from genus.cli.answer import Answer
from genus.cli.compare import refuse_report, save_report
from genus.cli.parsing import Parser, whole


def parser() -> Parser:
    made = Parser(
        "evaluate",
        "--real DATA --synthetic DATA [options]",
        "Synthetic data of any tool beside the real data they should be like: can a classifier tell them apart, do\n"
        "they cover the real ones, are they copies? Every measure stands beside what held-out real data get.",
        "  genus evaluate --real measurements.csv --synthetic synthetic.csv --report report.html\n"
        "  genus evaluate --real adult.csv --synthetic synthetic.csv --target income\n"
        "  genus evaluate --real photos/ --synthetic drawn/ --json",
    )
    add = made.add_argument
    add("--real", required=True, metavar="DATA", help="a file, a folder or a name (genus datasets)")
    add("--synthetic", required=True, metavar="DATA", help="a file or a folder of the same kind")
    add("--target", metavar="COLUMN", help="of tables: predict it, learned on synthetic rows, scored on real ones")
    add("--seed", type=whole, default=0, metavar="N", help="of the classifiers and the choice of rows (default 0)")
    add("--report", type=Path, metavar="FILE", help="one .html file with the measures and pictures")
    return made


def run(words: list[str]) -> Answer:
    """Evaluate; print the measures and save the report."""
    from genus.evaluation.evaluate import evaluate

    arguments = parser().parse(words[1:])
    if arguments.report is not None:
        refuse_report(arguments.report)
    result = evaluate(arguments.real, arguments.synthetic, target=arguments.target, seed=arguments.seed)
    return save_report(result, arguments.report)
