"""genus forecast FOLDER: where each sequence goes next, with how sure that is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from genus.cli import export
from genus.cli.answer import Answer, refuse_table, table_bytes, write_file
from genus.cli.fitted import add_folder, load_fitted
from genus.cli.parsing import Mistake, Parser, real, whole
from genus.cli.source import add_data_options, remembered, source_of
from genus.forecast import Forecast
from genus.model import Forecasts
from genus.spaces import Sequence, Space, Table


def parser() -> Parser:
    made = Parser(
        "forecast",
        "FOLDER [--data DATA] [--steps N] [-o forecast.csv] [options]",
        "The next steps of each sequence: the mean of each number, and an interval that holds it with probability --level.\n"
        "With --draws, whole continuations instead, of any kind of sequence. Without --data, the data that the model was\n"
        "fitted to go on.",
        "  genus forecast runs/hidden-markov --steps 12 -o forecast.png\n"
        "  genus forecast runs/linear-dynamical-system --data series.csv --steps 30 --level 0.5 -o forecast.csv\n"
        "  genus forecast runs/hidden-markov --steps 12 --draws 100 -o futures.csv",
    )
    add_folder(made)
    add = made.add_argument
    add("--steps", type=whole, default=10, metavar="N", help="how many (default 10)")
    add("--level", type=real, metavar="X", help="the probability that an interval holds (default 0.9)")
    add("--draws", dest="n", type=whole, metavar="N", help="so many continuations, instead of means and intervals")
    add("--seed", type=whole, default=0, metavar="N", help="of what is drawn (default 0)")
    add("-o", "--output", type=Path, metavar="FILE", help=".csv or .parquet, a row for each step; .png, a picture of one sequence")
    add_data_options(made, fitted=True)
    return made


def run(words: list[str]) -> Answer:
    """Forecast; print or save."""
    import pandas as pd

    arguments = parser().parse(words[1:])
    output, draws, steps, level = arguments.output, arguments.n, arguments.steps, arguments.level
    if draws is not None and level is not None:
        raise Mistake(f"--level {level}: is of intervals, and --draws gives whole continuations; leave one of them out")
    if output is not None:
        refuse_table(output, "forecasts", (".png",) if draws is None else ())
    model = load_fitted(arguments.folder, arguments.device, Forecasts, "forecast")
    space = model.fitted_space
    if not isinstance(space, Sequence):
        raise Mistake(f"forecast: this model is of {space!r}, which genus generate goes on with")
    if draws is None and not space.item.continuous:
        raise Mistake(
            f"forecast: steps of {space.item!r} have no means; pass --draws N to draw what may follow, or fit with --columns to leave some out"
        )
    source = source_of(arguments, remembered(Path(arguments.folder).expanduser())[0])
    series = [one for _, examples in source.every_example(model) for one in model.examples(examples).raw]
    picture = output is not None and output.suffix.lower() == ".png"
    if picture and len(series) != 1:
        raise Mistake(f"-o {output}: a picture is of one sequence, but {source.data} holds {len(series):,}; write a .csv")
    frames = []
    for one in series:
        if draws is not None:
            paths = model.continuations(one, steps, draws, seed=arguments.seed)
            frames.append(pd.concat({i: _steps(export.as_frame(space.item, path)) for i, path in enumerate(paths)}, names=["draw"]))
        else:
            forecast = model.forecast(one, steps, seed=arguments.seed, **({} if level is None else {"level": level}))
            level = forecast.level
            frames.append(_steps(_frame(space.item, forecast)))
    frame = frames[0] if len(frames) == 1 else pd.concat(dict(enumerate(frames)), names=["sequence"])
    frame = frame.reset_index([name for name in frame.index.names if name]).reset_index(drop=True)
    found = {"steps": steps, "level": level, "draws": draws, "data": source.data}
    if output is None:
        return Answer(export.printed(frame), {**found, "output": None, "forecast": frame})
    content = _picture(space.item, series[0], forecast) if picture else table_bytes(frame, output.suffix.lower())
    written = write_file(output, content)
    how = f"{draws:,} draws" if draws else f"means and {level:.0%} intervals"
    return Answer(f"the next {steps:,} steps of {source.data}, {how}, in {written}", {**found, "output": written})


def _steps(frame: Any) -> Any:
    """With the number of each step in front."""
    frame.insert(0, "step", range(1, len(frame) + 1))
    return frame


def _names(item: Space) -> list[str]:
    """What the numbers of a step are called; one number needs no name."""
    if isinstance(item, Table):
        return [str(column.name) for column in item.columns]
    return [f"x{i}" for i in range(item.dims)] if item.shape else [""]


def _frame(item: Space, forecast: Forecast) -> Any:
    """A row for each step: mean, low and high of each number."""
    import pandas as pd

    columns = {}
    for i, name in enumerate(_names(item)):
        for what in ("mean", "low", "high"):
            columns[f"{name}_{what}".lstrip("_")] = (
                getattr(forecast, what).flatten(1 if item.shape else 0).reshape(len(forecast), -1)[:, i].numpy()
            )
    return pd.DataFrame(columns)


def _picture(item: Space, series: Any, forecast: Forecast) -> bytes:
    from genus.evaluation.plots import forecast_plot

    file = io.BytesIO()
    forecast_plot(item.encode(series), forecast, _names(item)).savefig(file, format="png", dpi=110)
    return file.getvalue()
