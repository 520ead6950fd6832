"""Conditions: what a point is given; and classes, a condition that may be asked for in return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Dataset, Examples, classes_of
from genus.fields import check_count
from genus.likelihood import LogLikelihood
from genus.model.likelihood import HasLikelihood
from genus.model.model import Model, indexed_like
from genus.model.sampling import CanSample
from genus.spaces.arrays import probability_flaw


class Conditional(Model):
    """p(x | given): learned with `fit(data, given=...)`."""


class Classifies(Conditional, CanSample, HasLikelihood):
    """A joint model p(x, y) of points and their classes. A model writes `class_log_prob(x)`, and has `prior` (C,) = p(y).

    What the points are given is their class, and may be left open: log_likelihood(x) is then log p(x) = log sum_y p(x, y).
    `score` is its mean, as of every model; the share of right answers is `accuracy`, scikit-learn's scoring="accuracy".
    """

    given_optional: ClassVar[bool] = True
    prior: Tensor

    def class_log_prob(self, x: Any) -> Tensor:
        """log p(x, y = c) of encoded points, nats in the data's units: (n, C)."""
        raise NotImplementedError

    @property
    def classes(self) -> list[Any]:
        """The classes, as the labels named them, in the order of every (n, C)."""
        self.fitted_space  # noqa: B018 - refuses if not fitted
        return list(classes_of(self.given_space).categories)

    @property
    def classes_(self) -> Any:
        """`classes` as a numpy array, under scikit-learn's name."""
        return _array(self.classes)

    @property
    def n_classes(self) -> int:
        return len(classes_of(self.given_space).categories)

    def predict_log_proba(self, data: Any) -> Any:
        """log p(y | x) by Bayes' rule, a numpy array (n, C): p(y) p(x | y) / p(x)."""
        return self.class_posterior(self._joint(self._points(data))).numpy()

    def predict_proba(self, data: Any) -> Any:
        """p(y | x), a numpy array (n, C); see `predict_log_proba`."""
        return self.class_posterior(self._joint(self._points(data))).exp().numpy()

    def predict(self, data: Any) -> Any:
        """The likeliest class of each point: a numpy array (n,) of labels, or a Series, indexed as the data, if they were a
        frame's column."""
        return indexed_like(self._labels(self._joint(self._points(data)).argmax(1)), data)

    def accuracy(self, data: Any, *, given: Any = None) -> float:
        """The share of points whose likeliest class is their label. data, given: as in `fit`, a Dataset's test part."""
        examples = self._labelled(data, given)
        return float((self._joint(examples).argmax(1) == examples.given[:, 0]).double().mean())  # type: ignore[index]

    def joint_log_likelihood(self, data: Any, *, given: Any = None, seed: int = 0) -> LogLikelihood:
        """log p(x, y) of points with their labels: log p(x | y) + log p(y), of the kind that log_likelihood is."""
        examples = self._labelled(data, given)
        scores = self.log_likelihood(examples, seed=seed)
        return replace(scores, nats=scores.nats + self.prior.cpu().log()[examples.given[:, 0].long()])  # type: ignore[index]

    def sample_labelled(self, n: int = 1, *, seed: int = 0) -> tuple[Any, Any]:
        """n new points and the class of each, (X, labels): the classes by their prior, then points of them."""
        self.fitted_space  # noqa: B018
        n = check_count("n", n)
        with self.verb(seed, "classes"):
            codes = self.draw_classes(max(n, 1), None).cpu()
        labels = self._labels(codes)
        return self.sample(len(codes), given=labels, seed=seed)[:n], labels[:n]

    def draw_classes(self, n: int, g: Tensor | None) -> Tensor:
        """The number of the class of each of n points: what they are given, else drawn from the prior."""
        return torch.multinomial(self.prior, n, replacement=True) if g is None else g.argmax(1)

    def class_posterior(self, joint: Tensor) -> Tensor:
        """log p(y | x) (n, C) of log p(x, y = c): the prior where no class could have made the point."""
        prior = self.prior.to(joint.device).log()
        return torch.where(joint.amax(1, keepdim=True).isneginf(), prior, joint).log_softmax(1)

    def over_classes(self, joint: Tensor, g: Tensor | None) -> Tensor:
        """log p(x), or log p(x | y) where classes are given, (n,), of log p(x, y = c) (n, C)."""
        if g is None:
            return joint.logsumexp(1)
        return (joint - self.prior.log()).gather(1, g.argmax(1, keepdim=True))[:, 0]

    def flaw(self) -> str | None:
        absent = None if bool((self.prior > 0).all()) else "prior must be above 0: every class has been seen"
        return super().flaw() or probability_flaw("prior", self.prior) or absent

    def _points(self, data: Any) -> Examples:
        data = data.held_out if isinstance(data, Dataset) else data
        return self.examples(replace(data, given_space=None, given=None) if isinstance(data, Examples) else data)

    def _joint(self, examples: Examples) -> Tensor:
        def joint(x: Tensor, g: Tensor | None) -> Tensor:
            self.refuse_missing(x)
            return self.class_log_prob(x).double().cpu()

        return torch.cat(self.on_batches(examples, joint, "classify"))

    def _labels(self, codes: Tensor) -> Any:
        decoded = self.given_space.decode(codes[:, None])  # type: ignore[union-attr]
        return _array(decoded) if isinstance(decoded, list) else decoded.iloc[:, 0]

    def _labelled(self, data: Any, given: Any) -> Examples:
        """Points with their labels: given, else a Dataset's own, else the column they were learned from."""
        data = data.held_out if isinstance(data, Dataset) else data
        if isinstance(data, Examples) and data.given is None and data.labels is not None and given is None:
            given = True
        column = classes_of(self.given_space).name if self.given_space is not None else None
        if given is None and column in getattr(data, "columns", ()):
            given = [column]
        examples = self.examples(data, given)
        if examples.given is None:
            raise ValueError("given: these points have no labels to compare with; pass given=labels, one for each")
        return examples

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, TargetTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags = TargetTags(required=True)
        return tags


def _array(labels: list[Any]) -> Any:
    """Labels as a numpy array, which would make strings of numbers that stand beside strings."""
    import numpy as np

    return np.array(labels, dtype=object if len(set(map(type, labels))) > 1 else None)
