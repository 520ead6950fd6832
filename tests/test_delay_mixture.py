"""Delay mixtures against scipy's normals, numerical integrals and the autoregression they are with one component."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import genus
from genus.spaces import Reals, Sequence

KINDS = ("full", "tied", "diag", "spherical")


def autoregression(n: int, seed: int = 0) -> torch.Tensor:
    """x_t = 0.6 x_(t-1) - 0.3 x_(t-2) + e_t, variance of e one, around 5."""
    make = np.random.default_rng(seed)
    x = np.zeros(n + 100)
    for t in range(2, len(x)):
        x[t] = 0.6 * x[t - 1] - 0.3 * x[t - 2] + make.normal()
    return torch.from_numpy(x[100:] + 5)


def two_regimes(n: int, seed: int = 0) -> torch.Tensor:
    """Above 0 it jumps down, below 0 it drifts up: no one regression says so."""
    make = np.random.default_rng(seed)
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = (x[t - 1] + 0.5 if x[t - 1] < 0 else x[t - 1] - 3) + 0.2 * make.normal()
    return torch.from_numpy(x)


def pairs(n: int = 40) -> list[torch.Tensor]:
    """Ragged walks of 2 numbers a step, 0 to 9 steps."""
    make = torch.Generator().manual_seed(0)
    return [torch.randn(i % 10, 2, generator=make, dtype=torch.float64).cumsum(0) * torch.tensor([1.0, 20.0]) + 3 for i in range(n)]


def fit(data, item=(), **hyper_parameters):
    space = Sequence(Reals(item, "float64"))
    model = genus.DelayMixture(**{"max_iter": 60, "tol": 1e-4, **hyper_parameters})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*stopped after max_iter.*")
        return model.fit(genus.data.examples_of(data, space=space), progress=False, device="cpu")


def joint(model):
    """log w of the first t entries of a window, in the data's units, with scipy: entries (t,) -> log density."""
    location, scale = (v.repeat(model.delay + 1) for v in model.item.location_scale)
    K, d = model.means.shape
    dense = {
        "full": lambda c: c, "tied": lambda c: c.expand(K, d, d), "diag": torch.diag_embed,
        "spherical": lambda c: torch.diag_embed(c[:, None].expand(K, d)),
    }[model.covariance_type](model.covariances)  # fmt: skip
    means, covariances = model.means * scale + location, dense * scale[:, None] * scale

    def log_w(entries):
        t = len(entries)
        each = [stats.multivariate_normal(m[:t], c[:t, :t]).logpdf(entries) for m, c in zip(means.numpy(), covariances.numpy())]
        return math.log(sum(w * math.exp(e) for w, e in zip(model.weights.tolist(), each)))

    return log_w


@pytest.mark.parametrize("covariance_type", KINDS)
def test_the_log_probability_is_the_product_of_conditionals(covariance_type):
    model = fit(pairs(), (2,), delay=3, n_components=2, covariance_type=covariance_type)
    log_w, dims = joint(model), 2
    for series, told in zip(pairs()[:10], model.log_likelihood(pairs()[:10]).nats.tolist(), strict=True):
        wanted = 0.0
        for t in range(len(series)):
            past, now = series[max(t - 3, 0) : t].flatten().numpy(), series[max(t - 3, 0) : t + 1].flatten().numpy()
            wanted += log_w(now) - (log_w(past) if len(past) else 0.0)
        assert told == pytest.approx(wanted, abs=1e-7)
        assert len(series) * dims or told == 0


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_every_conditional_integrates_to_one(steps):
    """Shorter than the delay, as long, and longer."""
    model = fit([two_regimes(300)], delay=2, n_components=3)
    grid = torch.arange(-12, 12, 0.01, dtype=torch.float64)
    past = two_regimes(300, seed=1)[50 : 50 + steps - 1]
    series = torch.cat([past.expand(len(grid), -1), grid[:, None]], 1)
    before = model.log_prob([past]) if steps > 1 else torch.zeros(1)
    assert float((model.log_prob(list(series)) - before).exp().sum() * 0.01) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("covariance_type", KINDS)
