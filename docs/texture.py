"""The picture of texture.md: `GENUS_DATA=... python docs/texture.py`, a minute."""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, max_pool2d

import genus


def half(image: torch.Tensor, times: int = 1) -> torch.Tensor:
    return avg_pool2d(image.float(), 2**times).round().to(torch.uint8)


def timed(what, make):
    start = time.process_time()
    result = make()
    print(f"{what}: {time.process_time() - start:.1f} s")
    return result


def main() -> None:
    textures = {name: genus.load_dataset(f"textures/{name}").train.x for name in ("brick", "water", "gravel")}
    wall = half(genus.load_dataset("textures/wall").train.x)
    hole = max_pool2d((wall > 250).all(1).float(), 5, 1, 2)[0].bool()  # white, and the soft edge around it
    columns = {}
    for name, x in textures.items():
        quilt = genus.Quilting().fit(x, progress=False)
        small = half(x, 2 if name == "brick" else 1)[:, :, :150, :150]
        pixels = genus.EfrosLeung(window=11).fit(small, progress=False)
        columns[name] = (
            x[0, :, :256, :256],
            timed(f"{name}, 256 x 256, block by block", lambda: quilt.synthesise(256, 256)[0]),  # noqa: B023
            timed(f"{name}, 64 x 64, pixel by pixel", lambda: pixels.synthesise(64, 64)[0]),  # noqa: B023
        )
    mender = genus.EfrosLeung(window=11).fit(wall, progress=False)
    filled = timed(f"a hole of {int(hole.sum())} pixels", lambda: mender.fill_hole(wall[0], hole))
    brickwork = genus.EfrosLeung(window=11).fit(wall[:, :, 20:150, :44], progress=False)
    columns["wall"] = (wall[0], filled, timed("wall, 64 x 64", lambda: brickwork.synthesise(64, 64)[0]))

    titles = ("the photograph", "quilted, 256 x 256", "pixel by pixel, 64 x 64")
    plt.rcParams.update({"font.size": 12})
    figure, axes = plt.subplots(3, 4, figsize=(8.2, 6.6), layout="constrained")
    for column, (images, line) in enumerate(zip(columns.values(), axes.T)):
        for row, (image, axis) in enumerate(zip(images, line)):
            axis.imshow(
                image.permute(1, 2, 0).squeeze(2) if len(image) == 1 else image.permute(1, 2, 0), cmap="gray", vmin=0, vmax=255
            )
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            title = ("a hole", "the hole filled", "pixel by pixel, 64 x 64")[row] if column == 3 else titles[row]
            axis.set_title(title, fontsize=11)
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path, dpi=110)
    Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)  # photographs, small


if __name__ == "__main__":
    main()
