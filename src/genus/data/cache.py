"""The cache: a folder of ours for what was downloaded, and for streams and big tables laid down as .npy rows.

It is $GENUS_CACHE, else ~/.cache/genus. Everything in it can be made again, so it may be deleted at any time. A file is
written beside its place and then renamed: there is never half of one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from genus.data.rows import Rows
from genus.spaces.arrays import as_tensor, refuse_infinity

BLOCK = 1 << 20  # bytes of one read
SECONDS = 30  # without a byte from the network before giving up


def cache_folder(*parts: str) -> Path:
    """The cache, or a folder in it; it need not exist yet."""
    root = os.environ.get("GENUS_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "genus").joinpath(*parts)


@contextmanager
def written(path: Path, renamed: Callable[[], Path] | None = None) -> Iterator[IO[bytes]]:
    """A file to write that takes its place at `path` (or where `renamed` then says) only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, renamed() if renamed else path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells whether a source is still the file that was read: where it is, its size, its time of change."""
    at = path.resolve()
    status = at.stat()
    place = hashlib.blake2b(str(at).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return {"place": place, "size": status.st_size, "modified": status.st_mtime_ns}


def spool(batches: Iterable[Any], name: str = "batches") -> Rows:
    """Rows on disk of a stream of arrays (batch, *shape), all of one dtype and row shape.

    The file is named by its content, so the same stream twice is one file. Raises ValueError for an empty stream and
    for a batch unlike the first.
    """
    folder, digest = cache_folder("streams"), hashlib.blake2b(digest_size=16)

    def place() -> Path:
        return folder / f"{digest.hexdigest()}.npy"

    with written(folder / "stream", renamed=place) as file:
        kind = _write_rows(file, batches, name, digest.update)
        digest.update(repr(kind).encode())
    return Rows(place())


def spool_table(source: Path, chunks: Callable[[], Iterable[Any]]) -> tuple[Rows, list[dict[str, Any]]]:
    """Rows on disk of DataFrames of numbers, float64, and what was seen of each column (arguments of `Column`).

    Kept under the fingerprint of `source`: a changed source is read anew. Raises ValueError or TypeError naming the
    column that is not numeric.
    """
    mark = fingerprint(source)
    path = cache_folder("tables", f"{mark['place']}.npy")
    note = path.with_suffix(".json")
    kept = _read_note(note)
    if path.exists() and kept is not None and kept.get("source") == mark:
        return Rows(path), kept["columns"]
    seen = _SeenColumns(source)
    note.unlink(missing_ok=True)  # the note is what vouches for the rows: it goes first and comes last
    with written(path) as file:
        _write_rows(file, (seen.update(frame) for frame in chunks()), str(source))
    columns = seen.columns()
    with written(note) as file:
        file.write(json.dumps({"source": mark, "columns": columns}).encode())
    return Rows(path), columns


def download(url: str, path: Path, sha256: str | None = None) -> Path:
    """Fetch `url` to `path`, atomically, once; `sha256` is of the content, uncompressed if `url` ends in .gz.

    Raises ConnectionError when the network does not give it, ValueError when it is not the file that was expected.
    """
    import urllib.error
    import urllib.request

    if path.exists():
        return path
    request = urllib.request.Request(url, headers={"User-Agent": "genus"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer, written(path) as file:
            while block := answer.read(BLOCK):
                file.write(block)
            file.flush()
            found = _sha256(file, compressed=url.endswith(".gz") and not url.endswith(".tar.gz"))
            if sha256 is not None and found != sha256:
                raise ValueError(f"{url}: is not the file that was expected (sha256 {found}, not {sha256}); try another mirror")
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConnectionError(f"{url}: could not be downloaded ({reason})") from error
    return path


# -- parts -------------------------------------------------------------------------------------------------------


def _write_rows(
    file: IO[bytes], batches: Iterable[Any], name: str, watch: Callable[[bytes], Any] = lambda block: None
) -> tuple[int, np.dtype, tuple[int, ...]]:
    """Write an .npy of unknown length: numpy pads its header so that the number of rows can be filled in last."""
    rows, first = 0, None
    for index, batch in enumerate(batches):
        tensor = as_tensor(batch, f"{name}: batch {index}")
        refuse_infinity(tensor, f"{name}: batch {index}")
        array = np.ascontiguousarray(tensor.cpu().numpy())
        if first is None:
            first = array
            _write_header(file, 0, array)
        if array.dtype != first.dtype or array.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"{name}: batch {index} holds {array.dtype} rows of shape {array.shape[1:]}, but the first batch holds "
                f"{first.dtype} rows of shape {first.shape[1:]}; make them alike"
            )
        block = array.tobytes()
        file.write(block)
        watch(block)
        rows += len(array)
    if first is None or not rows:
        raise ValueError(f"{name}: is empty; pass at least one example")
    end = file.tell()
    file.seek(0)
    _write_header(file, rows, first)
    file.seek(end)
    return rows, first.dtype, first.shape[1:]


def _write_header(file: IO[bytes], rows: int, like: np.ndarray) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(like.dtype),
        "fortran_order": False,
        "shape": (rows, *like.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(file, header)


def _read_note(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and isinstance(note.get("columns"), list) else None


def _sha256(file: IO[bytes], compressed: bool) -> str:
    file.seek(0)
    stream: Any = gzip.GzipFile(fileobj=file) if compressed else file
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


class _SeenColumns:
    """Range, wholeness and absence of each column of a table that is passed over once."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.found: dict[Any, dict[str, Any]] = {}

    def update(self, frame: Any) -> np.ndarray:
        """Take note of a DataFrame and return it as float64 (n, columns)."""
        import pandas as pd

        values = np.empty((len(frame), frame.shape[1]))
        for i, name in enumerate(frame.columns):
            series = frame[name]
            if not pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
                raise TypeError(
                    f"{self.source}: is too big for memory, and such a table is streamed only if it is numeric, "
                    f"but {name!r} holds {series.dtype} values; drop it, or write its categories as codes"
                )
            column = series.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isinf(column).any():
                raise ValueError(f"{self.source}: the column {name!r} holds infinity; leave the cell empty if it is missing")
            self._note(name, column)
            values[:, i] = column
        return values

    def _note(self, name: Any, column: np.ndarray) -> None:
        seen = self.found.setdefault(str(name), {"low": np.inf, "high": -np.inf, "whole": True, "missing": False})
        present = column[~np.isnan(column)]
        seen["missing"] |= len(present) < len(column)
        if len(present):
            seen["low"], seen["high"] = min(seen["low"], present.min()), max(seen["high"], present.max())
            seen["whole"] &= bool((present == np.floor(present)).all()) and np.abs(present).max() <= 2**53

    def columns(self) -> list[dict[str, Any]]:
        columns = []
        for name, seen in self.found.items():
            if seen["low"] > seen["high"]:
                raise ValueError(f"{self.source}: the column {name!r} has no values at all; drop it")
            kind = "integer" if seen["whole"] else "continuous"
            dtype = "int64" if seen["whole"] and not seen["missing"] else "float64"
            low, high = float(seen["low"]), float(seen["high"])
            columns.append({"name": name, "kind": kind, "dtype": dtype, "missing": seen["missing"], "low": low, "high": high})
        return columns
