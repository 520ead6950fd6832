"""Samples as files: which suffixes fit a space, and the bytes of each."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np

from genus.cli.answer import table_bytes
from genus.cli.parsing import Mistake
from genus.evaluation.pictures import is_image, is_plane, sample_sheet
from genus.spaces import Images, Sequence, Space, Table, Tokens

RATE = 16_000  # hertz of a recording, where nobody knows better


def fitting(space: Space) -> list[str]:
    """The suffixes that fit samples of a space, the most natural first."""
    of_rows = isinstance(space, Sequence) and not is_flat(space) and is_flat(space.item)
    array = not is_text(space) and not isinstance(space.item if isinstance(space, Sequence) and of_rows else space, Table)
    fits = {
        ".png": is_image(space) or is_plane(space),
        ".txt": isinstance(space, Tokens),
        ".csv": is_flat(space),
        ".parquet": is_flat(space),
        ".npz": array,
        ".npy": array and not space.ragged,
        ".wav": is_recording(space),
    }
    return [suffix for suffix, fit in fits.items() if fit] + [".csv", ".parquet"] * of_rows


def refuse_suffix(path: Path, space: Space) -> None:
    """Raise Mistake for a suffix that does not fit."""
    if path.suffix.lower() not in (known := fitting(space)):
        what = path.suffix or "no suffix"
        raise Mistake(f"-o {path}: {what} does not fit samples of {space!r}; what fits: {', '.join(known)}")


def content(space: Space, samples: Any, suffix: str) -> bytes:
    """Samples as a file of a fitting suffix, but for .wav."""
    if suffix == ".png":
        return sample_sheet(space, samples)
    if suffix == ".txt":
        return (as_text(space, samples) + "\n").encode()
    if suffix in (".csv", ".parquet"):
        return table_bytes(as_frame(space, samples), suffix)
    return _npz(samples) if suffix == ".npz" else _npy(samples)


def is_text(space: Space) -> bool:
    return isinstance(space, Tokens) and space.tokenizer is not None


def is_flat(space: Space) -> bool:
    """Whether samples are rows of a table."""
    if isinstance(space, Table) or is_text(space):
        return True
    return not space.ragged and not isinstance(space, Images) and len(space.shape) <= 1


def as_frame(space: Space, samples: Any) -> Any:
    """Samples of a flat space as a DataFrame with one row each; of sequences a row a step, and the number of its sequence."""
    import pandas as pd

    if isinstance(space, Sequence) and not is_flat(space):
        frames = [as_frame(space.item, sequence) for sequence in samples]
        return (
            pd.concat(frames, keys=range(len(frames)), names=["sequence", None]).reset_index(level=0) if frames else pd.DataFrame()
        )
    if isinstance(space, Table):
        return samples if space.form == "frame" else pd.DataFrame({space.columns[0].name: samples})
    if is_text(space):
        return pd.DataFrame({"text": samples})
    values = samples.cpu().numpy().reshape(len(samples), -1)
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])] if space.shape else ["x"])


def as_text(space: Space, samples: Any) -> str:
    """Samples of tokens as lines: of texts that have lines of their own, with an empty line between two."""
    if is_text(space):
        return ("\n\n" if any("\n" in text for text in samples) else "\n").join(samples)
    return "\n".join(" ".join(map(str, sequence.tolist())) for sequence in samples)


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


def _npz(samples: Any) -> bytes:
    file = io.BytesIO()
    if hasattr(samples, "numpy"):
        np.savez_compressed(file, x=samples.cpu().numpy())
    else:  # sequences of different lengths: end to end, and how long each is
        arrays = [np.asarray(sequence) for sequence in samples]
        np.savez_compressed(file, values=np.concatenate(arrays or [np.zeros(0)]), lengths=np.array([len(a) for a in arrays]))
    return file.getvalue()


def _npy(samples: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, samples.cpu().numpy())
    return file.getvalue()
