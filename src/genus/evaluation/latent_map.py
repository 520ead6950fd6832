"""The latent map: what a model with two hidden numbers has learned, as a landscape."""

from __future__ import annotations

from html import escape

import torch
from torch import Tensor

from genus.data import Dataset
from genus.evaluation import charts
from genus.evaluation.page import figure, image
from genus.evaluation.pictures import brightness, is_image, sheet
from genus.evaluation.views import is_tiny
from genus.model import HasElbo, HasLatent, Model
from genus.spaces import Space

CELLS = 15  # a side of the grid of decoded codes
POINTS = 700  # held-out points that are placed on the map


def has_map(model: Model) -> bool:
    """Whether a model has a latent map: two numbers in its code, and nothing given."""
    return isinstance(model, HasLatent) and model.space is not None and model.latent_dim == 2 and model.given_space is None


def latent_map(model: HasLatent, space: Space, data: Dataset) -> str:
    """Two figures in the same coordinates: decoded codes on a grid, and where held-out points are encoded.

    Both axes run through the code's quantiles, so that every cell of a standard normal code is equally probable.
    """
    held_out = data.test[:POINTS]
    codes = model.encode(held_out).double()
    forwards, quantile = _scale(model, codes)
    parts = []
    if is_image(space):
        share = (torch.arange(CELLS, dtype=torch.float64) + 0.5) / CELLS
        across, up = torch.meshgrid(share, share.flip(0), indexing="xy")
        grid = quantile(torch.stack([across.flatten(), up.flatten()], 1))
        decoded = brightness(space, model.decode(grid.float()))
        drawn = sheet(decoded, columns=CELLS, width=960, gap=False, smooth=is_tiny(decoded))
        picture = image(drawn, "Decoded codes on a grid", "100%")
        parts.append(
            figure(picture, "Walk over the map: each small image is what the model draws for the two numbers of its place.")
        )
    at = forwards(codes)
    frame = charts.Frame(460, 460, (0.0, 1.0), (0.0, 1.0), left=2, right=2, top=2, bottom=2)
    labels = held_out.labels
    told = f"Where held-out examples lie on {'the same map' if parts else 'the map'}"
    if labels is None or labels.is_floating_point():
        letters, styles = [""] * len(at), ["a"] * len(at)
        told += "."
    else:
        names = data.classes or tuple(str(i) for i in range(int(labels.max()) + 1))
        short = all(len(name) <= 2 for name in names)
        letters = [names[int(i)] if short else "" for i in labels]
        styles = [f"k{int(i) % 10}" for i in labels]
        how = "drawn as its label" if short else f"in the colour of its label ({_key(names)})"
        told += f", each {how}, which the model was never shown."
    chart = charts.lettered(at.numpy(), letters, styles, "Held-out examples on the latent map", frame)
    parts.append(figure(chart.replace("<svg ", '<svg style="width:100%" ', 1), told))
    return f'<div class="pair">{"".join(parts)}{"<div></div>" * (2 - len(parts))}</div>'


def _key(names: tuple[str, ...]) -> str:
    """Labels, each in its colour."""
    words = [f'<span style="color:var(--k{i % 10})">{escape(name)}</span>' for i, name in enumerate(names[:10])]
    return ", ".join(words) + (", …" if len(names) > 10 else "")


def _scale(model: Model, codes: Tensor):  # type: ignore[no-untyped-def]
    """Codes to shares of [0, 1], and back: by the normal distribution of a VAE's codes, else by the range that codes fill."""
    if isinstance(model, HasElbo):
        return torch.special.ndtr, torch.special.ndtri
    low, high = codes.quantile(0.01, 0), codes.quantile(0.99, 0)
    return lambda z: (z - low) / (high - low), lambda share: low + share * (high - low)
