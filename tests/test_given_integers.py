"""What is drawn given whole numbers follows the density integrated over their cells, however coarse the cells are."""

import numpy as np
import pytest
import torch

import genus
from genus.model import sampling


def counts(seed=0, n=1500):
    """Three columns of small counts that depend on a hidden class."""
    r = np.random.default_rng(seed)
    h = r.integers(0, 3, n)
    return np.stack([r.poisson(1 + 2 * h), r.binomial(4, 0.2 + 0.3 * h), 2 * h + r.integers(0, 2, n)], 1)


def by_integration(model, known, values, points=10):
    """p(last column | the known ones) over `values`: the density summed over a grid in every cell."""
    inside = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    last = (torch.tensor(values)[:, None] + inside).flatten()
    grid = torch.cartesian_prod(*[k + inside for k in known], last)
    with torch.no_grad():
        p = model.log_prob(grid).double().exp().reshape(-1, len(values), points).sum((0, 2))
    return (p / p.sum()).numpy()


@pytest.mark.parametrize(
    "model, known",
    [
        (genus.Gaussian(), (0, 4)),
        (genus.GaussianMixture(n_components=3), (6, 0)),
        (genus.GaussianMixture(n_components=6, covariance_type="tied"), (7, 0)),
        (genus.QuadraticDiscriminant(), (0, 4)),
        (genus.FactorAnalysis(n_components=1), (0, 4)),
        (genus.ProbabilisticPCA(n_components=2), (0, 4)),
        (genus.MixtureOfPPCA(n_components=2, latent_dim=1), (0, 4)),
        (genus.KernelDensity(covariance_type="full", bandwidth=0.5), (0, 4)),
        (genus.KernelDensity(kernel="epanechnikov", bandwidth=1.0), (5, 0)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, genus.Model) else "",
)
def test_cells_drawn_given_whole_numbers_follow_the_density_over_their_cells(model, known):
    data = counts(n=200 if isinstance(model, genus.KernelDensity) else 1500)
    given = {"given": data[:, 0] > 2} if isinstance(model, genus.QuadraticDiscriminant) else {}
    model.fit(data, progress=False, **given)
    values = list(range(-8, 15))
    row = np.array([[*known, np.nan]]).repeat(20_000, 0)
    drawn = np.asarray(model.complete(row, seed=1))
    assert (drawn[:, :2] == known).all()
    share = (drawn[:, 2, None] == values).mean(0)
    assert 0.5 * abs(share - by_integration(model, known, values)).sum() < 0.015


def test_one_known_whole_number_against_the_normal_integral():
    from scipy.stats import multivariate_normal

    r = np.random.default_rng(0)
    a = r.integers(0, 3, 600)
    model = genus.GaussianMixture(n_components=1).fit(np.stack([a, 3 * a + r.integers(0, 2, 600)], 1), progress=False)
    location, scale = (t.numpy() for t in model.fitted_space.location_scale)
    normal = multivariate_normal(model.means[0].numpy() * scale + location, model.covariances[0].numpy() * np.outer(scale, scale))
    values = np.arange(-8, 12)
    exact = np.array([normal.cdf([1, b + 1], lower_limit=[0, b]) for b in values])
    drawn = np.asarray(model.sample(40_000, given={0: 0}, seed=2))[:, 1]
    assert 0.5 * abs((drawn[:, None] == values).mean(0) - exact / exact.sum()).sum() < 0.01


def test_many_known_whole_numbers_tell_as_much_of_the_others_as_they_should():
    """Too many to integrate over: but the lower halves of draws, completed, must depend on the upper as they did."""
    from sklearn.datasets import load_digits

    levels = (load_digits().data > 7).astype(int) + 5  # two levels, but no bits: those are drawn within their range
    model = genus.Gaussian().fit(levels[:, levels.mean(0) > 5.03], progress=False)
    drawn = np.asarray(model.sample(20_000, seed=1)).astype(float)
    upper, lower = np.split(drawn, [24], 1)
    completed = np.asarray(model.complete(np.hstack([upper, np.full_like(lower, np.nan)]), seed=2))[:, 24:]
    upper = upper - upper.mean(0)
    predicted = upper @ np.linalg.lstsq(upper, lower, rcond=None)[0]
    slope = (predicted * (completed - completed.mean(0))).sum() / (predicted**2).sum()
    assert abs(slope - 1) < 0.06


def test_real_cells_need_no_placing(monkeypatch):
    def never(*_):
        raise AssertionError("known real numbers, or nothing missing: nowhere to place them")

    monkeypatch.setattr(sampling, "place_in_cells", never)
    real = counts() + np.random.default_rng(1).random((1500, 3))
    holes = real.copy()
    holes[:50, 0] = np.nan
    genus.Gaussian().fit(real, progress=False).complete(holes)
    whole = counts()
    genus.Gaussian().fit(whole, progress=False).complete(whole[:10])


def test_where_the_density_is_zero_the_complaint_is_the_same():
    model = genus.KernelDensity(kernel="tophat").fit(counts(), progress=False)
    with pytest.raises(ValueError, match="the density is zero at the known values"):
        model.complete(np.array([[60.0, 0.0, np.nan]]))
