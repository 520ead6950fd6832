"""Linear-Gaussian latent models against explicit joint Gaussians, closed forms and scikit-learn."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import zoo
from scipy import optimize, stats
from sklearn import datasets, decomposition
from torch.distributions import MultivariateNormal

import genus
from genus import FactorAnalysis, Gaussian, GaussianMixture, LinearDynamicalSystem, MixtureOfPPCA, ProbabilisticPCA, Reals, Sequence
from genus.data import examples_of
from genus.files import read_tensors
from genus.model import Classifies
from genus.probability import factors, kalman

IRIS = torch.from_numpy(datasets.load_iris().data)


def holes(x: torch.Tensor, share: float = 0.2, seed: int = 0) -> torch.Tensor:
    return x.masked_fill(torch.rand(x.shape, generator=zoo.draws(seed)) < share, math.nan)


def dense(model) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance in the data's units."""
    location, scale = model.space.location_scale
    covariance = model.loadings @ model.loadings.T + model.noise.diag()
    return model.mean * scale + location, covariance * scale[:, None] * scale


def marginal_log_prob(x: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """log N of what is there of each row, row by row."""
    rows = []
    for row in x:
        seen = (~row.isnan()).nonzero()[:, 0]
        normal = MultivariateNormal(mean[seen], covariance[seen][:, seen]) if len(seen) else None
        rows.append(normal.log_prob(row[seen]) if normal else row.new_zeros(()))
    return torch.stack(rows)


# ------------------------------------------------------------------------------------------- principal components


def test_iris_has_the_published_principal_components():
    model = ProbabilisticPCA(n_components=4).fit(IRIS)
    assert model.singular_values.tolist() == pytest.approx([25.09996, 6.013147, 3.413681, 1.884524], rel=1e-6)
    assert model.explained_variance_ratio.tolist() == pytest.approx([0.924619, 0.053066, 0.017103, 0.005212], abs=1e-6)
    for q, nats in ((1, -3.137796), (3, -2.532764), (4, -2.532764)):
        assert ProbabilisticPCA(n_components=q).fit(IRIS).score(IRIS) == pytest.approx(nats, abs=1e-6)
    assert Gaussian().fit(IRIS).score(IRIS) == pytest.approx(-2.532764, abs=1e-6)


def test_pca_is_that_of_scikit_learn():
    model, peer = ProbabilisticPCA(n_components=2).fit(IRIS), decomposition.PCA(2).fit(IRIS)
    np.testing.assert_allclose(model.components, peer.components_, atol=1e-10)
    np.testing.assert_allclose(dense(model)[1], peer.get_covariance() * 149 / 150, atol=1e-10)
    assert model.score(IRIS) >= peer.score(IRIS)
    # E[z | x] is the projection, scaled to unit variance and shrunk
    variances, noise = model.variances[:2], model.noise_variance
    projection = torch.from_numpy(peer.transform(IRIS.numpy()))
    torch.testing.assert_close(model.encode(IRIS).double(), projection * (variances - noise).sqrt() / variances, atol=1e-6, rtol=0)


def test_pca_sees_a_change_of_units_and_factor_analysis_does_not():
    metres = IRIS * torch.tensor([1.0, 1.0, 1000.0, 1.0])
    jacobian = math.log(1000)
    for cls, same in ((FactorAnalysis, True), (ProbabilisticPCA, False)):
        shift = cls(n_components=1).fit(IRIS).score(IRIS) - cls(n_components=1).fit(metres).score(metres)
        assert (abs(shift - jacobian) < 1e-5) == same


@pytest.mark.filterwarnings("ignore:FactorAnalysis did not converge")
@pytest.mark.parametrize(("name", "q"), [("iris", 1), ("wine", 3), ("breast_cancer", 2)])
def test_factor_analysis_is_not_below_scikit_learn(name, q):
    x = getattr(datasets, f"load_{name}")().data
    x = (x - x.mean(0)) / x.std(0)
    peer = decomposition.FactorAnalysis(q, tol=1e-6, max_iter=300, svd_method="lapack").fit(x)
    assert FactorAnalysis(n_components=q).fit(x).score(x) > peer.score(x) - 1e-6


def test_factor_analysis_finds_the_highest_of_several_peaks():
    """As high as scipy's best from many starts, by dense matrices and with the same least noise; from one start each is lower."""
    for seed, q in ((145, 1), (60, 1), (73, 2), (57, 2)):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5))
        S = np.corrcoef(x.T)

        def loss(parameters, S=S, q=q):
            W, noise = parameters[: 5 * q].reshape(5, q), np.exp(parameters[5 * q :])
            C = W @ W.T + np.diag(noise)
            slope = np.linalg.inv(C) @ (C - S) @ np.linalg.inv(C)
            value = np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, S)) + 5 * math.log(2 * math.pi)
            return value / 2, np.r_[(slope @ W).ravel(), slope.diagonal() * noise / 2]

        bounds = [(None, None)] * 5 * q + [(math.log(factors.FLOOR), 0)] * 5
        starts = (np.r_[rng.normal(size=5 * q), np.log(rng.uniform(0.01, 1, 5))] for _ in range(15))
        best = -min(optimize.minimize(loss, start, jac=True, bounds=bounds).fun for start in starts)
        assert FactorAnalysis(n_components=q).fit(x).score(x) + np.log(x.std(0)).sum() > best - 1e-5
        lower = factors.unequal(torch.from_numpy(S), q, torch.ones(1, 5, dtype=torch.float64))
        assert loss(np.r_[lower[0].ravel(), lower[1].log()])[0] > 0.01 - best


