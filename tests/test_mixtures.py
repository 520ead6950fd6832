"""Mixtures of products over mixed columns: against enumeration, scipy, scikit-learn, and a joint table worked out by hand."""

from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
import zoo

import genus
from genus.data import examples_of
from genus.probability import truncated_normal
from genus.probability.components import ColumnComponents, components_for
from genus.probability.components.categorical import draw_levels
from genus.probability.regression import coefficients
from genus.spaces import Binary, Table, Tokens

QUIET = {"progress": False, "device": "cpu"}


def small_table(n: int = 400, missing: float = 0.0) -> pd.DataFrame:
    """Three classes; every column tells something of them, and takes few values."""
    make = np.random.default_rng(0)
    k = make.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "rooms": make.poisson(np.array([1, 3, 5])[k]).clip(0, 6),
            "town": np.array(["Ankara", "Bergen", "Cork"])[np.where(make.random(n) < 0.8, k, make.integers(0, 3, n))],
            "own": make.random(n) < np.array([0.1, 0.5, 0.9])[k],
        }
    )
    if missing:
        for name in frame:
            frame[name] = frame[name].astype("Int64" if name == "rooms" else object).mask(make.random(n) < missing, None)
    return frame


def every_row(space: Table) -> torch.Tensor:
    """All points of a table without real numbers."""
    values = [range(int(c.low), int(c.high) + 1) if c.kind == "integer" else range(c.n_values) for c in space.columns]
    return torch.tensor(list(itertools.product(*values)), dtype=torch.float64)


# ------------------------------------------------------------------------------------------- normals between two edges


def intervals() -> tuple[np.ndarray, np.ndarray]:
    make = np.random.default_rng(1)
    a = 4 * make.normal(size=400)
    b = a + 10 ** make.uniform(-2, 1.5, 400)
    a[:20], b[20:40] = -np.inf, np.inf
    return a, b


