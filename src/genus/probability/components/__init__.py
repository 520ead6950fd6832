"""Components: K distributions over one point at once, whose statistics add up; what mixtures, classifiers and HMMs are made of."""

from genus.probability.components.bits import BitComponents
from genus.probability.components.categorical import CategoricalComponents
from genus.probability.components.columns import ColumnComponents
from genus.probability.components.component import Components
from genus.probability.components.gaussian import GaussianComponents
from genus.spaces import Binary, Reals, Space, Table, Tokens

__all__ = ["CategoricalComponents", "ColumnComponents", "Components", "GaussianComponents", "components_for", "too_many"]

MOST_LEVELS = 2**26  # probabilities of all levels in all components: 512 MB


def components_for(space: Space, n_components: int, *, smoothing: float = 1.0, floor: float = 1e-6) -> Components:
    """The K distributions that fit a space, columns independent: Gaussians over real points; a distribution for each column
    of a table, each bit, each whole number, each place of tokens of one length; one over the symbols of texts. `smoothing`
    is what keeps components of few points wide, 0 is maximum likelihood; `floor` the least variance of real numbers, as a
    share of the data's own. Raises ValueError for any other space."""
    if isinstance(space, Reals) and not space.discrete:
        return GaussianComponents(space, n_components, "diag", floor, support=smoothing)
    if isinstance(space, Binary):
        return BitComponents(space, n_components, smoothing)
    if isinstance(space, Reals | Table) or (isinstance(space, Tokens) and not space.ragged):
        return ColumnComponents(space, n_components, smoothing, floor)
    if isinstance(space, Tokens):
        return CategoricalComponents(space, n_components, smoothing)
    raise ValueError(f"there are no components over {space!r}; pass real numbers, zeros and ones, tokens or a table")


def too_many(space: Space, n_components: int) -> str | None:
    """Why K components over a space are more numbers than there should be; None if they are not."""
    if isinstance(space, Table):
        levels = sum(column.n_values for column in space.columns)
    else:
        levels = space.dims * getattr(space, "levels", 1)
    if n_components * levels <= MOST_LEVELS:
        return None
    return (
        f"{n_components} distributions over {levels} values each make a table of more than {MOST_LEVELS} numbers; use fewer, or "
        "merge values (where only some of many whole numbers occur, number those 0, 1, 2 ...)"
    )
