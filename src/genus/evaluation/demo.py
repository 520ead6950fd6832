"""The tour: six models of handwritten digits, from a bell curve to a transformer, in about two minutes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from genus.data import load_dataset
from genus.evaluation.compare import Comparison
from genus.evaluation.leaderboard import Leaderboard
from genus.model import Model
from genus.registry import find_model

Tell = Callable[[str], None]

# What is fitted: the name shown, the model, its hyper-parameters, its steps, and what a newcomer is told.
TOUR: tuple[tuple[str, str, dict[str, object], dict[str, int], str], ...] = (
    ("gaussian", "gaussian", {}, {}, "A Gaussian: one mean, one covariance. The baseline; it sees digits as one cloud."),
    (
        "gaussian-mixture", "gaussian-mixture", {"n_components": 10}, {},
        "A mixture of ten Gaussians: ten clouds, found by EM. Will they be the ten digits?",
    ),
    (
        "vae", "vae", {}, {"steps": 2000},
        "A variational autoencoder: sixteen hidden numbers explain each digit.",
    ),
    (
        "vae-2d", "vae", {"latent_dim": 2}, {"steps": 2000},
        "A variational autoencoder with only two hidden numbers: worse, but two numbers make a map.",
    ),
    (
        "gan", "gan", {"n_layers": 2}, {"steps": 2000},
        "A generative adversarial network: a forger learns from a critic. It cannot say how probable anything is.",
    ),
    (
        "gpt", "gpt", {"n_layers": 2, "width": 64}, {"steps": 750, "batch_size": 32},
        "A small GPT, the kind of model that writes text, here writing one pixel after another.",
    ),
)  # fmt: skip


def run_demo(folder: str | Path = "genus-demo", progress: bool = True, seed: int = 0, tell: Tell = print) -> Leaderboard:
    """Fit six models to the digits, compare them, write folder/report.html and folder/runs; returns the Leaderboard.

    Tells what it does in plain sentences. Raises OSError if the folder cannot be written.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file; pass a folder for the report and the models")
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    data = load_dataset("digits")
    tell(
        f"The data: {len(data.train):,} handwritten digits of 8 x 8 pixels to learn from, and {len(data.test)} more, by other\n"
        "writers, to judge by. Six models will learn them. This takes about two minutes.\n"
    )
    comparison = Comparison(data, seed=seed, runs=folder / "runs", progress=progress)
    for number, (name, kind, hyper_parameters, options, sentence) in enumerate(TOUR, 1):
        tell(f"{number}. {sentence}")
        model: Model = find_model(kind)(**hyper_parameters)
        comparison.settings.options = options
        with warnings.catch_warnings(), _one_thread():
            warnings.simplefilter("ignore")  # a tour's EM may stop early
            entry = comparison.add(name, model)
        entry.about = sentence
        tell(f"   {entry.sentence()}.\n")
    board = comparison.leaderboard()
    path = board.save(folder / "report.html", "Six ways to dream of digits")
    tell(_closing(board, path, folder, time.perf_counter() - began))
    return board


@contextmanager
def _one_thread() -> Iterator[None]:
    """Models this small gain nothing from more threads, and lose much where other programs want the cores, too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _closing(board: Leaderboard, path: Path, folder: Path, seconds: float) -> str:
    runs = folder / "runs"
    return (
        f"Done in {seconds:.0f} seconds. Open the report in a browser:\n\n    {path.resolve()}\n\n"
        "Three things to try next:\n\n"
        f"    genus sample {runs / 'vae'} -n 64 -o samples.png         # draw digits of your own\n"
        f"    genus score {runs / 'gpt'} --data digits -o scores.csv   # which digits are the strangest?\n"
        "    genus fit gaussian-mixture --data your.csv --run runs/mine   # your own table, images or text"
    )
