"""Samples as files: which suffixes fit a space, and the bytes of each; and on the screen."""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

from genus.cli.answer import Answer, table_bytes, write_file
from genus.cli.parsing import Mistake
from genus.evaluation.pictures import is_image, is_plane, sample_sheet
from genus.spaces import Images, Sequence, Space, Table, Tokens
from genus.warn import warn

RATE = 16_000  # hertz of a recording, where nobody knows better


def shown_or_saved(
    samples: Any, space: Space, output: Path | None, told: str, found: dict[str, Any], *, name: str, rate: int | None = None
) -> Answer:
    """Samples in a file; without one on the screen, or saved under `name` where they are nothing to read: series with a
    sample rate are recordings. `told` says of a file what is in it; found: what else machines are told."""
    if output is None:
        heard = rate is not None and is_recording(space)
        if not heard and (text := _printable(space, samples)) is not None:
            return Answer(text, {**found, "output": None, name: samples})
        output = _free(Path(f"{name}{'.wav' if heard else fitting(space)[0]}"), len(samples))
    written = _save(output, space, samples, rate or RATE)
    where = str(written[0]) if len(written) == 1 else f"{written[0]} to {written[-1].name}"
    return Answer(f"{told} in {where}", {**found, "output": written[0], "outputs": written})


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
    if (beyond := np.mean(np.abs(values) > 1)) > 0.01:
        warn(f"{beyond:.0%} of a recording is louder than a .wav can be, and is cut; save it as .npz to keep it")
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


def _save(output: Path, space: Space, samples: Any, rate: int) -> list[Path]:
    """Write samples; several recordings are files of their own."""
    suffix = output.suffix.lower()
    if suffix in (".wav", ".png") and not len(samples):
        raise Mistake(f"-n 0: {output} needs at least one sample")
    if suffix != ".wav":
        return [write_file(output, content(space, samples, suffix))]
    return [write_file(path, wav_bytes(sample, rate)) for path, sample in zip(_files(output, len(samples)), samples)]


def _files(output: Path, n: int) -> list[Path]:
    """Where n samples are written: several recordings are numbered files."""
    if output.suffix.lower() != ".wav" or n == 1:
        return [output]
    digits = len(str(n - 1))
    return [output.with_stem(f"{output.stem}-{i:0{digits}}") for i in range(n)]


def _printable(space: Space, samples: Any) -> str | None:
    """Samples for the screen: texts as they are, rows as a table, or as CSV into a pipe; None for anything else."""
    known = fitting(space)
    if ".txt" in known:
        return as_text(space, samples)
    if ".csv" not in known or space.dims > 100:
        return None
    return printed(as_frame(space, samples))


def printed(frame: Any) -> str:
    """A DataFrame for the screen, or as CSV into a pipe."""
    if sys.stdout.isatty():
        return frame.to_string(index=False, max_rows=60)
    return frame.to_csv(index=False).rstrip("\n")


def _free(path: Path, n: int) -> Path:
    """The path, numbered if there is a file where n samples would be: what nobody named overwrites nothing."""
    number, free = 1, path
    while any(file.exists() for file in _files(free, n)):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
