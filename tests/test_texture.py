"""Texture synthesis: distances, cuts and choices against brute force, textures whose only continuation is known, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import zoo
from torch.nn.functional import unfold

import genus
from genus import EfrosLeung, Quilting
from genus.models.classical import texture
from genus.models.classical.texture import SAME, _correlate, _cut_out, _Library, least_cut

BOTH = pytest.mark.parametrize("model", [EfrosLeung(window=5), Quilting(block=8, overlap=3)], ids=["pixels", "blocks"])


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def checks(height: int, width: int, shift: int = 0) -> torch.Tensor:
    """Squares of 2 x 2 pixels, black and white."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width) + shift
    return (255 * ((rows // 2 + columns // 2) % 2)).to(torch.uint8)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=draws(seed)).to(torch.uint8)


def is_checks(image: torch.Tensor) -> bool:
    return any(
        torch.equal(image, checks(4 + image.shape[0], image.shape[1], s)[r : r + image.shape[0]])
        for s in range(4)
        for r in range(4)
    )


# ------------------------------------------------------------------------------------------------- against brute force


def test_the_cut_is_the_least_of_all_paths():
    error = torch.rand(6, 5, 4, generator=draws())
    paths = [p for p in itertools.product(range(4), repeat=5) if all(abs(a - b) <= 1 for a, b in itertools.pairwise(p))]
    assert len(paths) == 178
    for e, found in zip(error, least_cut(error), strict=True):
        cost = lambda path: float(sum(row[c] for row, c in zip(e, path, strict=True)))  # noqa: B023, E731
        assert tuple(found.tolist()) in paths and cost(found.tolist()) == pytest.approx(min(map(cost, paths)))
    assert least_cut(error[:, :, :1]).eq(0).all()


@pytest.mark.parametrize("fourier", [0, 10**6], ids=["fourier", "convolution"])
def test_distances_are_those_of_every_window(fourier, monkeypatch):
    monkeypatch.setattr(texture, "FOURIER", fourier)
    images, x = torch.rand(2, 3, 9, 11, generator=draws()), torch.rand(4, 3, 4, 4, generator=draws(1))
    mask = torch.rand(4, 4, 4, generator=draws(2))
    windows = unfold(images, 4).permute(0, 2, 1).reshape(-1, 3, 4, 4)
    brute = ((windows[None] - x[:, None]).square() * mask[:, None, None]).sum((2, 3, 4)) / mask.sum((1, 2))[:, None]
    with_squares = torch.cat([images, images.square().sum(1, keepdim=True)], 1)
    weight = (mask / mask.sum((1, 2), keepdim=True))[:, None]
    found = _correlate(with_squares, torch.cat([-2 * weight * x, weight], 1)) + (weight * x.square()).sum((1, 2, 3))[:, None]
    torch.testing.assert_close(found, brute, atol=1e-5, rtol=1e-4)
    numbers = torch.arange(windows.shape[0])
    assert torch.equal(_cut_out(images, numbers, 4), windows)  # windows are numbered alike
    torch.manual_seed(0)
    assert torch.equal(_Library([images], 4).choose(x, mask, 0.0), brute.argmin(1))
    assert torch.equal(_Library([images[:1], images[1:]], 4).choose(x, mask, 0.0), brute.argmin(1))


def test_the_choice_is_even_among_windows_within_tolerance(monkeypatch):
    """One window is the very same, two are near, one a little farther, one far: the same does not set the measure."""
    image = torch.zeros(1, 1, 1, 5)
    image[0, 0, 0] = torch.tensor([0.5, 0.6, 0.4, 0.5 + 0.1 * 1.2**0.5, 0.9])
    x, mask = torch.full((6000, 1, 1, 1), 0.5), torch.ones(6000, 1, 1)
    monkeypatch.setattr(texture, "TILE", 500)  # a hundred at a time
    torch.manual_seed(0)
    for tolerance, share in ((0.1, [1 / 3, 1 / 3, 1 / 3, 0, 0]), (0.25, [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0])):
        found = torch.bincount(_Library([image], 1).choose(x, mask, tolerance), minlength=5) / 6000
        assert found.tolist() == pytest.approx(share, abs=0.03)
    assert _Library([image[..., :1]], 1).choose(x[:9], mask[:9], 0.1).eq(0).all()  # where there is only the same
    image[0, 0, 0, 4] = 0.5  # two are the very same: nothing else will do
    assert set(_Library([image], 1).choose(x, mask, 0.1).tolist()) == {0, 4}
    assert SAME < (1 / 255) ** 2


def test_pixels_found_at_once_lie_outside_each_others_windows(monkeypatch):
    """So the result is that of one after the other."""
    model = EfrosLeung(window=5).fit(noise(1, 12, 12), progress=False)
    seen = []
    choose = _Library.choose
    monkeypatch.setattr(_Library, "choose", lambda self, x, mask, t: seen.append(len(x)) or choose(self, x, mask, t))
    fronts = []
    nonzero = torch.Tensor.nonzero

    def watched(self, **options):
        found = nonzero(self, **options)
        if self.shape == (24, 24):  # the padded canvas, rather than a table of distances
            fronts.append(torch.stack(found, 1))
        return found

    monkeypatch.setattr(torch.Tensor, "nonzero", watched)
    model.synthesise(20, 20)
    assert sum(seen) == 20 * 20 - 9 == sum(map(len, fronts)) and max(seen) > 4
    for front in fronts:
        apart = (front[:, None] - front).abs().amax(2) + 99 * torch.eye(len(front), dtype=torch.long)
        assert int(apart.min()) > 2


# --------------------------------------------------------------------------------- textures with only one continuation


@BOTH
def test_checks_go_on_for_ever(model):
    model.fit(checks(16, 18)[None], progress=False)
    for image in model.synthesise(25, 31, n=3, seed=1):
        assert image.shape == (25, 31) and image.dtype == torch.uint8 and is_checks(image)
    assert is_checks(model.sample(1)[0])


@BOTH
def test_every_pixel_is_one_of_an_exemplars(model):
    exemplars = noise(2, 14, 12, 3)
    images = model.fit(exemplars, progress=False).synthesise(17, 9, n=4)
    assert images.shape == (4, 17, 9, 3)
    known = {tuple(pixel) for pixel in exemplars.reshape(-1, 3).tolist()}
    assert {tuple(pixel) for pixel in images.reshape(-1, 3).tolist()} <= known
    assert len({image.numpy().tobytes() for image in images}) == 4
    assert torch.equal(images, model.synthesise(17, 9, n=4)) and not torch.equal(images, model.synthesise(17, 9, n=4, seed=1))


@BOTH
def test_images_of_any_size_and_depth(model):
    for exemplars, space in (
        (torch.arange(9).reshape(1, 3, 3), genus.Images(1, 3, 3, levels=1000, layout="nhw")),
        (noise(2, 1, 3, 40), None),
    ):
        data = genus.Dataset.of(exemplars, space=space, split=(1, 0, 0))
        model.fit(data, progress=False)
        assert model.sample(2).shape[1:] == data.train.raw.shape[1:] and model.sample(1).dtype == model.exemplars.dtype
        for height, width in ((1, 1), (1, 9), (7, 2)):
            assert model.synthesise(height, width).numel() == height * width


def test_quilting_copies_whole_blocks_between_cuts():
    """Inside a block, away from its overlaps, the result is a window of the exemplar."""
    exemplar = noise(1, 40, 40)
    image = Quilting(block=12, overlap=3).fit(exemplar, progress=False).synthesise(40, 40)[0]
    windows = {w.tobytes() for w in np.lib.stride_tricks.sliding_window_view(exemplar[0].numpy(), (6, 6)).reshape(-1, 6, 6)}
    for top, left in itertools.product(range(0, 27, 9), repeat=2):
        assert image[top + 3 : top + 9, left + 3 : left + 9].numpy().tobytes() in windows


# --------------------------------------------------------------------------------------------------------------- holes


@pytest.mark.parametrize("layout", ["nhw", "nchw", "nhwc"])
def test_a_hole_in_checks_is_mended(layout):
    whole = checks(20, 24)
    whole = {"nhw": whole, "nchw": whole.expand(3, 20, 24), "nhwc": whole[..., None].expand(20, 24, 3)}[layout].clone()
    mask = torch.zeros(20, 24, dtype=torch.bool)
    mask[6:14, 9:16] = True
    mask[0, 0] = True
    broken = whole.clone()
    (broken.permute(2, 0, 1) if layout == "nhwc" else broken)[..., mask] = 100
    model = EfrosLeung(window=7).fit(broken[None], progress=False)  # its only exemplar is the broken image itself
    filled = model.fill_hole(broken, mask)
    assert filled.shape == whole.shape and torch.equal(filled, whole)
    other = EfrosLeung(window=7).fit(whole[None], progress=False)
    assert torch.equal(other.fill_hole(broken.numpy(), mask.numpy()), whole)
    assert torch.equal(model.fill_hole(broken, torch.zeros_like(mask)), broken)  # no hole, nothing changed


def test_holes_that_cannot_be_filled():
    model = EfrosLeung(window=7).fit(checks(10, 10)[None], progress=False)
    with pytest.raises(ValueError, match=r"mask: has shape \(3, 3\).*must be 10 x 10"):
        model.fill_hole(checks(10, 10), torch.ones(3, 3))
    with pytest.raises(ValueError, match="leave some false"):
        model.fill_hole(checks(10, 10), torch.ones(10, 10))
    middle = torch.zeros(10, 10)
    middle[5, 5] = 1
    with pytest.raises(ValueError, match="mask: leaves no whole window of 7 x 7 pixels to copy from"):
        model.fill_hole(checks(10, 10), middle)
    with pytest.raises(ValueError, match="image: its images are 2 x 9"):
        model.fill_hole(checks(2, 9), torch.zeros(2, 9))


# ----------------------------------------------------------------------------------------------------------- bad input


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="window=4 has no pixel in its middle"):
        EfrosLeung(window=4).fit(checks(9, 9)[None])
    with pytest.raises(ValueError, match="overlap=6 must be less than block=6"):
        Quilting(block=6, overlap=6).fit(checks(9, 9)[None])
    with pytest.raises(ValueError, match="its images are 2 x 2, and texture needs 3 pixels each way"):
        Quilting().fit(noise(5, 2, 2, 3), progress=False)
    model = Quilting().fit(checks(9, 9)[None], progress=False)
    with pytest.raises(ValueError, match="height=0 must be a whole number, at least 1"):
        model.synthesise(0, 4)
    with pytest.raises(ValueError, match=r"width=4.5 must be"):
        model.synthesise(4, 4.5)
    with pytest.raises(RuntimeError, match="not fitted"):
        Quilting().synthesise(4, 4)


@pytest.mark.parametrize("damage", [torch.zeros(0, 1, 9, 9, dtype=torch.int32), torch.full((1, 1, 9, 9), -1, dtype=torch.int32),
                                    torch.full((1, 1, 9, 9), 999, dtype=torch.int32)], ids=["none", "below", "above"])  # fmt: skip
def test_a_strangers_exemplars_are_looked_at(damage, tmp_path):
    data = genus.Dataset.of(
        torch.arange(81).reshape(1, 9, 9), space=genus.Images(1, 9, 9, levels=999, layout="nhw"), split=(1, 0, 0)
    )
    Quilting().fit(data, progress=False).save(tmp_path)
    genus.load_model(tmp_path)
    zoo.forge(tmp_path, tensors={"exemplars": damage})
    with pytest.raises(ValueError, match="exemplars must be at least one image of pixels from 0 to 998; the file is damaged"):
        genus.load_model(tmp_path)


def test_one_photograph_is_a_data_set(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(checks(30, 20).numpy()).save(tmp_path / "checks.png")
    data = genus.load_dataset(tmp_path / "checks.png")
    assert len(data.train) == 1 and data.space == genus.Images(1, 30, 20, layout="nhw")
    assert is_checks(Quilting(block=8, overlap=3).fit(data, progress=False).synthesise(12, 50)[0])


def test_the_named_textures():
    pytest.importorskip("PIL.Image")
    names = [name for name in genus.datasets()["name"] if name.startswith("textures/")]
    assert len(names) == 13
    if genus.datasets().set_index("name")["available"]["textures/wall"] != "yes":
        pytest.skip("the textures are not on this machine: get them and name their folder in GENUS_DATA")
    assert genus.load_dataset("textures/brick").train.x.shape == (1, 1, 512, 512)
    assert genus.load_dataset("textures/wall").train.x.shape == (1, 3, 350, 350)
    with pytest.raises(ValueError, match="perhaps you meant 'textures/brick'"):
        genus.load_dataset("textures/brik")
