"""Learns: `fit`, shared by every way of learning."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch

from genus.data import Dataset, Examples, examples_of, fit_space, missing_values, with_classes
from genus.fields import check_count, shown
from genus.files import folder_of
from genus.learning.distributed import device_of, memory_of, start
from genus.model import Classifies, Conditional, Model
from genus.randomness import check_seed, generator
from genus.spaces import Encoded, Ragged
from genus.spaces.arrays import said_of

Precision = Literal["auto", "float32", "float64", "bfloat16"]


@dataclass(frozen=True)
class Settings:
    """What `fit` was asked, checked. None: the model's own default."""

    epochs: int | None
    steps: int | None
    batch_size: int | None
    learning_rate: float | None
    seed: int
    device: torch.device
    precision: Precision
    run: Path | None
    resume: bool
    progress: bool
    rank: int
    world: int

    def working_dtype(self, data: Encoded) -> torch.dtype:
        """Of closed forms and EM: what was asked, else float64 for float64 and wide whole numbers, else float32."""
        data = data.values if isinstance(data, Ragged) else data
        if self.precision in ("float32", "float64"):
            return torch.float64 if self.precision == "float64" else torch.float32
        return torch.float64 if data.dtype in (torch.float64, torch.int64, torch.int32) else torch.float32


def check_settings(
    *, epochs: int | None, steps: int | None, batch_size: int | None, learning_rate: float | None, precision: Any
) -> None:
    """Raise ValueError or TypeError for arguments of `fit` that no way of learning could take."""
    for name, count in {"epochs": epochs, "steps": steps, "batch_size": batch_size}.items():
        if count is not None:
            check_count(name, count, 1)
    if learning_rate is not None and not (isinstance(learning_rate, Real) and 0 < learning_rate < float("inf")):
        raise ValueError(f"learning_rate={shown(learning_rate)} must be a number above 0")
    if epochs is not None and steps is not None:
        raise ValueError(f"epochs={epochs} and steps={steps} say the same thing twice; pass one of them")
    if not isinstance(precision, str) or precision not in get_args(Precision):
        raise ValueError(f"precision={shown(precision)} is not known: choose 'auto', 'float32', 'float64' or 'bfloat16'")


