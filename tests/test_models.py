"""What is true of every model on every kind of data it takes (zoo.py), found by the registry."""

from __future__ import annotations

import copy
import itertools
import math
import random

import numpy as np
import pandas as pd
import pytest
import torch
import zoo
from zoo import Case, cases, same, same_state, state_of

import genus
from genus import Dataset
from genus.data import examples_of
from genus.fields import fields_of
from genus.learning import LearnsByGradient
from genus.model import (
    CAPABILITIES,
    CanGenerate,
    CanSample,
    Classifies,
    Completes,
    Conditional,
    Forecasts,
    HasDensity,
    HasElbo,
    HasLatent,
    HasLikelihood,
    HasLogProb,
    HasScore,
    Imputes,
    Model,
)
from genus.registry import model_classes
from genus.spaces import Binary, Images, Ragged, Reals, Sequence, Table, Tokens

EVERY = cases()
SAMPLES = cases(CanSample)
SCORES = cases(HasLikelihood)


def on(these):
    return pytest.mark.parametrize("case", these, ids=str)


def names(classes):
    return pytest.mark.parametrize("name", list(classes))


def count(x):
    return len(x)


def keys(case: Case):
    """A few rows of a case's data, raw."""
    raw = case.raw
    return raw.iloc[:20] if isinstance(raw, pd.DataFrame) else raw[:20]


# ------------------------------------------------------------------------------------------------- the zoo is whole


@names(zoo.MUST)
def test_known_models_take_the_data_they_must(name):
    taken = {case.material for case in EVERY if case.model == name}
    assert zoo.MUST[name] <= taken


def test_every_model_is_tried_on_something():
    assert {case.model for case in EVERY} == set(model_classes())


# ---------------------------------------------------------------------------------------------------------- sampling


@on(SAMPLES)
def test_a_sample_is_the_kind_of_thing_that_went_in(case, fitted):
    model, raw = fitted(case), case.raw
    sample = model.sample(17, seed=1)
    assert type(sample) is type(raw) and count(sample) == 17
    if isinstance(raw, pd.DataFrame):
        assert list(sample.columns) == list(raw.columns)
        assert list(sample.dtypes) == list(raw.dtypes)  # categories and their order are part of the dtype
    elif isinstance(raw, torch.Tensor):
        assert sample.dtype == raw.dtype and sample.shape[1:] == raw.shape[1:]
    else:
        assert {type(item) for item in sample} == {type(item) for item in raw}


@on(SAMPLES)
def test_a_sample_is_in_the_space(case, fitted):
    model = fitted(case)
    sample = model.sample(200, seed=2)
    encoded = model.space.encode(sample)  # raises for what is no point of the space
    assert same(model.space.decode(encoded), sample)
    values = encoded.values if isinstance(encoded, Ragged) else encoded
    if isinstance(model.space, Images):
        assert int(values.max()) < model.space.levels
    if isinstance(model.space, Tokens):
        assert int(values.min()) >= 0 and int(values.max()) < model.space.n_symbols
    if values.is_floating_point():
        assert bool(torch.isfinite(values).all()) or case.model == "empirical"  # which draws missing values as they are
    if isinstance(model.space, Table):
        for i, column in enumerate(model.space.columns):
            if column.kind != "continuous":
                present = values[:, i][~values[:, i].isnan()]
                assert column.categories or column.low <= float(present.min()) <= float(present.max()) <= column.high


@on(SAMPLES)
def test_none_one_and_the_default(case, fitted):
    model = fitted(case)
    none = model.sample(0)
    assert type(none) is type(case.raw) and count(none) == 0
    if isinstance(none, pd.DataFrame):
        assert list(none.dtypes) == list(case.raw.dtypes)
    if isinstance(none, torch.Tensor):
        assert none.dtype == case.raw.dtype and none.shape[1:] == case.raw.shape[1:]
    assert count(model.sample(1)) == count(model.sample()) == 1


@on(SAMPLES)
def test_the_seed_decides_the_sample(case, fitted):
    model = fitted(case)
    assert same(model.sample(50, seed=3), model.sample(50, seed=3))
    assert not same(model.sample(50, seed=3), model.sample(50, seed=4))


@names(sorted({case.model for case in SAMPLES}))
def test_many_samples_come_in_chunks_that_differ(name, fitted, monkeypatch):
    case = next(c for c in SAMPLES if c.model == name)
    model = fitted(case)
    monkeypatch.setattr(type(model), "sample_chunk", 40)
    sample = model.sample(100, seed=0)
    assert count(sample) == 100 and not same(sample[:40], sample[40:80])
    assert same(sample[:40], model.sample(40, seed=0))


# -------------------------------------------------------------------------------------------------------- likelihood


@on(SCORES)
def test_log_likelihood_says_what_it_is(case, fitted):
    model = fitted(case)
    score = model.log_likelihood(case.raw)
    n = count(case.raw)
    assert isinstance(score, genus.LogLikelihood) and score.nats.shape == (n,) and score.nats.dtype == torch.float64
    assert bool(torch.isfinite(score.nats).all())
    assert score.kind in ("exact", "lower bound", "estimate")
    if score.standard_error is not None:
        assert score.kind != "exact" and score.standard_error.shape == (n,) and bool((score.standard_error >= 0).all())
    dims = score.dims * n if isinstance(score.dims, int) else int(torch.as_tensor(score.dims).sum())
    assert score.mean == pytest.approx(float(score.nats.sum()) / n)
    assert score.bits_per_dim == pytest.approx(-float(score.nats.sum()) / dims / math.log(2))
    np.testing.assert_array_equal(model.score_samples(case.raw), score.nats.numpy())
    assert model.score(case.raw) == pytest.approx(score.mean)


def test_kinds_are_honest(fitted):
    exact = [("gaussian", "reals"), ("gaussian-mixture", "reals"), ("gpt", "words"), ("gpt", "binary"), ("gpt", "digits")]
    bounds = [("gaussian", "digits"), ("gaussian-mixture", "whole"), ("gaussian", "numbers"), ("vae", "reals"), ("vae", "binary")]
    for kind, these in (("exact", exact), ("lower bound", bounds)):
        for pair in these:
            assert fitted(Case(*pair)).log_likelihood(keys(Case(*pair))).kind == kind, pair