def test_many_columns_against_scipy():
    rng = np.random.default_rng(0)
    d, q = 700, 3
    parts = factors.Factors(*map(torch.from_numpy, (rng.normal(size=d), rng.normal(size=(d, q)), rng.uniform(0.1, 2, d))))
    mean, covariance = parts.mean.numpy(), (parts.loadings @ parts.loadings.T + parts.noise.diag()).numpy()
    x = rng.multivariate_normal(mean, covariance, 5)
    peer = stats.multivariate_normal(mean, covariance).logpdf(x)
    np.testing.assert_allclose(factors.posterior(torch.from_numpy(x), parts).log_density, peer, rtol=1e-9)


@pytest.mark.parametrize("cls", [ProbabilisticPCA, FactorAnalysis])
def test_missing_values_are_integrated_out(cls):
    model = cls(n_components=2).fit(IRIS)
    mean, covariance = dense(model)
    x = holes(IRIS, 0.4)
    torch.testing.assert_close(model.log_prob(x), marginal_log_prob(x, mean, covariance))
    torch.testing.assert_close(model.log_prob(IRIS), MultivariateNormal(mean, covariance).log_prob(IRIS))
    # drawn cells have the conditional mean and covariance of the joint Gaussian
    row = torch.tensor([[math.nan, 3.0, math.nan, 1.2]], dtype=torch.float64)
    drawn = model.complete(row.expand(20_000, -1))[:, [0, 2]]
    s, m = [1, 3], [0, 2]
    slopes = torch.linalg.solve(covariance[s][:, s], covariance[s][:, m]).T
    left = covariance[m][:, m] - slopes @ covariance[s][:, m]
    expected = mean[m] + slopes @ (row[0, s] - mean[s])
    assert bool(((drawn.mean(0) - expected).abs() < 5 * (left.diagonal() / len(drawn)).sqrt()).all())
    torch.testing.assert_close(torch.cov(drawn.T), left, rtol=0.05, atol=0.005)


@pytest.mark.parametrize("cls", [ProbabilisticPCA, FactorAnalysis])
def test_em_with_missing_values_ends_where_the_likelihood_is_flat(cls):
    """The gradient of the observed rows' log-likelihood, by autograd through dense Gaussians, is zero in W and the noise."""
    x = holes(IRIS, 0.15)
    model = cls(n_components=1, tol=1e-11, max_iter=2000).fit(x)
    location, scale = model.space.location_scale
    z = (x - location) / scale
    mean, loadings = model.mean.clone().requires_grad_(), model.loadings.clone().requires_grad_()
    change = torch.zeros(1 if cls is ProbabilisticPCA else 4, dtype=torch.float64, requires_grad=True)
    covariance = loadings @ loadings.T + (model.noise * change.exp()).diag()
    gradients = torch.autograd.grad(marginal_log_prob(z, mean, covariance).mean(), (mean, loadings, change))
    assert max(float(g.abs().max()) for g in gradients) < 1e-4
    again = cls(n_components=1, tol=1e-11, max_iter=2000).fit(x, batch_size=40)  # the sums add up
    torch.testing.assert_close(again.score(x), model.score(x), rtol=0, atol=1e-6)


def test_em_climbs_with_missing_values():
    x = holes(IRIS, 0.3)
    for model in (ProbabilisticPCA(n_components=2), FactorAnalysis(n_components=1), MixtureOfPPCA(n_components=2, latent_dim=1)):
        model.fit(x, progress=False)
        z, before = model.coordinates(x, None, torch.float64), -math.inf
        model.initialise(z)
        for _ in range(15):
            statistics = model.expect(z)
            assert float(statistics["log_likelihood"]) > before - 1e-8
            before = float(statistics["log_likelihood"])
            model.maximise(statistics)


