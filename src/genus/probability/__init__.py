"""Distributions as functions of tensors, divergences between them, and what models share of both. One idea a file."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