def test_dims_count_what_is_in_a_point(fitted):
    text = fitted(Case("gpt", "words")).log_likelihood(["ab", "", "bab"])
    assert text.dims.tolist() == [2, 0, 3]
    assert fitted(Case("vae", "digits")).log_likelihood(zoo.digits()[:2]).dims == 64


@on(SCORES)
def test_scores_do_not_depend_on_the_rows_beside_them(case, fitted):
    """Exact values row by row; bounds are draws, so the same seed and batches must give the same."""
    model, raw = fitted(case), keys(case)
    score = model.log_likelihood(raw)
    assert torch.equal(score.nats, model.log_likelihood(raw).nats)
    if score.kind == "exact":
        parts = [model.log_likelihood(raw[i : i + 1]).nats for i in range(5)]
        torch.testing.assert_close(torch.cat(parts), score.nats[:5], rtol=1e-4, atol=1e-4)
    elif score.standard_error is not None:
        other = model.log_likelihood(raw, seed=1)
        assert not torch.equal(other.nats, score.nats)
        spread = (other.standard_error.square() + score.standard_error.square()).sqrt()
        assert float(((other.nats - score.nats).abs() / (spread + 1e-6)).median()) < 4


@on(cases(HasDensity, on=("reals",)))
def test_a_density_integrates_to_one(case, fitted):
    model = fitted(case)
    step = 0.05
    axis = torch.arange(-12, 12, step) + step / 2
    grid = torch.cartesian_prod(axis, axis)
    total = torch.cat([model.log_prob(part).detach().double().exp() for part in grid.split(65536)]).sum() * step**2
    assert float(total) == pytest.approx(1, abs=2e-3)


@on(cases(HasDensity, CanSample, on=("reals",)))
def test_samples_have_the_density_that_is_claimed(case, fitted):
    """The mean of log p over samples is minus the entropy, which the grid gives without samples."""
    model = fitted(case)
    step = 0.05
    axis = torch.arange(-12, 12, step) + step / 2
    log_p = model.log_prob(torch.cartesian_prod(axis, axis)).detach().double()
    expected = float((log_p.exp() * log_p).sum() * step**2)
    scores = model.log_prob(model.sample(4000, seed=0)).detach().double()
    assert abs(float(scores.mean()) - expected) < 5 * float(scores.std()) / math.sqrt(len(scores)) + 2e-3


def all_points(space) -> torch.Tensor:
    binary = isinstance(getattr(space, "item", space), Binary)  # or a sequence of such
    points = torch.tensor(list(itertools.product(range(2 if binary else space.vocabulary), repeat=space.dims)))
    return points.reshape(-1, *space.shape).to(torch.uint8 if binary else torch.int64)


@on([c for c in cases(HasLogProb, on=("binary", "tokens"), but=(HasDensity,))])
def test_probabilities_add_up_to_one_and_are_those_of_the_samples(case, fitted):
    model = fitted(case)
    points = all_points(model.space)
    p = model.log_prob(points).detach().double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    if isinstance(model, CanSample):
        n = 8000
        index = {tuple(point.flatten().tolist()): i for i, point in enumerate(points)}
        drawn = torch.bincount(
            torch.tensor([index[tuple(x.flatten().tolist())] for x in model.sample(n, seed=0)]), minlength=len(points)
        )
        often = p * n >= 5
        chi2 = ((drawn - n * p).square() / (n * p))[often].sum()
        freedom = int(often.sum())
        assert float(chi2) < freedom + 6 * math.sqrt(2 * freedom)


@on(cases(HasLikelihood, on=("binary",)))
def test_bounds_never_add_up_to_more_than_one(case, fitted):
    """Sum of exp(bound) <= sum of p = 1, up to the noise of the bound."""
    model = fitted(case)
    score = model.log_likelihood(all_points(Binary((2, 2))), samples=512)
    error = 0.0 if score.standard_error is None else float((score.nats.exp() * score.standard_error).square().sum().sqrt())
    assert 0.05 < float(score.nats.exp().sum()) < 1 + 5 * error + 1e-5


@on(cases(HasLogProb, CanSample, on=("words",)))
def test_strings_of_any_length_add_up_to_one(case, fitted):
    model, longest = fitted(case), 6
    strings = ["".join(s) for length in range(longest + 1) for s in itertools.product("ab", repeat=length)]
    inside = float(model.log_prob(strings).detach().double().exp().sum())
    sample = model.sample(2000, seed=0)
    longer = sum(len(s) > longest for s in sample) / len(sample)
    assert inside < 1 + 1e-5
    assert inside + longer == pytest.approx(1, abs=5 * math.sqrt(max(longer, 1e-3) / len(sample)) + 1e-3)
    empty = sum(s == "" for s in sample) / len(sample)
    assert empty == pytest.approx(float(model.log_prob([""]).detach().exp()), abs=0.05)


@on(cases(HasDensity, on=("reals",)))
def test_the_gradient_in_x_is_the_finite_difference(case):
    data = zoo.moons(dtype=torch.float64)
    model = case.fit(data, precision="float64")
    x = data[:4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model.log_prob(x), (x,), eps=1e-5, atol=1e-5)
    assert model.log_prob(data[:4]).dtype == torch.float64


@on(cases(LearnsByGradient))
def test_gradients_reach_every_parameter(case, fitted):
    model = copy.deepcopy(fitted(case))
    x, g = model.examples(keys(case)).batch(slice(0, 20))
    model.train()
    for player in model.players():
        own = player.parameters()
        assert own and all(p.requires_grad for p in own)
        gradients = torch.autograd.grad(player.loss(x, g).mean(), own, allow_unused=True)
        named = {id(p): n for n, p in model.named_parameters()}
        for parameter, gradient in zip(own, gradients, strict=True):
            assert gradient is not None and float(gradient.abs().sum()) > 0, named[id(parameter)]
    moved = {id(p) for player in model.players() for p in player.parameters()}
    assert moved == {id(p) for p in model.parameters()}


@on([c for c in cases(HasLogProb) if issubclass(c.cls, LearnsByGradient)])
def test_log_prob_is_differentiable_in_every_parameter(case, fitted):
    model = copy.deepcopy(fitted(case))
    model.log_prob(keys(case)).sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in model.parameters())


