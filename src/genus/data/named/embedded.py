"""Sets that come with scikit-learn: no file, no network."""

from __future__ import annotations

from genus.data.named.registry import named
from genus.data.readers import Raw
from genus.spaces import Binary, Images

DIGITS = tuple("0123456789")
SPLIT = 1437  # the first 1437 train, the last 360 test: the split of published numbers
SOURCE = "https://scikit-learn.org/stable/datasets/toy_dataset.html"


@named(
    "digits",
    "handwritten digits, 8 x 8, 17 levels of grey",
    kind="images",
    space="Images(1, 8, 8, levels=17)",
    sizes=(1437, 0, 360),
    source=SOURCE,
    licence="CC BY 4.0 (UCI)",
)
def digits() -> Raw:
    images, labels = _digits()
    space = Images(1, 8, 8, levels=17, layout="nchw")
    parts = (labels[:SPLIT], None, labels[SPLIT:])
    return Raw(images[:SPLIT], None, images[SPLIT:], labels=parts, classes=DIGITS, space=space)


@named(
    "binary_digits",
    "handwritten digits, 8 x 8, black and white (a level of 8 or more)",
    kind="images",
    space="Binary(1, 8, 8)",
    sizes=(1437, 0, 360),
    source=SOURCE,
    licence="CC BY 4.0 (UCI)",
)
def binary_digits() -> Raw:
    images, labels = _digits()
    ink = (images >= 8).astype("uint8")
    parts = (labels[:SPLIT], None, labels[SPLIT:])
    return Raw(ink[:SPLIT], None, ink[SPLIT:], labels=parts, classes=DIGITS, space=Binary((1, 8, 8)))


@named(
    "iris",
    "150 irises of three species, four lengths in cm (Fisher 1936)",
    kind="tables",
    space="Table(4 columns)",
    sizes=(150, 0, 0),
    source=SOURCE,
    licence="CC BY 4.0 (UCI)",
)
def iris() -> Raw:
    from sklearn.datasets import load_iris

    bunch = load_iris(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    return Raw(frame, labels=(bunch.target.to_numpy(), None, None), classes=tuple(map(str, bunch.target_names)))


def _digits():  # type: ignore[no-untyped-def]
    """uint8 (1797, 1, 8, 8) of 0 .. 16, and labels (1797,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype("uint8")[:, None], bunch.target
