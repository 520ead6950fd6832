"""The picture in README.md: `genus demo`, then `python docs/digits.py genus-demo/runs`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import genus

ROWS = ("gaussian", "gaussian-mixture", "vae", "gan", "gpt")
SIDE, GAP, LABEL, COLUMNS = 40, 4, 190, 16


def main(runs: Path) -> None:
    sheets = {"real": genus.load_dataset("digits").test.x[:COLUMNS]}
    sheets |= {name: genus.load_model(runs / name).sample(COLUMNS) for name in ROWS}
    picture = Image.new("L", (LABEL + COLUMNS * (SIDE + GAP), len(sheets) * (SIDE + GAP) + GAP), 255)
    draw = ImageDraw.Draw(picture)
    for row, (name, digits) in enumerate(sheets.items()):
        top = GAP + row * (SIDE + GAP)
        draw.text((6, top + SIDE // 2), name, fill=40, font=ImageFont.load_default(18), anchor="lm")
        for column, digit in enumerate(np.asarray(digits).reshape(-1, 8, 8)):
            tile = Image.fromarray((255 - digit * (255 / 16)).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture.paste(tile, (LABEL + column * (SIDE + GAP), top))
    picture.save(Path(__file__).with_name("digits.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
