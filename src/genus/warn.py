"""Warnings: each tells the line that called genus, however deep in the house it arises."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

HOUSE = os.path.join(os.path.dirname(__file__), "")


def warn(message: str) -> None:
    """A UserWarning at the line of the user's own call: the caller of the outermost function of genus."""
    frame: FrameType | None = sys._getframe()
    level = outermost = 0
    while frame is not None:
        level += 1
        if frame.f_code.co_filename.startswith(HOUSE):
            outermost = level
        frame = frame.f_back
    warnings.warn(message, stacklevel=outermost + 1)
