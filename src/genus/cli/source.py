"""The options that say which data, and the data.json by which a fitted model remembers them."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from genus.cli.answer import write_file
from genus.cli.parsing import Mistake, Parser, named_data, names, one_of, setting, whole

FILE = "data.json"  # in the folder of a fitted model
PARTS = ("train", "valid", "test")
TABLES = (".csv", ".tsv", ".parquet")
# what only says which part of the data; the others say how a file is read, and serve for another file of its kind, too
WHICH = ("split", "seed", "limit")
GIVEN = "learn p(x | given): columns of a table, or a condition that comes with the data; alone: the labels"  # --given's help


@dataclass(frozen=True)
class Source:
    """A name or a path of data, and the options to load it with (`space`: the name of a kind)."""

    data: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> bool:
        """Whether it is the name of a set rather than a path."""
        from genus.data.named import NAMED

        return self.data in NAMED

    @property
    def stem(self) -> str:
        """A short name for folders."""
        return self.data.replace("/", "-") if self.named else Path(self.data).stem

    def same_data(self, other: Source) -> bool:
        """Whether both mean the same set or file."""
        if self.named or other.named:
            return self.data == other.data
        return Path(self.data).resolve() == Path(other.data).resolve()

    def load(self, model: Any = None, **changes: Any) -> Any:
        """The Dataset, in the space that `model` (a class, or a fitted one) needs where the guess would be another."""
        from genus.cli.respace import respaced
        from genus.data import Rows, load_dataset
        from genus.spaces import Sequence, Tokens

        options = {**self.options, **changes}
        kind = options.pop("space", None)
        fitted = getattr(model, "space", None)
        if kind is None and _reads_raw(fitted):  # columns by name, texts by the tokenizer that was learned with
            data = load_dataset(self.data, space=fitted, **options)
            if not isinstance(data.train.points, Rows):  # those of the cache are encoded already, in a space of their own
                return data
        data = load_dataset(self.data, **options)
        if "tokenizer" in options and not isinstance(data.space, Tokens):
            raise Mistake(f"--tokenizer {options['tokenizer']}: is for texts, but {self.data} holds {data.space!r}; leave it out")
        wanted = model is not None and Sequence in model.spaces and not isinstance(data.space, model.spaces)
        if wanted and not self.named and _is_one_series(data.space):
            data = load_dataset(self.data, **options, series=True)
        if kind is None and model is not None:
            data = data.lying_in(model.spaces)
        return data if kind is None else respaced(data, kind)

    def every_example(self, model: Any) -> list[tuple[str, Any]]:
        """The parts that are not empty, by name; all of a file that nobody has split is one part, in the file's order."""
        try:
            return [("all", self.load(model, split=(1.0, 0.0, 0.0)).train)]
        except ValueError:  # it comes split; or it is wrong, which the next load says again
            data = self.load(model)
            return [(name, getattr(data, name)) for name in PARTS if len(getattr(data, name))]

    def without_labels(self, model: Any) -> Source:
        """The source; without labels if it has none, for a model that may do without."""
        try:
            self.load(model)
        except ValueError:  # no such column; or it is wrong, which the next load says again
            return replace(self, options={name: value for name, value in self.options.items() if name != "given"})
        return self


def add_data_options(parser: Parser, *, fitted: bool = False, given: str | None = None) -> None:
    """The options of `source_of`: for a verb of a fitted model, which remembers its data, or for others. `given`: what --given
    does, if it does anything."""
    add = parser.add_argument_group("data").add_argument
    usual = " (default: what the model was fitted to)" if fitted else ""
    add("--data", type=named_data, metavar="DATA", help=f"a name (genus datasets), a file or a folder{usual}")
    if given is not None:
        add("--given", nargs="?", const=True, metavar="COLUMNS", help=given)
    split = "--shares" if fitted else "--split"
    add(split, dest="shares", type=_shares, metavar="A,B,C", help="shares of train, valid and test (0.8,0.1,0.1)")
    add("--data-seed", type=whole, metavar="N", help="seed of the split, and of data that are made (default 0)")
    add("--limit", type=whole, metavar="N", help="only the first N examples of each part")
    add("--space", type=one_of("reals", "binary", "images", "tokens"), metavar="KIND",
        help="what a point is, where the guess is wrong: reals, binary, images or tokens")  # fmt: skip
    add("--tokenizer", metavar="KIND",
        help="of texts: characters, bytes, bpe or bpe:N; words, of named sets that come in words (default characters)")  # fmt: skip
    add("--series", action="store_true", default=None, help="of tables and arrays: the rows are the steps of one series in time")
    add("--option", type=setting, action="append", metavar="NAME=VALUE", help="any other option of a named set")
    add_reading_options(parser)


