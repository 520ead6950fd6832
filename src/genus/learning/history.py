"""History: a line of JSON an event; and the progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Self

from genus.files import write_atomically
from genus.learning.learns import Settings


class History:
    """run/history.jsonl: one JSON object a line, appended as it happens. A torn last line is dropped when read."""

    def __init__(self, settings: Settings, keep: Callable[[dict[str, Any]], bool] | None = None) -> None:
        self._file: Any = None
        self._path = settings.run / "history.jsonl" if settings.run is not None and settings.rank == 0 else None
        self._kept: list[dict[str, Any]] = []
        if keep and self._path is not None and self._path.exists():
            self._kept = [record for record in read_history(self._path) if keep(record)]

    def write(self, record: dict[str, Any]) -> None:
        if self._path is None:
            return
        if self._file is None:  # opened when there is something to say: a refusal leaves no folder
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, "".join(json.dumps(record) + "\n" for record in self._kept).encode())
            self._file = open(self._path, "a")  # noqa: SIM115 - closed by __exit__
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()


def read_history(path: Any) -> list[dict[str, Any]]:
    """The records of a history file."""
    records = []
    with open(path) as file:
        for line in file:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
    return records


class Progress:
    """A bar on stderr: done, per second, time left, and the latest numbers. On a file or pipe it writes rarely."""

    def __init__(self, settings: Settings, total: int, unit: str, done: int = 0, scale: bool = False) -> None:
        from tqdm.auto import tqdm

        rarely = not sys.stderr.isatty()
        self._bar = tqdm(
            total=total, initial=done, unit=unit, unit_scale=scale, dynamic_ncols=not rarely, leave=False,
            mininterval=30 if rarely else 0.1, delay=5 if rarely else 0.5,
            disable=not settings.progress or settings.rank != 0,
        )  # fmt: skip

    def advance(self, amount: int, numbers: dict[str, Any]) -> None:
        if not self._bar.disable:
            self._bar.set_postfix(numbers, refresh=False)
            self._bar.update(amount)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
