"""Hidden Markov models against enumeration over all paths of states, the umbrella world, and hmmlearn."""

from __future__ import annotations

import importlib
import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import zoo

import genus
from genus import HiddenMarkov, Reals, Sequence
from genus.probability import forward_backward
from genus.probability.components import CategoricalComponents
from genus.probability.components.mixture import MixtureComponents
from genus.probability.forward_backward import Chain, Trellis, best_cut, draw_states, filtered, log_prob, smoothed, viterbi
from genus.spaces import Binary, Ragged, Table, Tokens, infer_space

LENGTHS = torch.tensor([4, 0, 6, 1, 6, 3])
CUTS = (None, 1, 2, 3, 5)
DENSE = Chain(torch.tensor([0.2, 0.5, 0.3]).double(), torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.05, 0.05, 0.9]]).double())
LEFT_RIGHT = Chain(
    torch.tensor([1.0, 0.0, 0.0]).double(), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]]).double()
)


def enumerate_paths(chain: Chain, log_b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All paths (K^T, T) of states and log p(x, z) of each, for log_b (K, T)."""
    K, T = log_b.shape
    paths = torch.tensor(list(itertools.product(range(K), repeat=T)))
    steps = chain.transition.log()[paths[:, :-1], paths[:, 1:]].sum(1)
    return paths, chain.start.log()[paths[:, 0]] + steps + log_b[paths, torch.arange(T)].sum(1)


def brute_force(chain: Chain, log_b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """log p(x), p(z_t | x) (K, T), expected transitions (K, K), the likeliest path (T,)."""
    (K, T), (paths, log_p) = log_b.shape, enumerate_paths(chain, log_b)
    weight = log_p.softmax(0)
    posterior = torch.stack([((paths == k) * weight[:, None]).sum(0) for k in range(K)])
    code = K * paths[:, :-1] + paths[:, 1:]
    transitions = torch.bincount(code.flatten(), weight[:, None].expand(-1, T - 1).flatten(), minlength=K * K).reshape(K, K)
    return log_p.logsumexp(0), posterior, transitions, paths[log_p.argmax()]


@pytest.mark.parametrize("chain", [DENSE, LEFT_RIGHT], ids=["dense", "left-right"])
@pytest.mark.parametrize("scale", [1, 300, 3000])  # at 3000 the data are all but impossible under most states
@pytest.mark.parametrize("cut", CUTS)
def test_the_recursions_are_sums_over_all_paths(chain, scale, cut):
    log_b = scale * torch.randn(3, int(LENGTHS.sum()), generator=zoo.draws(), dtype=torch.float64)
    trellis = Trellis(LENGTHS, cut)
    rows = log_b[:, trellis.rows]
    back = trellis.rows.argsort()
    log_p, alpha = filtered(chain, rows, trellis)
    smooth = smoothed(chain, rows, trellis)
    path = viterbi(chain, rows, trellis)[back]
    total, at = torch.zeros(3, 3).double(), 0
    for i, length in enumerate(LENGTHS.tolist()):
        if not length:
            assert float(log_p[i]) == float(smooth.log_prob[i]) == 0
            continue
        here = slice(at, at + length)
        want, posterior, transitions, best = brute_force(chain, log_b[:, here])
        torch.testing.assert_close(log_p[i], want, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(smooth.log_prob[i], want, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(smooth.posterior[:, back][:, here], posterior, rtol=0, atol=1e-12)
        assert torch.equal(path[here], best)
        for t in range(1, length + 1):
            until = brute_force(chain, log_b[:, at : at + t])[1][:, -1]
            torch.testing.assert_close(alpha[:, back][:, at + t - 1], until, rtol=0, atol=1e-12)
        total, at = total + transitions, at + length
    torch.testing.assert_close(smooth.transitions, total, rtol=0, atol=1e-11)
    forward = forward_backward._Forward(chain, rows, trellis)
    assert forward.sound == (chain is DENSE or scale == 1)  # so both ways were walked


def test_in_logarithms_it_is_the_same_and_differentiable():
    trellis = Trellis(LENGTHS)
    log_b = torch.randn(3, int(LENGTHS.sum()), generator=zoo.draws(1), dtype=torch.float64).requires_grad_()
    transition = DENSE.transition.clone().requires_grad_()
    log_p = log_prob(Chain(DENSE.start, transition), log_b, trellis)
    smooth = smoothed(DENSE, log_b.detach(), trellis)
    torch.testing.assert_close(log_p, smooth.log_prob)
    by_b, by_a = torch.autograd.grad(log_p.sum(), (log_b, transition))
    torch.testing.assert_close(by_b, smooth.posterior)
    torch.testing.assert_close(by_a * transition, smooth.transitions)


def test_what_cannot_be_has_probability_zero():
    trellis = Trellis(torch.tensor([2]))
    log_b = torch.tensor([[-1.0, -math.inf], [-math.inf, -math.inf], [-math.inf, -1.0]]).double()  # 0, then 2: no such step
    log_p, alpha = filtered(LEFT_RIGHT, log_b, trellis)
    assert float(log_p) == -math.inf and bool(alpha.isfinite().all())
    assert bool(smoothed(LEFT_RIGHT, log_b, trellis).posterior.isfinite().all())


@pytest.mark.parametrize("cut", [None, 2])
def test_drawn_states_are_those_of_the_posterior(cut):
    n = 20_000
    lengths = torch.full((n,), 5)
    log_b = torch.randn(3, 5, generator=zoo.draws(2), dtype=torch.float64)
    trellis = Trellis(lengths, cut)
    rows = log_b.repeat(1, n)[:, trellis.rows]
    torch.manual_seed(0)
    states = draw_states(DENSE, filtered(DENSE, rows, trellis)[1], trellis)[trellis.rows.argsort()].reshape(n, 5)
    paths, log_p = enumerate_paths(DENSE, log_b)
    expected = n * log_p.softmax(0)
    drawn = torch.bincount((states * 3 ** torch.arange(4, -1, -1)).sum(1), minlength=3**5)  # in the order of the product
    assert torch.equal((paths * 3 ** torch.arange(4, -1, -1)).sum(1), torch.arange(3**5))
    often = expected > 5
    assert float(((drawn - expected).square() / expected)[often].sum()) < int(often.sum()) + 6 * math.sqrt(2 * int(often.sum()))


def test_a_long_sequence_in_pieces_is_the_long_sequence():
    lengths = torch.tensor([3000])
    log_b = 2 * torch.randn(4, 3000, generator=zoo.draws(3), dtype=torch.float64)
    chain = Chain(torch.full((4,), 0.25).double(), torch.rand(4, 4, generator=zoo.draws(4), dtype=torch.float64).softmax(1))
    assert best_cut(lengths, 4) is not None and best_cut(torch.full((500,), 200), 16) is None
    whole, cut = Trellis(lengths), Trellis(lengths, best_cut(lengths, 4))
    one, other = smoothed(chain, log_b[:, whole.rows], whole), smoothed(chain, log_b[:, cut.rows], cut)
    back = cut.rows.argsort()
    torch.testing.assert_close(other.log_prob, one.log_prob, rtol=1e-12, atol=0)
    torch.testing.assert_close(other.posterior[:, back], one.posterior, rtol=0, atol=1e-9)
    torch.testing.assert_close(other.transitions, one.transitions, rtol=1e-9, atol=1e-9)
    assert torch.equal(viterbi(chain, log_b[:, cut.rows], cut)[back], viterbi(chain, log_b, whole))
    single = smoothed(chain, log_b[:, cut.rows].float(), cut)
    assert abs(float(single.log_prob / one.log_prob) - 1) < 1e-6
    torch.testing.assert_close(single.posterior.double()[:, back], one.posterior, rtol=0, atol=1e-4)


# ------------------------------------------------------------------------------------------------- the umbrella world


@pytest.fixture(scope="module")
def umbrella():
    """Rain or not, and an umbrella or none (Russell & Norvig, chapter 14): tokens 1 and 0."""
    model = fit(HiddenMarkov(n_states=2, max_iter=1), [[0, 1], [1, 0, 1]])
    model.start_probabilities = torch.tensor([0.5, 0.5]).double()
    model.transition_matrix = torch.tensor([[0.7, 0.3], [0.3, 0.7]]).double()
    model.emissions.probabilities = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.2, 0.0]]).double()  # of none, umbrella, the end
    model.space.ends = False
    return model


def fit(model, data, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*stopped after max_iter.*")
        return model.fit(data, progress=False, **options)


def test_the_umbrella_world(umbrella):
    days = [[1, 1, 0, 1, 1]]
    assert math.exp(umbrella.log_likelihood(days).mean) == pytest.approx(0.0343037, abs=5e-8)
    assert umbrella.filter(days)[0][:2, 0].tolist() == pytest.approx([0.818182, 0.883357], abs=5e-7)
    assert umbrella.states(days)[0].tolist() == [0, 0, 1, 0, 0]
    path = enumerate_paths(umbrella.chain, umbrella.emissions.log_prob(torch.tensor(days[0])[:, None]))
    assert float(path[1].max().exp()) == pytest.approx(0.0115736, abs=5e-8)
    assert float(umbrella.posterior_states([[1, 1]])[0][0, 0]) == pytest.approx(0.883357, abs=5e-7)


def test_what_follows_a_prompt_follows_it_exactly(umbrella):
    n, prompt = 4000, [1, 1, 0]
    p = {
        more: math.exp(float(umbrella.log_likelihood([[*prompt, *more]]).nats - umbrella.log_likelihood([prompt]).nats))
        for more in itertools.product((0, 1), repeat=2)
    }
    assert sum(p.values()) == pytest.approx(1)
    out = umbrella.generate([prompt] * n, max_new_tokens=2, seed=1)
    for more, want in p.items():
        share = sum(tuple(o[3:].tolist()) == more for o in out) / n
        assert abs(share - want) < 5 * math.sqrt(want / n)
    assert umbrella.generate(prompt, max_new_tokens=2, num_beams=4)[3:].tolist() == list(max(p, key=p.get))


# ------------------------------------------------------------------------------------------------------------ learning


@pytest.fixture(scope="module")
def series():
    """Six ragged series of three states that persist, in two dimensions."""
    make = zoo.draws(5)
    out = []
    for length in (60, 45, 80, 1, 33, 70):
        z = torch.zeros(length, dtype=torch.int64)
        for t in range(1, length):
            z[t] = z[t - 1] if float(torch.rand((), generator=make)) < 0.9 else int(torch.randint(3, (), generator=make))
        centre = torch.tensor([[0.0, 10.0], [3.0, 13.0], [-3.0, 13.0]], dtype=torch.float64)[z]
        out.append(centre + 0.7 * torch.randn(length, 2, generator=make, dtype=torch.float64))
    return out


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_a_step_of_baum_welch_is_that_of_hmmlearn(kind, series):
    hmm = pytest.importorskip("hmmlearn.hmm")
    model = fit(HiddenMarkov(n_states=3, covariance_type=kind, max_iter=2, smoothing=0.0), series)
    location, scale = (t.numpy() for t in model.space.item.location_scale)
    peer = hmm.GaussianHMM(
        3,
        kind,
        n_iter=1,
        tol=-np.inf,
        init_params="",
        covars_prior=0,
        covars_weight=0 if kind in ("full", "tied") else 1,
        min_covar=0,
    )
    peer.startprob_, peer.transmat_ = model.start_probabilities.numpy(), model.transition_matrix.numpy()
    peer.means_ = model.emissions.means.numpy()
    peer.covars_ = model.emissions.covariances.numpy()
    z, lengths = np.concatenate([(s.numpy() - location) / scale for s in series]), [len(s) for s in series]
    jacobian = len(z) * np.log(scale).sum()
    assert model.log_likelihood(series).total == pytest.approx(peer.score(z, lengths) - jacobian, rel=1e-10)
    np.testing.assert_allclose(np.concatenate(model.posterior_states(series)), peer.predict_proba(z, lengths), atol=1e-8)
    np.testing.assert_array_equal(np.concatenate(model.states(series)), peer.predict(z, lengths))
    peer.fit(z, lengths)
    model.maximise(model.expect(model.coordinates(model.examples(series).x, None, torch.float64)))
    np.testing.assert_allclose(model.start_probabilities, peer.startprob_, atol=1e-9)
    np.testing.assert_allclose(model.transition_matrix, peer.transmat_, atol=1e-9)
    np.testing.assert_allclose(model.emissions.means, peer.means_, atol=1e-9)
    theirs = peer._covars_[:, 0] if kind == "spherical" else peer._covars_
    np.testing.assert_allclose(model.emissions.covariances, theirs, atol=1e-9)


@pytest.mark.parametrize("emission", ["gaussian", "mixture"])
def test_the_likelihood_never_falls(emission, series):
    model = fit(HiddenMarkov(n_states=2, n_components=2, emission=emission, smoothing=0.0, max_iter=1), series)
    model.transition_matrix = torch.full((2, 2), 0.5, dtype=torch.float64)
    batch = model.coordinates(model.examples(series).x, None, torch.float64)
    values = []
    for _ in range(15):
        statistics = model.expect(batch)
        values.append(float(statistics["log_likelihood"]))
        assert float(statistics["count"].sum()) == pytest.approx(sum(map(len, series)))
        model.maximise(statistics)
    assert all(later > earlier - 1e-6 for earlier, later in itertools.pairwise(values)) and values[-1] > values[0] + 1


@pytest.mark.parametrize("emission", ["gaussian", "mixture"])
def test_em_with_a_strong_prior_ends_where_the_posterior_does(emission, series):
    def climbed(**options):
        model = fit(HiddenMarkov(n_states=3, emission=emission, smoothing=5.0, support=0.0, **options), series)
        return model.log_likelihood(series).total + model.log_prior()

    assert climbed() == pytest.approx(climbed(max_iter=400, tol=0.0), abs=0.02)


def test_symbols_have_a_prior_too():
    make = np.random.default_rng(0)
    texts = ["".join(make.choice(list("abcd"), p=[0.4, 0.4, 0.1, 0.1], size=8)) for _ in range(20)]
    one = fit(HiddenMarkov(n_states=2, smoothing=5.0, max_iter=1000), texts)
    probabilities = [one.start_probabilities, one.transition_matrix, one.emissions.probabilities]
    assert one.log_prior() == pytest.approx(5 * sum(float(p.log().sum()) for p in probabilities))
    more = fit(HiddenMarkov(n_states=2, smoothing=5.0, max_iter=1000, tol=0.0), texts)
    gain = more.log_likelihood(texts).total + more.log_prior() - one.log_likelihood(texts).total - one.log_prior()
    assert gain < 0.01


def test_few_items_hold_up_a_state_as_support_says(series):
    narrow, wide = (
        float(fit(HiddenMarkov(n_states=12, support=support), series).emissions.covariances.det().amin()) for support in (0.0, 10.0)
    )
    assert narrow < 0.3 * wide


def test_more_symbols_than_memory_holds_are_refused():
    codes = np.random.default_rng(0).integers(0, 10**9, (20, 2))
    with pytest.raises(ValueError, match=r"2 distributions over \d+ values each make a table of more than.*number those 0, 1, 2"):
        HiddenMarkov(n_states=2).fit(codes)


def test_the_states_of_well_kept_clusters_are_found(series):
    model = fit(HiddenMarkov(n_states=3), series)
    location, scale = model.space.item.location_scale
    centres = sorted(((model.emissions.means * scale) + location).tolist())
    np.testing.assert_allclose(centres, [[-3, 13], [0, 10], [3, 13]], atol=0.35)
    assert float(model.transition_matrix.diagonal().min()) > 0.85


def test_single_precision_climbs_the_same_hill(series):
    one = fit(HiddenMarkov(n_states=3), series)
    other = fit(HiddenMarkov(n_states=3), [s.float() for s in series], precision="float32")
    assert other.log_likelihood(series).total == pytest.approx(one.log_likelihood(series).total, rel=1e-5)


def test_groups_and_chunks_change_nothing(series, monkeypatch):
    model = fit(HiddenMarkov(n_states=3, max_iter=3), series)

    def said():
        x = model.examples(series).x
        halves = [model.expect(model.coordinates(part, None, torch.float64)) for part in (x[:2], x[2:])]
        sums = {name: halves[0][name] + halves[1][name] for name in halves[0]}
        return sums, model.log_likelihood(series, batch_size=2).nats, model.posterior_states(series), model.states(series)

    together = said()
    monkeypatch.setattr(importlib.import_module("genus.models.classical.hidden_markov"), "NUMBERS", 150)
    assert len(model.coordinates(model.examples(series).x, None, torch.float64)) > 3
    for one, other in zip(together, said(), strict=True):
        torch.testing.assert_close(one, other)


def test_missing_values_are_integrated_out(series):
    model = fit(HiddenMarkov(n_states=2), series)
    location, scale = model.space.item.location_scale
    means, covs = model.emissions.means * scale + location, model.emissions.covariances * scale[:, None] * scale
    x = series[0][:5].clone()
    x[1] = math.nan
    x[3, 0] = math.nan
    log_b = torch.zeros(2, 5, dtype=torch.float64)
    for k, t in itertools.product(range(2), range(5)):
        seen = ~x[t].isnan()
        if seen.any():
            marginal = torch.distributions.MultivariateNormal(means[k][seen], covs[k][seen][:, seen])
            log_b[k, t] = marginal.log_prob(x[t][seen])
    want, posterior, _, best = brute_force(model.chain, log_b)
    assert float(model.log_likelihood([x]).nats) == pytest.approx(float(want), abs=1e-9)
    torch.testing.assert_close(model.posterior_states([x])[0], posterior.T, rtol=0, atol=1e-9)
    assert torch.equal(model.states([x])[0], best)
    full = model.complete([x])[0]
    assert torch.equal(full[~x.isnan()], x[~x.isnan()]) and not bool(full.isnan().any())
    # a hole drawn many times has the mean that the posterior says
    holes = torch.stack(model.complete([x] * 4000, seed=1))[:, 1]
    mean = posterior[:, 1] @ means
    assert bool(((holes.mean(0) - mean).abs() < 5 * holes.std(0) / math.sqrt(4000)).all())


def test_unlikely_data_and_long_gaps_are_no_accident(series):
    model = fit(HiddenMarkov(n_states=3), series)
    far = torch.cat([series[0], torch.full((3, 2), 1e6).double(), torch.full((500, 2), math.nan).double()])
    score = model.log_likelihood([far])
    assert math.isfinite(score.mean) and score.mean < -1e6
    assert bool(model.posterior_states([far])[0].isfinite().all())
    torch.testing.assert_close(model.filter([far])[0].sum(1), torch.ones(len(far)).double())
    again = fit(HiddenMarkov(n_states=3, max_iter=5), [*series, far[:70]])
    assert bool(again.transition_matrix.isfinite().all())


def test_a_forecast_is_the_mixture_the_filter_says(series):
    model = fit(HiddenMarkov(n_states=3), series)
    location, scale = model.space.item.location_scale
    state = model.filter([series[0]])[0][-1]
    forecast = model.forecast(series[0], 3, n_samples=4000)
    for step in range(3):
        state = state @ model.transition_matrix
        mean = state @ (model.emissions.means * scale + location)
        assert bool(((forecast.mean[step] - mean).abs() < 5 * 4 / math.sqrt(4000)).all())
    assert forecast.mean.shape == (3, 2) and bool((forecast.low < forecast.high).all())
    assert torch.equal(model.continuations(series[0], 2, n=3, seed=1)[2], model.continuations(series[0], 2, n=3, seed=1)[2])


def test_series_of_zeros_and_ones_go_on():
    x = torch.tensor([[0, 1] * 6] * 10, dtype=torch.uint8)[..., None]
    model = fit(HiddenMarkov(n_states=2, n_init=3), x)
    after = model.continuations(x[0, :5], 4, n=2)[0]
    assert after.dtype == torch.uint8 and after.flatten().tolist() == [1, 0, 1, 0]
    torch.testing.assert_close(model.forecast(x[0, :5], 2).mean.flatten(), torch.tensor([1.0, 0.0]).double(), atol=0.02, rtol=0)


def test_rows_of_a_table_have_mixed_columns(series):
    frames = [
        pd.DataFrame({"a": s[:, 0], "up": np.where(s[:, 1] > 11.5, "yes", "no"), "n": (s[:, 1] * 2).round().long()}) for s in series
    ]
    frames[0].loc[3:6, "a"] = np.nan
    frames[0].loc[4, "up"] = None
    model = fit(HiddenMarkov(n_states=3), frames)
    drawn = model.sample(2)
    assert list(drawn[0].columns) == ["a", "up", "n"] and set(drawn[0]["up"]) <= {"yes", "no"}
    full = model.complete(frames)[0]
    assert not full.isna().any().any() and full["n"].equals(frames[0]["n"])
    parts = model.log_likelihood(frames[2:3]).nats
    log_b = model.emissions.log_prob(model.emissions.coordinates(model.space.item.encode(frames[4][:6])))
    want = brute_force(model.chain, log_b)[0]
    assert float(model.log_likelihood([frames[4][:6]]).nats) == pytest.approx(float(want), abs=1e-8) and len(parts) == 1


def test_whole_numbers_have_probabilities():
    x = torch.poisson(torch.tensor([2.0, 9.0]).repeat_interleave(20).repeat(30, 1), generator=zoo.draws(7)).long()
    model = fit(HiddenMarkov(n_states=2), x[..., None])
    assert model.sample(3).dtype == torch.int64 and model.log_likelihood(x[:5, :, None]).kind == "exact"
    one_step = HiddenMarkov(n_states=1)
    values = torch.arange(-60, 90)[:, None, None]  # sequences of one item: their probabilities add up to one
    total = fit(one_step, x.reshape(-1, 1, 1)).log_likelihood(values).nats.exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-6)
    assert (model.states(x[..., None])[:, 0] != model.states(x[..., None])[:, -1]).float().mean() > 0.9


def test_a_mixture_is_more_than_its_state(series):
    """One state of two parts is a mixture of two Gaussians."""
    make = zoo.draws(6)
    x = torch.randn(60, 10, 1, generator=make).double() + 6 * (torch.rand(60, 10, 1, generator=make) < 0.3)
    model = fit(HiddenMarkov(n_states=1, emission="mixture", n_components=2), list(x))
    flat = fit(genus.GaussianMixture(n_components=2, n_init=3), x.flatten(0, 1))
    assert model.log_likelihood(list(x)).total == pytest.approx(flat.log_likelihood(x.flatten(0, 1)).total, abs=0.5)
    assert model.degrees_of_freedom == 2 + 2 + 1
    assert model.bic(list(x)) == pytest.approx(5 * math.log(600) - 2 * model.log_likelihood(list(x)).total)  # of 600 items
    assert model.aic(list(x)) == pytest.approx(10 - 2 * model.log_likelihood(list(x)).total)


# ---------------------------------------------------------------------------------------------- data, files, refusals


def test_which_sequences_raw_data_are():
    a, b = np.zeros((5, 2)) + 0.5, np.ones((3, 2)) * 0.5
    models = HiddenMarkov.spaces
    for raw, item, length in (
        ([a, b], Reals(2, "float64"), None),
        ([a, a], Reals(2, "float64"), None),
        ([a], Reals(2, "float64"), None),
        ([a[:, 0], a[:, 0]], Reals((), "float64"), None),
        (np.stack([a, a]), Reals(2, "float64"), 5),
        (a, Reals((), "float64"), 2),
        ([np.array([[0, 1], [1, 1]]), np.array([[0, 0]])], Binary(2, "int64"), None),
    ):
        assert infer_space(raw, models) == Sequence(item, length)
    assert infer_space(np.stack([a, a])) == Reals((5, 2), "float64")  # what others get is what they got
    assert infer_space([[0, 1, 2], [2, 1, 0]], models) == Tokens(3, length=3)
    frames = [pd.DataFrame({"t": ["x", "y"]}), pd.DataFrame({"t": ["z"]})]
    space = infer_space(frames, models)
    assert isinstance(space.item, Table) and space.item.columns[0].categories == ("x", "y", "z")


def test_what_is_no_sequence_is_told_so(series):
    frame = pd.DataFrame({"a": [1.0, 2.5], "b": [0.5, 1.0]})
    for data, message in (
        (frame, r"pass \[data\]"),
        (torch.randn(20), r"pass \[data\]"),
        (torch.rand(5, 3, 2, 2), "not Reals|no emissions"),
        ([frame, 3], "also holds int"),
        ([frame, frame[["a"]]], "DataFrame 1 has other columns"),
        ([series[0][:1]], "constant|n_states=3"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            HiddenMarkov(n_states=3).fit(data, progress=False)
    with pytest.raises(ValueError, match="emission='categorical' does not fit"):
        HiddenMarkov(emission="categorical").fit(series, progress=False)
    text = fit(HiddenMarkov(n_states=2, max_iter=3), zoo.words())
    with pytest.raises(ValueError, match="use generate"):
        text.forecast("ab", 3)
    numbers = fit(HiddenMarkov(n_states=2, max_iter=3), series)
    with pytest.raises(ValueError, match=r"use sample\(n\)"):
        numbers.generate()


def test_an_empty_sequence_is_certain(series):
    model = fit(HiddenMarkov(n_states=2, max_iter=3), [*series, series[0][:0]])
    for data in ([series[0][:0]], [series[0], series[0][:0], series[2]]):
        score, states, full = model.log_likelihood(data), model.states(data), model.complete(data)
        for i, sequence in enumerate(data):
            assert len(states[i]) == len(full[i]) == len(sequence) and (len(sequence) > 0 or float(score.nats[i]) == 0)
    assert model.continuations(series[0][:0], 3, n=2)[1].shape == (3, 2)


def test_samples_have_lengths_like_the_data(series):
    model = fit(HiddenMarkov(n_states=2, max_iter=3), series)
    drawn = model.sample(600, seed=0)
    assert {len(s) for s in drawn} == {len(s) for s in series}
    fixed = fit(HiddenMarkov(n_states=2, max_iter=3), torch.stack([s[:30] for s in series if len(s) > 30]))
    assert fixed.sample(3).shape == (3, 30, 2) and fixed.states(fixed.sample(3)).shape == (3, 30)


@pytest.mark.parametrize(
    "name, damage",
    [
        ("lengths", "negative"),
        ("start_probabilities", "nan"),
        ("transition_matrix", "twice"),
        ("emissions.means", "nan"),
        ("emissions.covariances", "negative"),
    ],
)
def test_a_damaged_file_is_refused(name, damage, series, tmp_path):
    model = fit(HiddenMarkov(n_states=2, max_iter=2), series)
    buffer = model.get_buffer(name)
    buffer.copy_({"negative": -buffer, "nan": buffer * math.nan, "twice": 2 * buffer}[damage])
    model.save(tmp_path)
    with pytest.raises(ValueError, match=f"{name.split('.')[-1]}.*the file is damaged"):
        genus.load_model(tmp_path)


def test_what_a_state_cannot_emit_leaves_no_trace_in_its_mixture():
    mixed = MixtureComponents(lambda n: CategoricalComponents(Tokens(3), n), 2, 2)
    for k in range(4):
        mixed.parts.probabilities[k] = torch.tensor([0.0, 0.5, 0.5] if k < 2 else [1.0, 0.0, 0.0], dtype=torch.float64)
    sums = mixed.statistics(torch.tensor([[0], [1]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64))
    assert torch.equal(sums["symbols"].unflatten(0, (2, 2)).sum(1), torch.tensor([[0.0, 1, 0], [1, 0, 0]], dtype=torch.float64))


def test_the_gradient_in_ragged_items_is_the_finite_difference(series):
    model = fit(HiddenMarkov(n_states=2, max_iter=3), series)
    offsets, values = torch.tensor([0, 3, 7]), torch.randn(7, *model.space.item.shape, generator=zoo.draws(1), dtype=torch.float64)
    score = lambda values: model.log_prob(Ragged(values, offsets))  # noqa: E731
    assert torch.autograd.gradcheck(score, (values.requires_grad_(),), atol=1e-6)
