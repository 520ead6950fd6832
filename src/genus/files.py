"""Writing so that nothing is lost: beside, fsynced, then renamed. And tensors, and values as JSON, in files that hold no code.

A reader sees the old file or the new one, never half of one; an acknowledged write survives SIGKILL and a power cut.
Every tensor file carries a digest of its content, so that a damaged one is known for what it is.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from genus.fields import shown

DIGEST = 32  # hexadecimal digits
LARGEST_HEADER = 4 * 2**20  # bytes; names and shapes of 30,000 tensors
MOST_VALUES = 4 * 10**6  # of one JSON text: locations and scales of a million coordinates; a value may take 60 bytes


class DamagedFile(ValueError):
    """A file whose content is not what was written."""


def folder_of(path: Any, argument: str) -> Path:
    """The path of a folder, as an argument names it. Raises TypeError or ValueError for what can be none."""
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{argument}={shown(path)} is of type {type(path).__name__}, but it must be the path of a folder")
    if not os.fspath(path) or "\0" in str(path):
        raise ValueError(f"{argument}={shown(path)} is no path; pass that of a folder, or '.' for this one")
    return Path(os.path.expanduser(path))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, whole or not at all; and remove what earlier writers of it, now dead, left beside it."""
    remove_partials(path.parent, glob.escape(path.name))
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_partials(folder: Path, names: str) -> None:
    """Remove what writers of files of these names (a pattern) left beside them when they were killed.

    Not what another process is writing. This one is not: what bears its number is of an earlier process (in containers, often).
    """
    for path in folder.glob(f".{names}.*.partial"):
        writer = path.suffixes[-2][1:]
        if writer.isdecimal() and not _is_another(int(writer)):
            with contextlib.suppress(OSError):  # another user's: a courtesy that nothing depends on
                path.unlink()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Wait until no other process or thread is in this block with this folder; whether one can know. One that is killed is in
    it no more."""
    try:
        import fcntl
    except ImportError:  # Windows has other locks
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            alone = True
        except OSError:  # a file system without locks
            alone = False
        yield alone
    finally:
        os.close(descriptor)


def _is_another(process: int) -> bool:
    """Whether this is the number of a running process that is not this one."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        pass
    return True


def json_values(value: Any) -> Any:
    """A value as JSON knows it: arrays are lists; what is missing, and a number that is none (NaN), is null.

    JSON has no infinity: it becomes "Infinity" or "-Infinity", as in protocol buffers, which float() of Python and Number() of
    JavaScript read. A log-likelihood that is "-Infinity" is not one that is missing.
    """
    if isinstance(value, dict):
        return {str(k): json_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(v) for v in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        infinite = "Infinity" if value > 0 else "-Infinity"
        return value if math.isfinite(value) else infinite if math.isinf(value) else None
    if isinstance(value, Path):
        return str(value)
    if type(value).__name__ == "DataFrame":
        return [json_values(row) for row in value.to_dict("records")]
    if hasattr(value, "tolist"):  # tensors, arrays and numpy's numbers
        return json_values(value.tolist())
    missing = value != value or type(value).__name__ in ("NAType", "NaTType")
    return None if missing else str(value)


def read_json(content: bytes, path: Path) -> Any:
    """The JSON of a file that may be a stranger's. Raises DamagedFile where it is none, says a thing twice, or would
    take far more memory than an honest one."""
    try:
        if sum(map(content.count, (b"[", b"{", b","))) > MOST_VALUES:
            raise ValueError("too many values")
        return json.loads(content.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DamagedFile(f"{path}: is not JSON ({str(error) or type(error).__name__:.100}); the file is damaged") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def tensor_bytes(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    """A safetensors file of the tensors, with `about` (JSON) and a digest of both in its header."""
    from safetensors.torch import save

    # a fresh copy: one that is called contiguous may still have odd strides along an axis of one
    tensors = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    text = json.dumps(about, sort_keys=True)
    # one entry: safetensors writes several in no fixed order, and the same model should be the same file
    return save(tensors, {"genus": _digest(tensors, text) + text})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `tensor_bytes` wrote. Raises DamagedFile for anything that is not exactly that."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        digest, text = header["genus"][:DIGEST], header["genus"][DIGEST:]
        if digest != _digest(tensors, text):
            raise DamagedFile(f"{path}: its content does not match its digest; the file is damaged")
        about = json.loads(text)
    except (DamagedFile, FileNotFoundError):
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise DamagedFile(f"{path}: is no tensor file of genus, or a damaged one ({error!s:.100})") from error
    return tensors, about


def read_header(file: BinaryIO, path: Path) -> tuple[str, dict[str, tuple[tuple[int, ...], str]]]:
    """The digest that a tensor file carries, and the shape and dtype of every tensor: without reading one. Raises DamagedFile."""
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise ValueError("its header has no such length")
        header = read_json(file.read(length), path)
        digest = str(header.pop("__metadata__")["genus"])[:DIGEST]
        shapes = {name: (tuple(entry["shape"]), entry["dtype"]) for name, entry in header.items()}
        if not all(type(n) is int and 0 <= n <= size for shape, _ in shapes.values() for n in shape):
            raise ValueError("its shapes are none")
        return digest, shapes
    except DamagedFile:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        raise DamagedFile(f"{path}: is no tensor file of genus, or a damaged one ({error!s:.100})") from error


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=DIGEST // 2)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