def test_truncated_normals_are_scipys():
    """Beyond some 6 deviations or below widths of 0.01 it is scipy that loses digits."""
    from scipy.stats import truncnorm

    a, b = intervals()
    a, b = a[np.minimum(np.abs(a), np.abs(b)) < 6], b[np.minimum(np.abs(a), np.abs(b)) < 6]
    moments = truncated_normal.moments(torch.from_numpy(a), torch.from_numpy(b))
    first, second, variance, across, of_square = (moment.numpy() for moment in moments)
    np.testing.assert_allclose(first, truncnorm.mean(a, b), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(second, truncnorm.var(a, b) + truncnorm.mean(a, b) ** 2, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(variance, truncnorm.var(a, b), rtol=1e-5, atol=1e-7)
    three, four = (np.array([truncnorm.moment(k, *edges) for edges in zip(a.flat, b.flat)]).reshape(a.shape) for k in (3, 4))
    np.testing.assert_allclose(across, three - first * second, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_square, four - second**2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [1e-12, 1e-5, 0.9e-3, 1.1e-3, 0.1, 3.0])
@pytest.mark.parametrize("at", [-3000.0, -30.0, -8.0, -0.01, 0.0, 0.7, 25.0])
def test_no_digits_are_lost_in_any_tail(at, width):
    import mpmath

    low = torch.tensor(at, dtype=torch.float64)
    with mpmath.workdps(300):
        a, b = mpmath.mpf(at), mpmath.mpf(float(low + width))
        mass, rise = mpmath.ncdf(b) - mpmath.ncdf(a), mpmath.npdf(a) - mpmath.npdf(b)
        want = [float(t) for t in (mpmath.log(mass), rise / mass, 1 + (a * mpmath.npdf(a) - b * mpmath.npdf(b)) / mass)]
    got = (truncated_normal.log_mass(low, low + width), *truncated_normal.moments(low, low + width)[:2])
    np.testing.assert_allclose([float(t) for t in got], want, rtol=2e-10, atol=2e-10)


def test_the_gradient_of_the_mass_is_that_of_its_formula():
    a, b = (torch.from_numpy(t[40:60]).requires_grad_() for t in intervals())
    assert torch.autograd.gradcheck(truncated_normal.log_mass, (a, b), eps=1e-6, atol=1e-5, rtol=1e-4)


# --------------------------------------------------------------------------------------------------------- components


@pytest.mark.parametrize("material", ["binary", "tokens", "table-missing", "numbers-missing"])
def test_statistics_of_batches_add_up_and_missing_cells_say_nothing(material):
    examples = zoo.as_examples(genus.Mixture, material)
    x, space = examples.x, examples.space.fit([examples.x])
    parts = components_for(space, 3)
    z = parts.coordinates(x)
    parts.initialise(z)
    r = torch.rand(3, len(z), dtype=torch.float64)
    whole = parts.statistics(z, r)
    for name, value in whole.items():
        halves = parts.statistics(z[:70], r[:, :70])[name] + parts.statistics(z[70:], r[:, 70:])[name]
        torch.testing.assert_close(halves, value)
    if z.is_floating_point() and z.isnan().any():
        nothing = torch.full_like(z[:2], math.nan)
        assert torch.equal(parts.log_prob(nothing), torch.zeros(3, 2, dtype=torch.float64))
        more = parts.statistics(torch.cat([z, nothing]), torch.cat([r, r[:, :2]], 1))
        torch.testing.assert_close({n: more[n] for n in more if n != "count"}, {n: whole[n] for n in whole if n != "count"})


def test_whole_numbers_of_wide_components_are_summed_as_they_are_looked_up(monkeypatch):
    """Cells much narrower than every component have a formula; it must be what the cells themselves say."""
    make = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"weight": np.append(make.normal(200_000, 60_000, 500).round().clip(20_000, 400_000), np.nan)}, dtype="Int64"
    )
    examples = examples_of(frame)
    parts = ColumnComponents(examples.space.fit([examples.x]), 2)
    parts.means, parts.variances = torch.tensor([[-1.0], [0.5]]).double(), torch.tensor([[0.3], [1.5]]).double()
    z, r = parts.coordinates(examples.x), torch.rand(2, 501, dtype=torch.float64)
    assert parts._parted(z[:, 0], 0, 0)[0] is not None
    quick = parts.log_prob(z), parts.statistics(z, r)
    monkeypatch.setattr(truncated_normal, "NARROW", 1e-9)
    assert parts._parted(z[:, 0], 0, 0)[0] is None
    torch.testing.assert_close(parts.log_prob(z), quick[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(parts.statistics(z, r), quick[1], rtol=1e-8, atol=1e-8)


def test_without_a_prior_a_category_not_seen_has_probability_zero():
    frame = pd.DataFrame({"town": pd.Categorical(["a", "b", "a", "b"], categories=["a", "b", "c"])})
    unseen = pd.DataFrame({"town": pd.Categorical(["c"], categories=["a", "b", "c"])})
    assert genus.Mixture(n_components=1, smoothing=0.0).fit(frame, **QUIET).log_likelihood(unseen).mean == -math.inf
    model = genus.Mixture(n_components=1, smoothing=3.0).fit(frame, **QUIET)
    assert model.log_likelihood(unseen).mean == pytest.approx(math.log(1 / 7))


def test_the_range_of_a_whole_number_has_all_of_its_probability_but_a_billionth():
    frame = pd.DataFrame({"gain": [0] * 60 + [3, 4, 4, 5, 9]})
    model = genus.Mixture(n_components=2).fit(frame, **QUIET)
    p = model.log_prob(torch.arange(10.0)[:, None]).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-12) and float(p[0]) == pytest.approx(60 / 65, abs=0.02)
    far = torch.arange(1.0, 100_000)[:, None]
    above, below = model.log_prob(9 + far), model.log_prob(-far)
    assert float(above.exp().sum() / p[9]) == pytest.approx(1e-9, rel=1e-4) == float(below.exp().sum() / p[0])
    assert float(above[2]) == pytest.approx(math.log(float(p[9]) * 1e-9 / (3 * 4))) and bool((above.diff() < 0).all())


def test_the_range_of_a_small_dtype_has_all_of_the_probability():
    x = np.random.default_rng(0).integers(0, 9, (60, 1)).astype(np.uint8)
    model = genus.Mixture(n_components=2).fit(x, **QUIET)
    assert float(model.log_prob(np.arange(256, dtype=np.uint8)[:, None]).exp().sum()) == pytest.approx(1, abs=1e-12)


def test_repeated_values_do_not_make_the_density_infinite():
    frame = pd.DataFrame({"x": np.append(np.full(500, 3.25), np.random.default_rng(0).normal(size=500))})
    score = genus.Mixture(n_components=5).fit(frame, **QUIET).log_likelihood(frame)
    assert float(score.nats.max()) < 8


# ------------------------------------------------------------------------------------------------------------ mixtures


def fitted_small(**options) -> genus.Mixture:
    return genus.Mixture(n_components=3, **options).fit(small_table(missing=0.1), **QUIET)


def test_the_probabilities_of_all_rows_add_up_to_one():
    model = fitted_small()
    rows = every_row(model.space)
    assert len(rows) == 7 * 3 * 2
    assert float(model.log_prob(rows).exp().sum()) == pytest.approx(1, abs=1e-12)
    assert model.log_likelihood(small_table()).kind == "exact"


def test_missing_cells_are_summed_over():
    model = fitted_small()
    rows, p = every_row(model.space), model.log_prob(every_row(model.space)).exp()
    for known in ([0], [1, 2], [0, 2], []):
        some = rows[5].clone()
        some[[j for j in range(3) if j not in known]] = math.nan
        matching = (rows[:, known] == rows[5, known]).all(1)
        assert float(model.log_prob(some[None]).exp()) == pytest.approx(float(p[matching].sum()), rel=1e-10)


@pytest.mark.parametrize("given", [{}, {"town": "Bergen"}, {"rooms": 5, "own": False}])
def test_samples_have_the_probabilities_they_should_given_anything(given):
    """Chi-square of 100 000 rows against the joint table, restricted to what is given and normalised."""
    model, n = fitted_small(), 100_000
    rows = every_row(model.space)
    known = {model.space.position(name): model.space.encode_value(name, value) for name, value in given.items()}
    rows = rows[torch.stack([rows[:, j] == v for j, v in known.items()]).all(0)] if known else rows
    p = model.log_prob(rows).exp()
    p = p / p.sum()
    drawn = model.space.encode(model.sample(n, given=given or None, seed=0))
    index = (drawn[:, None] == rows).all(2).double()
    assert float(index.sum()) == n
    counts, often = index.sum(0), p * n >= 5
    chi2 = float(((counts - n * p).square() / (n * p))[often].sum())
    freedom = int(often.sum()) - 1
    assert abs(chi2 - freedom) < 5 * math.sqrt(2 * freedom)


def test_imputed_cells_are_the_best_guesses_of_the_joint_table():
    model = fitted_small()
    rows, p = every_row(model.space), model.log_prob(every_row(model.space)).exp()
    holes = small_table(40, missing=0.4)
    filled = model.impute(holes)
    assert not filled.isna().any().any()
    assert list(filled.dtypes)[1:] == list(small_table().astype(object).dtypes)[1:]
    x, z = model.space.encode(holes), model.space.encode(filled)
    for row, guess in zip(x, z):
        there = ~row.isnan()
        q = p * (rows[:, there] == row[there]).all(1)
        q = q / q.sum()
        assert torch.equal(guess[there], row[there])
        if not there[0]:
            assert abs(float(guess[0]) - float(q @ rows[:, 0])) < 1.0
        for j in (1, 2):
            if not there[j]:
                chance = torch.stack([q[rows[:, j] == v].sum() for v in range(model.space.columns[j].n_values)])
                assert float(chance[int(guess[j])]) == pytest.approx(float(chance.max()), abs=1e-9)


def test_imputed_numbers_are_the_conditional_mean():
    make = zoo.draws(0)
    x = torch.randn(500, 2, generator=make, dtype=torch.float64) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]).double() + 3
    model = genus.GaussianMixture(n_components=1).fit(x, **QUIET)
    cov = torch.cov(x.T, correction=0)
    holes = torch.tensor([[4.0, math.nan], [math.nan, 1.0]], dtype=torch.float64)
    want = x.mean(0) + (holes - x.mean(0)).flip(1) * cov[0, 1] / cov.diagonal().flip(0)
    filled = model.impute(holes)
    torch.testing.assert_close(filled, torch.where(holes.isnan(), want, holes), rtol=1e-6, atol=1e-6)
    apart = genus.Mixture(n_components=1).fit(x, **QUIET).impute(holes)  # independent columns know nothing of each other
    torch.testing.assert_close(apart, torch.where(holes.isnan(), x.mean(0), holes), rtol=1e-6, atol=1e-6)


