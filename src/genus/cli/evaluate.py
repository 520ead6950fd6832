"""genus evaluate --real A --synthetic B: judge synthetic data, whoever made them."""

from __future__ import annotations

from pathlib import Path

from genus.cli.answer import Answer
from genus.cli.compare import refuse_report, save_report
from genus.cli.parsing import Mistake, Parser, named_data, whole
from genus.cli.source import Source, add_reading_options, reading


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
    add("--real", type=named_data, required=True, metavar="DATA", help="a file, a folder or a name (genus datasets)")
    add("--synthetic", type=named_data, required=True, metavar="DATA", help="a file or a folder of the same kind")
    add("--target", metavar="COLUMN", help="of tables: predict it, learned on synthetic rows, scored on real ones")
    add("--seed", type=whole, default=0, metavar="N", help="of the classifiers and the choice of rows (default 0)")
    add("--report", type=Path, metavar="FILE", help="one .html file with the measures and pictures")
    add_reading_options(made)
    return made


def run(words: list[str]) -> Answer:
    """Evaluate; print the measures and save the report."""
    from genus.data.readers import read
    from genus.evaluation.evaluate import evaluate

    arguments = parser().parse(words[1:])
    if arguments.report is not None:
        refuse_report(arguments.report)
    real, synthetic, how = arguments.real, arguments.synthetic, reading(arguments)
    files = [data for data in (real, synthetic) if not Source(data).named]
    if how and not files:
        raise Mistake(f"evaluate: the options of files are for files, and {real} is none; leave them out")
    real, synthetic = (read(data, **how).train if how and data in files else data for data in (real, synthetic))
    result = evaluate(real, synthetic, target=arguments.target, seed=arguments.seed)
    return save_report(result, arguments.report)