def add_reading_options(parser: Parser) -> None:
    """The options of `reading`: how a file is read."""
    add = parser.add_argument_group("files").add_argument
    add("--columns", type=names, metavar="A,B,...", help="of tables: only these columns")
    add("--categorical", type=names, metavar="A,B,...", help="of tables: numbers that are names, such as a postcode")
    add("--separator", type=_separator, metavar="C", help="of tables: what stands between cells")
    add("--no-header", dest="header", action="store_false", default=None, help="of tables: the first line is data")
    add("--encoding", metavar="NAME", help="of tables and texts: such as latin-1")
    add("--lines", action="store_true", default=None, help="of texts: an example is a line, not a file")
    add("--size", type=_size, metavar="HEIGHTxWIDTH", help="of images: crop and resize them to it, or to a square of N")
    add("--key", metavar="NAME", help="of .npz: which of its arrays")


def reading(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of these options that were named, as the readers know them."""
    told = {name: getattr(arguments, name) for name in ("columns", "separator", "header", "encoding", "lines", "size", "key")}
    told["dtype"] = dict.fromkeys(arguments.categorical, "str") if arguments.categorical else None
    return {name: value for name, value in told.items() if value is not None}


def source_of(arguments: argparse.Namespace, remembered: Source | None = None) -> Source:
    """The data that the arguments name, with what a fitted model remembers of how they are read. Raises Mistake."""
    if arguments.data is None and remembered is None:
        raise Mistake("needs --data: a name (genus datasets lists them), a file or a folder, as in --data digits")
    told = {
        "given": _columns(arguments), "split": arguments.shares, "seed": arguments.data_seed, "limit": arguments.limit,
        "space": arguments.space, "tokenizer": arguments.tokenizer, "series": arguments.series,
        **reading(arguments), **dict(arguments.option or ()),
    }  # fmt: skip
    told = {name: value for name, value in told.items() if value is not None}
    if arguments.data is None:
        assert remembered is not None
        return Source(remembered.data, {**remembered.options, **told})
    source = Source(arguments.data, told)
    if remembered is None:
        return source
    if source.same_data(remembered):
        return replace(source, options={**remembered.options, **told})
    if not source.named and not remembered.named and Path(source.data).suffix == Path(remembered.data).suffix:
        how = {name: value for name, value in remembered.options.items() if name not in WHICH}
        return replace(source, options={**how, **told})
    return source


def remember(folder: Path, source: Source, sample_rate: int | None) -> None:
    """Write data.json into the folder of a fitted model."""
    from genus.files import json_values

    data = source.data if source.named else str(Path(source.data).expanduser().resolve())
    content = {"data": data, "options": json_values(source.options), "sample_rate": sample_rate}
    write_file(folder / FILE, (json.dumps(content, indent=1) + "\n").encode())


def remembered(folder: Path) -> tuple[Source | None, int | None]:
    """What data.json says: the source and a sample rate; (None, None) where there is none that can be understood."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        data, options, rate = found["data"], dict(found["options"]), found["sample_rate"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    options |= {name: tuple(options[name]) for name in ("split", "size") if isinstance(options.get(name), list)}
    return Source(str(data), options), rate if isinstance(rate, int) else None


def given_of(model: Any) -> Any:
    """What to load data with for a model that was fitted with given=: its columns, else the labels; None for others."""
    from genus.spaces import Table

    if model.given_space is None:
        return None
    if isinstance(model.given_space, Table) and model.given_space.form == "frame":
        return [column.name for column in model.given_space.columns]
    return True


def _columns(arguments: argparse.Namespace) -> Any:
    given = getattr(arguments, "given", None)
    if given is None or given is True:
        return given
    # a table has no labels but its columns, one of which may be called so
    return True if given == "labels" and Path(arguments.data or "").suffix not in TABLES else names(given)


def _reads_raw(space: Any) -> bool:
    from genus.spaces import Table, Tokens

    return isinstance(space, Table) or (isinstance(space, Tokens) and space.tokenizer is not None)


def _is_one_series(space: Any) -> bool:
    """Whether points are numbers or rows of a table: to a model of sequences, the steps of one."""
    from genus.spaces import Binary, Reals, Table

    return isinstance(space, Table) or (isinstance(space, Binary | Reals) and space.shape == ())


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be three shares such as 0.8,0.1,0.1, not {text!r}") from None


def _separator(text: str) -> str:
    return "\t" if text == r"\t" else text


def _size(text: str) -> int | tuple[int, int]:
    height, times, width = text.partition("x")
    return (whole(height), whole(width)) if times else whole(text)