def test_a_number_that_nothing_tells_of_is_guessed_no_worse_than_by_its_mean():
    """A few points have components of their own, which are not known again when the column is hidden."""
    make = np.random.default_rng(0)
    n = 4000
    frame = pd.DataFrame(make.integers(0, 4, (n, 6)), columns=list("abcdef")) + 3 * make.integers(0, 3, (n, 1))
    frame["loss"] = np.where(make.random(n) < 0.03 + 0.04 * (frame["a"] > 6), make.normal(1900, 300, n), 0).round().astype(int)
    train, test = frame[:3000], frame[3000:]
    model = genus.Mixture(n_components=12, max_iter=100).fit(train, **QUIET)
    guess = model.impute(test.astype("Int64").assign(loss=pd.NA))["loss"].astype(float)
    ratio = ((guess - test["loss"]) ** 2).mean() / ((train["loss"].mean() - test["loss"]) ** 2).mean()
    assert ratio < 1 and abs(guess.mean() / train["loss"].mean() - 1) < 0.05


def test_guesses_are_the_means_where_the_mixture_is_the_truth():
    make = np.random.default_rng(0)
    k = make.integers(0, 2, 5000)
    bits = {f"bit{i}": make.random(5000) < np.where(k, 0.9, 0.1) for i in range(6)}
    frame = pd.DataFrame({"size": make.normal(np.where(k, 5.0, -5.0), 1.0), "count": make.poisson(np.where(k, 20, 40)), **bits})
    model = genus.Mixture(n_components=2).fit(frame, **QUIET)
    found = model.guesses[model.guesses[:, 0].argsort()]
    want = torch.tensor([[-5.0, 40.0], [5.0, 20.0]], dtype=torch.float64)
    torch.testing.assert_close(found, want, rtol=0.03, atol=0.05)