def test_moments_of_incomplete_rows_are_those_of_the_joint_gaussian():
    model = FactorAnalysis(n_components=2).fit(IRIS)
    x = holes(model.coordinates(IRIS, None, torch.float64), 0.4)
    weights = torch.rand(150, generator=zoo.draws(), dtype=torch.float64)
    count, first, second = factors.moments(x, weights, factors.Factors(model.mean, model.loadings, model.noise))
    covariance = model.loadings @ model.loadings.T + model.noise.diag()
    want_first, want_second = torch.zeros_like(first), torch.zeros_like(second)
    for row, w in zip(x, weights, strict=True):
        s, m = (~row.isnan()).nonzero()[:, 0], row.isnan().nonzero()[:, 0]
        slopes = torch.linalg.solve(covariance[s][:, s], covariance[s][:, m]).T
        whole = row.clone()
        whole[m] = model.mean[m] + slopes @ (row[s] - model.mean[s])
        left = torch.zeros_like(second)
        left[m[:, None], m] = covariance[m][:, m] - slopes @ covariance[s][:, m]
        want_first += w * whole
        want_second += w * (whole[:, None] * whole + left)
    torch.testing.assert_close((count, first, second), (weights.sum(), want_first, want_second))


COMPLETING = {
    "gaussian": Gaussian(),
    "mixture": GaussianMixture(n_components=1),
    "pca": ProbabilisticPCA(n_components=2),
    "factors": FactorAnalysis(n_components=2),
    "pieces": MixtureOfPPCA(n_components=1, latent_dim=2),
    "linear": genus.LinearDiscriminant(),
    "quadratic": genus.QuadraticDiscriminant(),
}


@pytest.mark.parametrize("name", COMPLETING)
def test_a_gaussian_imputes_the_conditional_mean(name):
    model = COMPLETING[name]
    model.fit(IRIS, **({"given": [0] * len(IRIS)} if name in ("linear", "quadratic") else {}), progress=False)
    mean, covariance = IRIS.mean(0), IRIS.T.cov(correction=0)  # all of them match the mean; those of low rank not the covariance
    if name in ("pca", "factors"):
        mean, covariance = dense(model)
    elif name == "pieces":
        mean, covariance = dense(ProbabilisticPCA(n_components=2).fit(IRIS))
    x = holes(IRIS, 0.4)
    want = x.clone()
    for row in want:
        s, m = (~row.isnan()).nonzero()[:, 0], row.isnan().nonzero()[:, 0]
        row[m] = mean[m] + covariance[m][:, s] @ torch.linalg.solve(covariance[s][:, s], row[s] - mean[s])
    filled = model.impute(x)
    torch.testing.assert_close(filled, want, atol=2e-4, rtol=0)
    assert torch.equal(filled[~x.isnan()], x[~x.isnan()]) and torch.equal(model.impute(IRIS), IRIS)
    assert (filled - IRIS).square().mean() < 0.7 * (model.complete(x) - IRIS).square().mean()


def test_known_whole_numbers_are_read_at_the_middle_of_their_cells():
    make = np.random.default_rng(0)
    k = make.poisson(4, 400)
    frame = pd.DataFrame({"k": k, "y": k + 0.3 * make.normal(size=400)})
    model = Gaussian().fit(frame)
    holes = pd.DataFrame({"k": [2.0, 2.0, np.nan], "y": [np.nan, np.nan, 6.1]})
    guesses = model.impute(holes)
    assert guesses["y"][0] == guesses["y"][1] == pytest.approx(2, abs=0.1) and guesses["k"][2] == 6


@pytest.mark.parametrize("name", COMPLETING)
def test_known_values_of_two_hundred_digits_are_refused(name):
    model = COMPLETING[name]
    model.fit(IRIS, **({"given": [0] * len(IRIS)} if name in ("linear", "quadratic") else {}), progress=False)
    row = torch.tensor([[1e200, math.nan, 1.0, 2.0]], dtype=torch.float64)
    for verb in (model.complete, model.impute):
        with pytest.raises(ValueError, match="data: holds a known value too far from anything seen"):
            verb(row)
    assert bool(model.complete(row.clamp(max=1e90)).isfinite().all())


