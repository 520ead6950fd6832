"""Spaces: what one data point is, and how raw data becomes a tensor and back."""

from typing import Any

from genus.spaces.binary import Binary
from genus.spaces.images import Images
from genus.spaces.infer import infer_space
from genus.spaces.ragged import Ragged
from genus.spaces.reals import Reals
from genus.spaces.sequence import Sequence
from genus.spaces.space import Encoded, Space
from genus.spaces.table import Column, Table
from genus.spaces.tokens import Tokens

__all__ = [
    "Binary", "Column", "Encoded", "Images", "Ragged", "Reals", "Sequence", "Space", "Table", "Tokens",
    "infer_space", "space_config", "space_from",
]  # fmt: skip

MOST_DIMS = 10**8  # numbers in one point
_KINDS: dict[str, type[Space]] = {cls.__name__: cls for cls in (Reals, Binary, Images, Tokens, Table, Sequence)}


def space_config(space: Space) -> dict[str, Any]:
    """A space as JSON values."""
    return {"kind": type(space).__name__, **space.config()}


def space_from(config: Any) -> Space:
    """The space of a `space_config`; raises ValueError for anything else."""
    if not isinstance(config, dict) or not isinstance(config.get("kind"), str) or config["kind"] not in _KINDS:
        raise ValueError(f"space: not one of {', '.join(_KINDS)}")
    arguments = {name: value for name, value in config.items() if name != "kind"}
    if config["kind"] == "Sequence":
        arguments["item"] = space_from(arguments.get("item"))
    try:
        space = _KINDS[config["kind"]](**arguments)
        if any(type(size) is not int or size < 1 for size in space.shape) or space.dims > MOST_DIMS:
            raise ValueError(f"space: points of shape {space.shape} are none that a model was fitted to")
        return space
    except (TypeError, AttributeError, KeyError, RuntimeError) as error:
        raise ValueError(f"space: these are no arguments of {config['kind']}: {error}") from error
