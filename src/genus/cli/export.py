"""Samples as files: which suffixes fit a space, and the bytes of each."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genus.cli.answer import table_bytes
from genus.cli.parsing import Mistake
from genus.spaces import Images, Sequence, Space, Table, Tokens

RATE = 16_000  # hertz of a recording, where nobody knows better


def as_frame(space: Space, samples: Any) -> Any:
    """Samples as a DataFrame with one row each; None for those that are no flat rows."""
    import pandas as pd

    if isinstance(space, Table):
        return samples if space.form == "frame" else pd.DataFrame({space.columns[0].name: samples})
    if is_text(space):
        return pd.DataFrame({"text": samples})
    if not hasattr(samples, "numpy") or samples.dim() > 2 or isinstance(space, Images):
        return None
    values = samples.cpu().numpy().reshape(len(samples), -1)
    names = ["x"] if samples.dim() == 1 else [f"x{i}" for i in range(values.shape[1])]
    return pd.DataFrame(values, columns=names)


def is_text(space: Space) -> bool:
    return isinstance(space, Tokens) and space.tokenizer is not None


def as_text(space: Space, samples: Any) -> str:
    """Samples as lines: of a text that has lines of its own, with an empty line between two."""
    if is_text(space):
        return ("\n\n" if any("\n" in text for text in samples) else "\n").join(samples)
    return "\n".join(" ".join(map(str, sequence.tolist())) for sequence in samples)


def suffixes_of(space: Space, samples: Any) -> dict[str, Callable[[], bytes]]:
    """How samples can be written: suffix -> bytes, the most natural first."""
    writers: dict[str, Callable[[], bytes]] = {}
    frame = as_frame(space, samples)
    if isinstance(space, Images):
        writers[".png"] = lambda: picture_bytes(space, samples)
    if isinstance(space, Tokens):
        writers[".txt"] = lambda: (as_text(space, samples) + "\n").encode()
    if frame is not None:
        writers |= {".csv": lambda: table_bytes(frame, ".csv"), ".parquet": lambda: table_bytes(frame, ".parquet")}
    if not isinstance(space, Table) and not is_text(space):
        writers[".npz"] = lambda: _npz(samples)
        if hasattr(samples, "numpy"):
            writers[".npy"] = lambda: _npy(samples)
    writers.setdefault(".png", lambda: picture_bytes(space, samples))
    return writers


def writer_of(path: Path, space: Space, samples: Any) -> Callable[[], bytes]:
    """What writes `path`. Raises Mistake for a suffix that does not fit."""
    writers = suffixes_of(space, samples)
    suffix = path.suffix.lower()
    if suffix not in writers:
        known = ", ".join([*writers, *([".wav"] if is_recording(space) else [])])
        raise Mistake(f"-o {path}: {suffix or 'no suffix'} does not fit samples of {space!r}; what fits: {known}")
    return writers[suffix]


def is_recording(space: Space) -> bool:
    """Whether samples can be heard: sequences of one real number."""
    return isinstance(space, Sequence) and space.item.dims == 1 and not space.item.discrete


def wav_bytes(samples: Any, rate: int) -> bytes:
    """One recording in [-1, 1] as 16-bit .wav."""
    values = np.asarray(samples, dtype=np.float64).reshape(-1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((values.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return file.getvalue()


def picture_bytes(space: Space, samples: Any) -> bytes:
    """A sheet of samples as .png."""
    from genus.evaluation.pictures import sample_sheet

    return sample_sheet(space, samples)


def _npz(samples: Any) -> bytes:
    file = io.BytesIO()
    if hasattr(samples, "numpy"):
        np.savez_compressed(file, x=samples.cpu().numpy())
    else:  # sequences of different lengths: end to end, and how long each is
        arrays = [np.asarray(sequence) for sequence in samples]
        np.savez_compressed(file, values=np.concatenate(arrays), lengths=np.array([len(a) for a in arrays]))
    return file.getvalue()


def _npy(samples: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, samples.cpu().numpy())
    return file.getvalue()
