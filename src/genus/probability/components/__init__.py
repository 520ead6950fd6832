"""Components: K distributions over one point at once, whose statistics add up; what mixtures, classifiers and HMMs are made of."""

from genus.probability.components.categorical import CategoricalComponents
from genus.probability.components.columns import ColumnComponents
from genus.probability.components.component import Components, Statistics
from genus.probability.components.gaussian import GaussianComponents
from genus.probability.gaussians import Kind
from genus.spaces import Binary, Reals, Space, Table, Tokens

__all__ = ["CategoricalComponents", "ColumnComponents", "Components", "GaussianComponents", "Statistics", "components_for"]


def components_for(space: Space, n_components: int, *, smoothing: float = 1.0, covariance_type: Kind = "diag") -> Components:
    """The K distributions that fit a space: Gaussians over real points; a distribution for each column of a table, each bit,
    each whole number, each place of tokens of one length; one over the symbols of texts. Raises ValueError for any other."""
    if isinstance(space, Reals) and not space.discrete:
        return GaussianComponents(space, n_components, covariance_type)
    if isinstance(space, Reals | Binary | Table) or (isinstance(space, Tokens) and not space.ragged):
        return ColumnComponents(space, n_components, smoothing)
    if isinstance(space, Tokens):
        return CategoricalComponents(space, n_components, smoothing)
    raise ValueError(f"there are no components over {space!r}; pass real numbers, zeros and ones, tokens or a table")
