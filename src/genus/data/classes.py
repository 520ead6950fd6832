"""Classes: labels as one column of categories, each of which occurs; what a classifier learns with."""

from __future__ import annotations

from dataclasses import replace

import torch

from genus.data.dataset import Examples
from genus.spaces import Binary, Column, Reals, Space, Table
from genus.spaces.table import MOST_CATEGORIES


def with_classes(examples: Examples) -> Examples:
    """The same examples, given one column of classes numbered 0 .. C - 1: whole numbers and booleans become categories,
    and categories that no example has are left out. Raises ValueError for labels that are no classes."""
    space, given = examples.given_space, examples.given
    if given is None:
        raise ValueError("given: a classifier learns from labels, one for each example; pass given=labels, or their column's name")
    if isinstance(space, Binary | Reals) and space.shape == (1,):  # labels (n, 1) are those of n rows
        labels = space.decode(given)
        space = Table.of_values(labels)
        given = space.encode(labels[:, 0])
    if not isinstance(space, Table) or len(space.columns) != 1:
        raise ValueError(
            f"given: labels must be one column of classes, but these are {space!r}; pass one label for each example, as y.ravel() is"
        )
    (column,) = space.columns
    if column.kind == "continuous":
        raise ValueError("given: labels must be classes, but these are fractions; pass strings, whole numbers or booleans")
    if given.isnan().any():
        raise ValueError(f"given: row {int(given.isnan().nonzero()[0, 0])} has no label; drop the row, or name its class")
    found, codes = given[:, 0].unique(return_inverse=True)
    if len(found) > MOST_CATEGORIES:
        raise ValueError(f"given: holds {len(found)} different labels, more than {MOST_CATEGORIES} classes; group them")
    decoded = space.decode(found[:, None])
    categories = decoded if isinstance(decoded, list) else decoded[column.name].tolist()
    classes = Column(column.name, "categorical", column.dtype, tuple(categories), column.ordered)
    return replace(examples, given_space=Table([classes], space.form), given=codes[:, None].to(torch.float64))


def classes_of(space: Space | None) -> Column:
    """The column of classes of a `with_classes` space. Raises ValueError for another, as a stranger's file may hold."""
    if not isinstance(space, Table) or len(space.columns) != 1 or not space.columns[0].categories:
        raise ValueError(f"given_space={space!r} is no column of classes")
    return space.columns[0]
