"""Components: K distributions over one point at once, whose statistics add up; what mixtures, classifiers and HMMs are made of."""

from genus.probability.components.bits import BitComponents
from genus.probability.components.categorical import CategoricalComponents
from genus.probability.components.columns import ColumnComponents
from genus.probability.components.component import Components
from genus.probability.components.gaussian import GaussianComponents
from genus.spaces import Binary, Reals, Space, Table, Tokens

__all__ = ["CategoricalComponents", "ColumnComponents", "Components", "GaussianComponents", "components_for"]


def components_for(space: Space, n_components: int, *, smoothing: float = 1.0) -> Components:
    """The K distributions that fit a space, columns independent: Gaussians over real points; a distribution for each column
    of a table, each bit, each whole number, each place of tokens of one length; one over the symbols of texts. Raises
    ValueError for any other."""
    if isinstance(space, Reals) and not space.discrete:
        return GaussianComponents(space, n_components, "diag")
    if isinstance(space, Binary):
        return BitComponents(space, n_components, smoothing)
    if isinstance(space, Reals | Table) or (isinstance(space, Tokens) and not space.ragged):
        return ColumnComponents(space, n_components, smoothing)
    if isinstance(space, Tokens):
        return CategoricalComponents(space, n_components, smoothing)
    raise ValueError(f"there are no components over {space!r}; pass real numbers, zeros and ones, tokens or a table")