@pytest.mark.parametrize("past", [0, 1, 3])
def test_the_next_step_is_drawn_from_its_conditional(covariance_type, past):
    model = fit([two_regimes(400)], delay=2, n_components=3, covariance_type=covariance_type)
    history, n = two_regimes(400, seed=1)[10 : 10 + past], 20_000
    drawn = torch.stack(model.continuations(history, 2, n, seed=0)) if past else torch.stack(
        [torch.as_tensor(s[:2]) for s in model.draw(n // 10, None)])  # fmt: skip
    grid = torch.arange(-12, 12, 0.01, dtype=torch.float64)
    before = model.log_prob([history]) if past else torch.zeros(1)
    density = (model.log_prob([torch.cat([history, g[None]]) for g in grid]) - before).exp()
    cdf = lambda x: np.interp(x, grid.numpy() + 0.005, density.cumsum(0).numpy() * 0.01)  # noqa: E731
    assert stats.kstest(drawn[:, 0].numpy(), cdf).pvalue > 1e-4


def test_the_second_step_is_drawn_given_the_first():
    """Where the first was high and where it was low, the mean of the second is what the conditional density says."""
    model = fit([two_regimes(400)], delay=2, n_components=3)
    history = two_regimes(400, seed=1)[20:23]
    first, second = torch.stack(model.continuations(history, 2, 4000, seed=1)).T
    high = first > first.median()
    for part in (high, ~high):
        x = torch.cat([history.expand(int(part.sum()), -1), first[part, None]], 1)
        grid = torch.linspace(-8, 8, 161, dtype=torch.float64)
        some = x[:40]
        series = torch.cat([some.repeat_interleave(len(grid), 0), grid.repeat(len(some))[:, None]], 1)
        p = (model.log_prob(list(series)).reshape(40, -1) - model.log_prob(list(some))[:, None]).exp()
        mean = float(((p * grid).sum(1) / p.sum(1)).mean())
        assert float(second[part].mean()) == pytest.approx(mean, abs=0.35)


def test_one_component_is_the_autoregression():
    x = autoregression(6000)
    model = fit([x], delay=2, n_components=1, covariance_floor=0.0)
    design = torch.stack([torch.ones(len(x) - 2, dtype=x.dtype), x[1:-1], x[:-2]], 1)
    beta = torch.linalg.lstsq(design, x[2:, None]).solution[:, 0]
    sigma = float((x[2:] - design @ beta).std())
    history = x[:20]
    ahead = model.forecast(history, 3, n_samples=20_000, level=0.8)
    mean, path = [], history[-2:].tolist()
    for _ in range(3):
        path.append(float(beta[0] + beta[1] * path[-1] + beta[2] * path[-2]))
        mean.append(path[-1])
    assert ahead.mean.tolist() == pytest.approx(mean, abs=0.05)
    assert float(ahead.high[0] - ahead.low[0]) == pytest.approx(2 * stats.norm.ppf(0.9) * sigma, rel=0.03)
    spread = sigma * math.sqrt(1 + float(beta[1]) ** 2)
    assert float(ahead.high[1] - ahead.low[1]) == pytest.approx(2 * stats.norm.ppf(0.9) * spread, rel=0.03)
    innovations = (x[2:] - design @ beta).numpy()
    assert model.log_likelihood([x]).total == pytest.approx(stats.norm(0, sigma).logpdf(innovations).sum(), rel=1e-3)


def test_samples_move_as_the_data_do():
    model = fit([autoregression(4000)], delay=2, n_components=1)
    (drawn,) = model.sample(1, seed=0)
    assert len(drawn) == 4000
    lag = lambda x, k: float(np.corrcoef(x[:-k], x[k:])[0, 1])  # noqa: E731
    for k in (1, 2, 3):
        assert lag(drawn.numpy(), k) == pytest.approx(lag(autoregression(4000).numpy(), k), abs=0.08)
    assert float(drawn.mean()) == pytest.approx(5, abs=0.15)


def test_regimes_are_worth_their_components():
    held = two_regimes(800, seed=9)
    one, many = (fit([two_regimes(800)], delay=1, n_components=K).log_likelihood([held]).nats_per_dim for K in (1, 4))
    truth = stats.norm(0, 0.2).entropy()
    assert many < one - 0.8 and many == pytest.approx(truth, abs=0.15)


def test_nats_are_in_the_units_of_the_data():
    one, other = fit([two_regimes(200)], delay=2), fit([1000 * two_regimes(200) - 70], delay=2)
    shift = other.log_likelihood([1000 * two_regimes(50, 1) - 70]).total - one.log_likelihood([two_regimes(50, 1)]).total
    assert shift == pytest.approx(-50 * math.log(1000), abs=0.05)


def test_the_gradient_in_x_is_the_finite_difference():
    x = torch.stack([two_regimes(6, seed=s) for s in range(30)])
    model = genus.DelayMixture(delay=2, n_components=2, max_iter=20, tol=1e-3)
    model.fit(genus.data.examples_of(x, space=Sequence(Reals((), "float64"), length=6)), progress=False)
    some = x[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model.log_prob(x), (some,), eps=1e-6, atol=1e-5)


def test_sequences_shorter_than_a_window_are_learned_too():
    """The first steps of all: ten times as many of them are seen in short sequences, and they are shifted."""
    make = torch.Generator().manual_seed(0)
    long = [torch.randn(8, generator=make, dtype=torch.float64) for _ in range(20)]
    short = [torch.randn(2, generator=make, dtype=torch.float64) + 3 for _ in range(400)]
    with_short, without = fit(long + short, delay=4, n_components=1), fit(long, delay=4, n_components=1)
    held = [torch.tensor([3.0, 3.2], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)]
    assert bool((with_short.log_likelihood(held).nats > without.log_likelihood(held).nats + 1).all())
    assert len(with_short.continuations(held[1], 6)[0]) == 6


def test_what_cannot_be_learned_is_said():
    with pytest.raises(ValueError, match="delay=9, but no sequence has more than 9 steps; use a smaller delay"):
        fit([torch.arange(9.0), torch.arange(4.0)], delay=9)
    with pytest.raises(ValueError, match="n_components=30, but the data have 12 windows of 9 steps"):
        fit([autoregression(20)], n_components=30)
    with pytest.raises(ValueError, match="constant"):
        fit([torch.ones(40)])
    with pytest.raises(ValueError, match="must be real numbers"):
        genus.DelayMixture().fit(genus.data.examples_of([[1, 2, 3] * 9], space=Sequence(Reals((), "int64"))), progress=False)
    with pytest.raises(ValueError, match="the sequences have 4 steps; use a smaller delay"):
        genus.DelayMixture().fit(genus.data.examples_of(torch.rand(9, 4, 2), space=Sequence(Reals(2), length=4)), progress=False)
    with pytest.raises(ValueError, match="sequence 1 holds NaN.*or use LinearDynamicalSystem"):
        fit([autoregression(60)], delay=2, n_components=1).log_likelihood([torch.zeros(3), torch.tensor([1.0, math.nan])])


def test_missing_steps_are_integrated_out_of_what_is_learned():
    """The mixture of the windows with holes is the one that GaussianMixture learns of them as rows."""
    x = autoregression(300)
    x[torch.randperm(300, generator=torch.Generator().manual_seed(0))[:30]] = math.nan
    x[100:104] = math.nan  # a window of which nothing is known
    model = fit([x], delay=2, n_components=1, max_iter=200, tol=1e-10)
    windows = x.unfold(0, 3, 1)
    rows = genus.GaussianMixture(n_components=1, max_iter=200, tol=1e-10).fit(windows[~windows.isnan().all(1)], progress=False)
    location, scale = (v.repeat(3) for v in model.item.location_scale)
    where, spread = rows.fitted_space.location_scale
    torch.testing.assert_close(model.means * scale + location, rows.means * spread + where, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        model.covariances * scale * scale[:, None], rows.covariances * spread * spread[:, None], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("past", [[4.0, math.nan], [math.nan, 6.0], [math.nan], [1.0, 4.0, math.nan], [math.nan, math.nan]])
def test_a_forecast_after_a_missing_step_is_given_the_others(past):
    model = fit([autoregression(3000)], delay=2, n_components=1)
    location, scale = (float(v) for v in model.item.location_scale)
    last = torch.tensor(past, dtype=torch.float64)[-2:]
    seen, at = (~last.isnan()).nonzero()[:, 0], len(last)
    mean, cov = model.means[0] * scale + location, model.covariances[0] * scale**2
    slope = cov[at, seen] @ torch.linalg.inv(cov[seen][:, seen])
    want = mean[at] + slope @ (last[seen] - mean[seen])
    spread = (cov[at, at] - slope @ cov[seen, at]).sqrt()
    drawn = torch.stack(model.continuations(torch.tensor(past, dtype=torch.float64), 2, 20_000, seed=0))[:, 0]
    assert stats.kstest(drawn.numpy(), "norm", (float(want), float(spread))).pvalue > 1e-4


def test_a_forecast_needs_no_more_memory_for_a_longer_past():
    model = fit([autoregression(60)], delay=2, n_components=2)
    past = autoregression(4000)
    torch.manual_seed(0)
    asked = []
    model._roll = lambda z, steps: asked.append(z.shape) or torch.zeros(len(z), steps)  # type: ignore[method-assign]
    model.forecast(past, 3)
    assert asked == [(1000, 2, 1)]


def test_rows_of_a_frame_are_steps():
    frames = [pd.DataFrame({"a": autoregression(30, i), "b": autoregression(30, 9 + i)}) for i in range(4)]
    arrays = [frame.to_numpy() for frame in frames]
    model, other = (genus.DelayMixture(delay=2, n_components=1).fit(data, progress=False) for data in (frames, arrays))
    torch.testing.assert_close(model.log_likelihood(frames).nats, other.log_likelihood(arrays).nats)
    assert list(model.continuations(frames[0], 2)[0].columns) == ["a", "b"] and list(model.sample(1)[0].columns) == ["a", "b"]
