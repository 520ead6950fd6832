"""K Gaussian components at once, as functions of tensors: the kernel of Gaussian, GaussianMixture and Gaussian HMMs.

    log N(x; mu, S) = -1/2 (x - mu)' S^-1 (x - mu) - 1/2 log det S - d/2 log 2 pi

`log_density` solves with the Cholesky factor of S: always accurate, differentiable. E steps need neither gradient nor every
log density at once, and take the faster forms of `gaussian_forms`.

Shapes: data (n, d), NaN for a missing entry; means (K, d); covariances by kind, as in scikit-learn: "full" (K, d, d),
"tied" (d, d), "diag" (K, d), "spherical" (K,). Components come first and rows last, (K, n): a softmax over a short
contiguous last axis is twenty times slower. The caller centres and scales the data.

Missing entries are integrated out exactly: rows are grouped by which entries are missing, each group is a complete
problem in fewer dimensions, and its sums are carried back by an affine map (`complete_statistics`); Ghahramani &
Jordan 1994.
"""

import math

import torch
from torch import Tensor

from genus.probability.gaussian_forms import (
    LOG_2PI,
    Centred,
    Expanded,
    Kind,
    choose_form,
    factorise,
    shift_statistics,
    tile_rows,
)
from genus.probability.kmeans import kmeans
from genus.probability.missing import holes, numbered, patterns, select
from genus.probability.statistics import Statistics, add_up
from genus.warn import warn

RARE = 200_000  # numbers of inverse covariances, one a row: below it a set of missing columns is not worth a group of its own


# ----------------------------------------------------------------------------------------------------------- densities