@on(cases(HasLikelihood, on=("reals",)))
def test_likelihood_is_in_the_units_of_the_data(case, fitted):
    """Data in other units: nats shift by log(scale) a dimension, and nothing else changes. A power of two is exact."""
    data = zoo.moons()
    one, other = case.fit(data), case.fit(data * 1024)
    shift = other.log_likelihood(data * 1024).nats - one.log_likelihood(data).nats
    torch.testing.assert_close(shift, torch.full_like(shift, -2 * math.log(1024)), rtol=1e-5, atol=1e-4)


@on(cases(HasDensity, on=("reals",)))
def test_likelihood_shifts_by_log_1000(case):
    data = zoo.moons(dtype=torch.float64)
    one, other = case.fit(data), case.fit(data * 1000 - 5000)
    shift = other.log_likelihood(data * 1000 - 5000).mean - one.log_likelihood(data).mean
    assert shift == pytest.approx(-2 * math.log(1000), abs=1e-3)


@on([c for c in cases(HasLogProb, on=("reals", "walks")) if not issubclass(c.cls, LearnsByGradient)])
def test_single_precision_loses_no_digits_far_from_zero(case):
    """The location is taken off before numbers are rounded to a working precision."""
    raw = 1e-3 * case.raw.double() + 1e6
    space = None if case.material == "reals" else Sequence(Reals(2, "float64"), length=4)
    data = examples_of(raw, space=space, accepts=case.cls.spaces)
    one, other = case.fit(data, precision="float32"), case.fit(data)
    assert one.log_likelihood(data).mean == pytest.approx(other.log_likelihood(data).mean, abs=0.05)


# ------------------------------------------------------------------------------------------- the variational bound


@on(cases(HasElbo))
def test_more_samples_raise_the_bound(case, fitted):
    model, data = fitted(case), keys(case)
    elbo = sum(model.log_likelihood(data, samples=1, seed=s).mean for s in range(8)) / 8
    tight = model.log_likelihood(data, samples=256)
    assert tight.kind == model.elbo(data).kind == "lower bound"
    assert elbo < tight.mean + 3 * float(tight.standard_error.mean())


def exact_log_p(vae, points: torch.Tensor) -> torch.Tensor:
    """log p(x) = log int p(x|z) N(z; 0, 1) dz by the trapezoidal rule: the codes are one number."""
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    weight = -0.5 * z.square() - 0.5 * math.log(2 * math.pi) + math.log(18 / 4000)
    with torch.no_grad():
        h = vae.decoder(z[:, None].float())
        return torch.stack(
            [(vae.observation.log_prob(h, x.expand(len(z), *x.shape)).double() + weight).logsumexp(0) for x in points]
        )


@pytest.fixture(scope="module")
def thin_vae():
    return genus.VAE(latent_dim=1, width=24, n_layers=1).fit(
        examples_of(zoo.bits(400)), steps=400, batch_size=64, progress=False, device="cpu"
    )


def test_the_bound_is_below_the_truth_and_rises_to_it(thin_vae):
    points = all_points(thin_vae.space)
    truth = exact_log_p(thin_vae, points)
    assert float(truth.exp().sum()) == pytest.approx(1, abs=1e-5)
    elbo = torch.stack([thin_vae.elbo(points, seed=s).nats for s in range(400)])
    few = torch.stack([thin_vae.log_likelihood(points, samples=8, seed=s).nats for s in range(100)])
    many = thin_vae.log_likelihood(points, samples=20_000)
    slack = lambda draws: 4 * draws.std(0) / math.sqrt(len(draws))  # noqa: E731
    assert bool((elbo.mean(0) <= truth + slack(elbo)).all())
    assert bool((elbo.mean(0) <= few.mean(0) + slack(elbo) + slack(few)).all())
    assert bool((few.mean(0) <= truth + slack(few)).all())
    assert bool(((many.nats - truth).abs() <= 5 * many.standard_error + 1e-4).all())
    assert float((truth - elbo.mean(0)).max()) > 1e-3  # a code was used: the bound is not trivially tight


def test_the_vae_samples_what_it_scores(thin_vae):
    points = all_points(thin_vae.space)
    p = exact_log_p(thin_vae, points).exp()
    n = 20_000
    code = torch.tensor([8, 4, 2, 1])
    drawn = torch.bincount((thin_vae.sample(n, seed=1).flatten(1).long() * code).sum(1), minlength=16)
    chi2 = float(((drawn - n * p).square() / (n * p)).sum())
    assert chi2 < 15 + 6 * math.sqrt(30)


def test_beta_is_the_price_in_training_only():
    """beta changes what is learned; the bound of given parameters never has it."""
    one, other = genus.VAE(beta=1.0, latent_dim=2, width=16), genus.VAE(beta=8.0, latent_dim=2, width=16)
    for model in (one, other):
        zoo.quickly(model, zoo.moons())
    assert not same_state(state_of(one), state_of(other))
    other.load_state_dict(one.state_dict())
    other.space = one.space
    assert torch.equal(one.elbo(zoo.moons()).nats, other.elbo(zoo.moons()).nats)


# --------------------------------------------------------------------------------------------------- files and copies


def fingerprint(model: Model, case: Case) -> list:
    """Everything a model says about a few rows."""
    said: list = [state_of(model)]
    if isinstance(model, CanSample):
        said.append(model.sample(9, seed=5))
    if isinstance(model, HasLikelihood):
        said.append(model.log_likelihood(keys(case)).nats)
    if isinstance(model, HasLatent):
        said += [model.encode(keys(case)), model.reconstruct(keys(case))]
    if isinstance(model, Completes):
        said.append(model.complete(keys(case)))
    return said


def alike(one: list, other: list) -> bool:
    return len(one) == len(other) and same_state(one[0], other[0]) and all(same(a, b) for a, b in zip(one[1:], other[1:]))


def test_completing_a_frame_keeps_its_order_and_what_the_model_does_not_know():
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0], "b": [0.5, 0.1, 0.9, 0.4]})
    model = genus.GaussianMixture(n_components=1).fit(frame, progress=False)
    holes = pd.DataFrame({"b": [0.3, np.nan], "id": ["p", "q"], "a": [np.nan, 2.0]}, index=[7, 9])
    for filled in (model.complete(holes), model.impute(holes)):
        assert filled.columns.tolist() == ["b", "id", "a"] and filled.index.tolist() == [7, 9] and filled.id.tolist() == ["p", "q"]
        assert filled.notna().all().all() and filled.b[7] == 0.3 and filled.a[9] == 2.0
    assert holes.isna().sum().sum() == 2


