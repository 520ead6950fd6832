"""Observation heads: masses of cells against scipy, and sums over all there is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import logistic

import genus
from genus.probability.heads import logistic_interval, observation_head
from genus.spaces import Reals, Table

QUIET = {"progress": False, "device": "cpu"}


@pytest.mark.parametrize("width", [1e-30, 1e-12, 1e-7, 9e-4, 2e-3, 0.1, 3.0, 50.0])
def test_the_mass_of_a_cell_of_any_width(width):
    low, mean, log_scale = torch.tensor([-30.0, -2.0, 0.0, 0.7, 25.0]), torch.tensor(0.3), torch.tensor(-0.5)
    no = torch.zeros(5, dtype=torch.bool)
    found = logistic_interval(low, torch.tensor(math.log(width)), mean, log_scale, no, no)
    x = (low.double().numpy() - 0.3) / math.exp(-0.5)
    x, w = np.where(x > 0, -x - width / math.exp(-0.5), x), width / math.exp(-0.5)  # the lower of the two equal tails
    want = np.log(logistic.cdf(x + w) - logistic.cdf(x)) if width > 1e-3 else logistic.logpdf(x + w / 2) + math.log(w)
    np.testing.assert_allclose(found.numpy(), want, rtol=2e-6, atol=1e-6)


def test_the_probabilities_of_a_column_of_whole_numbers_add_up_to_one():
    frame = pd.DataFrame({"n": np.random.default_rng(0).poisson(3, 200)})
    space = Table.of(frame)
    space = space.fit([space.encode(frame)])
    x = torch.arange(-5000, 5000, dtype=torch.float64)[:, None]
    h = torch.tensor([[0.4, 0.8]]).expand(len(x), -1)
    p = observation_head(space).log_prob(h, x).double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    high = int(frame.n.max())
    assert float(p[5000 + high + 1] / p[5000 + high]) == pytest.approx(0.5e-9, rel=1e-4)


def test_a_column_of_fractions_has_a_density_far_from_what_was_seen():
    """Its tails are those of the normal: at the end of the range it would not integrate to one."""
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(3, 2, 50), "y": ["a", "b"] * 25})
    table = Table.of(frame)
    table = table.fit([table.encode(frame)])
    head, column = observation_head(table), table.columns[0]
    x = torch.tensor([column.low - 40.0, column.low, column.high, column.high + 40.0], dtype=torch.float64)
    log_p = head.log_prob(torch.zeros(4, head.outputs), torch.stack([x, torch.zeros(4)], 1))
    expected = torch.distributions.Normal(column.location, column.scale).log_prob(x) - math.log(2)
    torch.testing.assert_close(log_p.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_probabilities_of_a_small_dtype_add_up_to_one():
    head = observation_head(Reals(1, "uint8", location=[3.0], scale=[2.0]))
    x = torch.arange(256, dtype=torch.uint8)[:, None]
    assert float(head.log_prob(torch.tensor([[0.4, 0.8]]).expand(256, -1), x).exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: pd.DataFrame({"a": x[:, 0]})], ids=["array", "table"])
def test_a_bound_on_wide_whole_numbers_lies_below_their_entropy(wrap):
    """At this spread the ends of a cell are one float32."""
    x = np.random.default_rng(0).normal(0, 1e9, (400, 1)).astype(np.int64)
    entropy = 0.5 * math.log(2 * math.pi * math.e * x.var())
    bound = genus.VAE(latent_dim=1, width=8, n_layers=1).fit(wrap(x), steps=200, **QUIET).log_likelihood(wrap(x)).mean
    assert -entropy - 1 < bound < -entropy + 0.5
