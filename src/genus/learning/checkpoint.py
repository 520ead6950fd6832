"""Checkpoints of a run: parameters, optimisers and one integer, in one file each; the last two are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genus.files import DamagedFile, read_tensors, remove_partials, tensor_bytes, write_atomically

KEPT = 2
NAMES = "step-*.safetensors"


class Checkpoints:
    """run/checkpoints/step-<number>.safetensors."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoints"

    def save(self, step: int, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Write the state after `step` steps, then remove all but the last two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_partials(self.folder, NAMES)
        write_atomically(self._path(step), tensor_bytes(tensors, {**about, "step": step}))
        for older in self._found()[KEPT:]:
            older.unlink(missing_ok=True)

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest sound checkpoint, passing over torn and damaged ones; None if there is none."""
        for path in self._found():
            try:
                return read_tensors(path)
            except DamagedFile:
                continue
        return None

    def clear(self) -> None:
        """Remove the checkpoints of an earlier run in the same folder."""
        remove_partials(self.folder, NAMES)
        for path in self._found():
            path.unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:010d}.safetensors"

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob(NAMES), reverse=True)


def environment(device: torch.device, world: int) -> dict[str, Any]:
    """What a bitwise resume depends on besides the seed."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": device.type, "processes": world}