@pytest.mark.parametrize(("n", "noise"), [(500, 1.0), (500, 30.0), (50, 1.0)])
def test_regression_is_scikit_learns_bayesian_ridge(n, noise):
    from sklearn.linear_model import BayesianRidge

    make = np.random.default_rng(0)
    f = make.random((n, 8))
    y = f @ make.normal(size=8) + noise * make.normal(size=n)
    found = coefficients(torch.from_numpy(f.T @ f), torch.from_numpy(f.T @ y), float(y @ y), n)
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0)
    peer = BayesianRidge(fit_intercept=False, max_iter=10_000, tol=1e-12, **flat).fit(f, y)
    np.testing.assert_allclose(found, peer.coef_, rtol=1e-3, atol=1e-5)
    assert not coefficients(torch.zeros(2, 2).double(), torch.zeros(2).double(), 0.0, 0).any()


def test_what_no_component_could_have_made_is_filled_from_all():
    frame = pd.DataFrame({"town": pd.Categorical(["a", "b"] * 20, categories=["a", "b", "c"]), "own": [True, False] * 20})
    model = genus.Mixture(n_components=1, smoothing=0.0).fit(frame, **QUIET)
    drawn = model.sample(200, given={"town": "c"})
    assert (drawn["town"] == "c").all() and 60 < drawn["own"].sum() < 140


@pytest.mark.parametrize("material", ["binary", "tokens", "table-missing", "numbers-missing", "whole", "reals"])
def test_em_never_goes_down(material, monkeypatch):
    seen = zoo.objectives(genus.Mixture, monkeypatch)
    zoo.quickly(genus.Mixture(n_components=4, max_iter=60), zoo.as_examples(genus.Mixture, material))
    gains = np.diff(seen)
    assert len(gains) > 3 and gains.max() > 1e-3
    assert gains.min() > (-1e-4 if material == "reals" else -1e-6 if material == "binary" else -1e-11)


