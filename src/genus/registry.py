"""Registry: every model there is, found by walking genus.models; nobody keeps a list."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from typing import Any

from genus.fields import fields_of, perhaps
from genus.model import Model, capabilities
from genus.spaces import Space


@cache
def model_classes() -> dict[str, type[Model]]:
    """Public name on the command line -> class: families in the order of the house, models by name."""
    found: dict[str, type[Model]] = {}
    for module in pkgutil.walk_packages(importlib.import_module("genus.models").__path__, "genus.models."):
        for item in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(item, type)
                and issubclass(item, Model)
                and item.__module__ == module.name
                and not item.__name__.startswith("_")
            ):
                found[name_of(item)] = item
    return dict(sorted(found.items(), key=lambda entry: (entry[1].__module__.split(".")[2], entry[0])))


def name_of(cls: type) -> str:
    """GaussianMixture -> gaussian-mixture; VAE -> vae; PixelCNN -> pixel-cnn."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()


def find_model(name: str) -> type[Model]:
    """The class of a model by either of its names. Raises ValueError with the closest name."""
    classes = model_classes()
    for known, cls in classes.items():
        if name in (known, cls.__name__):
            return cls
    raise ValueError(f"no model is called {name!r}{perhaps(name, classes)}; genus models lists what there is")


def models() -> Any:
    """A DataFrame of the models there are: family, what each is, its paper, its spaces, what it can do."""
    import pandas as pd

    rows = []
    for name, cls in model_classes().items():
        sentence, source = _about(cls)
        rows.append(
            {
                "name": name,
                "class": cls.__name__,
                "family": cls.__module__.split(".")[2],
                "what": sentence,
                "source": source,
                "spaces": space_names(cls),
                "can": ", ".join(capabilities(cls)),
                "hyper_parameters": ", ".join(fields_of(cls)),
            }
        )
    return pd.DataFrame(rows)


def space_names(cls: type[Model]) -> str:
    """The spaces that a model can be built on, as a reader sees them."""
    return ", ".join("any space" if space is Space else space.__name__ for space in cls.spaces)


def _about(cls: type[Model]) -> tuple[str, str]:
    """First sentence of the docstring, and its last paragraph that names papers by year."""
    paragraphs = [" ".join(p.split()) for p in (cls.__doc__ or "").split("\n\n")]
    source = next((p for p in reversed(paragraphs) if re.search(r"\b(1[6-9]|20)\d\d\b", p)), "")
    return paragraphs[0], source