DENSITIES = [cls for cls in model_classes().values() if issubclass(cls, HasDensity) and Reals in cls.spaces]


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("cls", DENSITIES, ids=lambda c: c.__name__)
def test_draws_of_small_whole_numbers_do_not_wrap_round(cls, dtype):
    x = np.random.default_rng(0).integers(*((0, 12) if dtype == "uint8" else (116, 128)), (100, 2)).astype(dtype)
    options = {"given": (x[:, 0] > x[:, 0].mean()).astype(int)} if issubclass(cls, Classifies) else {}
    drawn = cls().fit(x, progress=False, **options).sample(400)
    assert bool(((drawn.int() - int(x.mean())).abs() < 40).all())


@on(EVERY)
def test_saved_and_loaded_it_is_the_same_model(case, fitted, tmp_path):
    model = fitted(case)
    model.save(tmp_path / "model")
    loaded = genus.load_model(tmp_path / "model")
    assert type(loaded) is type(model) and not loaded.training
    assert loaded.get_params() == model.get_params() and loaded.space == model.space
    assert alike(fingerprint(loaded, case), fingerprint(model, case))
    loaded.save(tmp_path / "again")
    files = lambda folder: {p.name: p.read_bytes() for p in folder.iterdir()}  # noqa: E731
    assert files(tmp_path / "model") == files(tmp_path / "again")


@on(EVERY)
def test_a_deep_copy_is_equal_and_its_own(case, fitted):
    model = fitted(case)
    before = fingerprint(model, case)
    copied = copy.deepcopy(model)
    assert alike(fingerprint(copied, case), before)
    with torch.no_grad():
        for tensor in copied.state_dict().values():
            tensor.zero_()
    assert alike(fingerprint(model, case), before)


# ------------------------------------------------------------------------------------------------------ scikit-learn


@names(model_classes())
def test_parameters_by_scikit_learns_names(name):
    from sklearn.base import clone

    cls = model_classes()[name]
    model = zoo.small(cls)
    params = model.get_params()
    assert set(params) == set(fields_of(cls))
    assert clone(model).get_params() == params and clone(model) is not model
    assert cls(**params).get_params() == params
    assert model.set_params(**params) is model
    with pytest.raises(TypeError, match="no hyper-parameter 'colour'"):
        model.set_params(colour=3)
    assert model.get_params() == params


@on(cases(HasLikelihood, on=("reals",)))
def test_pipelines_and_cross_validation(case):
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.validation import check_is_fitted

    X = zoo.moons(120).numpy().astype(np.float64)
    model = case.new()
    options = {"progress": False, "device": "cpu", **zoo.budget(model)}
    pipeline = Pipeline([("scale", StandardScaler()), ("model", model)])
    y = zoo.parity(120) if isinstance(model, Classifies) else None
    pipeline.fit(X, y, **{f"model__{name}": value for name, value in options.items()})
    check_is_fitted(pipeline.named_steps["model"])
    assert pipeline.score_samples(X).shape == (120,) and math.isfinite(pipeline.score(X))
    scores = cross_val_score(case.new(), X, y, cv=3, params=options)
    assert scores.shape == (3,) and np.isfinite(scores).all()


def test_grid_search_finds_the_number_of_components():
    from sklearn.model_selection import GridSearchCV

    make = zoo.draws(0)
    X = (torch.randn(240, 1, generator=make) * 0.2 + 4 * (torch.arange(240) % 3)[:, None]).numpy()
    search = GridSearchCV(genus.GaussianMixture(), {"n_components": [1, 3], "covariance_type": ["full", "diag"]}, cv=3)
    search.fit(X, progress=False)
    assert search.best_params_["n_components"] == 3
    assert search.best_estimator_.space is not None


# ----------------------------------------------------------------------------------------------------- fit is a fact


@on(cases(on=("reals", "words", "binary")))
def test_fitting_again_starts_anew(case):
    first, second = case.raw[:60], case.raw[60:160]
    twice = case.fit(first, seed=1)
    case.fit(second, model=twice, seed=2)
    once = case.fit(second, seed=2)
    assert same_state(state_of(twice), state_of(once)) and twice.space == once.space
    assert all(p.requires_grad for p in twice.parameters())


@on(cases(on=("reals", "binary", "words")))
def test_a_fit_that_fails_leaves_the_model_as_it_was(case, tmp_path):
    model = case.fit()
    before, space = fingerprint(model, case), model.space
    cls = type(model)

    def fails(*args, **kwargs):
        raise RuntimeError("in the middle")

    middle = "loss" if isinstance(model, LearnsByGradient) and len(model.players()) == 1 else "build"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, middle, fails)
        with pytest.raises(RuntimeError, match="in the middle"):
            case.fit(model=model)
    assert model.space is space and alike(fingerprint(model, case), before)
    for nothing in ([], None, {"a": [1]}, torch.tensor([[math.inf, 1.0]] * 9)):
        with pytest.raises((ValueError, TypeError)):
            case.fit([] if nothing is None else nothing, model=model)
    assert model.space is space and alike(fingerprint(model, case), before)


@pytest.fixture
def own_randomness():
    """The three global generators, seeded; gives a function that says what they would draw now."""
    torch.manual_seed(123), np.random.seed(123), random.seed(123)

    def state():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), np.random.get_state()[2], random.getstate()

    return state


@on(EVERY)
def test_the_users_own_random_numbers_are_not_touched(case, fitted, own_randomness):
    model, start = fitted(case), own_randomness()
    verbs = [lambda: case.fit(seed=3)]
    if isinstance(model, CanSample):
        verbs += [lambda: model.sample(3), lambda: model.sample(0)]
    if isinstance(model, HasLikelihood):
        verbs += [lambda: model.log_likelihood(keys(case))]
    if isinstance(model, HasElbo):
        verbs += [lambda: model.elbo(keys(case))]
    if isinstance(model, HasLatent):
        verbs += [lambda: model.encode(keys(case)), lambda: model.reconstruct(keys(case))]
    if isinstance(model, Completes):
        verbs += [lambda: model.complete(keys(case))]
    if isinstance(model, CanGenerate) and isinstance(model.space, Tokens):
        verbs += [lambda: model.generate("" if model.space.tokenizer else [0], max_new_tokens=3)]
    for number, verb in enumerate(verbs):
        verb()
        assert own_randomness() == start, f"verb {number}"


