"""Model: a distribution over a space.

A model is an `nn.Module`. Its hyper-parameters are annotated class fields (`genus.fields`); nothing happens in the
constructor; `build(space)` makes the modules and `fit` (of the ways of learning, `genus.learning`) calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from genus.data import Dataset, Examples, examples_of
from genus.fields import FieldsSignature, fields_of, perhaps, shown
from genus.randomness import check_seed, randomness
from genus.spaces import Sequence, Space, Table
from genus.spaces.arrays import as_tensor, said_of, scalar
from genus.spaces.known import encode_known

T = TypeVar("T")
BEYOND = 1e100  # numbers of a sound model are smaller, and their squares and products finite


class Model(nn.Module):
    """A distribution over a space."""

    spaces: ClassVar[tuple[type[Space], ...]] = (Space,)  # the kinds of space it can be built on
    takes_missing: ClassVar[bool] = False  # whether it learns from rows with missing values
    completes: ClassVar[bool] = False  # whether any part of a point may be missing, and is drawn: `Completes`
    given_optional: ClassVar[bool] = False  # whether a verb may leave open what the points were given when it learned
    data_sized: ClassVar[tuple[str, ...]] = ()  # buffers with a first axis as long as the data made it; `build` makes it 0
    __signature__ = FieldsSignature()

    def __init__(self, **hyper_parameters: Any) -> None:
        super().__init__()
        self.space: Space | None = None
        self.given_space: Space | None = None
        self.fitted_params: dict[str, Any] = {}  # the hyper-parameters that the modules were built with
        for name, field in fields_of(type(self)).items():
            object.__setattr__(self, name, field.default)
        self.set_params(**hyper_parameters)
        self.eval()

    # -- hyper-parameters, under scikit-learn's names ---------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {name: getattr(self, name) for name in fields_of(type(self))}

    def set_params(self, **hyper_parameters: Any) -> Self:
        """Set hyper-parameters; TypeError for an unknown name or a wrong type, ValueError against a rule."""
        fields, owner = fields_of(type(self)), type(self).__name__
        checked = {}
        for name, value in hyper_parameters.items():
            if name not in fields:
                raise TypeError(
                    f"{owner} has no hyper-parameter {name!r}{perhaps(name, fields)}; it has {', '.join(fields) or 'none'}"
                )
            checked[name] = fields[name].check(value, owner)
        for name, value in checked.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type="density_estimator", target_tags=TargetTags(required=False))

    def __sklearn_is_fitted__(self) -> bool:
        return self.space is not None

    # -- building -----------------------------------------------------------------------------------------------

    def refuses(self, space: Space) -> str | None:
        """Why this model cannot be built on a space, with what to do instead; None if it can."""
        if not isinstance(space, self.spaces):
            this = type(space).__name__
            return (
                f"it takes {' or '.join(s.__name__ for s in self.spaces)}, not {this}; genus.models() lists those that take {this}"
            )
        return None

    def build(self, space: Space) -> None:
        """Make the modules and buffers for a fitted space; `self.given_space` is set before."""
        raise NotImplementedError

    @property
    def given_dims(self) -> int:
        """Features of what a point is given; 0 for a model that was given nothing."""
        if self.given_space is None:
            return 0
        if self.given_space.ragged or len(self.given_space.feature_shape) != 1:
            raise ValueError(f"given: conditions must be labels, numbers or rows of them, not points of {self.given_space!r}")
        return self.given_space.feature_shape[0]

    # -- helpers of the verbs -----------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        tensor = next(self.parameters(), None)
        tensor = next(self.buffers(), None) if tensor is None else tensor
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def n_parameters(self) -> int:
        """Numbers learned: by gradient or by formula."""
        return sum(p.numel() for p in self.parameters()) + sum(b.numel() for b in self.buffers() if b.is_floating_point())

    @property
    def fitted_space(self) -> Space:
        """The space, or RuntimeError for a model that was not fitted, or that was given other hyper-parameters since."""
        if self.space is None:
            raise RuntimeError(f"this {type(self).__name__} is not fitted: call fit(data) first, or genus.load_model(folder)")
        if (asked := self.get_params()) != self.fitted_params:
            name = next(name for name, value in asked.items() if value != self.fitted_params.get(name))
            raise RuntimeError(
                f"{name} is {asked[name]!r}, but the model was fitted with {self.fitted_params.get(name)!r}: fit again, or set it back"
            )
        return self.space

    def examples(self, data: Any, given: Any = None) -> Examples:
        """Data in this model's space: a Dataset (what of it is held out), Examples, or raw data. given=True: the labels are."""
        space = self.fitted_space
        if given is not None and self.given_space is None:
            raise ValueError(f"given: this {type(self).__name__} was fitted without given=; fit it with given=, or drop it")
        if isinstance(data, Dataset):
            data = data.held_out
        if isinstance(data, Examples):
            if not len(data):
                raise ValueError("data: is empty; pass at least one example")
            if given is True:
                data = data.with_labels_given()
            elif given is not None:
                raise ValueError(
                    "given: a Dataset carries its conditions; build it with Dataset.of(data, given=...), or pass given=True"
                )
            examples = data
            if not data.space.encodes_like(space):  # other categories, another alphabet: told, or made this model's
                examples = replace(data, space=space, points=self._encoded_anew(data))
            if self.given_space is None:
                examples = replace(examples, given_space=None, given=None)
            elif data.given_space is not None and data.given_space != self.given_space:
                with said_of("given"):
                    given = self.given_space.encode(data.given_space.decode(data.given))  # type: ignore[arg-type]
                examples = replace(examples, given_space=self.given_space, given=given)
        else:
            examples = examples_of(data, given, space=space, given_space=self.given_space, holes=self.completes)
        if self.given_space is not None and examples.given is None and not self.given_optional:
            labels = ", True for the labels of these data" if examples.labels is not None else ""
            raise ValueError(f"given: this {type(self).__name__} was fitted with given=; pass given= here too{labels}")
        if examples.given is not None:
            self._refuse_holes(examples.given)
        return examples

    def _refuse_holes(self, given: Tensor) -> None:
        """Raise ValueError for a condition that is missing where none was in training: nobody has learned what that means."""
        space = self.given_space
        for i, column in enumerate(space.columns if isinstance(space, Table) else ()):
            if not column.missing and bool((holes := given[:, i].isnan()).any()):
                what = repr(column.name) if space.form == "frame" else "number" if column.numeric else "label"  # type: ignore[union-attr]
                raise ValueError(
                    f"given: row {int(holes.nonzero()[0, 0])} has no {what}, and in training every row had one; drop the row, or fill it in"
                )

    def _encoded_anew(self, data: Examples) -> Any:
        """Points of another space as this model's space encodes what they were."""
        space = self.fitted_space
        try:
            return encode_known(space, data.raw) if self.completes else space.encode(data.raw)
        except (TypeError, ValueError) as error:
            if type(data.space) is type(space) and data.space.shape == space.shape:
                raise
            raise ValueError(
                f"data: lie in {data.space!r}, but this model was fitted to {space!r}; pass data of its kind"
            ) from error

    @property
    def instead_of_missing(self) -> str:
        """What to do with missing values where this model takes none."""
        if isinstance(self.space, Sequence):
            return "fill them, or use LinearDynamicalSystem"
        return "fill them, or use Mixture" if isinstance(self.space, Table) else "fill them, or use GaussianMixture"

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Any:
        """What closed forms and EM learn from, made of encoded points once: the points themselves."""
        return x

    def flaw(self) -> str | None:
        """What is wrong with numbers read from a file, beyond what their shapes tell; None if nothing."""
        for name, numbers in self.state_dict().items():
            if numbers.numel() and not all(abs(float(end)) < BEYOND for end in numbers.aminmax()):
                return f"{name} holds NaN, infinity or a number of more than a hundred digits"
        return None

    def given_features(self, given: Any, n: int) -> Tensor | None:
        """What a learned condition means to a network, (n, given_dims); one condition, alone or in a row, serves all n."""
        if self.given_space is None:
            if given is not None:
                raise ValueError(
                    f"given={shown(given)}: this {type(self).__name__} was fitted without given=; fit it with given=, or drop it"
                )
            return None
        if given is None and self.given_optional:
            return None
        if given is None:
            raise ValueError(f"given: this {type(self).__name__} was fitted with given=, so say what to sample, as in given=...")
        if isinstance(given, dict):
            import pandas as pd

            given = pd.DataFrame([given])
        elif isinstance(given := scalar(given), str) or not hasattr(given, "__len__"):
            given = [given]
        with said_of("given"):
            if not isinstance(self.given_space, Table) and as_tensor(given).shape == self.given_space.shape:  # one row
                given = as_tensor(given)[None]
            encoded = self.given_space.encode(given)
        self._refuse_holes(encoded)  # type: ignore[arg-type]
        if len(encoded) == 1:
            encoded = encoded[0:1].expand(n, *encoded.shape[1:])  # type: ignore[union-attr]
        if len(encoded) != n:
            raise ValueError(f"given: has {len(encoded)} rows for {n} samples; pass one, or {n}")
        return self.given_space.features(encoded).to(self.device)  # type: ignore[arg-type]

    @contextmanager
    def verb(self, seed: int, stream: str, step: int = 0) -> Iterator[None]:
        """Evaluation mode, no gradients, keyed randomness: the surroundings of sampling and scoring."""
        with torch.no_grad(), randomness(check_seed(seed), stream, step):  # which one thread at a time enters
            training = self.training
            self.eval()
            try:
                yield
            finally:
                self.train(training)

    def on_batches(
        self, examples: Examples, answer: Callable[[Any, Tensor | None], T], stream: str, seed: int = 0, size: int = 4096
    ) -> list[T]:
        """answer(x, g) for every batch of `size` examples, on this model's device and in the surroundings of a verb."""
        answers = []
        for step, (x, g) in enumerate(examples.batches(size)):
            with self.verb(seed, stream, step):
                answers.append(answer(x.to(self.device), None if g is None else g.to(self.device)))
        return answers

    # -- files --------------------------------------------------------------------------------------------------

    def save(self, folder: Any) -> None:
        """Write config.json and model-<digest>.safetensors to a folder, atomically. Raises RuntimeError if not fitted."""
        from genus.artifacts import save_model

        save_model(self, folder)

    def extra_repr(self) -> str:
        fields = fields_of(type(self))
        return ", ".join(f"{n}={v!r}" for n, v in self.get_params().items() if v != fields[n].default)

    def __getattr__(self, name: str) -> Any:
        """A verb that is absent says which models have it."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            from genus.model.capabilities import CAPABILITIES

            for capability in CAPABILITIES:
                if name in vars(capability) and not name.startswith("_") and not isinstance(self, capability):
                    raise AttributeError(
                        f"{type(self).__name__} has no {name}: it is not {capability.__name__}; "
                        "genus.models() lists the models that are"
                    ) from None
            raise


def indexed_like(rows: Any, data: Any) -> Any:
    """Rows made of those of `data`; of a DataFrame under its index, so that pandas puts the two side by side."""
    if type(data).__name__ == "DataFrame" and type(rows).__name__ in ("DataFrame", "Series"):
        rows.index = data.index
    return rows


def completed_like(rows: Any, data: Any) -> Any:
    """Completed rows; of a DataFrame with its index, its order of columns, and those of which the model knows nothing."""
    if isinstance(data, list | tuple) and type(data[0]).__name__ == "DataFrame":  # sequences
        return [completed_like(*pair) for pair in zip(rows, data, strict=True)]
    if type(data).__name__ != "DataFrame":
        return rows
    if not hasattr(rows, "columns"):  # of a model of arrays: cell by cell
        cells, whole = np.asarray(rows).reshape(data.shape), data.copy()
        for i in range(data.shape[1]):
            column = data.iloc[:, i]
            if column.isna().any():
                whole.isetitem(i, _filled(column, cells[:, i]))
        return whole
    whole = data.copy()
    for name in rows.columns:
        whole[name] = rows[name].set_axis(data.index)  # a Series keeps its dtype
    return whole


def _filled(column: Any, cells: np.ndarray) -> Any:
    """A pandas column with its holes from `cells`, of its own dtype where that holds them."""
    known = column.dropna().infer_objects()
    if known.dtype.kind == "b":
        cells = cells.astype(bool)
    elif known.dtype.kind in "iu" and cells.dtype.kind == "f":  # pandas' whole numbers hold no fractions
        column = column.astype("Float64")
    elif known.dtype.kind == "f":
        cells = cells.astype(known.to_numpy().dtype)
    return column.where(column.notna(), cells)


def join(parts: list[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    return type(parts[0]).of([sequence for part in parts for sequence in part])