@pytest.mark.parametrize(
    "model",
    [
        GaussianMixture(n_components=2),
        genus.Mixture(n_components=2),
        MixtureOfPPCA(n_components=2, latent_dim=1),
        ProbabilisticPCA(n_components=1),
        genus.LinearDiscriminant(shrinkage=0.3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_unit_of_the_data_costs_its_logarithm_though_it_has_no_square(model):
    given = {"given": [0, 1, 2] * 50} if isinstance(model, Classifies) else {}
    want = model.fit(IRIS, **given, progress=False).log_likelihood(IRIS).nats
    for size in (1e-160, 1e160):
        got = model.fit(IRIS * size, **given, progress=False).log_likelihood(IRIS * size).nats
        torch.testing.assert_close(got, want - 4 * math.log(size), rtol=1e-9, atol=0)
        if isinstance(model, ProbabilisticPCA):
            assert 0.9 < model.explained_variance_ratio[0] < 0.95 and model.singular_values[0] / size > 20


def test_a_start_from_series_that_all_lack_a_column_leaves_it_as_the_data_are(monkeypatch):
    x = torch.randn(60, 12, 3, generator=zoo.draws(), dtype=torch.float64).cumsum(1)
    seen = x.clone()
    seen[1:, :, 1] = torch.nan
    monkeypatch.setattr("genus.learning.em.START_ROWS", 4)
    model = zoo.quickly(LinearDynamicalSystem(max_iter=20), seen)
    assert model.log_likelihood(seen).mean > model.log_likelihood(x).mean  # finite, and of what was seen


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (Gaussian(), "ProbabilisticPCA or FactorAnalysis"),
        (GaussianMixture(n_components=2), "covariance_type='diag'"),
        (genus.LinearDiscriminant(), "shrinkage='auto'"),
        (genus.QuadraticDiscriminant(), "shrinkage='auto'"),
    ],
)
def test_a_covariance_of_few_rows_warns(model, advice):
    x = torch.randn(40, 40, generator=zoo.draws(), dtype=torch.float64)
    given = {"given": [0, 1] * 20} if isinstance(model, Classifies) else {}
    with pytest.warns(UserWarning, match=f"a covariance in 40 dimensions is not determined by [24]0 rows.*{advice}"):
        model.fit(x, **given, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x[:, :3], **given, progress=False)


def test_a_mixture_of_ppca_counts_and_imputes_as_the_mixture_of_gaussians_that_it_is():
    holes = np.where(np.random.default_rng(0).random(IRIS.shape) < 0.2, np.nan, IRIS)
    for latent_dim in (3, 4):  # of 4 columns: no constraint is left
        piece = MixtureOfPPCA(n_components=1, latent_dim=latent_dim).fit(IRIS, progress=False)
        full = GaussianMixture(n_components=1).fit(IRIS, progress=False)
        assert piece.degrees_of_freedom == full.degrees_of_freedom == 14
        assert piece.bic(IRIS) == pytest.approx(full.bic(IRIS), abs=1e-4)
        np.testing.assert_allclose(piece.impute(holes), full.impute(holes), atol=1e-5)
    crowded = MixtureOfPPCA(n_components=8, latent_dim=1, concentration=0.001).fit(IRIS, progress=False)
    assert crowded.n_effective < 8 and crowded.responsibilities(IRIS).sum(1) == pytest.approx(1)


def test_a_mixture_of_ppca_lies_between_its_neighbours():
    one = MixtureOfPPCA(n_components=1, latent_dim=2).fit(IRIS, progress=False)
    assert one.score(IRIS) == pytest.approx(ProbabilisticPCA(n_components=2).fit(IRIS).score(IRIS), abs=1e-6)
    full = MixtureOfPPCA(n_components=3, latent_dim=3, n_init=2, tol=1e-8).fit(IRIS, progress=False)
    mixture = GaussianMixture(n_components=3, n_init=2, tol=1e-8).fit(IRIS, progress=False)
    assert full.score(IRIS) == pytest.approx(mixture.score(IRIS), abs=1e-3)
    r = full.responsibilities(IRIS)
    assert r.shape == (150, 3) and torch.allclose(r.sum(1), torch.ones(150, dtype=r.dtype))
    assert MixtureOfPPCA(n_components=3, latent_dim=1).fit(IRIS, progress=False).score(IRIS) > one.score(IRIS)


@pytest.mark.parametrize("cls", [ProbabilisticPCA, FactorAnalysis])
def test_more_components_than_columns_are_refused(cls):
    with pytest.raises(ValueError, match="n_components=5, but a point has 4 columns; use at most"):
        cls(n_components=5).fit(IRIS)


def damage(folder, name, value):
    """Write a tensor of a saved model anew."""
    path = folder / json.loads((folder / "config.json").read_text())["weights"]
    tensors, _ = read_tensors(path)
    zoo.forge(folder, tensors=tensors | {name: torch.full_like(tensors[name], value)})


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (ProbabilisticPCA(n_components=1), "noise", 0.0),
        (ProbabilisticPCA(n_components=1), "spectrum", -1.0),
        (FactorAnalysis(n_components=1), "loadings", math.nan),
        (MixtureOfPPCA(n_components=2, latent_dim=1), "weights", -1.0),
        (MixtureOfPPCA(n_components=2, latent_dim=1), "weights", 0.25),  # of a sum that is not one
        (LinearDynamicalSystem(max_iter=1), "innovation", 0.0),
        (LinearDynamicalSystem(max_iter=1), "noise", -1.0),
    ],
)
def test_a_damaged_file_is_told(model, name, value, tmp_path):
    data = examples_of(zoo.walks(), space=Sequence(Reals(2), length=4)) if isinstance(model, LinearDynamicalSystem) else IRIS
    zoo.quickly(model, data).save(tmp_path)
    damage(tmp_path, name, value)
    with pytest.raises(ValueError, match="the file is damaged"):
        genus.load_model(tmp_path)


