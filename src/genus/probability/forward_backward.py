"""A hidden chain that is seen through noise: the recursions of a hidden Markov model, as functions of tensors.

    z_1 ~ start,   z_t ~ transition[z_{t-1}],   b_t(k) = p(x_t | z_t = k)

    filter     alpha_t = b_t * (transition' alpha_{t-1}) / c_t          p(z_t | x_1 .. x_t);   log p(x) = sum_t log c_t
    smooth     beta_t  = transition (b_{t+1} * beta_{t+1} / c_{t+1})    p(z_t | x) = alpha_t * beta_t
    Viterbi    delta_t = log b_t + max_i (delta_{t-1}(i) + log transition(i, .))

Sequences run side by side, one small product a step for all of them (`Trellis`). Where they are few and long, each is cut
into pieces that run side by side as well: a piece maps the states it is entered in to those it is left in, a K x K matrix,
and the matrices are applied one after the other (the parallel scan of Särkkä & García-Fernández 2021, in blocks).

The fast recursions clamp b_t below (`CLAMP`), which is right unless all that is possible is as unlikely as that; where a
c_t says so (`LEAST`), everything is done again in logarithms. There the gradient of log p(x) in log b is the posterior of
the states, and that in log transition the expected number of transitions (Eisner 2016).

Rabiner 1989; Baum, Petrie, Soules & Weiss 1970; Viterbi 1967. States come first and rows last, (K, n).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

CLAMP = {torch.float32: -60.0, torch.float64: -650.0}  # log b relative to its largest; products stay clear of denormals
LEAST = {torch.float32: 1e-18, torch.float64: 1e-260}  # of c_t: above it the clamp changed less than rounding does
IMPOSSIBLE = -1e30  # log 0, as a number: infinities have no gradient
LOOK = 8  # steps of a further round of `viterbi` between looks whether it is needed
STEP, FLOPS = 15e-6, 4e9  # seconds that a step takes however small, and operations a second: measured


class Trellis:
    """Where the items of B sequences lie when they run side by side: row (t, b) is item t of the b-th longest, no padding.

    lengths (B,): of sequences that lie end to end. rows (n,): the item in each row; owner (n,): its sequence; sizes: how many
    rows every step has. With `cut`, it is pieces of that length that run side by side.
    """

    def __init__(self, lengths: Tensor, cut: int | None = None) -> None:
        self.lengths = lengths
        cut = cut or max(int(lengths.max()), 1)
        pieces = -(-lengths // cut)  # (B,) of each sequence
        owner = torch.arange(len(lengths)).repeat_interleave(pieces)  # (P,) of each piece
        number = torch.arange(len(owner)) - (pieces.cumsum(0) - pieces)[owner]  # among those of its owner
        length, order = (lengths[owner] - number * cut).clamp(max=cut).sort(descending=True, stable=True)
        place = order.argsort()  # of each piece among the sorted
        owner, number = owner[order], number[order]

        longest = int(length[0]) if len(length) else 0
        sizes = len(length) - length.bincount(minlength=longest + 1).cumsum(0)[:longest]
        first = sizes.cumsum(0) - sizes  # (longest,) row of each step
        t = torch.arange(longest).repeat_interleave(sizes)  # (n,)
        piece = torch.arange(len(t)) - first[t]
        self.rows = ((lengths.cumsum(0) - lengths)[owner] + number * cut)[piece] + t
        self.owner = owner[piece]
        self.sizes: list[int] = sizes.tolist()

        self.ends = ends = first[length - 1] + torch.arange(len(length))  # last row of each piece
        before = torch.where(t > 0, first[(t - 1).clamp(min=0)] + piece, ends[place[(order - 1).clamp(min=0)]][piece])
        self.heads = (number == 0).nonzero()[:, 0]  # first rows of sequences
        self.later: Any = ((t > 0) | (number[piece] > 0)).nonzero()[:, 0]  # all other rows, and the rows before them
        self.before: Any = before[self.later]
        if len(self.heads) == len(length) and len(sizes) and int(sizes[-1]) == len(length):  # whole, of one length: no gathers
            self.later, self.before = slice(len(length), None), slice(0, len(t) - len(length))
        self.last = ends[number == pieces[owner] - 1]  # last rows of sequences
        many = pieces.argsort(descending=True, stable=True)
        start = (pieces.cumsum(0) - pieces)[many]
        self.chain = [place[start[pieces[many] > p] + p] for p in range(max(int(pieces.max()), 1))]  # p-th pieces, longest first
        self.left = (number < pieces[owner] - 1).nonzero()[:, 0]  # pieces that are not the last, and those that follow them
        self.next = place[order[self.left] + 1]

    def to(self, device: torch.device) -> Trellis:
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        self.chain = [pieces.to(device) for pieces in self.chain]
        return self

    @property
    def nbytes(self) -> int:
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, Tensor))

    @property
    def n_pieces(self) -> int:
        return self.sizes[0] if self.sizes else 0

    def steps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The rows of every step, as views of x (..., n)."""
        return x.split(self.sizes, -1)

    @property
    def is_cut(self) -> bool:
        return len(self.chain) > 1

    @property
    def uncut(self) -> tuple[Trellis, Tensor | slice, Tensor | slice]:
        """The same sequences in one piece each, and the indices that take rows there and back."""
        if not self.is_cut:
            return self, slice(None), slice(None)
        whole = Trellis(self.lengths.cpu()).to(self.rows.device)
        there = self.rows.argsort()[whole.rows]
        return whole, there, there.argsort()


