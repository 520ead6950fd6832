"""Answer: what a command has to say, for people and for machines; and the files that it writes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command found: `text` for people, `data` for machines."""

    text: str
    data: dict[str, Any]

    def show(self, as_json: bool) -> None:
        """Print it: the text, or exactly one JSON object."""
        text = self.as_json() if as_json else self.text
        with writing("standard output"):
            if text:
                print(text)
            sys.stdout.flush()

    def as_json(self) -> str:
        from genus.files import json_values

        return json.dumps(json_values(self.data), allow_nan=False)


def rank() -> int:
    """The number of this process under torchrun; 0 alone prints and saves."""
    return int(os.environ.get("RANK", "0"))


def one_line(message: object) -> str:
    """A message without line breaks."""
    return " ".join(str(message).split())


def write_file(path: str | Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder. Raises OSError for a path that is no ordinary file."""
    from genus.files import write_atomically

    path = Path(path).expanduser()
    refuse_place(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.resolve(), content)  # resolved, so that a link goes on pointing to its file
    return path


@contextlib.contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Say of what the operating system refuses to write, such as for want of space, what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:  # a sentence of ours
            raise
        raise OSError(f"{what}: could not be written ({error.strerror})") from error


def refuse_place(path: str | Path) -> None:
    """Raise OSError if nothing can be written at `path`: a folder, a device, a file for a folder."""
    path = Path(path).expanduser()
    if str(path) in ("-", "/dev/stdout"):
        raise OSError(f"{path}: what is printed goes there; leave -o out to print")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; pass the name of a file, such as {path / 'out'}{path.suffix}")
    if path.exists() and not path.is_file():
        raise OSError(f"{path}: is no ordinary file; leave -o out to print instead")
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{path}: {folder} is a file, not a folder")


def refuse_table(path: Path, what: str, others: tuple[str, ...] = ()) -> None:
    """Raise OSError or ValueError if a table of `what` cannot be written at `path`; `others`: suffixes that do as well."""
    refuse_place(path)
    fits = (".csv", ".parquet", *others)
    if path.suffix.lower() not in fits:
        raise ValueError(f"-o {path}: {path.suffix or 'no suffix'} does not fit {what}; what fits: {', '.join(fits)}")


def table_bytes(frame: Any, suffix: str) -> bytes:
    """A DataFrame as .csv or .parquet. Raises ImportError where parquet needs a package."""
    if suffix == ".csv":
        return frame.to_csv(index=False).encode()
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("writing parquet needs pyarrow: pip install 'genus[table]'") from error
    return frame.to_parquet(index=False)


def aligned(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> str:
    """Rows of words in columns; the last is free."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        lines.append(indent + "  ".join([*(word.ljust(w) for word, w in zip(row, widths)), row[-1]]).rstrip())
    return "\n".join(lines)


def entry(name: str, *paragraphs: str) -> list[str]:
    """The lines of a list: a name, and beside it some paragraphs."""
    indent, width = " " * 22, 100
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, width - len(indent)) or [""]]
    if len(name) > 19:
        return [f"  {name}", *(indent + line for line in lines)]
    return [f"  {name:<20}{lines[0]}", *(indent + line for line in lines[1:])]
