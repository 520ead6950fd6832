"""genus: generative modelling. Give it your data, get a model of the distribution it came from.

data = genus.load_dataset("digits")
model = genus.VAE(latent_dim=2).fit(data)
model.sample(64); model.log_likelihood(data.test)
"""

import pkgutil
import types

import lazy_loader

import genus.models


class _Models(types.ModuleType):
    """The public function `models` and the package go by one name: the package, called, is the function."""

    def __call__(self):  # type: ignore[no-untyped-def]
        """A DataFrame of the models there are: family, what each is, its paper, its spaces, what it can do."""
        from genus.registry import models

        return models()


genus.models.__class__ = _Models

# A name is imported when it is first asked for: there are many models, and a program wants one or two.
__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
_parts = {module.name for module in pkgutil.iter_modules(__path__)} - {"models"}
__all__ = [name for name in _names if name not in _parts]  # a star brings no modules: `data` is everybody's variable
__version__ = "0.1.0"
