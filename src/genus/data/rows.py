"""Rows on disk: an .npy file read by index, so that data larger than memory is a stream of batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Rows:
    """The rows of an .npy file. Slices are read, not mapped, so that resident memory stays a batch."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open(self.path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            self._start = file.tell()
        if fortran or dtype.hasobject or not shape:
            raise ValueError(f"{self.path}: only C-ordered arrays of numbers are streamed; save numpy.ascontiguousarray of it")
        self.shape, self.dtype = shape, dtype
        if self.path.stat().st_size < self._start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
            raise ValueError(f"{self.path}: is shorter than its header says; write it again")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        item = int(np.prod(self.shape[1:], dtype=np.int64))
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            count = max(0, stop - start)
            offset = self._start + start * item * self.dtype.itemsize
            rows = np.fromfile(self.path, self.dtype, count * item, offset=offset).reshape(count, *self.shape[1:])
            return torch.from_numpy(rows[::step])
        index = torch.as_tensor(index)
        if not len(index):
            return self[0:0]
        low, high = int(index.min()), int(index.max()) + 1
        if low < 0 or high > len(self):
            raise IndexError(f"{self.path}: has rows 0 to {len(self) - 1}, and was asked for {low if low < 0 else high - 1}")
        if high - low <= 4 * len(index):  # dense enough: one read beats many seeks
            return self[low:high][index - low]
        # a read a row: mapped, the pages around rows here and there would make most of the file resident
        rows = np.empty((len(index), *self.shape[1:]), self.dtype)
        size, parts = item * self.dtype.itemsize, memoryview(rows.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        with open(self.path, "rb", buffering=0) as file:
            for place, number in enumerate(index.tolist()):
                file.seek(self._start + number * size)
                file.readinto(parts[place * size : (place + 1) * size])
        return torch.from_numpy(rows)


class Subset:
    """Some rows of a source, by index."""

    def __init__(self, source: Rows, index: Tensor) -> None:
        self.source, self.index = source, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        return self.source[self.index[index]]