def log_density(x: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Tensor:
    """log N(x_n; mu_k, S_k), (K, n): stable, differentiable in everything. Missing entries are integrated out."""
    parts, order = [], []
    for rows, seen in patterns(x):
        parts.append(_log_density(select(x, rows, seen), *restrict(means, covariances, kind, seen), kind))
        order.append(rows)
    return parts[0] if order[0] is None else torch.cat(parts, 1)[:, torch.cat(order).argsort()]


def _log_density(x: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Tensor:
    K, d = means.shape
    factor, log_det = factorise(covariances, kind, d)
    x = x.to(torch.promote_types(x.dtype, means.dtype))
    tiles = x.split(tile_rows(K * d, x.element_size()))
    distances = torch.cat([_distances(tile, means, factor, kind) for tile in tiles], 1)
    return -0.5 * (distances + log_det[:, None] + d * LOG_2PI)


def _distances(x: Tensor, means: Tensor, factor: Tensor, kind: Kind) -> Tensor:
    """(x_n - mu_k)' S_k^-1 (x_n - mu_k), (K, n)."""
    if kind == "full":
        return torch.linalg.solve_triangular(factor, (x - means[:, None]).mT, upper=False).square().sum(1)
    if kind == "tied":
        x, means = (torch.linalg.solve_triangular(factor, a.mT, upper=False).mT for a in (x, means))
        return (x - means[:, None]).square().sum(2)
    return ((x - means[:, None]) / factor[:, None]).square().sum(2)


# --------------------------------------------------------------------------------------- the E step, as sums over rows


def expected_statistics(x: Tensor, log_weights: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Statistics:
    """What the M step needs to know of these rows under the mixture sum_k w_k N(mu_k, S_k), as float64 sums over rows:

    log_likelihood ()   sum_n log sum_k w_k N(x_n; mu_k, S_k)
    count (K,)          sum_n r_kn,  r_kn = p(k | x_n)
    first (K, d)        sum_n r_kn E[x | k, x_n]
    second              sum_n r_kn E[x x' | k, x_n]: (K, d, d) if full, its diagonal (K, d) if diag or spherical,
                        its sum over k (d, d) if tied
    """
    return _sums(x, None, log_weights, means, covariances, kind)


def weighted_statistics(x: Tensor, responsibilities: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Statistics:
    """The same sums, without log_likelihood, for responsibilities (K, n) from elsewhere: HMMs, labels."""
    return _sums(x, responsibilities, None, means, covariances, kind)


@torch.no_grad()
def quick_log_density(x: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Tensor:
    """log_density, (K, n), by the faster form where it is accurate, and without gradient: for E steps."""
    out = x.new_empty(len(means), len(x))
    for rows, seen in patterns(x):
        group = select(x, rows, seen)
        form = choose_form(group, None, *restrict(means, covariances, kind, seen), kind)
        for start in range(0, len(group), form.tile):
            scores, stop = form.score(group[start : start + form.tile]), start + form.tile
            if rows is None:
                out[:, start:stop] = scores
            else:
                out.index_copy_(1, rows[start:stop], scores.to(x.dtype))
    return out


@torch.no_grad()
def _sums(x, responsibilities, log_weights, means, covariances, kind) -> Statistics:
    means, covariances = means.double(), covariances.double()
    parts, rare = [], []
    for rows, seen in patterns(x):
        if rows is not None and len(rows) * means.shape[1] * means.numel() < RARE:
            rare.append(rows)
            continue
        given = responsibilities if rows is None or responsibilities is None else responsibilities[:, rows]
        form = choose_form(select(x, rows, seen), log_weights, *restrict(means, covariances, kind, seen), kind)
        sums = _group_sums(select(x, rows, seen), given, form)
        parts.append(sums if seen is None else complete_statistics(sums, means, covariances, kind, seen))
    if rare:
        rows = torch.cat(rare)
        given = None if responsibilities is None else responsibilities[:, rows]
        parts += [
            _scattered_sums(x[some], None if given is None else given[:, at], log_weights, means, covariances, kind)
            for at in torch.arange(len(rows), device=x.device).split(tile_rows(3 * means.shape[1] * means.numel(), 8))
            for some in [rows[at]]
        ]
    return add_up(parts)


def _group_sums(x: Tensor, given: Tensor | None, form: "Expanded | Centred") -> Statistics:
    """Rows without missing entries, tile by tile."""
    sums: list[Tensor] = []
    log_likelihood = torch.zeros((), dtype=torch.float64, device=x.device)
    for start in range(0, max(len(x), 1), form.tile):
        tile = x[start : start + form.tile]
        if given is None:
            responsibilities = form.score(tile)  # (K, tile) log w_k N(x; k), once normalised
            log_likelihood += normalise_(responsibilities).sum(dtype=torch.float64)
        else:
            responsibilities = given[:, start : start + form.tile].to(form.dtype)
            form.read(tile)
        moments = form.moments(responsibilities)
        sums = [a.add_(b) for a, b in zip(sums, moments)] if sums else [m.double() for m in moments]
    return form.unpack(sums) | ({"log_likelihood": log_likelihood} if given is None else {})


def normalise_(scores: Tensor) -> Tensor:
    """In place, log joint (K, n) -> responsibilities; returns log sum_k exp, (n,)."""
    smallest = -86.0 if scores.dtype == torch.float32 else -700.0  # below it exp is denormal: 17 times slower
    top = scores.amax(0)
    total = scores.sub_(top).clamp_(min=smallest).exp_().sum(0)
    scores.div_(total)
    return top.add_(total.log_())


# ----------------------------------------------------------------------------------------------------- missing entries


def restrict(means: Tensor, covariances: Tensor, kind: Kind, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """The marginal over the columns `seen`: of a Gaussian, simply those means and covariances."""
    if seen is None:
        return means, covariances
    if kind in ("full", "tied"):
        covariances = covariances[..., seen[:, None], seen]
    elif kind == "diag":
        covariances = covariances[:, seen]
    return means[:, seen], covariances


def regress(covariances: Tensor, kind: Kind, seen: Tensor, missing: Tensor) -> tuple[Tensor | None, Tensor]:
    """The missing given the seen: slopes B = S_ms S_ss^-1 (None if independent), and what is left, S_mm - B S_sm."""
    if kind == "spherical":
        return None, covariances
    if kind == "diag":
        return None, covariances[:, missing]
    across = covariances[..., seen[:, None], missing]  # S_sm
    factor = torch.linalg.cholesky(covariances[..., seen[:, None], seen])
    slopes = torch.cholesky_solve(across, factor).mT  # (K, m, s) or (m, s)
    left = covariances[..., missing[:, None], missing] - slopes @ across
    return slopes, (left + left.mT) / 2


def complete_statistics(statistics: Statistics, means: Tensor, covariances: Tensor, kind: Kind, seen: Tensor) -> Statistics:
    """From the sums over the seen columns to those over all, missing entries at their conditional expectation:

        E[x | k, seen] = A_k x_seen + a_k,   A = [I; B],  a = [0; mu_m - B mu_s]

    and the second moment gains count_k Cov[m | s].
    """
    K, d = means.shape
    missing = torch.ones(d, dtype=torch.bool, device=means.device).index_fill_(0, seen, False).nonzero()[:, 0]
    slopes, left = regress(covariances, kind, seen, missing)
    count, first = statistics["count"], statistics["first"]
    offset = torch.zeros_like(means)  # a_k
    offset[:, missing] = means[:, missing]
    if slopes is None:
        lifted_first, second = means.new_zeros(2, K, d)
        lifted_first[:, seen], second[:, seen] = first, statistics["second"]
        second[:, missing] = count[:, None] * (left if kind == "diag" else left[:, None])
    else:
        lift = means.new_zeros(*slopes.shape[:-2], d, len(seen))  # A_k
        lift[..., seen, torch.arange(len(seen), device=seen.device)] = 1
        lift[..., missing, :] = slopes
        offset[:, missing] -= (slopes @ means[:, seen, None])[..., 0]
        lifted_first = (lift @ first[..., None])[..., 0]
        second = lift @ statistics["second"] @ lift.mT
        second[..., missing[:, None], missing] += left * (count[:, None, None] if kind == "full" else count.sum())
    return statistics | shift_statistics({"count": count, "first": lifted_first, "second": second}, offset, kind)


def _scattered_sums(x, given, log_weights, means, covariances, kind) -> Statistics:
    """Rows that share their missing columns with few others, which are padded to d dimensions:

    with Q the inverse of S_ss, zero elsewhere: E[x | s] = mu + S Q (x - mu) where missing, and Cov[x | s] = S - S Q S,
    which is zero in the rows and columns of s, so that the sum of covariances needs only the sum of Q.
    """
    (K, d), (kinds, which) = means.shape, numbered(x)  # P kinds of rows
    seen, x = kinds[which][:, None], x.double()[:, None]  # (n, 1, d)
    if kind in ("full", "tied"):
        dense = covariances.expand(K, d, d)
    else:
        dense = torch.diag_embed(covariances if kind == "diag" else covariances[:, None].expand(K, d))
    eye = torch.eye(d, dtype=dense.dtype, device=x.device)
    both = (kinds[:, :, None] & kinds[:, None])[:, None]  # (P, 1, d, d)
    factor = torch.linalg.cholesky(torch.where(both, dense, eye))  # (P, K, d, d)
    inverse = torch.cholesky_inverse(factor).where(both, 0)  # Q
    residuals = (x - means).where(seen, 0)  # (n, K, d)
    solved = (inverse[which] @ residuals[..., None])[..., 0]
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)  # (P, K)
    scores = -0.5 * ((residuals * solved).sum(-1) + log_det[which] + seen.sum(-1, dtype=torch.float64) * LOG_2PI).T
    sums = {}
    if given is None:
        scores = (scores + log_weights.double()[:, None]).contiguous()
        sums["log_likelihood"] = normalise_(scores).sum()
    r = scores if given is None else given.double()  # (K, n)
    whole = torch.where(seen, x, means + (dense @ solved[..., None])[..., 0]).transpose(0, 1)  # (K, n, d)
    count, weighted = r.sum(1), whole * r[..., None]
    of_kind = r.new_zeros(K, len(kinds)).index_add_(1, which, r)  # (K, P)
    left = count[:, None, None] * dense - dense @ torch.einsum("kp,pkij->kij", of_kind, inverse) @ dense
    second = weighted.mT @ whole + left
    second = {"full": second, "tied": second.sum(0)}.get(kind, second.diagonal(dim1=1, dim2=2))
    return {"count": count, "first": weighted.sum(1), "second": second} | sums


# ---------------------------------------------------------------------------------------------------------- the M step


def maximise(statistics: Statistics, kind: Kind, floor: float = 1e-6, support: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """(weights (K,), means (K, d), covariances) of greatest expected likelihood subject to S_k - F_k psd:

        F_k = floor I + min(1, support p / count_k)^2 W,   W = sum_k count_k S_k / n, the pooled covariance,

    with p = d for full, 1 for diag, 1/d for spherical: the rows it takes to determine S_k at all. From d rows a
    covariance is singular, from a few times d far too narrow in some directions; F_k forbids that, and fades as the
    rows of a component grow. Where S_k - F_k is psd nothing changes (plain maximum likelihood); elsewhere the
    eigenvalues of F^-1/2 S_k F^-1/2 are raised to 1, which is the exact maximum for that F. F moves with the counts,
    so that log p may fall by some thousandths of a nat a row where it binds. support=0 leaves the absolute floor (a
    variance, of the caller's standardised units); floor=0 nothing: support needs a floor above 0. Tied covariances
    have the absolute floor only.

    A component that explains less than a thousandth of a row is dead: it takes half of the heaviest one (`split`).
    """
    count, first, second = split(statistics, kind)
    weights = count / count.sum()
    means = first / count[:, None]
    d = means.shape[1]
    if kind == "tied":
        covariances = (second - (count[:, None] * means).T @ means) / count.sum()
        eye = torch.eye(d, dtype=count.dtype, device=count.device)
        return weights, means, raise_to(covariances, floor * eye, floor)
    if kind == "full":
        covariances = second / count[:, None, None] - means[:, :, None] * means[:, None]
        eye, p = torch.eye(d, dtype=count.dtype, device=count.device), float(d)
    else:
        covariances = second / count[:, None] - means.square()
        covariances = covariances if kind == "diag" else covariances.mean(1)
        eye, p = torch.ones_like(covariances[0]), 1.0 if kind == "diag" else 1 / d
    each = (-1,) + (1,) * (covariances.ndim - 1)
    pooled = (weights.reshape(each) * covariances).sum(0)
    share = (support * p / count).clamp(max=1).square().reshape(each)
    floors = floor * eye + share * pooled
    return weights, means, raise_to(covariances, floors, floor) if kind == "full" else covariances.maximum(floors)


def warn_of_few(rows: float, d: int, instead: str) -> None:
    """Say so where so many rows leave a covariance singular; `instead` is what to do."""
    if rows <= d:
        warn_undetermined(f"{rows:.0f} rows", d, instead)


def warn_undetermined(by: str, d: int, instead: str) -> None:
    """Say that a covariance in d dimensions is singular for all that is known: `by` what, `instead` what to do."""
    warn(
        f"a covariance in {d} dimensions is not determined by {by}, and new points will look impossible to it; "
        f"use {instead}, or more rows"
    )


def with_prior(statistics: Statistics, kind: Kind) -> Statistics:
    """The statistics with d points of N(0, I), the data's own mean and spread, added to every component: a conjugate prior."""
    K, d = statistics["first"].shape
    _, spread = standard(K, d, "diag" if kind == "spherical" else kind, statistics["first"].device)
    points = K * d if kind == "tied" else d  # a tied covariance has those of all
    return statistics | {"count": statistics["count"] + d, "second": statistics["second"] + points * spread}


def raise_to(covariances: Tensor, floors: Tensor, floor: float) -> Tensor:
    """The S >= F of greatest likelihood given the sample covariance: F^1/2 max(F^-1/2 S F^-1/2, 1) F^1/2."""
    covariances = (covariances + covariances.mT) / 2
    if floor == 0 or not torch.linalg.cholesky_ex(covariances - floors).info.any():  # already S >= F, or no wish to
        return covariances
    root = torch.linalg.cholesky((floors + floors.mT) / 2)
    inner = torch.linalg.solve_triangular(root, covariances, upper=False)
    inner = torch.linalg.solve_triangular(root, inner.mT, upper=False)
    values, vectors = torch.linalg.eigh((inner + inner.mT) / 2)
    vectors = root @ vectors
    return (vectors * values.clamp(min=1)[..., None, :]) @ vectors.mT


def split(statistics: Statistics, kind: Kind, dead: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """count, first, second, where each dead component has become one half of the heaviest, half a standard deviation to
    either side along its longest axis. The sums are unchanged, so that the mixture keeps its mean and covariance."""
    count, first, second = (statistics[name] for name in ("count", "first", "second"))
    if not (count < dead).any():
        return count, first, second
    count, first, second = count.clone(), first.clone(), second.clone()
    for k in (count < dead).nonzero()[:, 0].tolist():
        heavy = int(count.argmax())
        mean = first[heavy] / count[heavy]
        if kind == "full":
            values, vectors = torch.linalg.eigh(second[heavy] / count[heavy] - mean[:, None] * mean)
            step = 0.5 * values[-1].clamp(min=0).sqrt() * vectors[:, -1]  # (d,)
        else:
            if kind == "tied":
                variances = (second.diagonal() - (first.square() / count.clamp(min=dead)[:, None]).sum(0)) / count.sum()
            else:
                variances = second[heavy] / count[heavy] - mean.square()
            step = torch.zeros_like(mean)
            step[variances.argmax()] = 0.5 * variances.amax().clamp(min=0).sqrt()
        half = count[heavy] / 2
        if kind != "tied":
            second[k] = second[heavy] = second[heavy] / 2
        count[k] = count[heavy] = half
        first[k], first[heavy] = half * (mean - step), half * (mean + step)
    return count, first, second


# ---------------------------------------------------------------------------------------------- draws and conditionals


def condition(
    x: Tensor, log_weights: Tensor, means: Tensor, covariances: Tensor, kind: Kind, seen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The mixture of the other entries given x[:, seen], for rows (n, d) that share the columns `seen` (indices):

        p(m | s) = sum_k p(k | s) N(m; mu_m + B_k (s - mu_s), S_mm - B_k S_sm)

    -> log p(k | s) (K, n), means (K, n, m), covariances of the same kind in m dimensions (the same for all rows).
    """
    K, d = means.shape
    missing = torch.ones(d, dtype=torch.bool, device=x.device).index_fill_(0, seen, False).nonzero()[:, 0]
    values = x[:, seen].to(means.dtype)
    joint = log_weights[:, None] + _log_density(values, *restrict(means, covariances, kind, seen), kind)
    slopes, left = regress(covariances, kind, seen, missing)
    centres = means[:, None, missing].expand(K, len(x), -1)
    if slopes is not None:
        centres = centres + (values - means[:, None, seen]) @ slopes.mT
    return joint.log_softmax(0), centres, left


def draw(n: int, log_weights: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """n rows of the mixture, (n, d), and the component of each, (n,); by torch's default generator."""
    which = torch.multinomial(log_weights.exp(), n, replacement=True)
    return draw_from(which, means, covariances, kind), which


def draw_from(which: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> Tensor:
    """A row of component which_n each, (n, d); by torch's default generator."""
    factor, _ = factorise(covariances, kind, means.shape[1])
    return means[which] + _noise(which, factor, kind, means)


def fill(x: Tensor, log_weights: Tensor, means: Tensor, covariances: Tensor, kind: Kind, sample: bool = True) -> Tensor:
    """x with its missing entries drawn given the others, or, with sample=False, at their conditional expectation."""
    filled = x.clone()
    for rows, seen, missing in holes(x):
        log_p, centres, left = condition(x[rows], log_weights, means, covariances, kind, seen)
        if sample:
            which = torch.multinomial(log_p.exp().T, 1)[:, 0]
            values = centres[which, torch.arange(len(rows), device=x.device)]
            values = values + _noise(which, factorise(left, kind, len(missing))[0], kind, values)
        else:
            values = (log_p.exp()[..., None] * centres).sum(0)
        filled[rows[:, None], missing] = values.to(x.dtype)
    return filled


def _noise(which: Tensor, factor: Tensor, kind: Kind, like: Tensor) -> Tensor:
    """Draws of N(0, S_which), (n, d), one component at a time: no (n, d, d)."""
    noise = torch.randn(len(which), like.shape[-1], dtype=like.dtype, device=like.device)
    if kind == "tied":
        return noise @ factor.T
    if kind != "full":
        return noise * factor[which]
    for k in which.unique().tolist():
        rows = (which == k).nonzero()[:, 0]
        noise[rows] = noise[rows] @ factor[k].T
    return noise


# ------------------------------------------------------------------------------------------------------ where to start


def initial_parameters(
    x: Tensor,
    n_components: int,
    kind: Kind,
    n_init: int = 4,
    floor: float = 1e-6,
    support: float = 1.0,
    steps: int = 10,
) -> tuple[Tensor, Tensor, Tensor]:
    """(weights, means, covariances), float64, to start EM from: the likeliest of n_init short runs, each k-means
    and then `steps` of EM (Biernacki, Celeux & Govaert 2003). x is a sample that fits in memory: a thousand rows a
    component are plenty."""
    filled = torch.where(x.isnan(), x.nanmean(0).nan_to_num(nan=0.0), x)
    anywhere = standard(n_components, x.shape[1], kind, x.device)
    best: tuple[Tensor, Tensor, Tensor] | None = None
    highest = -math.inf
    for _ in range(n_init if n_components > 1 else 1):
        labels = kmeans(filled, n_components)[1]
        one_hot = torch.nn.functional.one_hot(labels, n_components).T.to(x.dtype)  # (K, n)
        parameters = maximise(weighted_statistics(filled, one_hot, *anywhere, kind), kind, floor, support)
        for _ in range(steps):
            weights, means, covariances = parameters
            statistics = expected_statistics(x, weights.log(), means, covariances, kind)
            if best is None or float(statistics["log_likelihood"]) > highest:
                best, highest = parameters, float(statistics["log_likelihood"])
            parameters = maximise(statistics, kind, floor, support)
    assert best is not None
    return best


def standard(n_components: int, d: int, kind: Kind, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Means and covariances of N(0, I), n_components times."""
    like = {"dtype": torch.float64, "device": device}
    eye = torch.zeros(d, d, **like).fill_diagonal_(1)  # torch.eye takes a second on the meta device
    ones = torch.ones(n_components, d, **like)
    covariances = {"full": eye.expand(n_components, d, d).contiguous(), "tied": eye, "diag": ones, "spherical": ones[:, 0]}[kind]
    return torch.zeros(n_components, d, **like), covariances


def flaw(covariances: Tensor, kind: Kind) -> str | None:
    """What is wrong with covariances read from a file; None if nothing."""
    if kind in ("full", "tied"):
        sound = torch.allclose(covariances, covariances.mT) and not bool(torch.linalg.cholesky_ex(covariances).info.any())
    else:
        sound = bool((covariances > 0).all())
    return None if sound else "covariances must be symmetric, with eigenvalues above 0"
