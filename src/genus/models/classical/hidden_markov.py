"""Hidden Markov models: a chain of states that cannot be seen, each emitting what is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from genus.fields import Count, Fraction, NonNegative
from genus.learning import LearnsByEM
from genus.learning.lengths import KeepsLengths
from genus.model import CanGenerate, Completes, CountsParameters, Decoding, Forecasts, HasLogProb
from genus.probability.components import CategoricalComponents, ColumnComponents, Components, GaussianComponents, too_many
from genus.probability.components.mixture import MixtureComponents
from genus.probability.forward_backward import (
    Chain,
    Trellis,
    best_cut,
    draw_states,
    filtered,
    log_prob,
    smoothed,
    viterbi,
)
from genus.probability.statistics import add_up
from genus.sampling.decoding import go_on
from genus.spaces import Binary, Encoded, Ragged, Reals, Sequence, Space, Table, Tokens
from genus.spaces.arrays import probability_flaw

NUMBERS = 2**21  # states times items that the recursions take at once
START_ITEMS = 20_000  # items that emissions start from
LONGEST = 100_000  # tokens: a sample that has not ended is cut there


class Group(NamedTuple):
    """Some sequences of a batch: which (B,), how they lie side by side, and their items z (n, D) in that order."""

    which: Tensor
    items: Tensor  # (n,) the rows of the batch's items that z are
    trellis: Trellis
    z: Tensor


class Batch(list[Group]):
    """Sequences in groups that the recursions take at once, the longest first."""

    @property
    def nbytes(self) -> int:
        return sum(group.z.nbytes + group.items.nbytes + group.trellis.nbytes for group in self)


class HiddenMarkov(KeepsLengths, LearnsByEM, CanGenerate, Forecasts, CountsParameters, HasLogProb, Completes):
    """Hidden Markov model: a sequence is emitted by a hidden state that moves from step to step as a Markov chain.

        p(x) = sum_z p(z_1) p(x_1 | z_1) prod_t p(z_t | z_t-1) p(x_t | z_t)

        E   p(z_t | x) and p(z_t, z_t+1 | x) by forward-backward
        M   start, transitions and emissions are those expected frequencies and moments (Baum-Welch)

    Items are real numbers (Gaussian emissions), rows of a table, whole numbers, zeros and ones, or tokens; or mixtures of
    these. What is missing (NaN) is integrated out. The likelihood of ragged sequences is given their length,
    p(x_1 .. x_T | T); that of text includes its end, which is one more token.

    Baum, Petrie, Soules & Weiss 1970; Viterbi 1967; Rabiner 1989.
    """

    spaces: ClassVar = (Sequence, Tokens)
    takes_missing: ClassVar[bool] = True
    sample_chunk: ClassVar[int] = 1024

    n_states: Count = 3  # hidden states K
    emission: Literal["auto", "gaussian", "categorical", "columns", "mixture"] = "auto"  # distribution of an item given its state
    n_components: Count = 3  # parts of the mixture of a state, where emission is "mixture"
    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"  # of emissions, in standardised columns
    covariance_floor: Fraction = 1e-6  # least variance of a Gaussian emission, as a share of the data's own
    support: NonNegative = 1.0  # how strongly a Gaussian emission of few items is kept from collapsing; 0 is not at all
    smoothing: NonNegative = 0.01  # pseudo-counts added to every start, transition and symbol

    start_probabilities: Tensor  # (K,)
    transition_matrix: Tensor  # (K, K), rows from and columns to

    # -- building ------------------------------------------------------------------------------------------------

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        item = space if isinstance(space, Tokens) else space.item  # type: ignore[attr-defined]
        if not isinstance(item, Reals | Binary | Table | Tokens) or (isinstance(item, Tokens) and item is not space):
            return f"it has no emissions for items of {item!r}; pass numbers, zeros and ones, tokens or DataFrames"
        if self.emission not in ("auto", "mixture", _natural(item)):
            return f"emission={self.emission!r} does not fit items of {item!r}; use emission={_natural(item)!r}, or 'auto'"
        symbol = Tokens(item.n_symbols) if isinstance(item, Tokens) else item
        parts = self.n_components if self.emission == "mixture" else 1
        return too_many(symbol, self.n_states * parts) or item.complaint()

    def build(self, space: Space) -> None:
        super().build(space)
        K = self.n_states
        for name, shape in (("start_probabilities", (K,)), ("transition_matrix", (K, K))):
            self.register_buffer(name, torch.full(shape, 1 / K, dtype=torch.float64))
        gaussian = self.covariance_type, self.covariance_floor, self.support
        make = partial(_emissions, space, gaussian, self.smoothing)
        self.emissions: Components = MixtureComponents(make, K, self.n_components) if self.emission == "mixture" else make(K)

    def flaw(self) -> str | None:
        return (
            super().flaw()
            or probability_flaw("start_probabilities", self.start_probabilities)
            or probability_flaw("rows of transition_matrix", self.transition_matrix)
            or self.emissions.flaw()
        )

    # -- learning ------------------------------------------------------------------------------------------------

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Batch:
        x = _ragged(x)
        z, lengths = self.emissions.coordinates(x.values), x.lengths
        if _natural(self.emissions.space) == "gaussian":  # codes and counts are kept as they are
            z = z.to(dtype)
        order = lengths.argsort(descending=True, stable=True)
        number = lengths[order].clamp(min=self.n_states).cumsum(0) // max(NUMBERS // self.n_states, 1)
        batch = Batch()
        for which in order.split(number.unique_consecutive(return_counts=True)[1].tolist()):
            mine = lengths[which]
            trellis = Trellis(mine, best_cut(mine, self.n_states))
            first = (x.offsets[which] - (mine.cumsum(0) - mine)).repeat_interleave(mine)
            items = (first + torch.arange(len(first)))[trellis.rows].to(z.device)
            batch.append(Group(which.to(z.device), items, trellis.to(z.device), z[items]))
        return batch

    def initialise(self, some: Batch) -> None:
        z = torch.cat([group.z for group in some])
        if len(z) < self.n_states:
            raise ValueError(f"n_states={self.n_states}, but the data have {len(z)} items; use fewer states")
        self.emissions.initialise(z[torch.randperm(len(z), device=z.device)[:START_ITEMS]])
        start, transitions = torch.ones_like(self.start_probabilities), torch.ones_like(self.transition_matrix)
        for group in some:
            r = self.emissions.log_prob(group.z).double().softmax(0)  # as if each item stood alone
            start += r[:, group.trellis.heads].sum(1)
            transitions += r[:, group.trellis.before] @ r[:, group.trellis.later].T
        self._set_chain(start, transitions)

    def expect(self, batch: Batch) -> dict[str, Tensor]:
        return add_up(map(self._expected, batch))

    def _expected(self, group: Group) -> dict[str, Tensor]:
        log_p, posterior, transitions = smoothed(self.chain, self.emissions.log_prob(group.z), group.trellis)
        sums = {
            "log_likelihood": log_p.sum(),
            "count": posterior.sum(1, dtype=torch.float64),
            "start": posterior[:, group.trellis.heads].sum(1, dtype=torch.float64),
            "transitions": transitions,
        }
        emitted = self.emissions.statistics(group.z, posterior)
        return sums | {f"emissions.{name}": value for name, value in emitted.items()}

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        self._set_chain(statistics["start"] + self.smoothing, statistics["transitions"] + self.smoothing)
        self.emissions.maximise({n.removeprefix("emissions."): s for n, s in statistics.items() if n.startswith("emissions.")})

    def log_prior(self) -> float:
        chain = sum(torch.xlogy(self.smoothing, p).sum() for p in self.chain)
        return float(chain + self.emissions.log_prior())

    def _set_chain(self, start: Tensor, transitions: Tensor) -> None:
        self.start_probabilities = start / start.sum()
        left = transitions.sum(1, keepdim=True)  # a state that is never left keeps its row
        self.transition_matrix = torch.where(left > 0, transitions / left.clamp(min=1e-300), self.transition_matrix)

    @property
    def chain(self) -> Chain:
        return Chain(self.start_probabilities, self.transition_matrix)

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters: start and transitions, each row of which sums to one, and the emissions."""
        return (self.n_states + 1) * (self.n_states - 1) + self.emissions.degrees_of_freedom

    # -- scores and states ---------------------------------------------------------------------------------------

    def log_prob_of(self, x: Any, g: Tensor | None) -> Tensor:
        batch = self.coordinates(x, g, torch.float64)
        parts = []
        for group in batch:
            log_b = self.emissions.log_prob(group.z)
            if torch.is_grad_enabled() and any(t.requires_grad for t in (log_b, *self.chain)):
                whole, there, _ = group.trellis.uncut
                parts.append(log_prob(self.chain, log_b[:, there], whole))
            else:
                parts.append(filtered(self.chain, log_b, group.trellis)[0])
        return torch.cat(parts)[torch.cat([group.which for group in batch]).argsort()]

    def states(self, data: Any) -> Any:
        """The likeliest sequence of states of each sequence (Viterbi), whole numbers: (n, length), or a list of (length,)."""
        return self._of_each_item(data, lambda group, log_b: viterbi(self.chain, log_b, group.trellis))

    def posterior_states(self, data: Any) -> Any:
        """p(z_t | x), given all of the sequence: (n, length, n_states), or a list of (length, n_states)."""
        return self._of_each_item(data, lambda group, log_b: smoothed(self.chain, log_b, group.trellis).posterior.T)

    def filter(self, data: Any) -> Any:
        """p(z_t | x_1 .. x_t), given what came so far: (n, length, n_states), or a list of (length, n_states)."""
        return self._of_each_item(data, lambda group, log_b: filtered(self.chain, log_b, group.trellis)[1].T)

    def _of_each_item(self, data: Any, answer: Callable[[Group, Tensor], Tensor]) -> Any:

        def answers(x: Any, g: Tensor | None) -> list[Tensor]:
            out = self._answers(x, answer).cpu()
            if isinstance(x, Ragged):
                return list(Ragged(out, x.offsets - x.offsets[0]))
            return [out.reshape(*x.shape[:2], *out.shape[1:])]

        parts = [
            *itertools.chain.from_iterable(self.on_batches(self.examples(data), answers, "states", size=self.score_batch_size))
        ]
        return parts if self.fitted_space.ragged else torch.cat(parts)

    def _answers(self, x: Any, answer: Callable[[Group, Tensor], Tensor]) -> Tensor:
        """What `answer` says of every item of x, in the order of the items."""
        batch = self.coordinates(x, None, torch.float64)
        answers = torch.cat([answer(group, self.emissions.log_prob(group.z)) for group in batch])
        return torch.empty_like(answers).index_copy_(0, torch.cat([group.items for group in batch]), answers)

    # -- draws ---------------------------------------------------------------------------------------------------

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        space = self.fitted_space
        if isinstance(space, Tokens):
            return self._draw_tokens(n, space)
        lengths = self.draw_lengths(n)
        states = self._roll(self.start_probabilities.expand(n, -1), int(lengths.max()))  # (n, longest)
        if not space.ragged:
            return self.emissions.draw(states.flatten()).reshape(n, *space.shape)  # type: ignore[union-attr]
        inside = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        return Ragged(self.emissions.draw(states[inside]), torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).cpu())  # type: ignore[arg-type]

    def _draw_tokens(self, n: int, space: Tokens) -> Encoded:
        lengths = None if space.ends else self.draw_lengths(n)
        longest = LONGEST if lengths is None else int(lengths.max())
        tokens = self.continue_from(torch.empty(n, 0, dtype=torch.int64, device=self.device), None, longest, Decoding())
        if not space.ragged:
            return tokens
        if lengths is None:
            tokens = torch.cat([tokens, tokens.new_full((n, 1), space.vocabulary)], 1)
            lengths = (tokens == space.vocabulary).int().argmax(1) + 1
        inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        return Ragged(tokens[inside], torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).cpu())

    def _roll(self, p: Tensor, steps: int) -> Tensor:
        """States (n, steps) of chains whose first state has probabilities p (n, K)."""
        states = [torch.multinomial(p, 1)[:, 0]] if steps else []
        levels = self.transition_matrix.cumsum(1)
        for _ in range(steps - 1):
            u = torch.rand(len(p), 1, dtype=p.dtype, device=p.device)
            states.append((levels[states[-1]] < u).sum(1).clamp(max=self.n_states - 1))
        return torch.stack(states, 1) if states else torch.empty(len(p), 0, dtype=torch.int64, device=p.device)

    def _ahead(self, x: Tensor) -> Tensor:
        """p(z_T+1 | x_1 .. x_T), (n, K), of sequences of one length, (n, T, *item)."""
        if not x.shape[1]:
            return self.start_probabilities.expand(len(x), -1)
        alpha = self._answers(x, lambda group, log_b: filtered(self.chain, log_b, group.trellis)[1].T)
        return alpha.unflatten(0, x.shape[:2])[:, -1].double() @ self.transition_matrix

    def continue_series(self, x: Tensor, steps: int, n: int) -> Tensor:
        ahead = self._ahead(x[None]).expand(n, -1)
        return self.emissions.draw(self._roll(ahead, steps).flatten()).unflatten(0, (n, steps))  # type: ignore[union-attr]

    def continue_from(self, prompts: Tensor, g: Tensor | None, max_new_tokens: int, how: Decoding) -> Tensor:
        """The states are summed out: what is carried from token to token is p(z_t | tokens so far)."""
        space, A = self.fitted_space, self.transition_matrix
        symbols = torch.arange(space.levels, device=self.device)  # type: ignore[attr-defined]
        p = self.emissions.log_prob(symbols[:, None]).exp()  # (K, V)

        def advance(state: Tensor, token: Tensor) -> Tensor:
            state = state * p[:, token].T
            return state / state.sum(1, keepdim=True) @ A

        return go_on(self._ahead(prompts), advance, lambda state: (state @ p).log(), max_new_tokens, how, self.end_token)

    def fill(self, x: Any) -> Any:
        """States are drawn backwards given all that is known, then what is missing given them."""

        def answer(group: Group, log_b: Tensor) -> Tensor:
            _, alpha = filtered(self.chain, log_b, group.trellis)
            return draw_states(self.chain, alpha, group.trellis)

        flat = _ragged(x)
        filled = self.emissions.fill(flat.values, self._answers(x, answer))
        return Ragged(filled, flat.offsets) if isinstance(x, Ragged) else filled.reshape(x.shape)  # type: ignore[arg-type,union-attr]


def _natural(item: Space) -> str:
    """The emission of items of a space."""
    if isinstance(item, Reals) and not item.discrete:
        return "gaussian"
    return "categorical" if isinstance(item, Tokens) else "columns"


def _emissions(space: Space, gaussian: tuple[Any, float, float], smoothing: float, n: int) -> Components:
    """n distributions over one item of the space."""
    if isinstance(space, Tokens):
        return CategoricalComponents(space, n, smoothing)
    item = space.item  # type: ignore[attr-defined]
    return GaussianComponents(item, n, *gaussian) if _natural(item) == "gaussian" else ColumnComponents(item, n, smoothing)


def _ragged(x: Encoded) -> Ragged:
    """Sequences end to end, whether they have one length or many."""
    return x[0 : len(x)] if isinstance(x, Ragged) else Ragged.of_rows(x)