@on(cases(on=("reals", "binary", "words")))
def test_fit_does_not_depend_on_the_users_random_numbers(case):
    torch.manual_seed(1)
    one = state_of(case.fit(seed=7))
    torch.manual_seed(2)
    torch.randn(5)
    assert same_state(one, state_of(case.fit(seed=7)))


@on(cases(CanSample, on=("reals", "binary", "words", "colours")))
def test_training_mode_is_given_back(case, fitted):
    model = copy.deepcopy(fitted(case))
    assert not model.training and not any(m.training for m in model.modules())
    want = model.sample(5, seed=0)
    model.train()
    assert same(model.sample(5, seed=0), want)  # dropout is off all the same
    assert model.training and all(m.training for m in model.modules())
    if isinstance(model, HasLikelihood):
        model.log_likelihood(keys(case))
        with pytest.raises((ValueError, TypeError)):
            model.log_likelihood(torch.zeros(3, 7, 5, 2))
        assert model.training
    model.eval()
    model.sample(0)
    assert not model.training


# -------------------------------------------------------------------------------------------------------- capabilities

VERBS = {
    CanSample: ("sample",),
    HasScore: ("score", "score_samples"),
    HasLikelihood: ("log_likelihood",),
    HasLogProb: ("log_prob",),
    HasElbo: ("elbo",),
    HasLatent: ("encode", "decode", "reconstruct"),
    Classifies: ("predict", "predict_proba", "predict_log_proba", "accuracy", "joint_log_likelihood", "sample_labelled"),
    Completes: ("complete",),
    Imputes: ("impute",),
    CanGenerate: ("generate",),
    Forecasts: ("forecast", "continuations"),
}


@names(model_classes())
@pytest.mark.parametrize("capability", list(VERBS), ids=lambda c: c.__name__)
def test_a_verb_is_there_or_absent_and_says_why(name, capability):
    model = zoo.small(model_classes()[name])
    for verb in VERBS[capability]:
        if isinstance(model, capability):
            assert callable(getattr(model, verb))
        else:
            assert not hasattr(model, verb)
            with pytest.raises(AttributeError, match=rf"{type(model).__name__} has no {verb}: it is not {capability.__name__}"):
                getattr(model, verb)


def test_every_capability_has_its_verbs_tested():
    assert set(CAPABILITIES) - {Conditional} == set(VERBS)


@names(model_classes())
def test_before_fit_every_verb_says_so(name):
    model = zoo.small(model_classes()[name])
    calls = {
        "sample": (2,),
        "generate": ("a",),
        "decode": (torch.zeros(1, 2),),
        "forecast": (zoo.moons(), 2),
        "continuations": (zoo.moons(), 2),
    }
    for capability, verbs in VERBS.items():
        if isinstance(model, capability):
            for verb in verbs:
                with pytest.raises(RuntimeError, match=r"is not fitted: call fit\(data\) first"):
                    getattr(model, verb)(*calls.get(verb, (zoo.moons(),)))
    with pytest.raises(RuntimeError, match="not fitted"):
        model.save("/nonexistent/never")


def test_the_table_of_models_lists_each_with_what_it_can():
    table = genus.models()
    assert set(table["name"]) == set(model_classes())
    row = table.set_index("name").loc["gpt"]
    assert {"CanGenerate", "HasLogProb", "Conditional"} <= set(row["can"].split(", ")) and row["family"] == "autoregressive"
    assert (table["what"].str.len() > 10).all() and (table["source"].str.len() > 10).all()


# ----------------------------------------------------------------------------------------------------- latent codes


@on(cases(HasLatent))
def test_codes_and_back(case, fitted):
    model, raw = fitted(case), case.raw
    z = model.encode(raw)
    assert z.shape == (count(raw), model.latent_dim) and bool(torch.isfinite(z).all())
    back = model.decode(z)
    assert type(back) is type(raw) and count(back) == count(raw)
    assert same(back, model.reconstruct(raw))
    with pytest.raises(ValueError, match="z"):
        model.decode(torch.zeros(2, model.latent_dim + 1))


# ------------------------------------------------------------------------------------------------------------- given


@on(cases(Conditional, on=("reals", "binary", "words", "table"), but=(Classifies,)))
@pytest.mark.parametrize("form", ["labels", "frame"])
def test_models_that_learn_with_given(case, form, tmp_path):
    raw = case.raw
    labels = ["even" if i % 2 else "odd" for i in range(count(raw))]
    given = labels if form == "labels" else pd.DataFrame({"parity": labels, "weight": np.linspace(0, 1, count(raw))})
    one = "odd" if form == "labels" else {"parity": "odd", "weight": 0.5}
    few = given[:20] if form == "labels" else given.iloc[:20]
    model = zoo.quickly(case.new(), raw, given=given)
    assert type(model.sample(4, given=one)) is type(raw)
    assert count(model.sample(20, given=few, seed=1)) == 20
    assert same(model.sample(4, given=one, seed=2), model.sample(4, given=one, seed=2))
    if isinstance(model, HasLikelihood):
        score = model.log_likelihood(keys(case), given=few)
        assert score.nats.shape == (20,)
        with pytest.raises(ValueError, match="given"):
            model.log_likelihood(keys(case))
    for wrong in (None, "evne" if form == "labels" else {"parity": "evne", "weight": 0.5}, few[:3]):
        with pytest.raises(ValueError, match="given|category"):
            model.sample(4, given=wrong)
    model.save(tmp_path)
    loaded = genus.load_model(tmp_path)
    assert same(loaded.sample(4, given=one, seed=2), model.sample(4, given=one, seed=2))


def test_what_is_given_is_learned():
    make = zoo.draws(0)
    side = torch.arange(400) % 2
    data = torch.randn(400, 2, generator=make) + 6 * side[:, None]
    given = ["high" if s else "low" for s in side]
    model = genus.VAE(latent_dim=1, width=32, n_layers=1).fit(
        examples_of(data, given), steps=300, learning_rate=1e-2, progress=False, device="cpu"
    )
    assert float(model.sample(200, given="high").mean()) > 5 > 1 > float(model.sample(200, given="low").mean())
    right = model.log_likelihood(data, given=given).mean
    wrong = model.log_likelihood(data, given=given[1:] + given[:1]).mean
    assert right > wrong + 2


