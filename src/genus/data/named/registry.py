"""The registry of named sets: what each is, and where its files are or can be had.

    @named("nile", "...", space="...", sizes=(80, 10, 10), source="...", files=((File("time_series/nile.csv"),),))
    def nile(files): return Raw(...)

A set is read from $GENUS_DATA, else from where a package of the system puts it, else from the cache, into which it is
downloaded from the usual public place when there is one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genus.data.cache import cache_folder, download
from genus.data.readers import Raw

PARTS_OF = ("train", "valid", "test")


@dataclass(frozen=True)
class File:
    """One file (or folder) of a set: its place under $GENUS_DATA, and where the public gets it."""

    path: str
    url: str | None = None
    sha256: str | None = None  # of the content, uncompressed
    installed: str | None = None  # where a package of the system puts it

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def here(self) -> Path | None:
        """Where it is on this machine, or None."""
        root = os.environ.get("GENUS_DATA")
        places = [
            Path(root) / self.path if root else None,
            Path(self.installed) if self.installed else None,
            self.cached,
        ]
        return next((place for place in places if place is not None and place.exists()), None)

    @property
    def cached(self) -> Path:
        return cache_folder("data", *self.path.split("/"))


Layout = tuple[File, ...]


@dataclass(frozen=True)
class Named:
    """A named set. `files` are its layouts, the first complete one is read; none where it is made or embedded."""

    name: str
    sentence: str
    kind: str  # images, tables, texts, sequences, toys
    space: str  # of its points, in words
    sizes: tuple[int, int, int] | None  # train, valid, test as it is split; (n, 0, 0) where `split` decides
    source: str  # where the public gets it
    licence: str
    files: tuple[Layout, ...]
    load: Callable[..., Raw]
    words: bool = False  # a text that is already cut into words, for tokenizer="words"

    @property
    def options(self) -> tuple[str, ...]:
        """The options of this set alone."""
        common = ("files", "seed", "limit", "tokenizer")
        return tuple(name for name in inspect.signature(self.load).parameters if name not in common)

    @property
    def available(self) -> str:
        """'yes' (on this machine), 'download' (on first use) or 'no' (see its source)."""
        if not self.files or any(all(file.here() for file in layout) for layout in self.files):
            return "yes"
        return "download" if any(_can_be_had(layout) for layout in self.files) else "no"

    def raw(self, **options: Any) -> Raw:
        """Its raw data. Options its loader does not name are dropped. Raises FileNotFoundError if it cannot be had."""
        if self.files:
            options["files"] = self.find()
        takes = inspect.signature(self.load).parameters
        return self.load(**{name: value for name, value in options.items() if name in takes})

    def find(self) -> dict[str, Path]:
        """Paths by file name, of the first layout that is here or can be downloaded."""
        for layout in self.files:
            here = [file.here() for file in layout]
            if all(here):
                return {file.name: path for file, path in zip(layout, here) if path is not None}
        public = [layout for layout in self.files if _can_be_had(layout)]
        if not public:
            raise FileNotFoundError(f"{self.name}: is not on this machine; {self.remedy}")
        try:
            return {file.name: file.here() or download(str(file.url), file.cached, file.sha256) for file in public[0]}
        except ConnectionError as error:
            raise FileNotFoundError(f"{self.name}: {error}; {self.remedy}") from error

    @property
    def remedy(self) -> str:
        """What a user does to have it, in half a sentence."""
        root = os.environ.get("GENUS_DATA")
        folder = f"{root} (GENUS_DATA)" if root else "a folder that the environment variable GENUS_DATA names"
        layouts = " or ".join(", ".join(file.path for file in layout) for layout in self.files)
        return f"get it from {self.source} and put it into {folder} as {layouts}"


NAMED: dict[str, Named] = {}


def named(
    name: str,
    sentence: str,
    *,
    kind: str,
    space: str,
    sizes: tuple[int, int, int] | None = None,
    source: str,
    licence: str = "",
    files: tuple[Layout, ...] = (),
    words: bool = False,
) -> Callable[[Callable[..., Raw]], Callable[..., Raw]]:
    """Register a function that gives the Raw of a set. Of `files` (by name), `seed`, `limit`, `tokenizer` and options
    of its own it is passed those that it names."""

    def register(load: Callable[..., Raw]) -> Callable[..., Raw]:
        if name in NAMED:
            raise ValueError(f"two data sets are called {name!r}; rename one")
        NAMED[name] = Named(name, sentence, kind, space, sizes, source, licence, files, load, words)
        return load

    return register


def _can_be_had(layout: Layout) -> bool:
    return all(file.url or file.here() for file in layout)