def test_two_classes_are_found_again():
    make = zoo.draws(0)
    p = torch.tensor([[0.9, 0.8, 0.1, 0.2, 0.7, 0.1], [0.2, 0.1, 0.8, 0.9, 0.1, 0.6]])
    which = (torch.rand(4000, generator=make) < 0.3).long()
    x = (torch.rand(4000, 6, generator=make) < p[which]).to(torch.uint8)
    model = genus.Mixture(n_components=2).fit(x, **QUIET)
    order = model.weights.argsort(descending=True)
    torch.testing.assert_close(model.weights[order].float(), torch.tensor([0.7, 0.3]), atol=0.03, rtol=0)
    torch.testing.assert_close(model.components.probabilities[order, 1::2].float(), p, atol=0.05, rtol=0)
    assert float((model.responsibilities(x)[:, order].argmax(1) == which).float().mean()) > 0.93


def test_on_real_numbers_it_is_scikit_learns_diagonal_mixture():
    """From where ours ended theirs has nowhere to go, and gives every point the same density."""
    from sklearn.mixture import GaussianMixture

    x = zoo.moons(400, dtype=torch.float64)
    ours = genus.Mixture(n_components=4, tol=1e-10, max_iter=2000).fit(x, **QUIET)
    location, scale = ours.space.location_scale
    theirs = GaussianMixture(
        4, covariance_type="diag", tol=1e-10, reg_covar=0.0, weights_init=ours.weights.numpy(),
        means_init=(ours.components.means * scale + location).numpy(),
        precisions_init=(1 / (ours.components.covariances * scale.square())).numpy(),
    ).fit(x.numpy())  # fmt: skip
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x.numpy()), atol=1e-3)
    np.testing.assert_allclose(ours.responsibilities(x), theirs.predict_proba(x.numpy()), atol=1e-3)


def test_binary_digits_reach_the_published_numbers():
    data = genus.load_dataset("binary_digits")
    independent = genus.Mixture(n_components=1, smoothing=1e-9).fit(data, **QUIET)
    assert -independent.log_likelihood(data.test).mean == pytest.approx(24.80, abs=0.02)
    mixture = genus.Mixture(n_components=40, tol=1e-4).fit(data, **QUIET)
    assert -mixture.log_likelihood(data.test).mean < 18.69


# ------------------------------------------------------------------------------------------------ how many components


def three_clusters(n: int = 600, seed: int = 0) -> torch.Tensor:
    make = zoo.draws(seed)
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [2.4, 5.4]], dtype=torch.float64)
    return centres[torch.arange(n) % 3] + torch.randn(n, 2, generator=make, dtype=torch.float64)


def test_a_sparse_prior_leaves_as_many_components_as_there_are_clusters():
    from sklearn.mixture import BayesianGaussianMixture

    x = three_clusters()
    theirs = BayesianGaussianMixture(
        n_components=20, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=1e-3,
        max_iter=500, random_state=0,
    ).fit(x.numpy())  # fmt: skip
    make = zoo.draws(1)
    p = torch.where(torch.rand(3, 16, generator=make) < 0.5, 0.9, 0.1)
    bits = (torch.rand(600, 16, generator=make) < p[torch.arange(600) % 3]).to(torch.uint8)
    found = [
        genus.GaussianMixture(n_components=20, concentration=1e-3).fit(x, **QUIET),
        genus.Mixture(n_components=20, concentration=1e-3).fit(x, **QUIET),
        genus.Mixture(n_components=20, concentration=1e-3).fit(bits, **QUIET),
    ]
    assert [model.n_effective for model in found] == [3, 3, 3] and int((theirs.weights_ > 0.01).sum()) == 3
    for model in found:
        assert model.weights.shape == (20,) and float(model.weights.sum()) == pytest.approx(1)
        assert model.sample(5).shape[0] == 5 and model.responsibilities(x if model is not found[2] else bits).shape == (600, 20)
    kept = found[0].weights > 0
    torch.testing.assert_close(found[0].weights[kept], torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.01, rtol=0)
    assert found[0].degrees_of_freedom == 3 * 5 + 2
    plain = genus.GaussianMixture(n_components=20, max_iter=20)
    assert zoo.quickly(plain, x).n_effective == 20
    assert found[0].bic(x) < plain.bic(x)