def test_conditions_mean_the_same_in_a_dataset_and_raw():
    """Conditions of a test part are read with what was learned of the training part: their scale, their categories."""
    make = np.random.default_rng(0)
    given = pd.DataFrame({"weight": 1000 + 100 * make.normal(size=200), "town": make.choice(["a", "b", "c"], 200)})
    data = torch.from_numpy(given[["weight"]].to_numpy() / 100 + make.normal(size=(200, 2))).float()
    parts = examples_of(data[:150], given[:150])
    held = examples_of(data[150:], given[150:])
    backwards = examples_of(data[150:], given[150:].assign(town=pd.Categorical(given["town"][150:], categories=["c", "b", "a"])))
    model = genus.VAE(latent_dim=1, width=16, n_layers=1, dropout=0.0)
    zoo.quickly(model, parts, validation=held)
    want = model.log_likelihood(data[150:], given=given[150:]).nats
    assert torch.equal(model.log_likelihood(held).nats, want)
    assert torch.equal(model.log_likelihood(backwards).nats, want)
    watched = zoo.quickly(genus.VAE(latent_dim=1, width=16, n_layers=1), parts, validation=(data[150:], given[150:]))
    other = zoo.quickly(genus.VAE(latent_dim=1, width=16, n_layers=1), parts, validation=held)
    assert same_state(state_of(watched), state_of(other))


def test_a_missing_condition_is_known_only_to_those_who_learned_with_one():
    data, labels = torch.randn(40, 2, generator=zoo.draws(0)), ["a", "b"] * 20
    for cls in (genus.VAE, genus.GAN):
        model = zoo.quickly(cls(width=8), data, given=labels)
        with pytest.raises(ValueError, match="given: row 1 has no label"):
            model.sample(2, given=["a", None])
        assert zoo.quickly(cls(width=8), data, given=[None, *labels[1:]]).sample(2, given=["a", None]).shape == (2, 2)
    frame = pd.DataFrame({"town": labels, "weight": np.linspace(0, 1, 40)})
    model = zoo.quickly(genus.VAE(width=8), data, given=frame)
    with pytest.raises(ValueError, match="given: row 3 has no 'weight'"):
        model.log_likelihood(data, given=frame.assign(weight=frame["weight"].where(frame.index != 3)))


def test_the_labels_of_a_dataset_are_its_conditions_where_it_is_asked():
    data = Dataset.of(torch.randn(60, 2, generator=zoo.draws(0)), labels=torch.arange(60) % 3)
    model = zoo.quickly(genus.VAE(width=8), data, given=True)
    with pytest.raises(ValueError, match="pass given= here too, True for the labels"):
        model.score_samples(data)
    want = model.log_likelihood(data.test.raw, given=data.test.labels).nats
    for held in (data, data.test):
        assert torch.equal(model.log_likelihood(held, given=True).nats, want)
        assert (model.score_samples(held, given=True) == want.numpy()).all()
    assert model.score(data, given=True) == float(want.mean())
    with pytest.raises(ValueError, match="given=True means the labels of the data, but they have none"):
        model.log_likelihood(Dataset.of(data.test.raw), given=True)


def test_one_row_of_numbers_is_a_condition_for_all():
    data, given = torch.randn(40, 2, generator=zoo.draws(0)), torch.randn(40, 2, generator=zoo.draws(1))
    model = zoo.quickly(genus.VAE(width=8), data, given=given)
    assert torch.equal(model.sample(3, given=[1.0, 3.0]), model.sample(3, given=[[1.0, 3.0]] * 3))
    with pytest.raises(ValueError, match=r"given: has shape \(3,\)"):
        model.sample(3, given=[1.0, 3.0, 5.0])


@pytest.mark.parametrize("kind", ["reals", "table", "words"])
def test_log_prob_takes_a_part_of_a_dataset(kind):
    raw = {
        "reals": zoo.moons(50),
        "table": pd.DataFrame({"x": np.linspace(0, 1, 50) ** 2, "k": np.arange(50) % 7}),
        "words": ["ab", "ba"] * 25,
    }
    data = Dataset.of(raw[kind])
    model = (genus.NGram() if kind == "words" else genus.Gaussian()).fit(data, progress=False)
    want = model.log_prob(data.test.raw)
    assert torch.equal(model.log_prob(data.test), want) and torch.equal(model.log_prob(data), want)
    if kind == "table":
        with pytest.raises(ValueError, match="data: lie in .*pass data of its kind"):
            model.log_prob(Dataset.of(zoo.moons(50)))


@on(cases(on=("reals", "words")))
def test_given_is_refused_by_those_who_do_not_learn_with_it(case, fitted):
    labels = ["a"] * count(case.raw)
    model = fitted(case)
    if not issubclass(case.cls, Conditional):
        with pytest.raises(ValueError, match="given: .* does not learn with given"):
            case.new().fit(case.raw, given=labels, progress=False)
    if isinstance(model, CanSample) and not isinstance(model, Completes):
        with pytest.raises(ValueError, match=r"given='a'.*fitted without given="):
            model.sample(3, given="a")


# ----------------------------------------------------------------------------------------------------------- complete


@pytest.fixture(scope="module")
def correlated():
    make = zoo.draws(0)
    root = torch.tensor([[1.0, 0, 0], [0.8, 0.5, 0], [-0.3, 0.6, 2.0]], dtype=torch.float64)
    return torch.randn(500, 3, generator=make, dtype=torch.float64) @ root.T + torch.tensor([5.0, -2.0, 100.0])


def moments(model):
    """Mean and covariance in the data's units."""
    location, scale = model.space.location_scale
    return model.mean * scale + location, model.covariance * scale[:, None] * scale


