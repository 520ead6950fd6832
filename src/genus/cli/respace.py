"""Another space for data: what a point is, said by the user where the guess was wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from genus.data import Dataset
from genus.spaces import Binary, Images, Ragged, Reals, Sequence, Space, Tokens


def respaced(data: Dataset, kind: str) -> Dataset:
    """The same points in a space of another kind. Raises ValueError where they have none."""
    if type(data.space).__name__.lower() == kind:
        return data
    parts = [data.train, data.valid, data.test]
    points = [part.x for part in parts]
    if kind == "reals" and isinstance(data.space, Sequence) and data.space.item.continuous:  # its items
        space: Space = Sequence(Reals(data.space.item.shape, "float64"), data.space.length)
        return _in(space, data, [Ragged(x.values.double(), x.offsets) if isinstance(x, Ragged) else x.double() for x in points])
    if any(isinstance(x, Ragged) for x in points) or not isinstance(data.space, Reals | Binary | Images):
        raise ValueError(f"--space {kind}: the data are {data.space!r}, which have no other space; leave it out")
    space = _space(data.space, kind, points)
    return _in(space, data, [space.encode(x) if len(x) else x for x in points])


def _in(space: Space, data: Dataset, points: list[Any]) -> Dataset:
    parts = (data.train, data.valid, data.test)
    train, valid, test = (replace(part, space=space, points=x) for part, x in zip(parts, points, strict=True))
    return replace(data, train=train, valid=valid, test=test)


def _space(old: Space, kind: str, points: list[Any]) -> Space:
    shape = old.shape
    if kind == "reals":
        return Reals(shape, "float32")
    if kind == "binary":
        return Binary(shape)
    if not old.discrete:
        raise ValueError(f"--space {kind}: the data hold real numbers; {kind} are whole numbers")
    levels = 1 + max(int(x.max()) for x in points if len(x))
    if kind == "tokens":
        if len(shape) != 1:
            raise ValueError(f"--space tokens: a point must be a row of numbers, but it has shape {tuple(shape)}; flatten it")
        return Tokens(levels, length=shape[0])
    if len(shape) not in (2, 3):
        raise ValueError(f"--space images: a point must be (height, width) or (channels, height, width), not {tuple(shape)}")
    channels, height, width = shape if len(shape) == 3 else (1, *shape)
    layout = "nchw" if len(shape) == 3 else "nhw"
    return Images(channels, height, width, 256 if levels > 2 else 2, layout)
