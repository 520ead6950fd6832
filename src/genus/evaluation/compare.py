"""compare: models side by side on the same held-out data, on one yardstick.

Each is fitted to the training part and asked: how probable is the test part to you, in nats of its own units? Can a
classifier tell your samples from it? How large are you, and how long do you take?

A log-likelihood is exact, a lower bound or an estimate. Models are ranked within a kind only. Across kinds one thing is
certain: a lower bound that lies above an exact value wins, because the truth is higher still.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genus.data import Dataset, Examples, fit_space, load_dataset
from genus.evaluation.features import endless, features_of_both, pieces, some
from genus.evaluation.leaderboard import NO_LIKELIHOOD, Entry, Leaderboard
from genus.evaluation.memorisation import memorisation
from genus.evaluation.two_sample import ROWS, TwoSample, two_sample_test
from genus.fields import check_count
from genus.learning.distributed import device_of
from genus.learning.history import read_history
from genus.learning.learns import Learns, check_settings
from genus.model import CanSample, HasLikelihood, Model
from genus.randomness import check_seed
from genus.registry import find_model, name_of
from genus.spaces import Ragged

Tell = Callable[[str], None]
FAILURES = (ValueError, TypeError, RuntimeError, ArithmeticError, OSError)


def compare(
    models: Any,
    data: Any,
    *,
    given: Any = None,
    seed: int = 0,
    n_samples: int = 64,
    two_sample: bool = True,
    samples: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: Any = None,
    device: str = "auto",
    precision: Any = "auto",
    runs: str | Path | None = None,
    progress: bool = True,
) -> Leaderboard:
    """Models side by side on the same data: a Leaderboard with `.frame`, `.save("report.html")` and the fitted `.models`.

    models: one or several of: a name ("vae"), a class, a model (fitted ones are taken as they are, others are fitted), a
    folder of a saved one; or a dict of these by the name to show. data: a Dataset with a test part, a name or path of
    one, or raw data, which is split. epochs, steps, batch_size, learning_rate and validation go to those models whose
    way of learning takes them. samples: draws per point of a bound. runs: a folder to keep the fitted models in.
    A model that cannot stand on the data is listed with the reason. Raises ValueError for an unknown name, for settings that
    no model could take and for data without a test part.
    """
    named = named_models(models)
    check_settings(epochs=epochs, steps=steps, batch_size=batch_size, learning_rate=learning_rate, precision=precision)
    device_of(device)  # refuses what is none
    if samples is not None:
        check_count("samples", samples, 1)
    options = {
        "epochs": epochs, "steps": steps, "batch_size": batch_size, "learning_rate": learning_rate,
        "validation": validation, "device": device, "precision": precision,
    }  # fmt: skip
    comparison = Comparison(
        data, given=given, seed=seed, n_samples=n_samples, two_sample=two_sample, samples=samples, runs=runs,
        progress=progress, **options,
    )  # fmt: skip
    tell: Tell = (lambda line: print(line, file=sys.stderr)) if progress else (lambda line: None)
    for number, (name, model) in enumerate(named.items(), 1):
        tell(f"[{number}/{len(named)}] {name}")
        entry = comparison.add(name, model)
        tell(f"      {entry.sentence()}")
    return comparison.leaderboard()


def named_models(models: Any) -> dict[str, Model]:
    """Models by the name they are shown under; see `compare`."""
    if isinstance(models, dict) and models:
        return {str(name): _model_of(item) for name, item in models.items()}
    if isinstance(models, str | Path | Model | type):
        models = [models]
    if not isinstance(models, Iterable):
        raise TypeError(f"models={models!r} is {type(models).__name__}; pass names, models or folders of saved ones")
    found: dict[str, Model] = {}
    for item in models:
        model = _model_of(item)
        name = name_of(type(model)) + (f"({model.extra_repr()})" if model.extra_repr() else "")
        double = sum(known == name or known.startswith(f"{name} #") for known in found)
        found[f"{name} #{double + 1}" if double else name] = model
    if not found:
        raise ValueError("models: is empty; pass at least one, such as 'gaussian'")
    return found


def _model_of(item: Any) -> Model:
    if isinstance(item, Model):
        return item
    if isinstance(item, type) and issubclass(item, Model):
        return item()
    if isinstance(item, str | Path):
        from genus.artifacts import load_model

        if isinstance(item, Path) or (Path(item) / "config.json").is_file():
            return load_model(item)
        return find_model(item)()
    raise TypeError(f"models: {item!r} is of type {type(item).__name__}; pass a name, a model, or a folder of a saved one")


@dataclass
class Settings:
    """What every model of a comparison is asked."""

    seed: int
    n_samples: int
    two_sample: bool
    samples: int | None
    runs: Path | None
    progress: bool
    options: dict[str, Any] = field(default_factory=dict)


class Comparison:
    """A comparison under way: the data, what was measured on them, and the models added so far."""

    def __init__(
        self,
        data: Any,
        *,
        given: Any = None,
        seed: int = 0,
        n_samples: int = 64,
        two_sample: bool = True,
        samples: int | None = None,
        runs: str | Path | None = None,
        progress: bool = False,
        **options: Any,
    ) -> None:
        n_samples = check_count("n_samples", n_samples, 1)
        seed = check_seed(seed)
        self.data = dataset_of(data, given, seed)
        self.settings = Settings(
            seed, n_samples, bool(two_sample), samples, None if runs is None else Path(runs), bool(progress), options
        )
        self.space = fit_space(self.data.train)  # of the features all samples are compared in
        self.entries: list[Entry] = []

    def add(self, name: str, model: Model) -> Entry:
        """Fit a model where it is not, measure it, and add it; what it cannot do stands in `entry.note`."""
        entry = Entry(name, model)
        self.entries.append(entry)
        try:
            self._fit(entry)
        except FAILURES as error:
            entry.refused = True
            entry.fail(str(error))
            return entry
        entry.n_parameters = model.n_parameters
        for step in (self._score, self._sample):
            try:
                step(entry)
            except FAILURES as error:
                entry.fail(str(error))
        return entry

    def leaderboard(self) -> Leaderboard:
        """The models added so far, in order."""
        return Leaderboard(
            self.entries, self.data, self.space, self.baseline if self.settings.two_sample else None, self.settings.seed
        )

    # -- the steps of one model ---------------------------------------------------------------------------------

    def _fit(self, entry: Entry) -> None:
        model, settings = entry.model, self.settings
        if model.space is not None:
            model.examples(self.data.test)  # refuses data of another kind
            mine, theirs, ragged = model.space.dims, self.space.dims, model.space.ragged or self.space.ragged
            if mine != theirs and not ragged:  # nats of some columns are no match for those of all
                raise ValueError(
                    f"was fitted to points of {mine} numbers, and these data have {theirs}; pass data of the same columns"
                )
            entry.remark("fitted before")
            return
        if not isinstance(model, Learns):
            raise ValueError(f"{type(model).__name__} does not learn")
        if (reason := model.refuses(self.space)) is not None:
            raise ValueError(reason)
        always = {"device", "precision"}
        options = {
            key: value for key, value in settings.options.items() if value is not None and (key in always or key in model.takes)
        }
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run" if settings.runs is None else settings.runs / _file_name(entry.name)
            began = time.perf_counter()
            model.fit(self.data, seed=settings.seed, run=run, progress=settings.progress, **options)
            entry.fit_seconds = time.perf_counter() - began
            if (history := run / "history.jsonl").is_file():
                entry.history = read_history(history)

    def _score(self, entry: Entry) -> None:
        if not isinstance(entry.model, HasLikelihood):
            entry.remark(NO_LIKELIHOOD)
            return
        entry.likelihood = entry.model.log_likelihood(self.data.test, samples=self.settings.samples, seed=self.settings.seed)

    def _sample(self, entry: Entry) -> None:
        model, settings = entry.model, self.settings
        if not isinstance(model, CanSample):
            entry.remark("cannot be sampled from")
            return
        began = time.perf_counter()
        entry.samples = model.sample(settings.n_samples, given=self._conditions(model, settings.n_samples), seed=settings.seed)
        entry.sample_seconds = time.perf_counter() - began
        if not settings.two_sample:
            return
        ragged = self.space.ragged  # sequences are slow to draw: those drawn are enough
        n = settings.n_samples if ragged else min(ROWS, len(self.data.test))
        more = entry.samples if n <= settings.n_samples else model.sample(n, given=self._conditions(model, n), seed=settings.seed)
        generated = self.space.encode(more)
        real, drawn = features_of_both(self.space, self._real, generated)
        entry.two_sample = two_sample_test(real, drawn, seed=settings.seed)
        if not endless(self.space):
            entry.memorisation = memorisation(self.space, some(self.data.train, 2 * ROWS, settings.seed, "seen"), generated)

    def _conditions(self, model: Model, n: int) -> Any:
        """What is given with the first n test points, over again if there are fewer."""
        if model.given_space is None:
            return None
        given, space = self.data.test.given, self.data.test.given_space
        if given is None and model.given_optional:
            return None
        if given is None or space is None:
            raise ValueError("was fitted with given=, and these data have none to sample with")
        return space.decode(given[torch.arange(n) % len(given)])  # the model may know fewer categories

    # -- the real side of the two-sample test -------------------------------------------------------------------

    @cached_property
    def _real(self) -> Any:
        return some(self.data.test, ROWS, self.settings.seed, "real")

    @cached_property
    def baseline(self) -> TwoSample | None:
        """Test against training data: what a model that draws real data would be told apart by."""
        seen = some(self.data.train, ROWS, self.settings.seed, "baseline")
        if endless(self.space):  # as many pieces of the one text as its held-out part has
            seen = _equally_spaced(pieces(seen), len(pieces(self._real)))
        a, b = features_of_both(self.space, self._real, seen)
        try:
            return two_sample_test(a, b, seed=self.settings.seed)
        except ValueError:
            return None


def _equally_spaced(sequences: list[torch.Tensor], n: int) -> Ragged:
    return Ragged.of([sequences[i] for i in np.linspace(0, len(sequences) - 1, min(n, len(sequences))).astype(int)])


def dataset_of(data: Any, given: Any, seed: int) -> Dataset:
    """What `compare` takes as data, as a Dataset with a test part. Raises ValueError where there is none."""
    if isinstance(data, str | Path):
        data = load_dataset(data, given=given, seed=seed)
    elif isinstance(data, Examples):
        raise TypeError("data: is one part of a dataset; pass the whole Dataset, so that there is a part to test on")
    elif not isinstance(data, Dataset):
        data = Dataset.of(data, given, seed=seed)
    elif given is True:
        data = data.with_labels_given()
    elif given is not None:
        raise ValueError("given: a Dataset carries its conditions; build it with Dataset.of(data, given=...), or pass given=True")
    for part, what_for in ((data.test, "test part to score on"), (data.train, "training part to compare samples with")):
        if not len(part):
            raise ValueError(f"data: {data.name} has no {what_for}; pass more rows, or Dataset.of(data, split=(0.8, 0.1, 0.1))")
    return data


def _file_name(name: str) -> str:
    """A folder's name for a shown one: vae(latent_dim=2) -> vae-latent_dim-2."""
    return "-".join("".join(c if c.isalnum() or c in "_.-" else " " for c in name).split())
