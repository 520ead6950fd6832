"""The command line: a command is a function in its own file, which returns an Answer; `main` prints it.

A user's mistake, and whatever the library raises about it, is one line on stderr and exit code 2. With `--json` an
Answer is one JSON object on stdout. Nothing heavy is imported before a command is known.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from genus.cli.answer import Answer, one_line, rank
from genus.cli.parsing import Mistake
from genus.cli.wording import as_typed
from genus.fields import perhaps


@dataclass(frozen=True)
class Command:
    """A command: the module of `genus.cli` that holds its `run(argv) -> Answer`, an example and what it does."""

    module: str
    example: str
    does: str


COMMANDS = {
    "demo": Command("demo", "genus demo", "the tour on embedded data: fit, sample, compare, report.html"),
    "models": Command("listing", "genus models", "what there is, and what each can do"),
    "datasets": Command("listing", "genus datasets", "the data sets there are by name"),
    "fit": Command("fit", "genus fit vae --data digits --run runs/vae", "learn a model from data"),
    "sample": Command("sample", "genus sample runs/vae -n 64 -o samples.png", "draw new points"),
    "score": Command("score", "genus score runs/vae --data digits", "log-likelihood of each example"),
    "complete": Command("complete", "genus complete runs/mixture --data holes.csv -o filled.csv", "fill the missing cells of rows"),
    "predict": Command("predict", "genus predict runs/naive-bayes --data new.csv", "the class of each example"),
    "forecast": Command("forecast", "genus forecast runs/hidden-markov --steps 12", "go on with a series, and how sure that is"),
    "generate": Command("generate", 'genus generate runs/gpt "This movie"', "go on with a text"),
    "compare": Command("compare", "genus compare gaussian vae --data digits", "several models on one yardstick"),
    "evaluate": Command("evaluate", "genus evaluate --real a.csv --synthetic b.csv", "judge any tool's samples"),
}
MISTAKES = (ValueError, TypeError, OSError, ImportError, RuntimeError, FloatingPointError, MemoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 2 for a mistake, 1 for a bug of genus, 130 when interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _warnings_in_one_line(), _processes():
            answer, as_json = _answer(words)
            if rank() == 0:
                answer.show(as_json)
        return 0
    except SystemExit as exit_:  # argparse, after --help
        return int(exit_.code or 0)
    except BrokenPipeError:  # the reader of our output has gone: `genus models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as error:
        _complain(f"interrupted{one_line(error)}")
        return 130
    except Mistake as error:
        _complain(one_line(error))
        return 2
    except Exception as error:
        if os.environ.get("GENUS_DEBUG") == "1":
            traceback.print_exc()
        if isinstance(error, MISTAKES) and not _ours(error):
            said = one_line(error) or type(error).__name__
            _complain(said if isinstance(error, ImportError) else as_typed(said))  # which imports more
            return 2
        _complain(f"{type(error).__name__}: {one_line(error)}; this is a bug of genus, GENUS_DEBUG=1 shows where")
        return 1


def _answer(words: list[str]) -> tuple[Answer, bool]:
    """The answer to a command, and whether it was asked for as JSON."""
    as_json = bool(words) and words[0] == "--json"
    words = words[1:] if as_json else words
    name = words[0] if words else "--help"
    if name in ("--help", "-h", "help") and len(words) < 2:
        return Answer(_help(), {"commands": {n: c.does for n, c in COMMANDS.items()}}), as_json
    if name == "help":
        name, words = words[1], [words[1], "--help"]
    if name in ("--version", "-V"):
        import genus

        return Answer(f"genus {genus.__version__}", {"version": genus.__version__}), as_json
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise Mistake(f"no {kind} is called {name!r}{perhaps(name, COMMANDS)}; genus --help lists the commands")
    module = importlib.import_module(f"genus.cli.{COMMANDS[name].module}")
    return module.run(words), as_json or "--json" in words


def _help() -> str:
    width = max(len(command.example) for command in COMMANDS.values()) + 3
    lines = "\n".join(f"  {command.example:<{width}}{command.does}" for command in COMMANDS.values())
    return f"""\
genus: generative modelling. Give it your data, get a model of the distribution it came from.

{lines}

Data are a name (genus datasets), a file (.csv .tsv .parquet .npy .npz .txt .wav .png ...) or a folder of files.
A fitted model is a folder. `genus COMMAND --help` says more, `genus fit MODEL --help` what a model can be told.
Every command takes --json for machines. Many processes: torchrun --nproc-per-node 4 -m -- genus fit ..."""


def _ours(error: Exception) -> bool:
    """Whether an error of a kind that mistakes have can only be a bug of genus."""
    missing = error.name if isinstance(error, ImportError) else None
    return isinstance(error, NotImplementedError) or (missing or "").split(".")[0] == "genus"


def _complain(sentence: str) -> None:
    """One line on stderr; of several processes each says which it is."""
    who = "genus" if rank() == 0 else f"genus: process {rank()}"
    with contextlib.suppress(OSError):
        print(f"{who}: {sentence}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Any, category: Any, *place: Any, **also: Any) -> None:
        if rank() == 0 and issubclass(category, UserWarning):
            print(f"genus: {as_typed(one_line(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _processes() -> Iterator[None]:
    """Leave the process group of torchrun, if a command has joined it."""
    try:
        yield
    finally:
        distributed = sys.modules.get("torch.distributed")
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
