"""The harness: ours and the peer in turn, each in a fresh process with the same threads; the ratio pair by pair.

    A B A B ...   ->   ratio_i = ours_i / peer_i,   told as its median and its range

On a shared machine the speed of the next second is not that of the last. Two things keep a ratio honest there: a pair
is measured back to back, and with one thread what is measured is processor time, which waiting for others does not
lengthen (a busy neighbour still takes memory bandwidth and cache). With more threads it is time on the wall.

A workload also returns numbers that say what was done (a log-likelihood, a count of tokens); where ours and the peer's
differ by more than the row allows, they did not do the same work and the row fails.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
NANOGPT = "GENUS_BENCH_NANOGPT"  # the environment variable that tells workers where nanoGPT lies


class Measured(NamedTuple):
    """What a side of a workload returns: its rate, and numbers that say what was done."""

    rate: float
    value: dict[str, float]


@dataclass(frozen=True)
class Row:
    """One workload: what ours and the peer do, and when we call it good."""

    name: str
    what: str  # the work, in a sentence
    unit: str  # of a rate
    ours: Callable[[], Measured]
    theirs: Callable[[], Measured] | None  # None: there is only a limit to keep
    peer: str  # its name in the table
    needs: tuple[str, ...] = ()  # modules of the peer
    target: float = 1.0
    measure: Literal["ratio", "rate"] = "ratio"  # what the target is of: ours / peer, or ours alone
    at_most: bool = False  # the target is an upper end
    agree: dict[str, float] = field(default_factory=dict)  # value -> relative difference allowed between the two
    pairs: int | None = None  # measured, where more would only take time

    def missing(self) -> str | None:
        """Why the peer cannot be run here, or None."""
        if self.peer == "nanoGPT":
            folder = os.environ.get(NANOGPT)
            if not folder:
                return "nanoGPT is no package: clone it and pass --nanogpt DIR"
            return None if (Path(folder) / "model.py").exists() else f"--nanogpt: there is no model.py in {folder}"
        absent = [module for module in self.needs if find_spec(module) is None]
        return f"{', '.join(absent)} not installed: scripts/install bench" if absent else None


@dataclass(frozen=True)
class Result:
    """A row as measured; `skipped` or `failed` says why it was not."""

    row: Row
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    skipped: str | None = None
    failed: str | None = None

    @property
    def compared(self) -> list[float]:
        """What is held against the target, pair by pair."""
        if self.row.measure == "rate":
            return self.ours
        return [a / b for a, b in zip(self.ours, self.theirs)]

    @property
    def met(self) -> bool | None:
        if not self.compared:
            return None
        middle = statistics.median(self.compared)
        return middle <= self.row.target if self.row.at_most else middle >= self.row.target

    def record(self) -> dict[str, Any]:
        """The row as JSON values."""
        record: dict[str, Any] = {"row": self.row.name, "what": self.row.what, "unit": self.row.unit, "peer": self.row.peer}
        if self.skipped or self.failed:
            return record | {"skipped": self.skipped, "failed": self.failed}
        return record | {
            "ours": self.ours, "theirs": self.theirs, "measure": self.row.measure, "target": self.row.target,
            "median": statistics.median(self.compared), "min": min(self.compared), "max": max(self.compared),
            "met": self.met,
        }  # fmt: skip


class Clock:
    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Clock]:
    """Seconds of a block: of the processor where there is one thread, else on the wall."""
    now = time.process_time if os.environ.get(THREADS[0]) == "1" else time.perf_counter
    clock, start = Clock(), now()
    yield clock
    clock.seconds = now() - start


# ------------------------------------------------------------------------------------------------------------ running


def run(row: Row, pairs: int, threads: int) -> Result:
    """Measure a row in `pairs` pairs, telling on stderr how it goes."""
    if (reason := row.missing()) is not None:
        return Result(row, skipped=reason)
    result = Result(row)
    for pair in range(min(pairs, row.pairs or pairs)):
        try:
            ours = _side(row, "ours", threads)
            theirs = _side(row, "theirs", threads) if row.theirs is not None else None
        except RuntimeError as error:
            return Result(row, failed=str(error))
        result.ours.append(ours.rate)
        if theirs is not None:
            result.theirs.append(theirs.rate)
            for name, allowed in row.agree.items():
                a, b = ours.value[name], theirs.value[name]
                if not abs(a - b) <= allowed * max(abs(a), abs(b)):
                    return Result(row, failed=f"not the same work: {name} is {a:.9g} here and {b:.9g} of {row.peer}")
        told = f"{ours.rate:.4g} {row.unit}"
        if theirs is not None:
            told += f", {row.peer} {theirs.rate:.4g}: {result.compared[-1]:.3g}"
        values = ", ".join(f"{name} {value:.9g}" for name, value in ours.value.items())
        print(f"{row.name} {pair + 1}: {told} ({values})", file=sys.stderr, flush=True)
    return result


def _side(row: Row, side: str, threads: int) -> Measured:
    """One side of a row in a fresh process."""
    environment = os.environ | {name: str(threads) for name in THREADS}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users import compiled files
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "benchmarks.worker", row.name, side]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise RuntimeError(f"{side} ended with code {done.returncode}: {last}")
    answer = json.loads(lines[-1])
    return Measured(answer["rate"], answer["value"])


# ------------------------------------------------------------------------------------------------------------ telling


def table(results: list[Result]) -> str:
    """The results as a markdown table."""
    lines = ["| row | work | unit | ours | peer | ours : peer, median (min..max) | target | met |", "|" + "---|" * 8]
    for result in results:
        row = result.row
        if result.skipped or result.failed:
            why = f"skipped: {result.skipped}" if result.skipped else f"FAILED: {result.failed}"
            lines.append(f"| {row.name} | {row.what} | {row.unit} | | {row.peer} | {why} | | |")
            continue
        ours = f"{statistics.median(result.ours):.4g}"
        theirs = f"{row.peer} {statistics.median(result.theirs):.4g}" if result.theirs else "-"
        low, middle, high = min(result.compared), statistics.median(result.compared), max(result.compared)
        figures = f"{middle:.2f} ({low:.2f}..{high:.2f})"
        figures = figures if row.measure == "ratio" else "-"
        target = f"{'<=' if row.at_most else '>='} {row.target:g}"
        lines.append(
            f"| {row.name} | {row.what} | {row.unit} | {ours} | {theirs} | {figures} | {target} | {'yes' if result.met else 'no'} |"
        )
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """Of Python, of what runs and of the peers that are installed."""
    found = {"python": platform.python_version()}
    with open(ROOT / "pyproject.toml", "rb") as file:
        found["genus"] = tomllib.load(file)["project"]["version"]
    for name in ("torch", "numpy", "scikit-learn", "transformers", "pythae"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """The machine in words."""
    cpu, extensions = platform.processor() or platform.machine(), ""
    if (info := Path("/proc/cpuinfo")).exists():
        fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in fields.items()}
        cpu = fields.get("model name", cpu)
        flags = fields.get("flags", "").split()
        known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        extensions = ", " + (" ".join(flag for flag in known if flag in flags) or "no avx2")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cpu}, {os.cpu_count()} cores{extensions}{load}"
