"""Parsing: argparse, whose mistakes are one sentence, and flags made of a model's own fields."""

from __future__ import annotations

import argparse
import math
import re
import shutil
import types
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NoReturn, Union, get_args, get_origin

from genus.fields import Between, Field, fields_of, perhaps

HYPER_PARAMETER = "hyper-parameter "  # begins the place of one in the parsed arguments


class Mistake(ValueError):
    """What a user typed cannot be meant."""


class Help(argparse.RawDescriptionHelpFormatter):
    """At most 100 columns, the flags in one column."""

    def __init__(self, prog: str) -> None:
        width = shutil.get_terminal_size((100, 24)).columns
        super().__init__(prog, max_help_position=30, width=min(100, max(60, width)))


class Parser(argparse.ArgumentParser):
    """The parser of one command; every one takes --json and --help."""

    running: ClassVar[Parser | None] = None  # that of the command whose words were parsed last

    def __init__(self, command: str, usage: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"genus {command}",
            usage=f"genus {command} {usage}".replace("%", "%%"),
            description=description.replace("%", "%%"),
            epilog=f"examples:\n{examples}".replace("%", "%%"),
            formatter_class=Help,
            allow_abbrev=False,
            add_help=False,
        )
        self.command = command
        self.output = self.add_argument_group("help and machines")
        self.output.add_argument(
            "--json", action="store_true", help='one JSON object on stdout, in which "-Infinity" is a number and null is none'
        )
        self.output.add_argument("-h", "--help", action="help", help="show this and stop")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments of a command. Raises Mistake."""
        Parser.running = self
        arguments, strange = self.parse_known_args(list(words))
        if strange:
            flag = next((word for word in strange if word.startswith("-")), None)
            if flag is None:
                self.error(f"does not know what {strange[0]!r} means here")
            name = flag.split("=")[0]
            known = [word for word in self._option_string_actions if word.startswith("--")]
            self.error(f"no option is called {name}{perhaps(name, known)}")
        return arguments

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument (\S+): ", r"\1: ", message)
        missing = re.match(r"the following arguments are required: (.*)", message)
        if missing:
            message = f"needs {missing[1]}"
        raise Mistake(f"{self.command}: {message}; genus {self.command} --help says more")

    def format_help(self) -> str:
        # what a reader looks for first comes first: --json and --help are last
        self._action_groups.sort(key=lambda group: group is self.output)
        return super().format_help()


# -- the types of options ----------------------------------------------------------------------------------------


def whole(text: str) -> int:
    """A whole number; 1e6 is one."""
    try:
        return int(text)
    except ValueError:
        with_fraction = _float(text)
        if with_fraction is not None and with_fraction.is_integer():
            return int(with_fraction)
    raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")


def real(text: str) -> float:
    """A number."""
    number = _float(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return number


def place(text: str) -> str:
    """A name or a path: of none, Python makes the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file or a folder")
    return text


def named_data(text: str) -> str:
    """A name or a path of data."""
    if text == "-":
        raise argparse.ArgumentTypeError("pipes are not read; save the data to a file, and name that")
    return place(text)


def names(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def one_of(*known: str) -> Any:
    """One of some words."""

    def choose(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(known)}, not {text!r}{perhaps(text, known)}")
        return text

    return choose


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    return name.strip().replace("-", "_"), literal(value, int | float | bool | None | str)


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


# -- hyper-parameters --------------------------------------------------------------------------------------------


def add_hyper_parameters(parser: Parser, cls: type) -> None:
    """A flag for each field of a model: n_components is --n-components."""
    fields = fields_of(cls)
    group = parser.add_argument_group("hyper-parameters", None if fields else "none: there is nothing to choose")
    for field in fields.values():
        options: dict[str, Any] = {"dest": HYPER_PARAMETER + field.name, "help": explained(field)}
        if field.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": lambda text, field=field: literal(text, field.type), "metavar": _metavar(field)}
        group.add_argument(flag_of(field.name), default=argparse.SUPPRESS, **options)


def flag_of(name: str) -> str:
    """n_components -> --n-components."""
    return "--" + name.replace("_", "-")


def hyper_parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that were named."""
    found = {n.removeprefix(HYPER_PARAMETER): v for n, v in vars(arguments).items() if n.startswith(HYPER_PARAMETER)}
    return found


def literal(text: str, annotation: Any) -> Any:
    """What a text means to a type; the text itself where it means nothing: the field's own check then says so."""
    for option in _alternatives(annotation):
        if option is type(None) and text.lower() in ("none", "null"):
            return None
        if option is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if option in (int, float):
            number = _float(text)
            if option is int and number is not None and number.is_integer():
                return whole(text)
            if option is float and number is not None:
                return number
        if get_origin(option) is Literal:
            for choice in get_args(option):
                if str(choice) == text:
                    return choice
        if get_origin(option) is tuple and text:
            return tuple(literal(part, get_args(option)[0]) for part in names(text.strip("()[]")))
    return text


def explained(field: Field) -> str:
    """A field's sentence, choices, rule and default, as help."""
    facts = []
    if field.choices:
        facts.append("one of " + ", ".join(map(str, field.choices)))
    if field.rule is not None:
        facts.append(_rule(field.rule))
    if type(None) in _alternatives(field.type):
        facts.append("or none")
    default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
    facts.append(f"default {default.lower() if field.default is None or isinstance(field.default, bool) else default}")
    return f"{field.sentence} ({'; '.join(facts)})".strip().replace("%", "%%")


def _rule(rule: Between) -> str:
    return str(Between(rule.low, math.inf if rule.high >= 10**9 else rule.high))


def _metavar(field: Field) -> str:
    for option in _alternatives(field.type):
        if get_origin(option) is tuple:
            return "A,B,..."
        if option in (int, float):
            return "N" if option is int else "X"
    return "WORD"


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
