"""Hyper-parameters: the annotated class fields of a model, with the rule and the sentence of each.

    class VAE(...):
        latent_dim: Count = 16      # numbers in the code z

declares one: its name, its type, its rule (a count is at least 1), its default, and in the comment the sentence that
`--help` and the reference page print. The Python constructor, the command line and config.json all read this one line.
"""

from __future__ import annotations

import difflib
import inspect
import math
import operator
import re
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin


@dataclass(frozen=True)
class Between:
    """The rule low <= value <= high."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"at least {self.low:g}" + ("" if math.isinf(self.high) else f" and at most {self.high:g}")


# The upper ends are far beyond any use; they keep a stranger's config.json from asking for a billion layers.
Count = Annotated[int, Between(1, 10**9)]
Depth = Annotated[int, Between(1, 256)]
NonNegative = Annotated[float, Between(0)]
Share = Annotated[float, Between(0, 0.95)]  # of something that must not vanish
Fraction = Annotated[float, Between(0, 1)]  # of something, all of it at most


@dataclass(frozen=True)
class Field:
    """One hyper-parameter: its name, plain type (Union and Literal allowed), rule and default."""

    name: str
    type: Any
    rule: Between | None
    default: Any
    owner: type  # the class that declares it

    @property
    def sentence(self) -> str:
        """The comment behind the field. Read when it is asked for: source code is slow to find."""
        return _sentences(self.owner).get(self.name, "")

    @property
    def choices(self) -> tuple[Any, ...] | None:
        """The allowed values of a Literal, else None."""
        for option in _options(self.type):
            if get_origin(option) is Literal:
                return get_args(option)
        return None

    def check(self, value: Any, owner: str) -> Any:
        """Return `value` as the field keeps it, or raise: TypeError for the wrong type, ValueError against the rule."""
        for option in _options(self.type):
            accepted, kept = _accept(option, value)
            if accepted:
                if self.rule is not None and kept is not None and not isinstance(kept, str | bool):
                    for number in kept if isinstance(kept, tuple) else (kept,):
                        if not self.rule.holds(number):
                            raise ValueError(f"{owner}: {self.name}={value!r}, but {self.name} must be {self.rule}")
                return kept
        if self.choices and isinstance(value, str):
            known = ", ".join(map(repr, self.choices))
            raise ValueError(f"{owner}: {self.name}={value!r} is not known: choose one of {known}{perhaps(value, self.choices)}")
        raise TypeError(f"{owner}: {self.name}={value!r} is {_kind(value)}, but {self.name} must be {self.described}")

    @property
    def described(self) -> str:
        """The type in words, for messages and help."""
        return " or ".join(_describe(option) for option in _options(self.type))


def check_count(name: str, value: Any, least: int = 0) -> int:
    """A count asked for, as an int. Raises ValueError."""
    whole = _whole(value)
    if whole is None or whole < least:
        raise ValueError(f"{name}={shown(value)} must be a whole number, at least {least}")
    return whole


def shown(value: Any, most: int = 80) -> str:
    """A value in a message: its repr, cut where it is long; of an array or a frame the type and the shape."""
    if isinstance(shape := getattr(value, "shape", None), tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= most else text[:most] + "..."


def perhaps(word: object, known: typing.Iterable[Any]) -> str:
    """'; perhaps you meant ...' when one of the known words is close, else nothing."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1)
    return f"; perhaps you meant {close[0]!r}" if close else ""


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _accept(option: Any, value: Any) -> tuple[bool, Any]:
    if option is type(None):
        return value is None, None
    if get_origin(option) is Literal:
        return isinstance(value, str) and value in get_args(option), value
    if option is bool:
        return isinstance(value, bool), value
    if option is int:
        whole = _whole(value)
        return whole is not None, value if whole is None else whole
    if option is float:
        real = isinstance(value, typing.SupportsFloat) and not isinstance(value, bool | str) and _is_number(value)
        plain = isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**53)  # beyond, tensors take no int
        return real, float(value) if real and not plain else value
    if option is str:
        return isinstance(value, str), value
    if get_origin(option) is tuple:
        (item, _) = get_args(option)
        if not isinstance(value, tuple | list) or not all(_accept(item, v)[0] for v in value):
            return False, value
        return True, tuple(_accept(item, v)[1] for v in value)
    raise TypeError(f"a hyper-parameter cannot have the type {option!r}")


def _whole(value: Any) -> int | None:
    """`value` as an int, None for what is no whole number: 2.5, True, an array of several, or a tensor of 2.5, which has __index__ too."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _describe(option: Any) -> str:
    if option is type(None):
        return "None"
    if get_origin(option) is Literal:
        return "one of " + ", ".join(repr(value) for value in get_args(option))
    if get_origin(option) is tuple:
        return "a tuple of " + _describe(get_args(option)[0]) + "s"
    return {int: "a whole number", float: "a number", bool: "True or False", str: "a string"}.get(option, str(option))


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


_COMMENTED_FIELD = re.compile(r"^    (\w+)\s*:[^#\n]*#\s*(.+?)\s*$", re.MULTILINE)


def fields_of(cls: type) -> dict[str, Field]:
    """The hyper-parameters of a class, its own first, then those of its parents."""
    if "_fields" not in vars(cls):
        cls._fields = _read_fields(cls)  # type: ignore[attr-defined]
    return cls._fields  # type: ignore[attr-defined]


class FieldsSignature:
    """A class's `__signature__`: its fields as keyword arguments, for help() and for editors that complete."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature | None:
        if instance is not None:  # that of a model called as a module is none of this
            return None
        keyword = inspect.Parameter.KEYWORD_ONLY
        fields = fields_of(owner).values()
        return inspect.Signature([inspect.Parameter(f.name, keyword, default=f.default, annotation=f.type) for f in fields])


def _read_fields(cls: type) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for parent in cls.__mro__:
        own = inspect.get_annotations(parent)
        if not own or parent.__module__.startswith("torch."):  # nn.Module annotates attributes of its own
            continue
        hints = typing.get_type_hints(parent, include_extras=True)
        for name in own:
            annotation = hints[name]
            if name.startswith("_") or name in found or ClassVar in (annotation, get_origin(annotation)):
                continue
            if not hasattr(cls, name):
                continue
            rule = None
            if get_origin(annotation) is Annotated:
                annotation, rule = annotation.__origin__, annotation.__metadata__[0]
            else:
                inner = [_split(option) for option in _options(annotation)]
                rules = [r for _, r in inner if r is not None]
                if rules:
                    rule, annotation = rules[0], Union[tuple(option for option, _ in inner)]  # noqa: UP007
            found[name] = Field(name, annotation, rule, getattr(cls, name), parent)
    return found


def _split(option: Any) -> tuple[Any, Between | None]:
    if get_origin(option) is Annotated:
        return option.__origin__, option.__metadata__[0]
    return option, None


@cache
def _sentences(cls: Any) -> dict[str, str]:
    try:
        return dict(_COMMENTED_FIELD.findall(inspect.getsource(cls)))
    except (OSError, TypeError):  # frozen or interactive: fields without sentences
        return {}
