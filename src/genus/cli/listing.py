"""genus models, genus datasets: what there is, and what each can do."""

from __future__ import annotations

from typing import Any

from genus.cli.answer import Answer, entry
from genus.cli.parsing import Mistake, Parser
from genus.fields import perhaps


def run(words: list[str]) -> Answer:
    """One of the two lists."""
    return models(words[1:]) if words[0] == "models" else datasets(words[1:])


def models(words: list[str]) -> Answer:
    """The models by family, with what each can do."""
    from genus.registry import models as registered
    from genus.registry import name_of

    frame = _chosen(words, "models", registered(), ("", "latent", "classical --json"))
    can = frame["can"].str.split(", ").map(lambda verbs: [name_of_capability(verb, name_of) for verb in verbs])
    lines = []
    for family, rows in frame.assign(can=can).groupby("family", sort=False):
        lines.append(str(family))
        for row in rows.itertuples():
            lines += entry(row.name, row.what, f"{row.spaces}: {', '.join(row.can)}")
    text = "\n".join([*lines, "", "genus fit MODEL --help explains one, and its hyper-parameters"])
    hyper_parameters = frame["hyper_parameters"].map(lambda names: names.split(", ") if names else [])
    return Answer(text, {"models": frame.assign(can=can, hyper_parameters=hyper_parameters)})


def datasets(words: list[str]) -> Answer:
    """The named sets by kind."""
    from genus.data import datasets as named

    frame = _chosen(words, "datasets", named(), ("", "images", "--json"))
    lines = []
    for kind, rows in frame.groupby("kind", sort=False):
        lines.append(str(kind))
        for row in rows.itertuples():
            here = {"yes": "", "download": ", downloaded on first use", "no": ", not here"}.get(row.available, "")
            count = f"{row.examples:,} of " if row.examples == row.examples and row.examples is not None else ""
            lines += entry(row.name, row.description, f"{count}{row.space}{here}")
    text = "\n".join([*lines, "", "Any of these, a file or a folder can be named: genus fit MODEL --data NAME"])
    return Answer(text, {"datasets": frame})


def name_of_capability(capability: str, name_of: Any) -> str:
    """CanSample -> sample; HasLogProb -> log-prob."""
    bare = capability.removeprefix("Can").removeprefix("Has")
    return name_of(type(bare, (), {}))


def _chosen(words: list[str], command: str, frame: Any, examples: tuple[str, ...]) -> Any:
    """The rows in which every word occurs. Raises Mistake where none is left."""
    description = f"The {command} there are; with words, those in which all of them occur."
    made = Parser(command, "[WORD ...]", description, "\n".join(f"  genus {command} {e}".rstrip() for e in examples))
    made.add_argument("words", nargs="*", metavar="WORD", help="of a name, a kind, a space or a description")
    wanted = made.parse(words).words
    everything = frame.astype(str).agg(" ".join, axis=1).str.lower()
    for word in wanted:
        frame = frame[everything.loc[frame.index].str.contains(word.lower(), regex=False)]
    if not len(frame):
        known = {term.strip(",.;:()") for row in everything for term in row.split()}
        raise Mistake(f"{command}: nothing here is about {' '.join(wanted)!r}{perhaps(wanted[-1].lower(), known)}")
    return frame
