"""Generative against discriminative classifiers, by the number of training examples.

A generative classifier learns p(x, y) and asks Bayes' rule for p(y | x); logistic regression learns p(y | x) alone. The
first settles with few examples, on something that is a little wrong when its assumptions are; the second goes on to the
best boundary of its kind, and needs more examples to find it. Ng & Jordan 2001.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genus.data import Examples, with_classes
from genus.evaluation.compare import dataset_of, named_models
from genus.fields import check_count
from genus.model import Classifies, Model
from genus.randomness import check_seed, generator

DISCRIMINATIVE = "logistic-regression"
EACH = 2  # examples of every class that come first: of a class that was never seen no classifier knows


def compare_classifiers(models: Any, data: Any, *, given: Any = None, sizes: Any = None, repeats: int = 10, seed: int = 0) -> Any:
    """Held-out accuracy and log p(y | x) of generative classifiers and of logistic regression, by training size.

    models: one or several of: a name ("naive-bayes"), a class, an instance (its hyper-parameters are used), or a dict of
    these by the name to show. data: a Dataset with a test part, a name or path of one, or raw data, which is split.
    given: the labels, where the data carry none. sizes: numbers of training examples, by default doubling up to all there
    are. repeats: random training subsets of each size, the same for all models; at least two of every class are in each.

    Returns a DataFrame, a row for each model and size: `model`, `size`, `accuracy` and `log_p` (mean nats of log p(y | x))
    over the test part and the subsets, `accuracy_error` and `log_p_error` their standard errors over the subsets (NaN
    of a single one). Logistic regression is scikit-learn's, on the space's features, standardised. Raises ValueError for
    models that do not classify, for data without labels or a test part, and sizes out of range.
    """
    import pandas as pd

    contenders = named_models(models)
    for name, model in contenders.items():
        if not isinstance(model, Classifies):
            raise ValueError(f"models: {name} is no classifier; genus.models() lists those that are Classifies")
    repeats = check_count("repeats", repeats, 1)
    dataset = dataset_of(data, given, check_seed(seed))
    if dataset.given is None and dataset.train.labels is not None:
        dataset = dataset.with_labels_given()
    train = with_classes(dataset.train)
    test = dataset.test
    codes = train.given_space.encode(dataset.train.given_space.decode(test.given))[:, 0].long()  # type: ignore[union-attr]
    features = [train.space.features(part.x).reshape(len(part), -1).double().numpy() for part in (train, test)]
    rows = []
    for size in _checked(sizes, train):
        for repeat in range(repeats if size < len(train) else 1):
            index = _subset(train, size, generator(seed, "classifiers", repeat))
            some = train[index]
            scores = {name: _generative(model, some, test, seed) for name, model in contenders.items()}
            scores[DISCRIMINATIVE] = _logistic(features[0][index], some.given[:, 0].numpy(), features[1])  # type: ignore[index]
            for name, log_p in scores.items():  # (n, C)
                right = log_p.argmax(1) == codes
                rows.append((name, size, float(right.double().mean()), float(log_p.gather(1, codes[:, None]).mean())))
    found = pd.DataFrame(rows, columns=["model", "size", "accuracy", "log_p"]).groupby(["model", "size"], sort=False)
    return found.mean().join(found.sem().add_suffix("_error")).reset_index()


def _generative(model: Model, some: Examples, test: Examples, seed: int) -> torch.Tensor:
    """log p(y | x) of the test points (n, C), learned from some."""
    fresh: Any = type(model)(**model.get_params())
    return torch.from_numpy(fresh.fit(some, seed=seed, device="cpu", progress=False).predict_log_proba(test))


def _logistic(x: np.ndarray, y: np.ndarray, test: np.ndarray) -> torch.Tensor:
    """log p(y | x) of the test rows (n, C), by logistic regression of the classes y on features x."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(x, y)
    scores = torch.from_numpy(fitted.decision_function(test))  # predict_log_proba is the log of what has underflowed to 0
    return (torch.stack([torch.zeros_like(scores), scores], 1) if scores.ndim == 1 else scores).log_softmax(1)


def _checked(sizes: Any, train: Examples) -> list[int]:
    """The training sizes in order; by default doubling from EACH of every class, up to all."""
    assert train.given is not None
    count = torch.bincount(train.given[:, 0].long())
    least = int(count.clamp(max=EACH).sum())
    if sizes is None:
        return [*(least * 2**k for k in range(64) if least * 2**k < 0.75 * len(train)), len(train)]
    sizes = [sizes] if hasattr(sizes, "__index__") else list(sizes)
    for size in sizes:
        if isinstance(size, bool) or not hasattr(size, "__index__") or not least <= size <= len(train):
            raise ValueError(
                f"sizes: {size!r} must be a whole number from {least} ({EACH} of each of the {len(count)} classes) "
                f"to {len(train)}, the examples there are to learn from"
            )
    return sorted({int(size) for size in sizes})


def _subset(train: Examples, size: int, random: torch.Generator) -> torch.Tensor:
    """Indices of random examples, first EACH of every class; a larger subset of the same randomness holds a smaller one."""
    assert train.given is not None
    order = torch.randperm(len(train), generator=random)
    classes = train.given[order, 0].long()
    one_hot = torch.nn.functional.one_hot(classes)
    rank = (one_hot.cumsum(0) * one_hot).sum(1)  # 1 for the first of its class, and so on
    return order[(rank > EACH).long().argsort(stable=True)][:size].sort().values
