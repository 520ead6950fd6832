"""The Markov chain: the next token depends on the last few, and nothing else."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor

from genus.fields import Depth, NonNegative
from genus.learning import LearnsInClosedForm
from genus.model import CanGenerate, Decoding, HasLogProb
from genus.probability import markov_chains
from genus.sampling.decoding import go_on
from genus.spaces import Encoded, Ragged, Space, Tokens
from genus.spaces.arrays import probability_flaw

LARGEST_TABLE = 2**24  # numbers in a table of contexts and what follows them
MOST_STATES = 4096  # of a transition matrix, which is square


class MarkovChain(LearnsInClosedForm, CanGenerate, HasLogProb):
    """Markov chain of order d: the next token depends on the last d, in one table of probabilities.

        p(x) = prod_t p(x_t | x_(t-d) ... x_(t-1)),    p(w | h) = (c(h w) + a) / (c(h) + a V)

    The table is dense: what was never seen has a row too (uniform where a = 0 leaves it open). Before the first token of
    sequences that end, or have one length, stands a beginning of their own; an endless text begins with shorter contexts.

    As a chain it has a transition matrix and its properties (probability.markov_chains has them for any matrix). With
    smoothing a > 0 every step is possible; smoothing=0 shows which were seen.

    Markov 1906 and 1913 (vowels and consonants in Eugene Onegin); Shannon 1948; Kemeny & Snell 1960.
    """

    spaces: ClassVar = (Tokens,)

    order: Depth = 1  # tokens looked back on
    smoothing: NonNegative = 0.1  # times that each token is taken to have followed each context already

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        assert isinstance(space, Tokens)
        if (space.vocabulary + 1) ** self.order * space.n_symbols > LARGEST_TABLE:
            return (
                f"order={self.order} over {space.n_symbols} tokens makes a table of more than {LARGEST_TABLE} numbers; "
                "use a lower order, or NGram, which keeps only what was seen"
            )
        return None

    def build(self, space: Space) -> None:
        assert isinstance(space, Tokens)
        self.nothing = space.vocabulary  # stands where a context would reach back beyond the first token; the end token, too
        self.begins = space.ends or not space.ragged
        # rows: contexts as numbers whose digits are their tokens, the last token the last digit; columns: the next token
        rows = (space.vocabulary + 1) ** self.order
        self.register_buffer("table", torch.full((rows, space.n_symbols), 1 / space.n_symbols, dtype=torch.float64))

    # -- learning and likelihood --------------------------------------------------------------------------------

    def statistics(self, batch: Encoded) -> dict[str, Tensor]:
        text = batch if isinstance(batch, Ragged) else Ragged.of_rows(batch)
        positions, counts = text.positions, torch.zeros_like(self.table).flatten()
        # beginnings have counts of their own; where there are none, a short context counts wherever it stood
        for length in [self.order] if self.begins else range(self.order + 1):
            cells = self._contexts(text, length) * self.table.shape[1] + text.values
            cells = cells if self.begins else cells[positions >= length]
            counts += torch.bincount(cells, minlength=len(counts))
        return {"counts": counts.reshape(self.table.shape)}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        counts = statistics["counts"] + self.smoothing
        total = counts.sum(1, keepdim=True)
        self.table = torch.where(total > 0, counts / total, 1 / counts.shape[1])

    def log_prob_of(self, x: Encoded, g: Tensor | None) -> Tensor:
        text = x if isinstance(x, Ragged) else Ragged.of_rows(x)
        told = self.table[self._contexts(text, self.order), text.values].log()
        return told.new_zeros(len(text)).index_add_(0, text.owners, told)

    def _contexts(self, text: Ragged, length: int) -> Tensor:
        """The number of the context of each token (total,), of which only the last `length` tokens are looked at."""
        number, positions = torch.zeros_like(text.values), text.positions
        for back in range(self.order, 0, -1):
            token = text.values.roll(back).where(positions >= back, self.nothing) if back <= length else self.nothing
            number = number * (self.nothing + 1) + token
        return number

    # -- drawing ------------------------------------------------------------------------------------------------

    def continue_from(self, prompts: Tensor, g: Tensor | None, max_new_tokens: int, how: Decoding) -> Tensor:
        context = prompts.new_full((len(prompts),), len(self.table) - 1)  # nothing, `order` times
        for token in prompts.T:
            context = self._advance(context, token)
        logits = self.table.log()
        return go_on(context, self._advance, lambda context: logits[context], max_new_tokens, how, self.end_token)

    def _advance(self, context: Tensor, token: Tensor) -> Tensor:
        return (context * (self.nothing + 1) + token) % len(self.table)

    # -- the chain ----------------------------------------------------------------------------------------------

    @property
    def states(self) -> Tensor:
        """The contexts that the chain moves among, (states, order), oldest token first: for order 1 simply the tokens.

        Where sequences end the end token is one of them, from which the next sequence begins: so its row says how
        sequences begin, and longer contexts hold it in place of tokens that are not there yet.
        """
        tokens = range(self.nothing)
        if not self.fitted_space.ends:  # type: ignore[attr-defined]
            return torch.tensor(list(itertools.product(tokens, repeat=self.order)))
        fresh = [(self.nothing,) * (self.order - seen) for seen in range(self.order + 1)]
        return torch.tensor(
            sorted(before + rest for before in fresh for rest in itertools.product(tokens, repeat=self.order - len(before)))
        )

    @property
    def transition_matrix(self) -> Tensor:
        """p(next state | state), (states, states): from in rows, to in columns; rows sum to one. For order 1 states are
        tokens. Raises ValueError for more than 4096 states."""
        space, base = self.fitted_space, self.nothing + 1
        n = sum(self.nothing**length for length in (range(self.order + 1) if space.ends else [self.order]))  # type: ignore[attr-defined]
        if n > MOST_STATES:
            raise ValueError(f"order={self.order}: the chain has {n} states, too many for a square matrix; use a lower order")
        states = self.states.to(self.device)
        rows = (states * base ** torch.arange(self.order - 1, -1, -1, device=self.device)).sum(1)  # (n,), rising
        token = torch.arange(self.table.shape[1], device=self.device)
        after = self._advance(rows[:, None], token)  # (n, V)
        if space.ends:  # type: ignore[attr-defined]
            after[:, self.nothing] = len(self.table) - 1
        matrix = self.table.new_zeros(n, n)
        return matrix.scatter_add_(1, torch.searchsorted(rows, after), self.table[rows])

    def stationary_distribution(self) -> Tensor:
        """How often each state is visited in the long run (states,). Raises ValueError where that depends on the start."""
        return markov_chains.stationary_distribution(self.transition_matrix)

    def is_irreducible(self) -> bool:
        """Whether every state can be reached from every other."""
        return markov_chains.is_irreducible(self.transition_matrix)

    def is_regular(self) -> bool:
        """Whether, after some number of steps, every state is possible from every other."""
        return markov_chains.is_regular(self.transition_matrix)

    def period(self) -> int:
        """The greatest common divisor of the lengths of all ways back. Raises ValueError if not irreducible."""
        return markov_chains.period(self.transition_matrix)

    # -- files --------------------------------------------------------------------------------------------------

    def flaw(self) -> str | None:
        return probability_flaw("rows of table", self.table)
