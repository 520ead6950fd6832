"""Classifiers that are generative, and the joint table: Bayes' rule, scikit-learn's numbers, sums over all there is."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import zoo
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import chisquare, multivariate_normal, norm

import genus
from genus import Dataset, JointTable, LinearDiscriminant, NaiveBayes, QuadraticDiscriminant
from genus.data import examples_of
from genus.files import read_tensors
from genus.learning.passes import Passes
from genus.probability.incomplete_counts import Joint

CLASSIFIERS = (NaiveBayes, LinearDiscriminant, QuadraticDiscriminant)
every_classifier = pytest.mark.parametrize("cls", CLASSIFIERS, ids=lambda c: c.__name__)


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    bunch = load_iris()
    return bunch.data, bunch.target_names[bunch.target]


@pytest.fixture(scope="module")
def wine():
    from sklearn.datasets import load_wine

    return load_wine(return_X_y=True)


def fitted(cls, data, given, **hyper_parameters):
    return cls(**hyper_parameters).fit(data, given=given, progress=False, device="cpu")


def holes(x: torch.Tensor, share: float = 0.2) -> torch.Tensor:
    gone = torch.rand(x.shape, generator=zoo.draws(9)) < share
    return x.masked_fill(gone & (torch.arange(x.shape[1]) != (torch.arange(len(x)) % x.shape[1])[:, None]), math.nan)


# -------------------------------------------------------------------------------------------------- scikit-learn's numbers


@pytest.mark.parametrize(
    "cls, accuracy", [(LinearDiscriminant, 0.98), (QuadraticDiscriminant, 0.98), (NaiveBayes, 0.9533)], ids=lambda c: str(c)
)
def test_iris_in_five_folds(cls, accuracy, iris):
    from sklearn.model_selection import cross_val_score

    assert cross_val_score(cls(), *iris, cv=5, scoring="accuracy").mean() == pytest.approx(accuracy, abs=5e-5)


def peers():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Linear
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as Quadratic
    from sklearn.naive_bayes import GaussianNB

    yield NaiveBayes(), GaussianNB()
    yield NaiveBayes(var_smoothing=0.01), GaussianNB(var_smoothing=0.01)
    yield LinearDiscriminant(), Linear(solver="svd")
    yield QuadraticDiscriminant(), Quadratic(solver="svd")
    for share in (0.1, 1.0, "auto"):
        yield LinearDiscriminant(shrinkage=share), Linear(solver="lsqr", shrinkage=share)
        yield LinearDiscriminant(shrinkage=share), Linear(solver="eigen", shrinkage=share)
        yield QuadraticDiscriminant(shrinkage=share), Quadratic(solver="eigen", shrinkage=share)


@pytest.mark.parametrize("ours, theirs", [pytest.param(*p, id=f"{p[0]!r}-{p[1]!r}".replace(" ", "")) for p in peers()])
@pytest.mark.parametrize("data", ["iris", "wine"])
def test_equal_to_scikit_learn(ours, theirs, data, request):
    X, y = request.getfixturevalue(data)
    train = np.arange(len(X)) % 3 > 0
    ours.fit(X[train], y[train], progress=False)
    theirs.fit(X[train], y[train])
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)


@pytest.mark.parametrize("form", [np.asarray, lambda X: pd.DataFrame(X, columns=["a", "b"])], ids=["array", "table"])
def test_few_rows_and_tight_ones_have_the_variances_of_the_formula(form):
    from sklearn.naive_bayes import GaussianNB

    make = np.random.default_rng(0)
    X = np.concatenate([make.normal(size=(40, 2)), 3 + 1e-4 * make.normal(size=(4, 2))])
    y = np.repeat([0, 1, 2], [2, 38, 4])
    model, peer = NaiveBayes().fit(form(X), y, progress=False), GaussianNB().fit(X, y)
    points = np.concatenate([X, make.normal(size=(200, 2))])
    np.testing.assert_allclose(model.predict_proba(form(points)), peer.predict_proba(points), atol=1e-9)
    single = NaiveBayes().fit(X.astype(np.float32), y, progress=False)
    np.testing.assert_allclose(single.predict_proba(points), peer.predict_proba(points), atol=1e-3)
    constant = NaiveBayes(var_smoothing=0.0).fit(np.where((y == 1)[:, None], X, 1.0), y, progress=False)
    assert np.isfinite(constant.predict_proba(points)).all()


def test_equal_to_scikit_learn_on_bits_and_categories():
    from sklearn.naive_bayes import BernoulliNB, CategoricalNB

    data = genus.load_dataset("binary_digits")
    model = NaiveBayes(smoothing=0.5).fit(data)
    flat = lambda part: part.x.flatten(1).numpy()  # noqa: E731
    peer = BernoulliNB(alpha=0.5).fit(flat(data.train), data.train.labels.numpy())
    np.testing.assert_allclose(model.predict_proba(data.test), peer.predict_proba(flat(data.test)), atol=1e-9)
    frame = zoo.table()[["town", "grade", "smoker"]].astype({"grade": str, "smoker": str})
    codes = frame.apply(lambda column: column.astype("category").cat.codes)
    label = (zoo.table()["children"] > 1).to_numpy()
    model, peer = NaiveBayes(smoothing=0.7).fit(frame, label), CategoricalNB(alpha=0.7).fit(codes, label)
    np.testing.assert_allclose(model.predict_proba(frame), peer.predict_proba(codes), atol=1e-9)


@pytest.mark.parametrize("form", [lambda X: X, lambda X: 1e9 + X, lambda X: (10 * X).astype(int)], ids=["real", "far", "whole"])
def test_straight_boundaries_are_those_of_the_gaussians(form, iris):
    X, y = form(iris[0]), iris[1]
    model = fitted(LinearDiscriminant, X, y)
    joint = model.class_log_prob(model.space.encode(X))
    np.testing.assert_allclose(model.predict_log_proba(X), joint.log_softmax(1).numpy(), rtol=1e-9, atol=1e-9)


def test_discriminant_coordinates_are_scikit_learns_up_to_sign(wine):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    ours, theirs = fitted(LinearDiscriminant, *wine).transform(wine[0]), LinearDiscriminantAnalysis().fit_transform(*wine)
    assert ours.shape == (178, 2)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)
    within = sum(np.cov(ours[wine[1] == c].T, bias=True) * (wine[1] == c).mean() for c in range(3))
    np.testing.assert_allclose(within, np.eye(2), atol=1e-9)
    whole = wine[0].astype(int)  # half a number of each would move their mean to (-0.95, -0.37)
    np.testing.assert_allclose(fitted(LinearDiscriminant, whole, wine[1]).transform(whole).mean(0), 0, atol=0.1)


def test_scikit_learn_takes_them_for_classifiers(iris):
    from sklearn.base import is_classifier
    from sklearn.model_selection import GridSearchCV

    assert is_classifier(LinearDiscriminant()) and not is_classifier(genus.Gaussian())
    search = GridSearchCV(
        LinearDiscriminant(), {"shrinkage": [0.0, 0.9]}, cv=3, scoring=["accuracy", "neg_log_loss"], refit="accuracy"
    )
    search.fit(*iris)
    assert search.best_params_ == {"shrinkage": 0.0} and search.cv_results_["mean_test_neg_log_loss"].max() > -0.2
    assert search.best_estimator_.score(iris[0]) == pytest.approx(search.best_estimator_.log_likelihood(iris[0]).mean)


# ------------------------------------------------------------------------------------------------ one joint distribution


@every_classifier
def test_bayes_rule(cls, iris):
    X, y = iris
    model = fitted(cls, X, y)
    joint = torch.stack([model.joint_log_likelihood(X, given=[c] * len(X)).nats for c in model.classes], 1)
    marginal = model.log_likelihood(X).nats
    torch.testing.assert_close(joint.logsumexp(1), marginal)
    np.testing.assert_allclose(model.predict_log_proba(X), (joint - marginal[:, None]).numpy(), atol=1e-9)
    prior = torch.tensor([np.mean(y == c) for c in model.classes]).log()
    of_first = model.log_likelihood(X, given=[model.classes[0]] * len(X)).nats
    torch.testing.assert_close(of_first + prior[0], joint[:, 0])
    torch.testing.assert_close(model.log_prob(X, given=list(y)), model.log_likelihood(X, given=list(y)).nats)
    assert model.accuracy(X, given=y) == np.mean(model.predict(X) == y)


@pytest.mark.parametrize("raw", [zoo.bits(), zoo.tokens()], ids=["bits", "tokens"])
def test_naive_bayes_adds_up_to_one_over_points_and_classes(raw):
    space = genus.Tokens(3, length=4) if raw.ndim == 2 else None
    labels = zoo.parity(len(raw))
    model = NaiveBayes().fit(examples_of(raw, labels, space=space))
    levels = 3 if space else 2
    points = torch.tensor(list(itertools.product(range(levels), repeat=4))).reshape(-1, *raw.shape[1:]).to(raw.dtype)
    total = sum(model.joint_log_likelihood(points, given=[c] * len(points)).nats.exp().sum() for c in model.classes)
    assert float(total) == pytest.approx(1, abs=1e-9)
    assert float(model.log_likelihood(points).nats.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_whole_numbers_have_exact_probabilities():
    make = np.random.default_rng(0)
    label = make.choice(["few", "many"], 400)
    frame = pd.DataFrame({"count": make.poisson(np.where(label == "few", 2, 9))})
    model = fitted(NaiveBayes, frame, label)
    every = pd.DataFrame({"count": np.arange(frame["count"].max() + 1)})
    for c in model.classes:
        assert float(model.log_likelihood(every, given=[c] * len(every)).nats.exp().sum()) == pytest.approx(1, abs=1e-9)
    column, mean, deviation = model.space.columns[0], model.components.means[:, 0], model.components.variances[:, 0].sqrt()
    m, s = (float(mean[1] * column.scale + column.location), float(deviation[1] * column.scale))
    inside = norm.cdf(7, m, s) - norm.cdf(6, m, s)
    assert float(model.log_likelihood(every[6:7], given=["many"]).nats) == pytest.approx(math.log(inside), abs=1e-9)
    # in an array, without ends: the same but for what lies beyond them
    array = fitted(NaiveBayes, torch.tensor(frame.to_numpy()), label)
    wide = torch.arange(-60, 90)[:, None]
    assert float(array.log_likelihood(wide).nats.exp().sum()) == pytest.approx(1, abs=1e-9)
    assert array.sample(5, given="few").dtype == torch.int64 and array.accuracy(frame.to_numpy(), given=label) > 0.9


def test_quadratic_discriminant_is_a_mixture_that_was_told(wine):
    X, y = wine
    model, mixture = fitted(QuadraticDiscriminant, X, y), genus.GaussianMixture(n_components=3).fit(X, progress=False)
    mixture.weights, mixture.means, mixture.covariances = model.prior, model.means, model.covariances
    torch.testing.assert_close(model.log_likelihood(X).nats, mixture.log_likelihood(X).nats)
    np.testing.assert_allclose(model.predict_proba(X), mixture.responsibilities(X).numpy(), atol=1e-9)


@every_classifier
def test_samples_have_their_classes(cls, iris):
    X, y = iris
    model = fitted(cls, X[25:], y[25:])  # 25, 50, 50
    n = 4000
    drawn, labels = model.sample_labelled(n, seed=3)
    assert drawn.shape == (n, 4) and set(labels) == set(model.classes)
    counts = [np.sum(labels == c) for c in model.classes]
    assert chisquare(counts, np.array([25, 50, 50]) / 125 * n).pvalue > 1e-3
    assert model.accuracy(drawn, given=labels) > 0.93
    from_prior = model.predict(model.sample(n, seed=4))
    assert np.mean(from_prior == "setosa") == pytest.approx(0.2, abs=0.03)
    assert np.mean(model.predict(model.sample(500, given="virginica")) == "virginica") > 0.9
    mean = model.sample(n, given="setosa").mean(0).numpy()
    np.testing.assert_allclose(mean, X[25:][y[25:] == "setosa"].mean(0), atol=0.05)
    none, no_labels = model.sample_labelled(0)
    assert len(none) == len(no_labels) == 0 and none.shape[1] == 4


# -------------------------------------------------------------------------------------------------------- missing values


def marginal_log_p(means, covariances, prior, row):
    seen = np.flatnonzero(~np.isnan(row))
    return np.logaddexp.reduce(
        [
            np.log(p) + multivariate_normal.logpdf(row[seen], m[seen], s[np.ix_(seen, seen)])
            for m, s, p in zip(means, covariances, prior)
        ]
    )


@every_classifier
def test_missing_values_are_integrated_out(cls, iris):
    X, y = iris
    model = fitted(cls, X, y)
    classes = [X[y == c] for c in model.classes]
    covariances = np.stack([np.cov(part.T, bias=True) for part in classes])
    covariances = {NaiveBayes: covariances * np.eye(4), LinearDiscriminant: [covariances.mean(0)] * 3}.get(cls, covariances)
    holed = holes(torch.from_numpy(X)).numpy()
    expected = [marginal_log_p([part.mean(0) for part in classes], covariances, [1 / 3] * 3, row) for row in holed]
    np.testing.assert_allclose(model.log_likelihood(holed).nats, expected, atol=1e-6)


def test_learning_with_missing_values_is_em_of_each_class(iris):
    X, y = iris
    holed = holes(torch.from_numpy(X))
    model = fitted(QuadraticDiscriminant, holed, y)
    naive = fitted(NaiveBayes, holed, y)
    for code, c in enumerate(model.classes):
        alone = genus.GaussianMixture(n_components=1, tol=0.0, support=0.0, max_iter=60)
        own = holed[torch.from_numpy(y == c)]
        alone = zoo.quickly(alone, own)
        told = model.log_likelihood(own, given=[c] * len(own)).nats
        torch.testing.assert_close(told, alone.log_likelihood(own).nats, atol=1e-4, rtol=0)
        location, scale = naive.space.location_scale
        torch.testing.assert_close(naive.components.means[code] * scale + location, own.nanmean(0), atol=1e-6, rtol=0)
    assert model.accuracy(holed, given=y) > 0.9 and not model.complete(holed).isnan().any()


def test_naive_bayes_leaves_missing_cells_out_in_one_pass(iris):
    X, y = iris
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.7, np.nan, X)
    holed[y == y[0], 1] = np.nan  # of the first class
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(NaiveBayes, holed, y, max_iter=1, var_smoothing=0.0)
    location, scale = model.space.location_scale
    own = [holed[y == c] for c in model.classes]
    means, variances = (np.stack([of(part, 0) for part in own[1:]]) for of in (np.nanmean, np.nanvar))
    np.testing.assert_allclose((model.components.means[1:] * scale + location).numpy(), means, rtol=1e-12)
    np.testing.assert_allclose((model.components.covariances[1:] * scale**2).numpy(), variances, rtol=1e-10)
    assert model.components.means[0, 1] == 0 and model.components.covariances[0, 1] == 1  # nothing seen: the data's own


def test_naive_bayes_finds_the_maximum_where_most_of_a_column_is_hidden():
    """Nine values in ten are 0, whose cell is infinite: EM alone is not there after hundreds of passes."""
    from scipy.optimize import minimize
    from scipy.stats import norm

    make = np.random.default_rng(0)
    y = make.random(2000) < 0.3
    gain = np.where(make.random(2000) < 0.9, 0, np.exp(6 + 2 * y + make.normal(size=2000))).astype(int)
    hours = make.normal(40 + 5 * y, 8).astype(int).clip(10, 50)
    frame = pd.DataFrame({"gain": gain, "hours": hours}).astype("Int64").mask(make.random((2000, 2)) < 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(NaiveBayes, frame, y, var_smoothing=0.0)
    best = sum(n * math.log(n / 2000) for n in np.bincount(y))
    for name in frame:
        low, high = int(frame[name].min()), int(frame[name].max())
        for c in (False, True):
            x = frame[name][y == c].dropna().to_numpy(int)

            def lost(p, x=x, low=low, high=high):
                below, above = ((x + side - p[0]) / math.exp(p[1]) for side in (0, 1))
                below, above = np.where(x == low, -np.inf, below), np.where(x == high, np.inf, above)
                below, above = np.where(below > 0, -above, below), np.where(below > 0, -below, above)  # where digits are
                return -np.log(norm.cdf(above) - norm.cdf(below)).sum()

            best -= minimize(lost, (x.mean(), math.log(x.std())), method="Nelder-Mead", options={"maxiter": 2000}).fun
    assert model.joint_log_likelihood(frame, given=y).mean * 2000 > best - 1e-3


def test_passes_go_on_until_they_gain_nothing(iris):
    X, y = iris
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.5, np.nan, X)

    def score(**options):
        return fitted(LinearDiscriminant, holed, y, **options).joint_log_likelihood(holed, given=y).mean

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settled = score()
    with pytest.warns(UserWarning, match="LinearDiscriminant stopped after max_iter=30 before gains.*raise max_iter"):
        early = score(max_iter=30)
    assert early < settled - 1e-4 and settled == pytest.approx(score(max_iter=1000), abs=2e-5)


@pytest.mark.parametrize("cls, rows", [(LinearDiscriminant, 12), (QuadraticDiscriminant, 4)])
def test_cells_too_few_for_a_covariance_are_said_once(cls, rows, iris):
    few = np.arange(150) % 13 == 0  # 4 of each class
    X, y = iris[0][few], iris[1][few]
    holed = np.where(np.random.default_rng(1).random(X.shape) < 0.5, np.nan, X)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        bare = cls().fit(holed, y, progress=False)
    (sentence,) = [str(w.message) for w in said if "not determined" in str(w.message)]
    assert f"not determined by what is known of {rows} rows" in sentence and "use shrinkage=0.1" in sentence
    shrunk = fitted(cls, holed, y, shrinkage=0.1)
    assert shrunk.joint_log_likelihood(iris[0], given=iris[1]).mean > bare.joint_log_likelihood(iris[0], given=iris[1]).mean + 100


def test_ledoit_wolf_needs_complete_rows(iris):
    with pytest.raises(ValueError, match="shrinkage='auto'.*complete rows.*pass a number"):
        fitted(LinearDiscriminant, holes(torch.from_numpy(iris[0])), iris[1], shrinkage="auto")


def test_transform_expects_what_is_missing(iris):
    model = fitted(LinearDiscriminant, *iris)
    row = torch.from_numpy(iris[0][:1]).clone()
    row[0, 2] = math.nan
    many = model.transform(model.complete(row.repeat(20_000, 1)))
    np.testing.assert_allclose(model.transform(row)[0], many.mean(0), atol=5 * many.std(0).max() / math.sqrt(20_000))


# -------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "of",
    [
        lambda y: ["odd" if v else "even" for v in y],
        lambda y: y.tolist(),
        lambda y: y,
        lambda y: torch.from_numpy(y),
        lambda y: y.astype(float),
        lambda y: y.astype(bool),
        lambda y: pd.Series(y, name="side", index=np.arange(len(y)) + 7),
        lambda y: pd.Series(pd.Categorical.from_codes(y, ["left", "right", "never"])),
    ],
    ids=["strings", "list", "array", "tensor", "floats", "booleans", "series", "categorical"],
)
def test_labels_of_any_kind_come_back_as_they_were(of, tmp_path):
    x, side = zoo.moons(120, dtype=torch.float64), (np.arange(120) % 2)
    labels = of(side)
    model = LinearDiscriminant().fit(x, labels)
    want = np.asarray(labels)
    assert model.n_classes == 2 and list(model.classes) == sorted(set(want.tolist()))
    predicted = model.predict(x)
    assert isinstance(predicted, np.ndarray) and np.mean(predicted == want) > 0.8
    assert model.accuracy(x, given=labels) == np.mean(predicted == want)
    model.save(tmp_path)
    loaded = genus.load_model(tmp_path)
    assert loaded.classes == model.classes and (loaded.predict(x) == predicted).all() and loaded.predict(x).dtype == predicted.dtype


def test_labels_in_a_column(tmp_path):
    frame = zoo.table()
    model = NaiveBayes().fit(frame, given="smoker")
    predicted = model.predict(frame)
    assert isinstance(predicted, pd.Series) and predicted.dtype == frame["smoker"].dtype and predicted.name == "smoker"
    assert (
        model.accuracy(frame)
        == model.accuracy(frame.drop(columns="smoker"), given=frame[["smoker"]])
        == model.accuracy(frame.drop(columns="smoker"), given=frame["smoker"])
        == (predicted == frame["smoker"]).mean()
    )
    assert set(NaiveBayes().fit(frame, given=["children"]).classes) == set(frame["children"])
    drawn, labels = model.sample_labelled(6)
    assert list(drawn.columns) == ["height", "children", "town", "grade"] and isinstance(labels, pd.Series)
    assert len(model.sample(3, given={"smoker": True})) == 3


def test_what_is_made_of_rows_keeps_their_index():
    """Else pandas puts predictions and filled cells beside other rows than theirs."""
    frame = zoo.table().sample(frac=1, random_state=0)
    holes = zoo.table(missing=True).loc[frame.index]
    model = NaiveBayes().fit(frame, given="smoker")
    assert list(model.predict(frame).index) == list(frame.index)
    assert list(model.complete(holes.drop(columns="smoker")).index) == list(frame.index)
    mixture = genus.Mixture(n_components=2).fit(holes, progress=False)
    assert list(mixture.impute(holes).index) == list(frame.index)
    assert holes["height"].fillna(mixture.impute(holes)["height"]).notna().all()
    latent = genus.ProbabilisticPCA(n_components=1).fit(zoo.numbers())
    assert list(latent.reconstruct(zoo.numbers().iloc[::-1]).index) == list(range(159, -1, -1))


def test_labels_of_several_types_stay_what_they_are():
    labels = [1, "odd"] * 15
    model = fitted(NaiveBayes, X, labels)
    assert model.classes_.tolist() == [1, "odd"] and set(model.predict(X)) <= {1, "odd"}


def test_a_dataset_is_learned_with_its_labels():
    data = genus.load_dataset("iris", seed=1)
    model = LinearDiscriminant().fit(data)
    assert model.classes == [0, 1, 2] and model.accuracy(data) == model.accuracy(data.with_labels_given().test) > 0.8
    assert model.accuracy(data.test) == model.accuracy(data)
    assert model.joint_log_likelihood(data.test).mean == model.joint_log_likelihood(data.with_labels_given()).mean
    open_, told = model.log_likelihood(data.test), model.log_likelihood(data.test, given=True)
    assert len(open_) == len(told) == 15 and told.mean > open_.mean
    board = genus.compare(["gaussian", "naive-bayes", LinearDiscriminant()], data, two_sample=False, progress=False)
    assert set(board.frame["kind"]) == {"exact"} and not board.frame["note"].astype(bool).any()


@every_classifier
def test_a_missing_label_is_no_class(cls):
    X, labels = zoo.moons(30), zoo.parity(30)
    holes = [*labels[:7], None, *labels[8:]]
    model = fitted(cls, X, labels)
    for verb in (model.log_likelihood, model.joint_log_likelihood, model.accuracy):
        with pytest.raises(ValueError, match="given: row 7 has no label.*drop the row"):
            verb(X, given=holes)
    assert model.predict(examples_of(X, holes)).tolist() == model.predict(X).tolist()  # asks for no label


X = zoo.moons(30)
REFUSED = [
    (lambda: LinearDiscriminant().fit(X), "given: a classifier learns from labels", "pass given=labels"),
    (lambda: fitted(NaiveBayes, X, np.linspace(0, 1, 30)), "given: labels must be classes", "whole numbers"),
    (lambda: fitted(NaiveBayes, X, [None, *zoo.parity(29)]), "row 0 has no label", "drop the row"),
    (lambda: fitted(NaiveBayes, X, X), "one column of classes", "one label for each"),
    (lambda: fitted(NaiveBayes, X, pd.DataFrame({"a": zoo.parity(30), "b": zoo.parity(30)})), "one column of classes", ""),
    (lambda: fitted(NaiveBayes, X, zoo.parity(29)), "given: has 29 rows", "pass one for each example"),
    (lambda: NaiveBayes().fit(X, zoo.parity(30), given=zoo.parity(30)), "y and given", "pass one of them"),
    (lambda: fitted(NaiveBayes, X, zoo.parity(30)).accuracy(X), "no labels to compare with", "pass given=labels"),
    (lambda: fitted(NaiveBayes, X, zoo.parity(30)).accuracy(X, given=["evn"] * 30), "given: ", "'evn'", "perhaps you meant 'even'"),
    (lambda: fitted(NaiveBayes, X, zoo.parity(30)).sample(3, given="evn"), "given: ", "'evn'", "perhaps you meant 'even'"),
    (lambda: fitted(NaiveBayes, X, zoo.parity(30)).sample(2, given=float("nan")), "given: row 0 has no label", "drop the row"),
    (lambda: fitted(NaiveBayes, X, zoo.parity(30)).predict(X[:, :1]), "has shape (30, 1)", "expected (n, 2)"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_bad_labels_are_refused_with_a_remedy(number):
    call, *words = REFUSED[number]
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert all(word in str(error.value) for word in words), error.value


# ---------------------------------------------------------------------------------------------------- streams and files


@pytest.mark.parametrize("model", [NaiveBayes(), LinearDiscriminant(), QuadraticDiscriminant(shrinkage="auto")], ids=repr)
def test_chunks_and_processes_add_up(model, iris, monkeypatch):
    """A chunk of seven rows, or every second one on each of two processes, sum to what all rows give."""
    X, y = iris
    whole = model.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(model.fit(X, y, batch_size=7).predict_proba(X), whole, atol=1e-9)
    both = Passes.sum

    def of_two_ranks(self, statistics):
        totals = [both(self._of(rank), statistics) for rank in (0, 1)]
        return {name: totals[0][name] + totals[1][name] for name in totals[0]}

    def of(self, rank):
        return Passes(self.examples, self.prepare, replace(self.settings, rank=rank, world=2))

    monkeypatch.setattr(Passes, "_of", of, raising=False)
    monkeypatch.setattr(Passes, "sum", of_two_ranks)
    np.testing.assert_allclose(model.fit(X, y, batch_size=7).predict_proba(X), whole, atol=1e-9)


def damage(folder, change):
    (weights,) = folder.glob("*.safetensors")
    tensors = {name: tensor.clone() for name, tensor in read_tensors(weights)[0].items()}
    change(tensors)
    zoo.forge(folder, tensors=tensors)


@pytest.mark.parametrize("buffer, value", [("prior", 0.7), ("prior", math.nan), ("covariances", -1.0), ("means", math.nan)])
def test_damaged_numbers_are_refused(buffer, value, iris, tmp_path):
    fitted(QuadraticDiscriminant, *iris).save(tmp_path)
    damage(tmp_path, lambda tensors: tensors[buffer].fill_(value))
    with pytest.raises(ValueError, match="the file is damaged"):
        genus.load_model(tmp_path)


def test_a_file_without_classes_is_refused(iris, tmp_path):
    fitted(LinearDiscriminant, *iris).save(tmp_path)
    zoo.forge(tmp_path, {**json.loads((tmp_path / "config.json").read_text()), "given_space": None})
    with pytest.raises(ValueError, match="no column of classes"):
        genus.load_model(tmp_path)


# ------------------------------------------------------------------------------------------------------- the joint table


def weather() -> pd.DataFrame:
    """Made-up days: 40 of them, counted by weather and temperature, with a whole number and a boolean beside."""
    counts = {("sun", "hot"): 10, ("sun", "mild"): 8, ("rain", "mild"): 7, ("rain", "cold"): 9, ("snow", "cold"): 6}
    frame = pd.DataFrame([pair for pair, n in counts.items() for _ in range(n)], columns=["weather", "temperature"])
    frame["temperature"] = pd.Categorical(frame["temperature"], categories=["cold", "mild", "hot"], ordered=True)
    frame["guests"] = np.arange(40) % 3 + 2
    frame["windy"] = np.arange(40) % 5 == 0
    return frame


@pytest.fixture(scope="module")
def days():
    return JointTable().fit(weather(), progress=False)


def test_the_table_is_the_relative_frequencies(days):
    frame = weather()
    two = JointTable().fit(frame[["weather", "temperature"]]).table()
    want = pd.crosstab(frame["weather"], frame["temperature"], normalize=True)
    pd.testing.assert_frame_equal(two, want.astype(float), check_index_type=False, check_column_type=False, check_categorical=False)
    pd.testing.assert_frame_equal(days.marginal(["weather", "temperature"]), two)
    pd.testing.assert_frame_equal(days.marginal(["temperature", "weather"]), two.T)
    assert days.marginal("guests").to_dict() == {2: 14 / 40, 3: 13 / 40, 4: 13 / 40}
    whole = days.table()
    assert whole.shape == (3 * 3 * 3, 2) and whole.to_numpy().sum() == pytest.approx(1)
    assert whole.index.names == ["weather", "temperature", "guests"] and whole.columns.name == "windy"


def test_conditionals_are_joint_over_marginal(days):
    two, of_weather = days.marginal(["weather", "temperature"]), days.marginal("weather")
    rows = days.conditional("temperature", given="weather")
    pd.testing.assert_frame_equal(rows, two.div(of_weather, axis=0))
    np.testing.assert_allclose(days.conditional("temperature", given={"weather": "rain"}), rows.loc["rain"])
    chain = days.conditional(["windy", "guests"], given={"weather": "sun", "temperature": "hot"})
    assert chain.shape == (2, 3) and chain.to_numpy().sum() == pytest.approx(1)
    assert days.conditional("windy", given=["weather", "temperature"]).loc[("snow", "hot")].isna().all()
    with pytest.raises(ValueError, match="never occurs in the table"):
        days.conditional("windy", given={"weather": "snow", "temperature": "hot"})


def test_log_prob_is_exact_with_and_without_smoothing(days):
    frame = weather()
    share = frame.groupby(list(frame.columns), observed=True).size() / 40
    rows = share.index.to_frame(index=False).astype({"temperature": frame["temperature"].dtype})
    np.testing.assert_allclose(days.log_likelihood(rows).nats.exp(), share.to_numpy())
    never = rows[:1].assign(weather="snow", temperature=pd.Categorical(["hot"], categories=["cold", "mild", "hot"], ordered=True))
    assert float(days.log_likelihood(never).nats) == -math.inf
    assert float(days.log_likelihood(rows[:1].assign(guests=9)).nats) == -math.inf  # beyond the table
    smooth = JointTable(smoothing=0.5).fit(frame)
    assert float(smooth.log_likelihood(never).nats.exp()) == pytest.approx(0.5 / (40 + 54 / 2))
    assert float(smooth.probabilities.sum()) == pytest.approx(1)


def test_draws_are_of_the_table_and_of_its_conditionals(days, tmp_path):
    n = 20_000
    drawn = days.sample(n, seed=0)
    assert list(drawn.dtypes) == list(weather().dtypes)
    p = days.marginal(["weather", "temperature"]).stack()
    counts = drawn.groupby(["weather", "temperature"], observed=False).size().reindex(p.index, fill_value=0)
    assert (counts[p == 0] == 0).all() and chisquare(counts[p > 0], p[p > 0] * n).pvalue > 1e-3
    given = days.sample(n, given={"weather": "rain", "guests": 3}, seed=1)
    assert (given["weather"] == "rain").all() and (given["guests"] == 3).all()
    want = days.conditional(["temperature", "windy"], given={"weather": "rain", "guests": 3}).stack()
    counts = given.groupby(["temperature", "windy"], observed=False).size().reindex(want.index, fill_value=0)
    assert (counts[want == 0] == 0).all() and chisquare(counts[want > 0], want[want > 0] * n).pvalue > 1e-3
    holed = weather().astype({"guests": "float64"})
    holed.loc[::2, "guests"] = np.nan
    full = days.complete(holed)
    assert full["guests"].between(2, 4).all() and (full["guests"][1::2].astype(float) == holed["guests"][1::2]).all()
    with pytest.raises(ValueError, match="'weather', 'temperature' never occur in the table together"):
        days.sample(3, given={"weather": "snow", "temperature": "hot"})
    with pytest.raises(ValueError, match="'snwo'.*perhaps you meant 'snow'"):
        days.sample(3, given={"weather": "snwo"})
    days.save(tmp_path)
    pd.testing.assert_frame_equal(genus.load_model(tmp_path).table(), days.table())


def holed(n=400, seed=0, share=0.35):
    """Rows of a 2 x 2 x 3 table whose columns go together, with missing cells; and the codes, NaN where missing."""
    make = np.random.default_rng(seed)
    p = make.dirichlet(np.full(12, 0.7))
    codes = np.stack(np.unravel_index(make.choice(12, n, p=p), (2, 2, 3)), 1).astype(float)
    whole = codes.copy()
    codes[make.random(codes.shape) < share] = np.nan
    frame = pd.DataFrame(
        {"a": codes[:, 0], "b": codes[:, 1], "c": np.array(["x", "y", "z"], dtype=object)[whole[:, 2].astype(int)]}
    )
    frame["c"] = frame["c"].mask(np.isnan(codes[:, 2]), None)
    return frame, codes, p


EVERY_CELL = np.array(list(itertools.product(range(2), range(2), range(3))))


def agreement(codes):
    """(n, 12) whether a row may be that cell."""
    return (np.isnan(codes)[:, None] | (codes[:, None] == EVERY_CELL)).all(2).astype(float)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_missing_cells_are_learned_by_maximum_likelihood(smoothing, tmp_path):
    """Against a search for the greatest likelihood of what is known, times the prior where there is one; any chunks."""
    frame, codes, _ = holed()
    agrees = agreement(codes)
    model = JointTable(smoothing=smoothing).fit(frame, progress=False)

    def objective(logits):
        p = np.exp(logits - logsumexp(logits))
        per_row = agrees @ p
        slope = agrees.T @ (1 / per_row) * p + smoothing
        return -np.log(per_row).sum() - smoothing * np.log(p).sum(), -slope + slope.sum() * p

    found = minimize(objective, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    best = np.exp(found.x - logsumexp(found.x))
    ours = model.probabilities.flatten().numpy()
    assert objective(np.log(ours + 1e-300))[0] <= found.fun + 1e-6
    np.testing.assert_allclose(ours, best, atol=2e-6)
    np.testing.assert_allclose(model.log_likelihood(frame).nats, np.log(agrees @ ours), atol=1e-12)
    parts = JointTable(smoothing=smoothing).fit(frame, batch_size=17, progress=False)
    np.testing.assert_array_equal(parts.probabilities, model.probabilities)
    model.save(tmp_path)
    np.testing.assert_array_equal(genus.load_model(tmp_path).log_likelihood(frame).nats, model.log_likelihood(frame).nats)


def test_em_on_counts_is_em_row_by_row_and_never_falls():
    _, codes, _ = holed()
    agrees, cells = agreement(codes), torch.from_numpy(np.nan_to_num(codes, nan=-1)).long()
    joint = Joint([2, 2, 3], (0, 1, 2))
    log_likelihood = joint.log_likelihood(joint.count(cells).double())
    p, before = np.full(12, 1 / 12), -math.inf
    ours = torch.full((12,), 1 / 12, dtype=torch.float64)
    for _ in range(30):
        value = np.log(agrees @ p).sum()
        assert float(log_likelihood(ours)) == pytest.approx(value) and value >= before - 1e-9
        before, shares = value, agrees * p
        p = (shares / shares.sum(1, keepdims=True)).mean(0)
        ours = ours.requires_grad_()
        ours = (ours * torch.autograd.grad(log_likelihood(ours), ours)[0]).detach() / len(codes)
        np.testing.assert_allclose(ours, p, atol=1e-12)


def test_a_joint_table_with_missing_cells_comes_near_the_truth():
    frame, codes, p = holed(40_000, seed=1)
    ours = JointTable().fit(frame, progress=False).probabilities.flatten().numpy()
    whole = EVERY_CELL[None] == codes[~np.isnan(codes).any(1), None]
    complete = whole.all(2).mean(0)
    assert np.abs(ours - p).max() < 0.01 and ((ours - p) ** 2).sum() < ((complete - p) ** 2).sum()


def test_missing_cells_that_tell_nothing_or_would_need_too_much():
    frame = weather()
    frame["always"] = 7
    one = JointTable().fit(frame.astype({"always": "float64"}).assign(always=lambda f: f["always"].mask(np.arange(40) % 2 == 0)))
    np.testing.assert_array_equal(one.probabilities.flatten(), JointTable().fit(frame).probabilities.flatten())
    nothing = frame[["weather", "guests"]].astype({"guests": "float64"})
    nothing.loc[40] = [None, np.nan]  # a row of which nothing is known
    np.testing.assert_allclose(JointTable().fit(nothing).table(), JointTable().fit(frame[["weather", "guests"]]).table(), atol=1e-9)
    make = np.random.default_rng(0)
    wide = pd.DataFrame(make.integers(0, 2, (300, 18)).astype(float)).mask(make.random((300, 18)) < 0.1)
    wide.columns = [f"c{i}" for i in range(18)]
    with pytest.raises(ValueError, match=r"missing values \(NaN\) in 18 columns.*drop them"):
        JointTable().fit(wide)


def test_a_joint_table_refuses_what_it_cannot_hold(days, tmp_path):
    make = np.random.default_rng(0)
    wide = pd.DataFrame({f"c{i}": make.integers(0, 10, 50) for i in range(8)})
    with pytest.raises(ValueError, match=r"table would have .* cells.*drop columns"):
        JointTable().fit(wide)
    with pytest.raises(ValueError, match="'height' is continuous; cut it into ranges"):
        JointTable().fit(zoo.table())
    for call, words in (
        (lambda: days.marginal("wether"), "names: no column is called 'wether'; perhaps you meant 'weather'"),
        (lambda: days.marginal([]), "must name at least one column"),
        (lambda: days.conditional("windy", given="windy"), "the column 'windy' is asked for and given"),
        (lambda: days.conditional("windy", given={"weather": "sunn"}), "has no value 'sunn'; perhaps you meant 'sun'"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    days.save(tmp_path)
    damage(tmp_path, lambda tensors: tensors["counts"].neg_())
    with pytest.raises(ValueError, match="the file is damaged"):
        genus.load_model(tmp_path)


# ------------------------------------------------------------------------------- generative against discriminative


def test_generative_classifiers_beside_logistic_regression(iris):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = iris
    data = Dataset.of(X, given=list(y), split=(0.6, 0.0, 0.4))
    frame = genus.compare_classifiers({"linear": LinearDiscriminant, "naive": "naive-bayes"}, data, sizes=[12, 90], repeats=3)
    assert list(frame["model"].unique()) == ["linear", "naive", "logistic-regression"] and len(frame) == 6
    pd.testing.assert_frame_equal(
        frame, genus.compare_classifiers({"linear": LinearDiscriminant, "naive": "naive-bayes"}, data, sizes=[12, 90], repeats=3)
    )
    full = frame[frame["size"] == 90].set_index("model")
    model = LinearDiscriminant().fit(data.train)
    assert full.loc["linear", "accuracy"] == model.accuracy(data)
    labels = data.test.given_space.decode(data.test.given)
    at = [model.classes.index(label) for label in labels]
    assert full.loc["linear", "log_p"] == pytest.approx(model.predict_log_proba(data.test)[np.arange(60), at].mean())
    peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    peer.fit(data.train.x.numpy(), data.train.given_space.decode(data.train.given))
    assert full.loc["logistic-regression", "accuracy"] == pytest.approx(peer.score(data.test.x.numpy(), labels), abs=1e-9)
    assert full["accuracy_error"].isna().all() and frame[frame["size"] == 12]["accuracy_error"].notna().all()
    for options, words in (
        ({"models": "gaussian"}, "gaussian is no classifier"),
        ({"models": "naive-bayes", "sizes": [2]}, "sizes: 2 must be a whole number from 6"),
        ({"models": "naive-bayes", "repeats": 0}, "repeats=0"),
    ):
        with pytest.raises(ValueError, match=words):
            genus.compare_classifiers(data=data, **options)


def test_naive_bayes_wins_with_few_examples_and_loses_with_many():
    """Ng & Jordan 2001 on black-and-white digits."""
    frame = genus.compare_classifiers("naive-bayes", "binary_digits", sizes=[20, 1437], repeats=6)
    accuracy = frame.pivot(index="size", columns="model", values="accuracy")
    assert accuracy.loc[20, "naive-bayes"] > accuracy.loc[20, "logistic-regression"] + 0.01
    assert accuracy.loc[1437, "naive-bayes"] < accuracy.loc[1437, "logistic-regression"]


def test_a_point_that_no_class_could_have_made_is_of_any_class_as_often_as_that_is():
    y = ["p", "q", "q", "q"] * 10
    frame = pd.DataFrame({"a": [f"a{label}" for label in y], "b": [f"b{label}" for label in y], "c": ["u", "v", "w", "v"] * 10})
    odd = pd.DataFrame({"a": ["ap"], "b": ["bq"], "c": [None]})
    classifier = genus.NaiveBayes(smoothing=0).fit(frame, y, progress=False)
    np.testing.assert_allclose(classifier.predict_proba(odd), [[0.25, 0.75]])
    assert classifier.complete(odd)["c"].notna().all()
    mixture = genus.Mixture(n_components=2, smoothing=0).fit(frame, progress=False)
    mixture.components.probabilities[:, :4] = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])  # of ap, aq, bp, bq
    np.testing.assert_allclose(mixture.responsibilities(odd), mixture.weights[None])
    assert mixture.impute(odd)["c"].notna().all() and mixture.complete(odd)["c"].notna().all()