def best_cut(lengths: Tensor, n_states: int) -> int | None:
    """The length of pieces that takes least time, or None where whole sequences do."""
    longest = int(lengths.max())
    cut = max(int(longest**0.5), 1)
    products = 2 * int(lengths.sum()) * n_states**3 / FLOPS
    return cut if 3 * (cut + longest / cut) * STEP + products < longest * STEP else None


class Chain(NamedTuple):
    """The parameters: start (K,) and transition (K, K), rows from, columns to."""

    start: Tensor
    transition: Tensor


class Smoothed(NamedTuple):
    """log p(x) (B,) float64; posterior p(z_t | x) (K, n) by rows of the trellis; expected transitions (K, K), of all."""

    log_prob: Tensor
    posterior: Tensor
    transitions: Tensor


def log_prob(chain: Chain, log_b: Tensor, trellis: Trellis) -> Tensor:
    """log p(x) (B,) of a trellis that is not cut, in logarithms: differentiable, and no probability is too small."""
    return _in_logarithms(chain.start.log(), chain.transition.log(), log_b, trellis)[0]


def filtered(chain: Chain, log_b: Tensor, trellis: Trellis) -> tuple[Tensor, Tensor]:
    """log p(x) (B,), float64, and p(z_t | x_1 .. x_t) (K, n)."""
    forward = _Forward(chain, log_b, trellis)
    if forward.sound:
        return forward.log_prob, forward.alpha
    if log_b.dtype != torch.float64:
        return filtered(chain, log_b.double(), trellis)
    whole, there, back = trellis.uncut
    log_p, joint = _in_logarithms(chain.start.log(), chain.transition.log(), log_b[:, there], whole)
    return log_p, joint.softmax(0)[:, back]


def smoothed(chain: Chain, log_b: Tensor, trellis: Trellis) -> Smoothed:
    """What the E step needs: log p(x), p(z_t | x), and how often each transition is expected."""
    forward = _Forward(chain, log_b, trellis)
    if forward.sound:
        posterior, transitions = forward.back()
        if transitions.isfinite().all():
            return Smoothed(forward.log_prob, posterior, transitions)
    if log_b.dtype != torch.float64:
        return smoothed(chain, log_b.double(), trellis)
    whole, there, back = trellis.uncut
    with torch.enable_grad():
        log_b, log_transition = log_b[:, there].detach().requires_grad_(), chain.transition.detach().log().requires_grad_()
        log_p, _ = _in_logarithms(chain.start.log(), log_transition, log_b, whole)
        posterior, transitions = torch.autograd.grad(log_p.sum(), (log_b, log_transition))
    return Smoothed(log_p.detach(), posterior[:, back], transitions)