@pytest.mark.parametrize("concentration", [0.0, 1e-3, 5.0])
def test_a_prior_on_few_points_leaves_a_distribution(concentration):
    x = three_clusters(20)
    for model in (genus.GaussianMixture, genus.Mixture):
        fitted = zoo.quickly(model(n_components=20, concentration=concentration), x)
        assert fitted.n_effective >= 1 and float(fitted.weights.sum()) == pytest.approx(1)
        assert math.isfinite(fitted.score(x)) and bool(fitted.sample(50).isfinite().all())


# ------------------------------------------------------------------------------------------------------------- refusals


def test_what_it_cannot_learn_from_is_said():
    with pytest.raises(ValueError, match="its points must have one length"):
        genus.Mixture().fit(examples_of(["ab", "abc"], space=None), **QUIET)
    with pytest.raises(ValueError, match="n_components=10, but the data have 3 rows"):
        genus.Mixture().fit(pd.DataFrame({"x": [1, 2, 3]}), **QUIET)
    with pytest.raises(ValueError, match="'x' is constant"):
        genus.Mixture(n_components=1).fit(pd.DataFrame({"x": [0.5] * 9}), **QUIET)


@pytest.mark.parametrize("space", [Binary((2, 3)), Tokens(5, length=4)], ids=repr)
def test_a_strangers_parameters_are_checked(space):
    raw = torch.randint(0, 2, (30, *space.shape), generator=zoo.draws(0))
    model = genus.Mixture(n_components=2).fit(examples_of(raw, space=space), **QUIET)
    assert model.flaw() is None
    model.components.probabilities[0, 0] += 0.5
    assert "must add up" in model.flaw() or "add up to one" in model.flaw()
    model.weights[0] = -1
    assert "weights" in model.flaw()


def test_a_strangers_vocabulary_costs_nothing_before_shapes_are_compared():
    with torch.device("meta"):
        components_for(Tokens(3, length=1), 2)  # the first time the device costs something itself
        tracemalloc.start()
        parts = components_for(Tokens(30_000_000, length=1), 2)
    assert tracemalloc.get_traced_memory()[1] < 1e6 and parts.probabilities.shape == (2, 30_000_000)
    tracemalloc.stop()
    for model, space in ((genus.Mixture(), Tokens(30_000_000, length=2)), (genus.NaiveBayes(), Binary((10**9,)))):
        assert "make a table of more than" in model.refuses(space)


@pytest.mark.parametrize("missing", [False, True])
def test_bits_by_products_of_matrices_are_bits_looked_up(missing):
    torch.manual_seed(0)
    bits, looked_up = components_for(Binary(7), 3), ColumnComponents(Binary(7), 3)
    p = torch.rand(3, 7, dtype=torch.float64)
    p[:, 0], p[1, 1] = 0, 1  # some are impossible, in whose products zero times log 0 must be zero
    for parts in (bits, looked_up):
        parts.probabilities = torch.stack([1 - p, p], 2).flatten(1)
    z = (torch.rand(400, 7) < 0.4).double()
    z[torch.rand_like(z) < 0.2] = math.nan if missing else 0
    r = torch.rand(3, 400, dtype=torch.float64)
    torch.testing.assert_close(bits.log_prob(z), looked_up.log_prob(z))
    assert bits.log_prob(z).isneginf().any()
    sums = looked_up.statistics(z, r)
    for name, value in bits.statistics(z, r).items():
        torch.testing.assert_close(value, sums[name])
    share = bits.draw(torch.full((20_000,), 1)).double().mean(0)
    torch.testing.assert_close(share, p[1], atol=0.02, rtol=0)


def test_levels_are_drawn_as_often_as_they_are_probable():
    torch.manual_seed(0)
    p = torch.tensor([[0.0, 0.5, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    which = torch.arange(3).repeat(20_000)
    counts = torch.zeros(3, 4).index_put_((which, draw_levels(p, which)), torch.ones(()), accumulate=True)
    torch.testing.assert_close(counts.double() / 20_000, p, atol=0.015, rtol=0)
    assert (counts[p == 0] == 0).all()