def test_the_scree_plot_shows_every_variance():
    pytest.importorskip("matplotlib")
    from genus.evaluation.plots import scree_plot

    figure = scree_plot(ProbabilisticPCA(n_components=2).fit(IRIS))
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([0.924619, 0.053066, 0.017103, 0.005212], abs=1e-6)
    with pytest.raises(TypeError, match="model: Gaussian has no principal components; pass a fitted ProbabilisticPCA"):
        scree_plot(Gaussian().fit(IRIS))


# --------------------------------------------------------------------------------------------- linear state spaces


def system(k: int = 2, d: int = 3, seed: int = 0) -> kalman.System:
    make = zoo.draws(seed)
    random = lambda *shape: torch.randn(*shape, generator=make, dtype=torch.float64)  # noqa: E731
    positive = lambda n: (lambda a: a @ a.T + 0.1 * torch.eye(n, dtype=torch.float64))(random(n, n))  # noqa: E731
    return kalman.System(0.6 * random(k, k), positive(k), random(d, k), random(d), 0.1 + random(d).square(), random(k), positive(k))


def joint(s: kalman.System, T: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean and covariance of all states (T k) and of all states with all items (T k + T d), by the recursion of the model."""
    k = len(s.start)
    means, row = [s.start], [s.spread]
    blocks = torch.zeros(T, T, k, k, dtype=torch.float64)
    for _ in range(T - 1):
        means.append(s.transition @ means[-1])
        row.append(s.transition @ row[-1] @ s.transition.T + s.innovation)
    for t in range(T):
        block = row[t]
        for u in range(t, T):
            blocks[u, t], blocks[t, u] = block, block.T
            block = s.transition @ block
    covariance = blocks.transpose(1, 2).reshape(T * k, T * k)
    show = torch.block_diag(*[s.emission] * T)
    both = torch.cat([torch.eye(T * k, dtype=torch.float64), show])
    noise = torch.cat([torch.zeros(T * k, dtype=torch.float64), s.noise.repeat(T)]).diag()
    mean = torch.cat([torch.cat(means), show @ torch.cat(means) + s.offset.repeat(T)])
    return mean, both @ covariance @ both.T + noise, torch.cat(means), covariance


def conditional(mean, covariance, values):
    """Mean and covariance of what is NaN in `values` given the rest."""
    s, m = (~values.isnan()).nonzero()[:, 0], values.isnan().nonzero()[:, 0]
    slopes = torch.linalg.solve(covariance[s][:, s], covariance[s][:, m]).T
    return mean[m] + slopes @ (values[s] - mean[s]), covariance[m][:, m] - slopes @ covariance[s][:, m]


T, K, D = 5, 2, 3


@pytest.fixture(scope="module")
def model():
    """A system with known parameters on a space with units of its own."""
    items = torch.randn(40, D, generator=zoo.draws(), dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1]) + 5
    model = LinearDynamicalSystem(latent_dim=K, max_iter=1)
    zoo.quickly(model, examples_of(list(items.split([10, 5, 25])), space=Sequence(Reals(D, dtype="float64"))))
    for name, value in system(K, D)._asdict().items():
        setattr(model, name, value)
    return model


def series(lengths=(5, 3, 5, 1), share=0.3):
    make = zoo.draws(3)
    return [
        holes(5 + torch.randn(length, D, generator=make, dtype=torch.float64), share, seed=i) for i, length in enumerate(lengths)
    ]


def units(model):
    """Of what joint() is in standardised items, in the data's units: mean and covariance of T items."""
    location, scale = model.space.item.location_scale
    mean, covariance, *_ = joint(system(K, D), T)
    mean, covariance = mean[T * K :], covariance[T * K :, T * K :]
    return mean * scale.repeat(T) + location.repeat(T), covariance * scale.repeat(T)[:, None] * scale.repeat(T)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_log_prob_is_that_of_the_joint_gaussian(model, share):
    mean, covariance = units(model)
    data = series(share=share)
    want = torch.cat([marginal_log_prob(x.reshape(1, -1), mean[: x.numel()], covariance[: x.numel(), : x.numel()]) for x in data])
    torch.testing.assert_close(model.log_prob(data), want)
    torch.testing.assert_close(model.log_likelihood(data).nats, want)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_filter_and_smoother_are_conditionals_of_the_joint_gaussian(model, share):
    location, scale = model.space.item.location_scale
    mean, covariance, *_ = joint(system(K, D), T)
    x = series(share=share)[0]
    z = ((x - location) / scale).flatten()
    smooth, filter = model.smooth(x), model.filter(x)
    unknown = torch.full((T * K,), math.nan, dtype=torch.float64)
    for t in range(T):
        here = slice(t * K, t * K + K)
        past = z.clone()
        past[(t + 1) * D :] = math.nan
        for states, seen in ((smooth, z), (filter, past)):
            want, spread = conditional(mean, covariance, torch.cat([unknown, seen]))
            torch.testing.assert_close(states.mean[t], want[here])
            torch.testing.assert_close(states.covariance[t], spread[here, here])
            s = system(K, D)
            torch.testing.assert_close(states.signal[t], (s.emission @ want[here] + s.offset) * scale + location)
            variance = (s.emission @ spread[here, here] @ s.emission.T).diagonal() * scale.square()
            torch.testing.assert_close(states.signal_variance[t], variance)


def test_forecasts_and_continuations_are_the_conditional_gaussian(model):
    mean, covariance = units(model)
    x = series(share=0.3)[0][:3]
    values = torch.cat([x.flatten(), torch.full((2 * D,), math.nan, dtype=torch.float64)])
    want, spread = conditional(mean, covariance, values)
    ahead = want[-2 * D :].reshape(2, D)
    deviation = spread.diagonal()[-2 * D :].sqrt().reshape(2, D)
    forecast = model.forecast(x, 2, level=0.9)
    torch.testing.assert_close(forecast.mean, ahead)
    torch.testing.assert_close(forecast.high, ahead + 1.6448536269514722 * deviation)
    torch.testing.assert_close(forecast.low, ahead - 1.6448536269514722 * deviation)
    paths = torch.stack(model.continuations(x, 2, 20_000)).flatten(1)
    assert bool(((paths.mean(0) - ahead.flatten()).abs() < 5 * deviation.flatten() / len(paths) ** 0.5).all())
    units_free = torch.cov((paths / deviation.flatten()).T)
    want_cov = spread[-2 * D :, -2 * D :] / deviation.flatten()[:, None] / deviation.flatten()
    torch.testing.assert_close(units_free, want_cov, rtol=0, atol=0.05)


def test_what_is_missing_is_drawn_from_the_conditional_gaussian(model):
    mean, covariance = units(model)
    x = series(share=0.4)[0]
    short = x[:2]  # beside a longer sequence, and ending within it
    drawn = model.complete([x, short] * 8000)
    for rows, given in ((drawn[::2], x), (drawn[1::2], short)):
        size = given.numel()
        want, spread = conditional(mean[:size], covariance[:size, :size], given.flatten())
        cells = torch.stack(rows).flatten(1)[:, given.flatten().isnan()]
        deviation = spread.diagonal().sqrt()
        assert bool(((cells.mean(0) - want).abs() < 5 * deviation / len(cells) ** 0.5).all())
        correlation = spread / deviation[:, None] / deviation
        torch.testing.assert_close(torch.cov((cells / deviation).T).reshape(correlation.shape), correlation, rtol=0, atol=0.08)


def test_samples_have_the_joint_covariance_and_the_lengths_of_the_data(model):
    sample = model.sample(6000)
    assert {len(x) for x in sample} == {10, 5, 25}
    mean, covariance = units(model)
    first = torch.stack([x[:T].flatten() for x in sample])
    deviation = covariance.diagonal().sqrt()
    assert bool(((first.mean(0) - mean).abs() < 5 * deviation / len(first) ** 0.5).all())
    correlation = covariance / deviation[:, None] / deviation
    torch.testing.assert_close(torch.cov((first / deviation).T), correlation, rtol=0, atol=0.1)


def test_log_prob_is_differentiable_with_missing_items(model):
    x = torch.stack(series((4, 4), share=0.0))
    fixed = torch.rand(x.shape, generator=zoo.draws()) < 0.3
    z = model.coordinates(x, None, torch.float64).detach().requires_grad_()
    alive = torch.ones(4, 2, dtype=torch.bool)

    def nats(z):
        return kalman.filtered(z.masked_fill(fixed, math.nan).transpose(0, 1), alive, system(K, D)).log_likelihood

    assert torch.autograd.gradcheck(nats, (z,))


def test_a_covariance_that_stands_still_is_not_made_again(monkeypatch):
    """Two thousand steps with a hole: the same to 1e-10 as when every step is computed; and far fewer are."""
    s = system()
    s, x = s._replace(transition=s.transition / 2), torch.randn(2000, 1, 3, generator=zoo.draws(), dtype=torch.float64)
    x[500:600] = math.nan
    alive = torch.ones(2000, 1, dtype=torch.bool)
    quick = kalman.filtered(x, alive, s)
    quick_smoothed = kalman.smoothed(quick, s)
    assert len(quick.covariance.unique(dim=0)) < 200 and len(quick_smoothed.covariance.unique(dim=0)) < 400
    monkeypatch.setattr(kalman, "STILL", -1.0)
    slow = kalman.filtered(x, alive, s)
    for one, other in ((quick, slow), (quick_smoothed, kalman.smoothed(slow, s))):
        for name in {"log_likelihood", "mean", "covariance", "predicted_mean", "cross_covariance"} & set(one._fields):
            torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-10, atol=1e-10)


