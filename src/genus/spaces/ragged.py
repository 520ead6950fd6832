"""Ragged: sequences of different lengths, end to end in one tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Ragged:
    """n sequences as `values` (total, *item) and `offsets` (n + 1,); sequence i is values[offsets[i]:offsets[i + 1]]."""

    def __init__(self, values: Tensor, offsets: Tensor) -> None:
        self.values, self.offsets = values, offsets

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> Ragged:
        lengths = torch.tensor([0, *(len(s) for s in sequences)])
        return cls(torch.cat(list(sequences)) if sequences else torch.empty(0), lengths.cumsum(0))

    @classmethod
    def of_rows(cls, rows: Tensor) -> Ragged:
        """Sequences of one length (n, length, *item)."""
        return cls(rows.flatten(0, 1), torch.arange(len(rows) + 1) * rows.shape[1])

    @property
    def lengths(self) -> Tensor:
        return self.offsets.diff()

    @property
    def owners(self) -> Tensor:
        """(total,): the number of the sequence that each item is of."""
        return torch.arange(len(self)).repeat_interleave(self.lengths).to(self.values.device)

    @property
    def positions(self) -> Tensor:
        """(total,): the place of each item in its sequence, from 0."""
        first = self.offsets[:-1].to(self.values.device)
        return torch.arange(len(self.values), device=self.values.device) - first[self.owners]

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.offsets.nbytes

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.split(self.values[self.offsets[0] : self.offsets[-1]], self.lengths.tolist()))

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        """A tensor for an int, a Ragged for a slice or a tensor of indices."""
        if isinstance(index, int):
            index = range(len(self))[index]
            return self.values[self.offsets[index] : self.offsets[index + 1]]
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                stop = max(start, stop)
                offsets = self.offsets[start : stop + 1]
                return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
            index = torch.arange(start, stop, step)
        sequences = [self[int(i)] for i in torch.as_tensor(index)]
        return Ragged.of(sequences) if sequences else self[0:0]

    def padded(self, fill: float = 0) -> tuple[Tensor, Tensor]:
        """(n, longest, *item) and a mask (n, longest), True where a value is."""
        lengths = self.lengths.to(self.values.device)
        mask = torch.arange(int(lengths.max()) if len(self) else 0, device=lengths.device) < lengths[:, None]
        out = self.values.new_full((*mask.shape, *self.values.shape[1:]), fill)
        out[mask] = self.values[self.offsets[0] : self.offsets[-1]]
        return out, mask

    def to(self, *args, **kwargs) -> Ragged:  # type: ignore[no-untyped-def]
        return Ragged(self.values.to(*args, **kwargs), self.offsets)

    def __repr__(self) -> str:
        if not len(self):
            return "Ragged(0 sequences)"
        return f"Ragged({len(self)} sequences of {int(self.lengths.min())} to {int(self.lengths.max())} items)"
