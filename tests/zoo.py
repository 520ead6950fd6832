"""Every model on every kind of data it takes, small: what the tests over all models are parametrised by.

A new file under genus/models is found by the registry and meets every test here without being told.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from genus import Images, Reals, Sequence, Space, Tokens
from genus.artifacts import write_model
from genus.data import Examples, examples_of, fit_space, load_dataset
from genus.data.dataset import condition_space
from genus.fields import fields_of
from genus.files import read_tensors
from genus.learning import LearnsByGradient
from genus.model import Classifies, Model
from genus.registry import model_classes

SMALL = {  # hyper-parameters that make a model small, where it has them
    "latent_dim": 2, "width": 16, "n_layers": 1, "n_heads": 2, "context": 16, "n_components": 2, "n_states": 2, "dropout": 0.1,
    "max_iter": 40, "n_hidden": 8, "n_steps": 20, "window": 5, "delay": 2,
}  # fmt: skip
STEPS = 30


@dataclass(frozen=True)
class Material:
    """Raw data of one kind: `make` gives n rows; `space` where the guess would be another."""

    name: str
    make: Callable[[], Any]
    space: Space | None = None
    missing: bool = False


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moons(n: int = 200, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    make = draws(seed)
    angle = math.pi * torch.rand(n, generator=make, dtype=torch.float64)
    upper = torch.arange(n) % 2 == 0
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return (torch.stack([x, y], 1) + 0.1 * torch.randn(n, 2, generator=make, dtype=torch.float64)).to(dtype)


def table(n: int = 160, missing: bool = False) -> pd.DataFrame:
    make = np.random.default_rng(0)
    size = make.normal(size=n)
    frame = pd.DataFrame(
        {
            "height": 170 + 10 * size + make.normal(size=n),
            "children": make.poisson(1.5, n),
            "town": make.choice(["Ankara", "Bergen", "Cork"], n),
            "grade": pd.Categorical(np.where(size > 0, "high", "low"), categories=["low", "middle", "high"], ordered=True),
            "smoker": make.random(n) < 0.3,
        }
    )
    if missing:
        frame.loc[make.random(n) < 0.2, "height"] = np.nan
        frame["children"] = frame["children"].astype("Int64").mask(make.random(n) < 0.2)
        frame["town"] = frame["town"].astype(object).mask(make.random(n) < 0.2, None)
    return frame


def numbers(n: int = 160, missing: bool = False) -> pd.DataFrame:
    make = np.random.default_rng(1)
    size = make.normal(size=n)
    frame = pd.DataFrame({"width": size, "length": 100 + 20 * size + 5 * make.normal(size=n), "count": make.poisson(4, n)})
    if missing:
        frame = frame.mask(pd.DataFrame(make.random(frame.shape) < 0.15, columns=frame.columns))
    return frame


def bits(n: int = 160) -> torch.Tensor:
    """2 x 2 zeros and ones; the columns of a row agree more often than not."""
    make = draws(1)
    left = torch.rand(n, 2, 1, generator=make) < 0.4
    right = left ^ (torch.rand(n, 2, 1, generator=make) < 0.2)
    return torch.cat([left, right], 2).to(torch.uint8)


@cache
def digits() -> torch.Tensor:
    from sklearn.datasets import load_digits

    return torch.from_numpy(load_digits().images[:200].astype(np.uint8))


def colours(n: int = 48) -> torch.Tensor:
    make = draws(2)
    shade = torch.randint(0, 200, (n, 3, 1, 1), generator=make)
    return (shade + torch.randint(0, 40, (n, 3, 16, 16), generator=make)).to(torch.uint8)


def words(n: int = 200) -> list[str]:
    make = np.random.default_rng(3)
    return ["".join(make.choice(["a", "b"], p=[0.7, 0.3], size=length)) for length in make.integers(0, 5, n)]


def tokens(n: int = 160) -> torch.Tensor:
    make = draws(4)
    first = torch.randint(0, 3, (n, 1), generator=make)
    return (first + torch.randint(0, 2, (n, 4), generator=make).cumsum(1)) % 3


def whole(n: int = 160) -> torch.Tensor:
    make = draws(5)
    first = torch.randint(-6, 7, (n, 1), generator=make)
    return torch.cat([first, first + torch.randint(-2, 3, (n, 1), generator=make)], 1)


def walks(n: int = 120, ragged: bool = False) -> Any:
    make = draws(6)
    walk = torch.randn(n, 4, 2, generator=make).cumsum(1)
    return [w[: 1 + i % 4] for i, w in enumerate(walk)] if ragged else walk


MATERIALS = {
    m.name: m
    for m in (
        Material("reals", moons),
        Material("numbers", numbers),
        Material("numbers-missing", lambda: numbers(missing=True), missing=True),
        Material("table", table),
        Material("table-missing", lambda: table(missing=True), missing=True),
        Material("binary", bits),
        Material("digits", digits, Images(1, 8, 8, levels=17, layout="nhw")),
        Material("colours", colours),
        Material("words", words),
        Material("tokens", tokens, Tokens(3, length=4)),
        Material("whole", whole),
        Material("walks", walks, Sequence(Reals(2), length=4)),
        Material("ragged-walks", lambda: walks(ragged=True)),
    )
}
COSTLY = {  # sound, and minutes long
    ("gpt", "colours"), ("gaussian-mixture", "colours"), ("gaussian", "colours"), ("linear-discriminant", "colours"),
    ("quadratic-discriminant", "colours"), ("efros-leung", "colours"),
    ("mixture-of-ppca", "colours"),
}  # fmt: skip
MUST = {  # what these must take; the rest is found
    "gaussian": {"reals", "numbers", "binary", "digits", "whole", "walks"},
    "gaussian-mixture": {"reals", "numbers", "numbers-missing", "binary", "digits", "whole", "walks"},
    "joint-table": {"binary", "tokens"},
    "linear-discriminant": {"reals", "numbers", "numbers-missing", "binary", "digits", "whole", "walks"},
    "mixture": {"reals", "numbers", "numbers-missing", "table", "table-missing", "binary", "tokens"},
    "naive-bayes": {"reals", "numbers", "numbers-missing", "table", "table-missing", "binary", "tokens"},
    "probabilistic-pca": {"reals", "numbers", "numbers-missing", "binary", "digits", "whole", "walks"},
    "factor-analysis": {"reals", "numbers", "numbers-missing", "digits", "walks"},
    "mixture-of-ppca": {"reals", "numbers", "numbers-missing", "digits", "walks"},
    "linear-dynamical-system": {"walks", "ragged-walks"},
    "vae": set(MATERIALS) - {"words", "ragged-walks"},
    "gpt": {"words", "tokens", "binary", "digits"},
    "hidden-markov": {"words", "tokens", "walks", "ragged-walks"},
    "delay-mixture": {"walks", "ragged-walks"},
    "markov-chain": {"words", "tokens"},
    "n-gram": {"words", "tokens"},
    "efros-leung": {"digits"},
    "quilting": {"digits", "colours"},
    "histogram": set(MATERIALS) - {"words", "ragged-walks"},
    "empirical": set(MATERIALS),
    "kernel-density": {"reals", "numbers", "numbers-missing", "binary", "digits", "colours", "whole", "walks"},
    "nearest-neighbours": set(MATERIALS) - {"words", "ragged-walks"},
}


@dataclass(frozen=True)
class Case:
    """One model on one kind of data."""

    model: str
    material: str

    @property
    def cls(self) -> type[Model]:
        return model_classes()[self.model]

    @property
    def raw(self) -> Any:
        return MATERIALS[self.material].make()

    @property
    def examples(self) -> Examples:
        return as_examples(self.cls, self.material)

    def new(self, **hyper_parameters: Any) -> Any:
        return small(self.cls, **hyper_parameters)

    def fit(self, data: Any = None, model: Any = None, **options: Any) -> Any:
        """A small model fitted to this material, or to `data`."""
        model = self.new() if model is None else model
        return quickly(model, self.examples if data is None else data, **options)

    def __str__(self) -> str:
        return f"{self.model}-{self.material}"


def small(cls: type[Model], **hyper_parameters: Any) -> Any:
    return cls(**{**{name: value for name, value in SMALL.items() if name in fields_of(cls)}, **hyper_parameters})


def budget(model: Any) -> dict[str, Any]:
    """The options of fit that keep it short."""
    return {"steps": STEPS, "batch_size": 32} if "steps" in model.takes else {}


def parity(n: int) -> list[str]:
    """Labels of rows that have none of their own."""
    return ["odd" if i % 2 else "even" for i in range(n)]


def objectives(cls: Any, monkeypatch: Any) -> list[float]:
    """What models of the class say they climb, as they say it."""
    seen: list[float] = []
    objective = cls._objective

    def watched(self: Any, statistics: Any) -> float:
        seen.append(objective(self, statistics))
        return seen[-1]

    monkeypatch.setattr(cls, "_objective", watched)
    return seen


def quickly(model: Any, data: Any, **options: Any) -> Any:
    import warnings

    if isinstance(model, Classifies) and "given" not in options:  # it learns from labels only
        if not isinstance(data, Examples):
            options["given"] = parity(len(data)) if hasattr(data, "__len__") and getattr(data, "ndim", 1) else None
        elif data.given is None:
            space = condition_space(parity(len(data)))
            data = replace(data, given_space=space, given=space.encode(parity(len(data))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*stopped after max_iter.*")
        return model.fit(data, **{"progress": False, "device": "cpu", **budget(model), **options})


@cache
def as_examples(cls: type[Model], material: str) -> Examples:
    return examples_of(MATERIALS[material].make(), space=MATERIALS[material].space, accepts=cls.spaces)


@cache
def _takes(name: str, material: str) -> bool:
    cls = model_classes()[name]
    if (name, material) in COSTLY or (MATERIALS[material].missing and not cls.takes_missing):
        return False
    return small(cls).refuses(fit_space(as_examples(cls, material))) is None


@cache
def all_cases() -> tuple[Case, ...]:
    return tuple(Case(name, material) for name in model_classes() for material in MATERIALS if _takes(name, material))


def cases(*capabilities: type, on: tuple[str, ...] = (), but: tuple[type, ...] = ()) -> list[Case]:
    """The cases whose model has all of these capabilities and none of `but`, on some materials or on all."""
    return [
        case
        for case in all_cases()
        if all(issubclass(case.cls, c) for c in capabilities)
        and not any(issubclass(case.cls, c) for c in but)
        and (not on or case.material in on)
    ]


@cache
def one_case_a_model() -> tuple[Case, ...]:
    """For each model that learns from all of the data at once, the first kind of data it takes."""
    first: dict[str, Case] = {}
    for case in all_cases():
        if not issubclass(case.cls, LearnsByGradient):
            first.setdefault(case.model, case)
    return tuple(first.values())


def named(name: str, **options: Any) -> Any:
    """A named set from the folder GENUS_DATA; skips without one: a test downloads nothing."""
    if "GENUS_DATA" not in os.environ:
        pytest.skip(f"GENUS_DATA names no folder with {name}")
    return load_dataset(name, **options)


def forge(folder: Path, config: dict[str, Any] | None = None, tensors: dict[str, torch.Tensor] | None = None) -> None:
    """Change a saved model as a stranger does who knows how: digests and all."""
    there = json.loads((folder / "config.json").read_text())
    write_model(folder, config or there, tensors or read_tensors(folder / there["weights"])[0])


def state_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same_state(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(same(one[n], other[n]) for n in one)


def same(one: Any, other: Any) -> bool:
    """Whether two raw things are equal to the last bit, of one kind."""
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.DataFrame):
        return one.equals(other) and list(one.dtypes) == list(other.dtypes)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one.nan_to_num(-7.5), other.nan_to_num(-7.5))
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other))
    return one == other