def expected_log_joint(s: kalman.System, x: torch.Tensor, at: kalman.System) -> torch.Tensor:
    """E[log p(x, z)] under s of one sequence, z given x under `at`: by the joint Gaussian, entry by entry."""
    T, k = len(x), len(s.start)
    mean, covariance, *_ = joint(at, T)
    unknown = torch.full((T * k,), math.nan, dtype=torch.float64)
    m, S = conditional(mean, covariance, torch.cat([unknown, x.flatten()]))
    m, S = m[: T * k], S[: T * k, : T * k]
    prior_mean, prior_covariance = joint(s, T)[2:]

    def normal(mean, covariance, m, S):
        """E[log N(z; mean, covariance)] of z ~ N(m, S)."""
        return MultivariateNormal(mean, covariance).log_prob(m) - 0.5 * torch.trace(torch.linalg.solve(covariance, S))

    total = normal(prior_mean, prior_covariance, m, S)
    show = torch.block_diag(*[s.emission] * T)
    seen = (~x.flatten().isnan()).nonzero()[:, 0]
    fit = (show @ m + s.offset.repeat(T))[seen]
    left = (show @ S @ show.T)[seen][:, seen]
    return total + normal(fit, s.noise.repeat(T)[seen].diag(), x.flatten()[seen], left)


