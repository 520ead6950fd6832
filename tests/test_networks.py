"""Networks: lowered convolutions against torch's own, with their gradients and the gradients of those; windows of the transformer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genus.networks import attention, lowering
from genus.networks.attention import CausalTransformer
from genus.networks.lowering import Doubling, Halving

# images, channels of the larger image, of the smaller, sides of the smaller: deep and few channels, and neither
SHAPES = [(3, 4, 5, 1, 1), (2, 20, 3, 1, 2), (2, 24, 5, 3, 1), (2, 70, 4, 4, 4), (3, 3, 5, 4, 3), (2, 1, 4, 2, 5), (2, 9, 4, 3, 3)]


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(lowering, "FEWEST_IMAGES", 1)


def pair(kind, n, c, o, h, w, dtype=torch.float64):
    """A module, torch's own with the same weights, and what they read."""
    torch.manual_seed(n + c + o)
    ours, plain = (
        (Halving(c, o), nn.Conv2d(c, o, 4, 2, 1)) if kind == "halving" else (Doubling(o, c), nn.ConvTranspose2d(o, c, 4, 2, 1))
    )
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(n, c, 2 * h, 2 * w) if kind == "halving" else torch.randn(n, o, h, w)
    return ours.to(dtype), plain.to(dtype), x.to(dtype)


def gradients(module, x, weight):
    x = x.clone().requires_grad_()
    y = module(x)
    return y, torch.autograd.grad((y * weight).sum(), (x, *module.parameters()))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["halving", "doubling"])
def test_a_lowered_convolution_is_torchs(kind, shape, layout):
    ours, plain, x = pair(kind, *shape)
    weight = torch.randn_like(plain(x))
    y, found = gradients(ours.to(memory_format=layout), x.contiguous(memory_format=layout), weight)
    expected, torchs = gradients(plain, x, weight)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(found, torchs)


@pytest.mark.parametrize("shape", [(2, 8, 2, 2, 1), (1, 8, 3, 1, 2), (1, 2, 3, 1, 2)])
@pytest.mark.parametrize("kind", ["halving", "doubling"])
def test_gradients_of_gradients(kind, shape):
    ours, _, x = pair(kind, *shape)
    inputs = (x.requires_grad_(), *ours.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: ours(x), inputs)
    assert torch.autograd.gradgradcheck(lambda x, *_: ours(x), inputs)


def test_what_is_written_out_is_cut_into_parts(monkeypatch):
    ours, plain, x = pair("doubling", 5, 3, 4, 4, 4)
    monkeypatch.setattr(lowering, "WRITTEN_OUT", 2 * 16 * 3 * 16)  # two images
    torch.testing.assert_close(ours(x), plain(x))


@pytest.mark.parametrize("kind", ["halving", "doubling"])
def test_a_lowered_convolution_starts_and_is_kept_as_torchs(kind):
    torch.manual_seed(0)
    ours, plain, _ = pair(kind, 2, 3, 5, 4, 4, torch.float32)
    torch.manual_seed(1)
    ours.reset_parameters()
    torch.manual_seed(1)
    plain.reset_parameters()
    assert list(ours.state_dict()) == ["weight", "bias"]
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["halving", "doubling"])
def test_elsewhere_torchs_own_is_used(kind, monkeypatch):
    ours, plain, x = pair(kind, 2, 70, 5, 4, 4, torch.float32)
    for function in (lowering._Convolve, lowering._Spread):
        monkeypatch.setattr(function, "apply", None)  # calling it is an error
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), plain(x)) and ours(x).dtype is torch.bfloat16
    assert ours.to("meta")(x.to("meta")).shape == plain(x).shape
    ours, plain, x = pair(kind, 2, 70, 5, 5, 5)  # more pixels than channels
    assert torch.equal(ours(x), plain(x))
    if kind == "halving":  # a side that is not even
        assert torch.equal(ours(x[..., 1:]), plain(x[..., 1:]))


@pytest.mark.parametrize("context, length", [(8, 5), (8, 8), (8, 9), (8, 12), (8, 13), (8, 50), (7, 40), (1, 3)])
def test_windows_read_together_are_windows_read_one_by_one(context, length, monkeypatch):
    monkeypatch.setattr(attention, "POSITIONS", 3 * context)
    torch.manual_seed(0)
    network = CausalTransformer(5, context, 2, 1, 4, n_conditions=2).double()
    for weight in network.parameters():
        nn.init.normal_(weight)
    tokens, target, given = torch.randint(5, (2, length)), torch.randint(5, (2, length)), torch.randn(2, 2).double()
    read = []

    def score(logits, target):
        read.append(target.numel())
        return logits.log_softmax(-1).gather(2, target[..., None])[..., 0]

    found = network.slide(score, tokens, target, given)
    if length > 2 * context:  # as few at once as were asked for, however long the text
        assert max(read) == 3 * context
    for t in range(length):  # the window that speaks of t is the first one that reaches it
        step = context - context // 2
        start = max(0, -(-(t + 1 - context) // step)) * step
        logits = network(tokens[:, start : t + 1], given)[:, -1:]
        torch.testing.assert_close(found[:, t : t + 1], score(logits, target[:, t : t + 1]))
