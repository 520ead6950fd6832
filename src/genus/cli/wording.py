"""Wording: the sentences of the library speak of Python's arguments; here those become flags, and classes names.

    pass separator=';'          ->  pass --separator ';'
    use GaussianMixture         ->  use gaussian-mixture
    genus.models() lists them   ->  genus models lists them

A name that is no option of the running command, nor of `fit`, stays as it is.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex

from genus.cli.parsing import HYPER_PARAMETER, Parser

ARGUMENT_OF = {"shares": "split", "categorical": "dtype", "runs": "run"}  # of options that are called otherwise here
ALONE, AFTER = r"(?<![\w/.'\"-])", r"(?![\w/.'\"(=-])"  # a word of its own, no part of a path and nothing that is quoted
VALUE = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\([^()]*\)|\[[^]]*\]|\{[^}]*\}|[^\s,;:()]+"


def as_typed(sentence: str) -> str:
    """A sentence of the library in the words of the command that is running."""
    from genus.cli import COMMANDS
    from genus.registry import model_classes, name_of

    options = _options()
    sentence = re.sub(rf"genus\.({'|'.join(COMMANDS)})\(\)", r"genus \1", sentence)
    sentence = re.sub(r"Dataset\.of\(data, (.+?)\)(?=$|[,;])", r"\1", sentence)
    sentence = re.sub(r"=genus\.(\w+)\([^()]*\)", lambda match: f"={match[1].lower()!r}", sentence)
    sentence = re.sub(rf"{ALONE}(\w+)=({VALUE})?", lambda match: _flag(match[0], options.get(match[1]), match[2]), sentence)
    # an argument that is only named: at the beginning, or in the middle where it can be no word of prose
    named = rf"^(\w+)(?=: )|{ALONE}(\w+_\w+){AFTER}"
    sentence = re.sub(named, lambda match: _flag(match[0], options.get(match[0]), None), sentence)
    classes = {cls.__name__: name_of(cls) for cls in model_classes().values()}
    return re.sub(rf"{ALONE}({'|'.join(classes)})(?![\w/.'\"-])", lambda match: classes[match[0]], sentence)


def _options() -> dict[str, argparse.Action]:
    """By the names of the library's arguments: what `fit` takes whatever the model, and the running command's own."""
    from genus.cli.fit import add_learning_options
    from genus.cli.source import add_data_options

    fit = Parser("fit", "", "", "")
    add_data_options(fit, given="")
    add_learning_options(fit, frozenset())
    actions = [*fit._actions, *(Parser.running._actions if Parser.running is not None else ())]
    names = {action.dest.removeprefix(HYPER_PARAMETER): action for action in actions if action.option_strings}
    return names | {ARGUMENT_OF[name]: names[name] for name in ARGUMENT_OF if name in names}


def _flag(as_it_was: str, option: argparse.Action | None, value: str | None) -> str:
    """The flag of an argument with its value."""
    if option is None:
        return as_it_was
    if value == "False" and isinstance(option, argparse.BooleanOptionalAction):
        return option.option_strings[-1]
    flag = next((flag for flag in option.option_strings if flag.startswith("--")), option.option_strings[0])
    return flag if value in (None, "...", "True", "False") else f"{flag} {_typed(value, option)}"


def _typed(value: str, option: argparse.Action) -> str:
    """A value as it is typed; for one that stands for others, as in size=(height, width), what --help calls it."""
    try:
        meant = ast.literal_eval(value.replace(": str}", ": 'str'}"))  # {'postcode': str} names a column
    except (ValueError, SyntaxError, TypeError):
        return value if value in ("inf", "-inf", "nan") else str(option.metavar)
    if isinstance(meant, list | tuple | dict):
        meant = ("x" if option.dest == "size" else ",").join(map(str, meant))
    text = str(meant)
    return shlex.quote(text) if text.isprintable() else repr(text)