def test_the_m_step_makes_the_expected_log_joint_greatest():
    """Its gradient, by autograd through explicit joint Gaussians, is zero in every parameter; with holes and all lengths."""
    model = LinearDynamicalSystem(latent_dim=2, max_iter=3)
    make = zoo.draws(1)
    data = [holes(torch.randn(2 + i % 3, 2, generator=make, dtype=torch.float64).cumsum(0), 0.15, i) for i in range(30)]
    zoo.quickly(model, examples_of(data, space=Sequence(Reals(2, dtype="float64"))))
    at = model._system
    z = model.coordinates(model.space.encode(data), None, torch.float64)
    model.maximise(model.expect(z))
    new = kalman.System(*(t.clone().requires_grad_() for t in model._system))
    value = sum(expected_log_joint(new, x, at) for x in z)
    for name, gradient in zip(kalman.System._fields, torch.autograd.grad(value, new), strict=True):
        gradient = gradient + gradient.T if name in ("innovation", "spread") else gradient
        assert float(gradient.abs().max()) < 1e-6, name


def test_em_climbs_and_ends_above_the_truth():
    truth = system(2, 3, seed=4)._replace(transition=torch.tensor([[0.95, 0.2], [-0.2, 0.95]], dtype=torch.float64))
    torch.manual_seed(0)
    x = kalman.emit(kalman.roll(truth.start + torch.randn(30, 2, dtype=torch.float64), 40, truth), truth).transpose(0, 1)
    space = Sequence(Reals(3, dtype="float64"), length=40)
    model = zoo.quickly(LinearDynamicalSystem(latent_dim=2, max_iter=60), examples_of(x, space=space))
    alive = torch.ones(40, 30, dtype=torch.bool)
    true_nats = kalman.filtered(x.transpose(0, 1), alive, truth._replace(spread=torch.eye(2, dtype=torch.float64))).log_likelihood
    assert model.score(x) > float(true_nats.mean())
    z = model.coordinates(x, None, torch.float64)
    model.initialise(z)
    before = -math.inf
    for iteration in range(25):
        statistics = model.expect(z)
        if iteration > 1:
            assert float(statistics["log_likelihood"]) > before - 1e-7
        before = float(statistics["log_likelihood"])
        model.maximise(statistics)


