"""What the verbs of a fitted model share: loading it, asking whether it can, and what --given means to it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from genus.cli.parsing import Mistake, Parser, literal, place
from genus.fields import perhaps
from genus.model import Completes, Model
from genus.registry import model_classes, name_of
from genus.spaces import Space, Table


def add_folder(parser: Parser) -> None:
    parser.add_argument("folder", type=place, metavar="FOLDER", help="of a fitted model, such as runs/vae")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default auto)")


def load_fitted(folder: str, device: str, capability: type[Model], verb: str) -> Any:
    """The model of a folder, on its device. Raises Mistake where it cannot do what is asked."""
    from genus.artifacts import load_model
    from genus.learning.distributed import device_of

    path = Path(folder).expanduser()
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"{folder}: no such folder{perhaps(path.name, siblings)}; genus fit makes one")
    model = load_model(path)
    if not isinstance(model, capability):
        able = ", ".join(name for name, cls in model_classes().items() if issubclass(cls, capability))
        who = name_of(type(model))
        raise Mistake(f"{verb}: {folder} holds a model called {who}, which has no {verb}; those that have it: {able}")
    return model.to(device_of(device))


def given_for(model: Any, words: list[str] | None) -> Any:
    """What `sample` and `generate` are given, of words such as species=setosa; None for none. Raises Mistake."""
    space = model.given_space
    if not words:
        if space is not None and not model.given_optional:
            raise Mistake(f"this {name_of(type(model))} was fitted with --given, so say what for: {given_example(space)}")
        return None
    if space is None:
        if not isinstance(model, Completes):
            who = name_of(type(model))
            raise Mistake(f"--given {words[0]}: this {who} was fitted without --given; fit it with --given, or drop it")
        space = model.fitted_space
    pairs = _pairs(words)
    if pairs is not None and isinstance(space, Table) and space.form == "values" and len(pairs) == 1:
        words, pairs = [pairs[0][1]], None  # labels have no name: digit=3 is 3
    if pairs is not None:
        return {_key(name, space): _value(text, name, space) for name, text in pairs}
    if len(words) > 1:
        raise Mistake(f"--given {' '.join(words)}: must be one value, or NAME=VALUE for each name")
    if isinstance(space, Table):
        if len(space.columns) > 1:
            columns = ", ".join(str(column.name) for column in space.columns)
            raise Mistake(f"--given {words[0]}: say of which column, as NAME=VALUE; the columns are {columns}")
        value = _value(words[0], space.columns[0].name, space)
        return [value] if space.form == "values" else {space.columns[0].name: value}
    import torch

    return torch.tensor([[_number(part, words[0]) for part in words[0].split(",")]]).reshape(1, *space.shape)


def given_example(space: Space) -> str:
    """A --given that a model with such conditions understands."""
    if not isinstance(space, Table):
        return "--given " + ",".join("0" * space.dims)
    values = []
    for column in space.columns:
        value = column.categories[0] if column.categories else f"{column.location:.3g}" if column.numeric else "true"
        values.append(f"{column.name}={value}" if space.form == "frame" else str(value))
    return "--given " + shlex.quote(",".join(values))


def _pairs(words: list[str]) -> list[tuple[str, str]] | None:
    """NAME=VALUE pairs, in words of their own or separated by commas."""
    parts = [part for word in words for part in (word.split(",") if all("=" in p for p in word.split(",")) else [word])]
    if not all("=" in part for part in parts):
        return None
    return [(part.partition("=")[0].strip(), part.partition("=")[2]) for part in parts]


def _key(name: str, space: Space) -> Any:
    """A column by its name; of arrays by its number."""
    if isinstance(space, Table):
        return next((column.name for column in space.columns if str(column.name) == name), name)
    return int(name.removeprefix("x")) if name.removeprefix("x").isdigit() else name


def _value(text: str, name: Any, space: Space) -> Any:
    """A text as the value of a column; an unknown column or category is left for the space to refuse."""
    if not isinstance(space, Table):
        return _number(text, name)
    column = next((c for c in space.columns if str(c.name) == str(name)), None)
    if column is None:
        return text
    if column.kind == "boolean" and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if column.numeric:
        return _number(text, name)
    return next((category for category in column.categories if str(category) == text), text)


def _number(text: str, name: Any) -> int | float:
    value = literal(text.strip(), int | float)
    if isinstance(value, str):
        raise Mistake(f"--given {name}={text}: {text!r} is no number")
    return value
