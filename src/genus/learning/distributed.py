"""Many processes under `torchrun`: torch.distributed, and nothing of our own."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from genus.fields import shown


def start(device: torch.device) -> tuple[int, int]:
    """(rank, number of processes); joins the process group that torchrun set up, if there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def device_of(name: str) -> torch.device:
    """The device of fit's `device=`: "cuda" is this process's GPU, and so is "auto" where there is one. Raises ValueError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device.type]
    except (RuntimeError, TypeError, KeyError) as error:
        raise ValueError(f"device={shown(name)} is not known: choose 'auto', 'cpu', 'cuda' or 'mps'") from error
    if not there:
        raise ValueError(f"device={str(name)!r}: this torch sees no such GPU; choose 'cpu', or install torch for it")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={str(name)!r}: there are {torch.cuda.device_count()} GPUs, numbered from 0; choose one of them")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index)
        torch.cuda.set_device(device)
    return device


def memory_of(device: torch.device) -> int:
    """Bytes of memory that the device has in all; where nobody knows, more than there could be."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    known = device.type == "cpu" and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else 2**63


def sum_over_ranks(statistics: dict[str, Tensor]) -> dict[str, Tensor]:
    """Statistics that add up, added up over all processes."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        # in one order and one layout everywhere: what is summed is memory, whatever the names and the strides
        statistics = {name: statistics[name].contiguous() for name in sorted(statistics)}
        for tensor in statistics.values():
            dist.all_reduce(tensor)
    return statistics


def gather_over_ranks(parts: dict[int, Any], device: torch.device) -> list[Any]:
    """Numbered parts of every process, together on all of them, in the order of their numbers and on the device."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        everyones: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyones, {number: part.to("cpu") for number, part in parts.items()})
        parts = {number: part for theirs in everyones for number, part in theirs.items()}
    return [parts[number].to(device) for number in sorted(parts)]


def barrier() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()