class _Forward:
    """The forward recursion, scaled: b (K, n) relative to its largest, alpha (K, n), scale (n,) = c_t relative to the same."""

    def __init__(self, chain: Chain, log_b: Tensor, trellis: Trellis) -> None:
        self.trellis = trellis
        self.start, self.transition = chain.start.to(log_b), chain.transition.to(log_b)
        self.to_next = self.transition.T.contiguous()
        self.top = log_b.amax(0)  # (n,)
        self.b = (log_b - self.top).clamp_(min=CLAMP[log_b.dtype]).exp_()
        self.alpha, self.scale = torch.empty_like(log_b), torch.empty_like(self.top)
        before = self._entered() if trellis.is_cut else self.start[:, None].expand(-1, trellis.n_pieces)
        for t, (here, scale, b) in enumerate(zip(*map(trellis.steps, (self.alpha, self.scale, self.b)), strict=True)):
            if t:
                before = torch.mm(self.to_next, _first(before, here), out=here)
            torch.mul(before, b, out=here)
            torch.sum(here, 0, out=scale)
            here /= scale
            before = here

    @property
    def sound(self) -> bool:
        """Whether no c_t is so small that the clamp shows; False where one is not a number."""
        return not len(self.scale) or bool(self.scale.amin() >= LEAST[self.scale.dtype])

    @property
    def log_prob(self) -> Tensor:
        each = self.scale.double().log() + self.top
        return each.new_zeros(len(self.trellis.lengths)).index_add_(0, self.trellis.owner, each)

    def back(self) -> tuple[Tensor, Tensor]:
        """p(z_t | x) (K, n) and the expected transitions (K, K); done once, for b is overwritten."""
        beta, u = torch.empty_like(self.alpha), self.b.div_(self.scale)  # u_t becomes b_t beta_t / c_t
        after = self._after() if self.trellis.is_cut else torch.ones_like(self.alpha[:, : self.trellis.n_pieces])
        following = u[:, :0]
        for here, mine in reversed(list(zip(*map(self.trellis.steps, (beta, u)), strict=True))):
            on, size = following.shape[1], here.shape[1]
            if on < size:
                here[:, on:] = after[:, on:size]
            if on:
                torch.mm(self.transition, following, out=_first(here, following))
            following = mine.mul_(here)
        pairs = self.alpha[:, self.trellis.before] @ u[:, self.trellis.later].T
        return beta.mul_(self.alpha), pairs.double() * self.transition

    def _entered(self) -> Tensor:
        """p(z at the first item of a piece | all items before), (K, P), from the maps of the pieces:

        maps (K, K, P): p(items of the piece, z at its last = j | z at its first = i), over exp(log_maps) (K, P) for each i.
        """
        K, P = len(self.start), self.trellis.n_pieces
        state = self.b.new_zeros(K, K).fill_diagonal_(1)[:, :, None].expand(K, K, P)
        self.maps, self.log_maps = self.b.new_empty(K, K, P), self.b.new_zeros(K, P)
        for t, b in enumerate(self.trellis.steps(self.b)):
            state = _first(state, b)
            if t:
                state = (self.to_next @ state.reshape(K, -1)).view(state.shape)
            state = state * b[:, None]
            total = state.sum(0)  # (K, size)
            state /= total
            _first(self.log_maps, b).add_(total.log_())
            _first(self.maps, b).copy_(state)
        entered, self.left = self.b.new_empty(2, K, P)
        here = self.start[:, None].expand(-1, P)
        for p, pieces in enumerate(self.trellis.chain):
            here = self.to_next @ here[:, : len(pieces)] if p else here[:, : len(pieces)]
            weight = here.log() + self.log_maps[:, pieces]
            entered[:, pieces] = here
            here = (self.maps[:, :, pieces] * (weight - weight.amax(0)).exp_()).sum(1)
            here = here / here.sum(0)
            self.left[:, pieces] = here
        return entered

    def _after(self) -> Tensor:
        """beta at the last item of every piece, (K, P)."""
        after = torch.ones_like(self.left)
        for pieces, following in reversed(list(zip(self.trellis.chain, self.trellis.chain[1:]))):
            pieces, log_maps = pieces[: len(following)], self.log_maps[:, following]
            ahead = (self.maps[:, :, following] * after[:, None, following]).sum(0) * (log_maps - log_maps.amax(0)).exp_()
            beta = self.transition @ ahead
            after[:, pieces] = beta / (self.left[:, pieces] * beta).sum(0)
        return after


def _first(x: Tensor, like: Tensor) -> Tensor:
    """x (..., m), of sequences that may have ended, for those of like (..., size)."""
    return x if x.shape[-1] == like.shape[-1] else x[..., : like.shape[-1]]