def test_the_nile_has_the_published_likelihood_as_a_local_level():
    """Durbin & Koopman 2012: variances 15099 and 1469.1, diffuse log-likelihood -632.54. With a start of variance V instead,
    log p(x_1) is added: -1/2 log(2 pi V) for V without bounds."""
    nile = zoo.named("nile")
    flow = torch.cat([nile.train.x.values, nile.valid.x.values, nile.test.x.values]).double()
    space = Sequence(Reals((), dtype="float64"))
    model = zoo.quickly(LinearDynamicalSystem(latent_dim=1, max_iter=1), examples_of([flow], space=space))
    (variance,) = model.space.item.location_scale[1].square()
    one, V = torch.ones(1, 1, dtype=torch.float64), 1e8
    for name, value in (("transition", one), ("emission", one), ("offset", 0 * one[0]), ("start", 0 * one[0]), ("spread", V * one),
                        ("innovation", 1469.1 / variance * one), ("noise", 15099 / variance * one[0])):  # fmt: skip
        setattr(model, name, value)
    diffuse = model.log_likelihood([flow]).total + 0.5 * math.log(2 * math.pi * V * variance)
    assert diffuse == pytest.approx(-632.54, abs=0.01)


def test_sequences_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="it takes sequences of real numbers.* or use HiddenMarkov"):
        LinearDynamicalSystem().fit(examples_of([torch.tensor([[1, 2], [3, 4]])] * 3, space=Sequence(Reals(2, dtype="int64"))))


def test_a_forecast_after_nothing_is_where_series_begin():
    model = zoo.quickly(
        LinearDynamicalSystem(latent_dim=1, max_iter=5), [torch.randn(20, generator=zoo.draws(i)) + 3 for i in range(6)]
    )
    ahead = model.forecast([], 2)
    first = torch.stack([path[0] for path in model.continuations([], 1, n=4000)]).double()
    assert float(ahead.mean[0]) == pytest.approx(float(first.mean()), abs=0.1)
    assert model.log_likelihood([[], torch.zeros(2)]).nats[0] == 0
    for verb in (model.filter, model.smooth):
        with pytest.raises(ValueError, match="series: is empty.*pass at least one item"):
            verb([])


def test_fewer_items_than_numbers_in_the_state_have_a_shortest_solution():
    for seed in range(8):
        x = torch.randn(4, 3, generator=zoo.draws(seed), dtype=torch.float64)
        model = zoo.quickly(LinearDynamicalSystem(latent_dim=5, max_iter=30), [x], seed=seed)
        assert bool(model.log_likelihood([x]).nats.isfinite().all()) and model.flaw() is None


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("x", [torch.randn(5, 12, generator=zoo.draws()), IRIS[:40].repeat(1, 2), IRIS[:6].repeat(3, 1)])
def test_a_component_without_variance_is_told_of(x, kind):
    model = GaussianMixture(n_components=4, covariance_type=kind, covariance_floor=0.0, support=0.0)
    try:
        zoo.quickly(model, x)
    except ValueError as error:
        assert "a component collapsed" in str(error) and "use a covariance_floor above 0" in str(error)
    else:
        assert bool(model.log_likelihood(x).nats.isfinite().all())


def test_the_criteria_choose_the_state_that_made_the_data():
    make, x = zoo.draws(3), []
    for _ in range(8):
        z = torch.randn(60, generator=make, dtype=torch.float64).cumsum(0) * 0.5
        x.append(z + 0.5 * torch.randn(60, generator=make, dtype=torch.float64))
    one, two = (zoo.quickly(LinearDynamicalSystem(latent_dim=k, max_iter=60), x) for k in (1, 2))
    assert (one.degrees_of_freedom, two.degrees_of_freedom) == (6, 12)
    assert one.bic(x) < two.bic(x)
    assert one.bic(x) == pytest.approx(6 * math.log(480) - 2 * one.log_likelihood(x).total)


def test_noise_may_be_a_millionth_in_columns_of_other_units():
    """With all but one of the columns it is the Gaussian, metres beside millimetres or not."""
    x = (
        torch.randn(300, 3, generator=zoo.draws(0), dtype=torch.float64)
        @ torch.tensor([[1.0, 0.5, 0.2], [0, 1, 0.3], [0, 0, 1]]).double()
    )
    for unit in (1.0, 1e-3, 1e-5):
        scaled = x * torch.tensor([1.0, 1.0, unit])
        found = ProbabilisticPCA(n_components=2).fit(scaled).log_likelihood(scaled).mean
        assert found == pytest.approx(genus.Gaussian().fit(scaled).log_likelihood(scaled).mean, abs=1e-6)