class Learns(Model):
    """A model that learns from data."""

    way: ClassVar[str]  # in words, for messages
    takes: ClassVar[frozenset[str]]  # the arguments of fit that make sense for this way of learning
    precisions: ClassVar[tuple[Precision, ...]] = ("float32", "float64")  # sums and formulas need as many digits

    def fit(
        self,
        data: Any,
        y: Any = None,
        *,
        given: Any = None,
        validation: Any = None,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: Precision = "auto",
        run: str | Path | None = None,
        resume: bool = False,
        progress: bool = True,
    ) -> Self:
        """Learn from data; returns self.

        data: a Dataset (its train part is learned, its valid part watched), a name or path of one, or raw data: an
        array or tensor, a DataFrame, a list of strings, a list of ragged arrays. y is what scikit-learn passes: the labels,
        to a model that Classifies; others ignore it.
        given: conditions to learn with, one an example; names of columns; or True for a dataset's labels, with which a
        model that Classifies learns unasked.
        validation: data to watch (stop early, keep the best), or a share of the training data such as 0.1.
        run: a folder for checkpoints, history and the model; resume=True goes on exactly where it stopped. A run of the same
        model on the same kind of data is begun anew; one of another model or other data is not touched: FileExistsError.
        Raises ValueError or TypeError before anything is changed; on any error the model stays as it was.
        """
        for name, switch in {"resume": resume, "progress": progress}.items():
            if not isinstance(switch, bool | np.bool_):
                raise TypeError(f"{name}={shown(switch)} is of type {type(switch).__name__}, but it must be True or False")
        asked = {
            "validation": validation, "epochs": epochs, "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "resume": resume or None,
        }  # fmt: skip
        for name, value in asked.items():
            if value is not None and name not in self.takes:
                raise ValueError(f"{name}={shown(value)}: {type(self).__name__} learns {self.way} and takes no {name}; drop it")
        check_settings(epochs=epochs, steps=steps, batch_size=batch_size, learning_rate=learning_rate, precision=precision)
        if precision not in ("auto", *self.precisions):
            either = " or ".join(map(repr, self.precisions))
            raise ValueError(f"precision={precision!r}: {type(self).__name__} learns {self.way}; pass {either}, or 'auto'")
        folder = None if run is None else folder_of(run, "run")
        if folder is not None and folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"run={str(run)!r} is a file; pass a folder")
        if resume and folder is None:
            raise ValueError("resume=True goes on with a run: pass run=folder")
        place = device_of(device)
        rank, world = start(place)
        settings = Settings(
            epochs, steps, batch_size, learning_rate, check_seed(seed), place, precision,
            folder, bool(resume), bool(progress), rank, world,
        )  # fmt: skip
        if isinstance(self, Classifies) and y is not None:
            if given is not None:
                raise ValueError("y and given: both are the labels of the data; pass one of them")
            given = y
        train, valid = self.parts(data, given, validation, settings.seed)
        if isinstance(self, Classifies):
            train = with_classes(train)
        # all learning happens on a fresh twin, so that an error leaves this model as it was
        twin = type(self)(**self.get_params())
        twin.space, twin.fitted_params = fit_space(train), twin.get_params()
        twin.given_space = None if train.given_space is None else train.given_space.fit([train.given])
        train = Examples(twin.space, train.points, twin.given_space, train.given, train.labels)
        if (reason := twin.refuses(twin.space)) is not None:
            if len(train) == 1 and not twin.space.ragged and reason == twin.space.complaint():
                reason = "it has one row, in which nothing varies; pass more rows"
            raise ValueError(f"{type(self).__name__} cannot learn from this data: {reason}")
        if not self.takes_missing and missing_values(train):
            raise ValueError(f"data: holds missing values (NaN), and {type(self).__name__} takes none; {twin.instead_of_missing}")
        twin._refuse_vast(settings.device)
        if settings.run is not None:
            from genus.artifacts import refuse_to_replace

            refuse_to_replace(settings.run, twin)
        twin.learn(train, None if valid is None else twin.examples(valid), settings)
        twin.eval()
        if settings.run is not None and rank == 0:
            twin.save(settings.run)
        self.__dict__.update(twin.__dict__)
        return self

    def _refuse_vast(self, device: torch.device) -> None:
        """Raise ValueError where the parameters alone do not fit in memory: some systems kill who asks for it. What else is
        wrong with them, `learn` will say."""
        from genus.artifacts import sketch_of

        try:
            sketch = sketch_of(self)
        except Exception as error:
            if "overflow" not in str(error):
                return
            size = "more bytes than torch can count"
        else:
            needed, there = sum(t.nbytes for t in (*sketch.parameters(), *sketch.buffers())), memory_of(device)
            if needed <= there:
                return
            size = f"{needed / 2**30:,.0f} GiB, more than the {there / 2**30:,.0f} GiB that there are"
        raise ValueError(
            f"{self!r} of {self.fitted_space!r}: its parameters take {size}; use smaller hyper-parameters, or data of fewer dimensions"
        )

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        """Build, then learn; `self.space` and `self.given_space` are set."""
        raise NotImplementedError

    def parts(self, data: Any, given: Any, validation: Any, seed: int) -> tuple[Examples, Examples | None]:
        """What to learn from and what to watch."""
        if isinstance(data, str | Path):
            from genus.data import load_dataset

            data = load_dataset(data)
        if isinstance(data, Dataset):
            data = data.lying_in(self.spaces)
            unasked = isinstance(self, Classifies) and given is None and data.given is None and data.train.labels is not None
            if given is True or unasked:
                data = data.with_labels_given()
            elif given is not None:
                raise ValueError(
                    "given: a Dataset carries its conditions; build it with Dataset.of(data, given=...), or pass given=True"
                )
            train, valid = data.train, data.valid if len(data.valid) else None
        elif isinstance(data, Examples):
            train, valid = data, None
        else:
            train, valid = examples_of(data, given, accepts=self.spaces), None
        if not len(train):
            raise ValueError("data: its training part is empty; pass more data, or a split that leaves some to learn from")
        if train.given is not None and not isinstance(self, Conditional):
            raise ValueError(f"given: {type(self).__name__} does not learn with given; drop it, or use a model that is Conditional")
        if "validation" not in self.takes:
            return train, None
        if isinstance(validation, float):
            train, valid = _hold_out(train, validation, seed)
        elif isinstance(validation, Examples):
            if not len(validation):
                raise ValueError("validation: is empty; pass at least one example, or leave it out")
            valid = validation
        elif validation is not None:
            held_given = None
            if isinstance(validation, tuple) and len(validation) == 2:
                validation, held_given = validation
            with said_of("validation"):
                valid = examples_of(validation, held_given, space=train.space, given_space=train.given_space)
        return train, valid


def _hold_out(train: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    held = round(len(train) * share) if 0 < share < 1 else 0
    if not 0 < held < len(train):
        raise ValueError(f"validation={share}: a share must leave at least one of the {len(train)} examples on either side")
    order = torch.randperm(len(train), generator=generator(seed, "validation"))
    return train[order[held:].sort().values], train[order[:held].sort().values]