def _in_logarithms(start: Tensor, transition: Tensor, log_b: Tensor, trellis: Trellis) -> tuple[Tensor, Tensor]:
    """log p(x) (B,) and log p(z_t, x_1 .. x_t) (K, n) of log probabilities, by a trellis that is not cut."""
    start, transition, log_b = (log_p.clamp(min=IMPOSSIBLE) for log_p in (start, transition, log_b))
    joint: list[Tensor] = []
    for b in trellis.steps(log_b):
        before = (_first(joint[-1], b)[:, None] + transition[..., None]).logsumexp(0) if joint else start[:, None]
        joint.append(before + b)
    whole = torch.cat(joint, 1) if joint else log_b
    log_p = whole[:, trellis.last].logsumexp(0)
    log_p = torch.where(log_p < IMPOSSIBLE / 2, -torch.inf, log_p)
    return log_p.new_zeros(len(trellis.lengths)).index_put((trellis.owner[trellis.last],), log_p), whole


def viterbi(chain: Chain, log_b: Tensor, trellis: Trellis) -> Tensor:
    """The likeliest states of every sequence, (n,) by rows of the trellis.

    Pieces are entered with a guess at first, and again with what the pieces before them end in, until that is what it was.
    No constant added to delta matters, and once all best paths share a state what comes later knows nothing of the guess:
    a second round is over where delta is what it was, and soon; as many rounds as there are pieces are always enough.
    """
    start, transition = (p.to(log_b).log().clamp(min=IMPOSSIBLE) for p in chain)
    best = torch.empty_like(log_b)  # (K, n) delta
    entered = log_b.new_zeros(len(log_b), trellis.n_pieces)
    entered[:, trellis.chain[0]] = start[:, None]
    transition = transition[..., None]  # (K, K, 1)
    ways = log_b.new_empty(len(log_b), len(log_b), trellis.n_pieces)  # into each state from each, written over every step
    for again in range(len(trellis.chain)):
        before = entered
        for t, (here, b) in enumerate(zip(*map(trellis.steps, (best, log_b)), strict=True)):
            if t:
                torch.add(_first(before, b)[:, None], transition, out=_first(ways, b))
                before = torch.amax(_first(ways, b), 0)
            moved = here - (before + b) if again and t % LOOK == 0 else None
            before = torch.add(before, b, out=here)
            if moved is not None and bool((moved.amax(0) - moved.amin(0)).amax() < 1e-9):  # a constant, and so it remains
                break
        before = torch.amax(best[:, None, trellis.ends[trellis.left]] + transition, 0)
        before -= before.amax(0)
        if torch.allclose(before, entered[:, trellis.next], rtol=1e-9, atol=1e-9):
            break
        entered[:, trellis.next] = before
    return _backwards(best, transition[..., 0], trellis)


def draw_states(chain: Chain, alpha: Tensor, trellis: Trellis) -> Tensor:
    """States drawn from p(z | x), (n,) by rows of the trellis, from the last to the first; alpha is what `filtered` gave."""
    noise = torch.empty_like(alpha).exponential_().log_()  # the largest of log p_k - log Exp(1) is k with probability p_k
    return _backwards(alpha.log() - noise, chain.transition.to(alpha).log(), trellis)


def _backwards(scores: Tensor, transition: Tensor, trellis: Trellis) -> Tensor:
    """z_t = argmax_k scores_t(k) + log transition(k, z_t+1), (n,); pieces in rounds, as in `viterbi`."""
    into = transition.T.contiguous()  # argmax is quick along rows that lie together
    states = torch.empty(scores.shape[1], dtype=torch.int64, device=scores.device)
    after = scores.new_zeros(trellis.n_pieces, len(scores))  # (P, K) what the piece that follows says of a piece's last state
    entered = states[:0]
    for again in range(len(trellis.chain)):
        following = states[:0]
        for here, score in reversed(list(zip(*map(trellis.steps, (states, scores)), strict=True))):
            ahead = into[following]
            if len(ahead) < len(here):
                ahead = torch.cat([ahead, after[len(ahead) : len(here)]])
            following = torch.argmax(ahead.add_(score.T), 1)
            if again and len(here) == trellis.n_pieces and torch.equal(following, here):  # as they were, and so are those before
                break
            here.copy_(following)
        before, entered = entered, states[trellis.next]
        if torch.equal(before, entered):
            break
        after[trellis.left] = into[entered]
    return states