def test_completing_is_the_conditional_gaussian(correlated):
    model = genus.Gaussian().fit(correlated, progress=False)
    mean, cov = moments(model)
    torch.testing.assert_close(mean, correlated.mean(0))
    torch.testing.assert_close(cov, torch.cov(correlated.T, correction=0))
    value = 6.5
    regression = cov[1:, 0] / cov[0, 0]
    expected_mean = mean[1:] + regression * (value - mean[0])
    expected_cov = cov[1:, 1:] - cov[1:, :1] @ cov[:1, 1:] / cov[0, 0]
    n = 20_000
    rows = torch.full((n, 3), math.nan, dtype=torch.float64)
    rows[:, 0] = value
    for drawn in (model.complete(rows, seed=0), model.sample(n, given={0: value}, seed=1)):
        assert drawn.dtype == torch.float64 and bool((drawn[:, 0] == value).all()) and not bool(drawn.isnan().any())
        error = expected_cov.diagonal().sqrt() / math.sqrt(n)
        assert bool(((drawn[:, 1:].mean(0) - expected_mean).abs() < 5 * error).all())
        torch.testing.assert_close(torch.cov(drawn[:, 1:].T), expected_cov, rtol=0.06, atol=0.02)


def test_the_likeliest_component_is_drawn_when_a_column_tells_which(correlated):
    far = torch.cat([correlated, correlated + torch.tensor([100.0, 0.0, -200.0])])
    model = genus.GaussianMixture(n_components=2).fit(far, progress=False)
    near, away = model.sample(400, given={0: 5.0}, seed=0), model.sample(400, given={0: 105.0}, seed=0)
    assert abs(float(near[:, 2].mean()) - 100) < 1 and abs(float(away[:, 2].mean()) + 100) < 1
    assert bool((near[:, 0] == 5.0).all())


@on(cases(Completes))
def test_what_is_known_stays_exactly_as_it_is(case, fitted):
    model = fitted(case)
    raw = keys(case)
    if not isinstance(raw, pd.DataFrame) and not getattr(raw[0], "dtype", torch.int64).is_floating_point:
        with_holes = model.complete(raw)
        assert same(with_holes, raw)  # nothing missing, nothing changed
        return
    if isinstance(raw, pd.DataFrame):
        holes = raw.astype({name: "float64" for name in raw.columns if str(raw[name].dtype) == "int64"})
        holes.iloc[::2, 0] = np.nan
        holes.iloc[1::3, 2] = np.nan
        full = model.complete(holes)
        assert not full.isna().any().any()
        for name in raw.columns:
            known = holes[name].notna()
            assert full[name][known].tolist() == holes[name][known].tolist()
    elif isinstance(raw, list):  # ragged
        holes = [sequence.clone() for sequence in raw]
        for sequence in holes:
            sequence[0, ::2] = math.nan
        for full, sequence in zip(model.complete(holes), holes, strict=True):
            known = ~sequence.isnan()
            assert bool((full[known] == sequence[known]).all()) and not bool(full.isnan().any())
    else:
        holes = raw.clone()
        holes.view(len(raw), -1)[::2, 0] = math.nan
        full = model.complete(holes)
        known = ~holes.isnan()
        assert bool((full[known] == holes[known]).all()) and not bool(full.isnan().any())
    assert same(model.complete(holes, seed=4), model.complete(holes, seed=4))
    assert not same(model.complete(holes, seed=4), model.complete(holes, seed=5))


@on([c for c in cases(Completes) if c.material in ("binary", "whole", "digits")])
def test_whole_numbers_may_be_missing_from_floats(case, fitted):
    model, raw = fitted(case), torch.as_tensor(case.raw)
    if not isinstance(model.space, Binary | Images | Reals):
        return
    holes = raw.double()
    holes.view(len(raw), -1)[::2, 1] = math.nan
    for full in (model.complete(holes), model.complete(genus.Dataset.of(holes, split=(1.0, 0.0, 0.0)))):
        assert full.dtype == raw.dtype and full.shape == raw.shape
    assert bool((model.complete(holes) == raw)[~holes.isnan()].all())
    if model.takes_missing:
        assert bool(model.log_likelihood(holes).nats.isfinite().all())
    else:
        with pytest.raises(ValueError, match="row 0 holds NaN"):
            model.log_likelihood(holes)


def test_missing_pixels_lie_as_the_pixels_do():
    images = torch.randint(0, 256, (40, 4, 5, 3), dtype=torch.uint8, generator=zoo.draws(0))
    holes = images.double()
    holes[:, 1, 2, 0] = math.nan
    changed = (genus.Gaussian().fit(images).complete(holes) != images).any(0).nonzero().tolist()
    assert changed == [[1, 2, 0]]
    with pytest.raises(ValueError, match="image 0 holds 0.5"):
        genus.Gaussian().fit(images).complete(holes.nan_to_num(0.5))


def test_a_frame_is_filled_by_a_model_of_arrays(correlated):
    model = genus.Gaussian().fit(correlated.float())
    frame = pd.DataFrame(correlated[:30].numpy(), columns=["a", "b", "c"], index=range(100, 130))
    frame.iloc[::3, 1] = np.nan
    for full in (model.complete(frame), model.impute(frame)):
        assert full.index.equals(frame.index) and list(full.columns) == list(frame.columns) and not full.isna().any().any()
        known = frame.notna().to_numpy()
        assert (full.to_numpy()[known] == frame.to_numpy()[known]).all()  # float64, not the model's float32
    nullable = frame.round().astype({"a": "int64", "b": "Int64"})
    full = model.impute(nullable)
    assert list(map(str, full.dtypes)) == ["int64", "Float64", "float64"] and full["b"].iloc[1] == nullable["b"].iloc[1]
    whole = genus.Gaussian().fit(correlated.round().long()).impute(nullable)
    assert str(whole["b"].dtype) == "Int64" and not whole.isna().any().any()


@pytest.mark.parametrize("dtype", ["boolean", "object", "float32"])
def test_a_filled_column_keeps_its_dtype(dtype):
    bits = (torch.rand(200, 3, generator=zoo.draws(0)) < 0.5).long()
    model = genus.Mixture(n_components=2, max_iter=20).fit(bits, progress=False)
    frame = pd.DataFrame(bits[:20].numpy().astype(bool if dtype != "float32" else "float32"), columns=["a", "b", "c"]).astype(dtype)
    frame.iloc[::4, 1] = pd.NA if dtype == "boolean" else np.nan
    full = model.complete(frame)
    assert list(full.dtypes) == list(frame.dtypes) and not full.isna().any().any()
    assert {type(value) for value in full["b"]} == {type(value) for value in frame["b"].dropna()}


