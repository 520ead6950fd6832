"""Texture synthesis: processor seconds of a quilt of 256 x 256, and of 64 x 64 grown pixel by pixel.

The exemplar is made here, blobs of colour of some ten pixels, so that it needs no download.
"""

from __future__ import annotations

from benchmarks.harness import Measured, Row, stopwatch

SIDE = 192


def synthesised(name: str, side: int) -> Measured:
    import torch
    from torch.nn.functional import avg_pool2d

    import genus

    noise = torch.randn(1, 3, SIDE + 20, SIDE + 20, generator=torch.Generator().manual_seed(0))
    blobs = avg_pool2d(avg_pool2d(noise, 11, 1), 11, 1)
    exemplar = ((blobs / blobs.std() * 50 + 128).clamp(0, 255)).to(torch.uint8)
    model = getattr(genus, name)().fit(exemplar, progress=False)
    model.synthesise(16, 16)
    with stopwatch() as clock:
        image = model.synthesise(side, side)
    return Measured(clock.seconds, {"mean": float(image.float().mean())})


ROWS = [
    Row(
        name=f"texture-{name}",
        what=f"{side} x {side} colour pixels from {SIDE} x {SIDE}, {how}",
        unit="CPU s",
        ours=lambda model=model, side=side: synthesised(model, side),
        theirs=None,
        peer="-",
        target=target,
        measure="rate",
        at_most=True,
    )
    for name, model, side, how, target in (
        ("quilting", "Quilting", 256, "block by block", 2.0),
        ("efros-leung", "EfrosLeung", 64, "pixel by pixel", 10.0),
    )
]