def test_a_frame_of_texts_has_nothing_to_fill():
    model = genus.HiddenMarkov(n_states=2).fit(["ab", "ba", "abba"], progress=False)
    frame = pd.DataFrame({"text": ["ab", "bb"]}, index=[7, 8])
    assert model.complete(frame).equals(frame)


def test_each_frame_of_a_list_is_filled_under_its_own_index():
    walks = [zoo.moons(n) for n in (6, 8)]
    model = genus.HiddenMarkov(n_states=2).fit(walks, progress=False)
    frames = [pd.DataFrame(walk.numpy(), columns=["x", "y"], index=range(50, 50 + len(walk))) for walk in walks]
    frames[1].iloc[2, 0] = np.nan
    full = model.complete(frames)
    assert full[0].equals(frames[0]) and full[1].index.equals(frames[1].index) and not full[1].isna().any().any()


def test_bits_per_dimension_are_of_known_cells():
    x = torch.randn(3000, 2, generator=zoo.draws(0))
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    one, none = x.clone(), x.clone()
    one[:, 1], none[2999] = math.nan, math.nan
    model = genus.GaussianMixture(n_components=1).fit(x, progress=False)
    alone = genus.Gaussian().fit(x[:, :1]).log_likelihood(x[:, :1])
    assert model.log_likelihood(one).bits_per_dim == pytest.approx(alone.bits_per_dim, rel=1e-3)
    part = model.log_likelihood(none, batch_size=1000)  # in the first batch all are whole
    assert part.dims.tolist() == [2] * 2999 + [0]
    assert part.nats_per_dim == pytest.approx(model.log_likelihood(x[:2999]).nats_per_dim)
    assert math.isnan(model.log_likelihood(none[2999:]).bits_per_dim)
    mixture = genus.Mixture(n_components=2).fit(x, progress=False).log_likelihood(one)
    assert mixture.nats_per_dim == pytest.approx(-mixture.total / 3000)
    walks = [x[:5].clone(), x[5:12].clone()]
    walks[1][3] = math.nan
    assert genus.HiddenMarkov(n_states=2).fit(walks, progress=False).log_likelihood(walks).dims.tolist() == [10, 12]
    series = [walk[:, 0] for walk in walks]
    assert genus.HiddenMarkov(n_states=2).fit(series, progress=False).log_likelihood(series).dims.tolist() == [5, 6]
    level = [torch.stack(series[:1] * 3), genus.LinearDynamicalSystem(latent_dim=1, max_iter=3)]
    level[0][1, 2] = math.nan
    assert level[1].fit(level[0], progress=False).log_likelihood(level[0]).dims.tolist() == [5, 4, 5]
    numbers = x[:50, 0].clone()
    numbers[7] = math.nan
    assert genus.GaussianMixture().fit(numbers, progress=False).log_likelihood(numbers).dims.sum() == 49


def test_sample_takes_known_cells_by_column(fitted):
    model = fitted(Case("gaussian-mixture", "numbers"))
    drawn = model.sample(30, given={"length": 120.0, "count": 4})
    assert (drawn["length"] == 120.0).all() and (drawn["count"] == 4).all() and drawn["width"].nunique() == 30
    assert len(model.sample(0, given={"length": 120.0})) == 0
    with pytest.raises(ValueError, match="no column is called 'lenght'; perhaps you meant 'length'"):
        model.sample(3, given={"lenght": 1.0})
    tensor_model = fitted(Case("gaussian", "reals"))
    with pytest.raises(ValueError, match="given: 2 is no column"):
        tensor_model.sample(3, given={2: 1.0})


@on(cases(Completes, HasLogProb, on=("tokens",), but=(Classifies,)))
def test_known_tokens_leave_the_rest_to_their_conditional(case, fitted):
    model, n = fitted(case), 4000
    drawn = model.sample(n, given={1: 2, 3: 0}, seed=0)
    assert bool((drawn[:, 1] == 2).all() and (drawn[:, 3] == 0).all())
    points = all_points(model.space)
    points = points[(points[:, 1] == 2) & (points[:, 3] == 0)]
    p = model.log_prob(points).detach().softmax(0)  # of every first and third token
    often = torch.bincount(3 * drawn[:, 0] + drawn[:, 2], minlength=9) / n
    assert bool(((often - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-3).all())
    with pytest.raises(ValueError, match="given: .*holds 9, but tokens run from 0 to 2"):
        model.sample(3, given={0: 9})


@on(cases(Completes, on=("ragged-walks",)))
def test_points_of_many_lengths_have_no_numbered_cells(case, fitted):
    with pytest.raises(ValueError, match="given: known cells are those of points of one length"):
        fitted(case).sample(3, given={0: 1.0})


# ------------------------------------------------------------------------------------------------------------ generate


@on([c for c in cases(CanGenerate, on=("words", "tokens"))])
def test_generating_goes_on_from_the_prompt(case, fitted):
    model = fitted(case)
    text = model.space.tokenizer is not None
    prompt = "ab" if text else [0, 1]
    out = model.generate(prompt, max_new_tokens=2, seed=1)
    assert type(out) is (str if text else torch.Tensor)
    assert (out[:2] == prompt) if text else out[:2].tolist() == prompt
    assert len(out) <= 4
    many = model.generate([prompt, prompt[:1]], max_new_tokens=2, seed=1)
    assert isinstance(many, list) and len(many) == 2
    assert same(
        model.generate(prompt, max_new_tokens=2, temperature=0, seed=1),
        model.generate(prompt, max_new_tokens=2, temperature=0, seed=2),
    )
    assert same(model.generate(prompt, max_new_tokens=2, top_k=1), model.generate(prompt, max_new_tokens=2, temperature=0))
    assert len(model.generate(prompt, max_new_tokens=0)) == 2


def test_the_best_of_all_beams_is_the_likeliest_string(fitted):
    """With as many beams as there are continuations nothing is cut: the best is the most probable of all."""
    model = fitted(Case("gpt", "tokens"))
    best = model.generate([0], max_new_tokens=3, num_beams=27, length_penalty=0.0)
    every = torch.tensor([[0, *rest] for rest in itertools.product(range(3), repeat=3)])
    scores = model.log_prob(every).detach()
    assert best.tolist() == every[int(scores.argmax())].tolist()
