"""Markov chains and n-gram models against enumeration, and against n-grams counted in dictionaries."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
import torch
import zoo

import genus
from genus.probability import markov_chains, suffix_trie
from genus.spaces import Ragged

SMOOTHINGS = ("modified-kneser-ney", "kneser-ney", "witten-bell", "add-k")
WEATHER = torch.tensor([[0, 0.1, 0], [0.3, 0.9, 0.4], [0.7, 0, 0.6]], dtype=torch.float64)  # from in columns


def english(n: int = 120) -> list[str]:
    """Made-up words: syllables, some oftener than others."""
    make = np.random.default_rng(0)
    return [
        "".join(make.choice(["ab", "a", "cab", "b"], p=[0.5, 0.3, 0.15, 0.05], size=length)) for length in make.integers(0, 5, n)
    ]


def endless(n: int = 400) -> list[torch.Tensor]:
    """Two long texts of 5 tokens, one of which only the second holds."""
    make = np.random.default_rng(1)
    return [torch.from_numpy(make.choice(5, p=p, size=n)) for p in ([0.4, 0.3, 0.2, 0.1, 0.0], [0.5, 0.2, 0.1, 0.1, 0.1])]


def fit(model, data, **space):
    if space:
        data = genus.data.examples_of(data, space=genus.Tokens(**space))
    return model.fit(data, progress=False, device="cpu")


# ---------------------------------------------------------------------------------------------- n-grams by dictionaries


class Dictionaries:
    """Interpolated n-grams as the papers write them, one context at a time. `begin` stands before each text, or is None."""

    def __init__(self, texts, order, smoothing, symbols, begin, k):
        self.order, self.smoothing, self.symbols, self.begin, self.k = order, smoothing, symbols, begin, k
        raw = Counter()
        for text in texts:
            text = ([] if begin is None else [begin]) + list(text)
            raw.update(tuple(text[i : i + n]) for n in range(1, order + 1) for i in range(len(text) - n + 1))
        before = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        kneser_ney = smoothing.endswith("kneser-ney")
        self.counts = defaultdict(dict)
        levels = defaultdict(Counter)
        for gram, count in raw.items():
            if gram == (begin,):
                continue
            if kneser_ney and len(gram) < order and gram[0] != begin:
                count = max(len(before[gram]), 1)
            self.counts[gram[:-1]][gram[-1]] = count
            levels[len(gram)][count] += 1
        self.discounts = {length: self.discount(seen) for length, seen in levels.items()}

    def discount(self, n):
        if self.smoothing == "kneser-ney":
            return [0] + [n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.5] * 3
        if self.smoothing != "modified-kneser-ney":
            return [0] * 4
        if all(n[i] for i in (1, 2, 3, 4)):
            y = n[1] / (n[1] + 2 * n[2])
            found = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
            if min(found[1:]) > 0:
                return found
        return [0, 0.5, 1, 1.5]

    def p(self, token, context):
        context = tuple(context)[-(self.order - 1) :] if self.order > 1 else ()
        if context not in self.counts:
            return self.p(token, context[1:]) if context else 1 / self.symbols
        after = self.counts[context]
        total, shorter = sum(after.values()), (self.p(token, context[1:]) if context else 1 / self.symbols)
        if self.smoothing == "add-k":
            return (after.get(token, 0) + self.k) / (total + self.k * self.symbols)
        if self.smoothing == "witten-bell":
            return (after.get(token, 0) + len(after) * shorter) / (total + len(after))
        discount = self.discounts[len(context) + 1]
        taken = sum(discount[min(count, 3)] for count in after.values())
        count = after.get(token, 0)
        return (count - discount[min(count, 3)]) / total + taken / total * shorter

    def log_p(self, text):
        text = ([] if self.begin is None else [self.begin]) + list(text)
        first = 0 if self.begin is None else 1
        return sum(math.log(self.p(text[i], text[:i])) for i in range(first, len(text)))


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("kind", ["words", "endless", "rows"])
def test_counting_in_dictionaries_gives_the_same(smoothing, order, kind):
    model = genus.NGram(order=order, smoothing=smoothing, k=0.3)
    if kind == "words":
        model = fit(model, english())
        encode = lambda texts: [t.tolist() for t in model.space.encode(texts)]  # noqa: E731
        train, held, symbols, begin = encode(english()), ["", "cab", "bbca", "ccc", "abacab"], 4, "begin"
        wanted = encode(held)
    elif kind == "endless":
        model = fit(model, endless(), vocabulary=6)
        train, symbols, begin = [t.tolist() for t in endless()], 6, None
        held = [torch.tensor([5, 0, 0, 1, 4, 4, 5, 1, 0, 2]), torch.tensor([3]), endless()[1][:40]]
        wanted = [t.tolist() for t in held]
    else:
        rows = torch.stack([t[:60].reshape(10, 6) for t in endless()]).flatten(0, 1)
        model = fit(model, rows, vocabulary=5, length=6)
        train, held, symbols, begin = rows.tolist(), rows[:4].flip(1), 5, "begin"
        wanted = held.tolist()
    oracle = Dictionaries(train, order, smoothing, symbols, begin, 0.3)
    told = model.log_prob(held)
    torch.testing.assert_close(told, torch.tensor([oracle.log_p(t) for t in wanted], dtype=torch.float64), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_next_tokens_sum_to_one_after_every_context_seen_or_not(smoothing):
    model = fit(genus.NGram(order=4, smoothing=smoothing), endless(), vocabulary=6)  # token 5 was never seen
    contexts = list(itertools.product(range(6), repeat=4))
    ends = torch.tensor([[*context, token] for context in contexts for token in range(6)])
    p = (model.log_prob(list(ends)) - model.log_prob([e[:-1] for e in ends])).exp().reshape(-1, 6)
    torch.testing.assert_close(p.sum(1), torch.ones(len(contexts), dtype=torch.float64), rtol=1e-12, atol=1e-12)
    assert bool((p > 0).all())


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_what_is_generated_has_the_probabilities_that_are_claimed(smoothing):
    """Draws from the model, and those at a temperature that does nothing to a top_p that cuts nothing, token by token."""
    model = fit(genus.NGram(order=3, smoothing=smoothing), endless(200), vocabulary=6)
    every = torch.tensor([[0, 1, *rest] for rest in itertools.product(range(6), repeat=3)])
    p = (model.log_prob(list(every)) - model.log_prob([torch.tensor([0, 1])])).exp()
    for cut in ({}, {"top_p": 1.0}):
        n = 20_000 if not cut else 4000
        drawn = torch.stack(model.generate([[0, 1]] * n, max_new_tokens=3, seed=1, **cut))[:, 2:]
        seen = torch.bincount((drawn * torch.tensor([36, 6, 1])).sum(1), minlength=216)
        often = n * p >= 5
        chi2, freedom = float(((seen - n * p).square() / (n * p))[often].sum()), int(often.sum())
        assert freedom > 20 and abs(chi2 - freedom) < 5 * math.sqrt(2 * freedom)


def test_generated_bigrams_are_as_frequent_as_learned():
    text = endless(3000)[1:]
    model = fit(genus.NGram(order=2), text, vocabulary=5)
    n = 50_000
    drawn = model.generate([0], max_new_tokens=n)
    pairs = torch.bincount(drawn[:-1] * 5 + drawn[1:], minlength=25).reshape(5, 5)
    given = torch.tensor(list(itertools.product(range(5), repeat=2)))
    p = (model.log_prob(list(given)) - model.log_prob(list(given[:, :1]))).exp().reshape(5, 5)
    expected = pairs.sum(1, keepdim=True) * p
    assert float(((pairs - expected).square() / expected).sum()) < 20 + 6 * math.sqrt(40)


def test_zero_temperature_and_beams_find_the_likeliest():
    model = fit(genus.NGram(order=3), endless(), vocabulary=5)
    every = torch.tensor([[2, *rest] for rest in itertools.product(range(5), repeat=4)])
    best = every[int(model.log_prob(list(every)).argmax())]
    assert model.generate([2], max_new_tokens=4, num_beams=125, length_penalty=0.0).tolist() == best.tolist()
    step = model.generate([2], max_new_tokens=1, temperature=0)
    first = torch.tensor([[2, token] for token in range(5)])
    assert step.tolist() == first[int(model.log_prob(list(first)).argmax())].tolist()
    assert len(model.generate([2], max_new_tokens=0, num_beams=2)) == 1


def test_beams_weigh_strings_that_end_against_those_that_go_on():
    """With beams for all, what is found is the likeliest of the strings that end within 3 letters or go on after them."""
    model = fit(genus.NGram(order=3), english())
    oracle = Dictionaries([t.tolist() for t in model.space.encode(english())], 3, "modified-kneser-ney", 4, "begin", 0.0)
    ended = [[*s, 3] for n in range(3) for s in itertools.product(range(3), repeat=n)]
    best = max(ended + [list(s) for s in itertools.product(range(3), repeat=3)], key=oracle.log_p)
    found = model.generate("", max_new_tokens=3, num_beams=100, length_penalty=0.0)
    assert found == "".join("abc"[token] for token in best if token < 3)


def test_a_prompt_longer_than_the_memory_is_its_end():
    model = fit(genus.NGram(order=3), endless(), vocabulary=5)
    long, short = model.generate([4, 4, 4, 1, 0], max_new_tokens=50, seed=3), model.generate([1, 0], max_new_tokens=50, seed=3)
    assert not torch.equal(long[5:], short[2:])  # prompts of another length draw other numbers
    states = model._read(torch.tensor([[4, 4, 4, 1, 0], [3, 3, 3, 1, 0]]))
    assert states[0] == states[1] == model._read(torch.tensor([[1, 0]]))[0] > 0


def test_whole_numbers_go_on_from_nothing_and_from_one_row():
    model = zoo.quickly(genus.MarkovChain(), [[0, 1, 2], [0, 1]])
    assert model.generate(max_new_tokens=3, seed=1).dtype == torch.int64
    assert torch.equal(model.generate(max_new_tokens=3), model.generate([], max_new_tokens=3))
    with pytest.raises(ValueError, match=r"prompt: has shape \(1, 2\); pass one row"):
        model.generate(torch.tensor([[0, 1]]))
    with pytest.raises(TypeError, match="prompt=b'a' is of type bytes"):
        model.generate(b"a")


def test_texts_in_a_series_are_texts_to_every_verb():
    texts = ["ab", "b"]
    model = zoo.quickly(genus.NGram(order=2), pd.Series(texts))
    for read in (pd.Series(texts), np.array(texts, dtype=object), tuple(texts)):
        assert torch.equal(model.log_prob(read), model.log_prob(texts))
    with pytest.raises(TypeError, match="also holds 3"):
        model.log_prob(["a", 3])
    assert math.isnan(model.log_likelihood([""]).bits_per_dim)


def test_an_unseen_token_is_forgotten():
    model = fit(genus.NGram(order=3), endless(), vocabulary=6)
    assert model.generate([5, 5], max_new_tokens=20)[:2].tolist() == [5, 5]
    assert model._read(torch.tensor([[1, 5]])).tolist() == [suffix_trie.ROOT]


def test_long_texts_are_scored_as_one_stream():
    """A text in one piece has at most what its halves have: the second is given the end of the first."""
    model = fit(genus.NGram(order=4), endless(2000), vocabulary=5)
    text = endless(60)[1]
    whole, (first, second) = model.log_prob([text]), model.log_prob([text[:30], text[30:]])
    tail = model.log_prob([text[27:]]) - model.log_prob([text[27:30]])
    torch.testing.assert_close(whole[0] - first, tail[0])
    assert not torch.allclose(tail[0], second)


def test_little_or_no_text_makes_a_model():
    for texts in (["a"], ["", "b"], ["aaaa"]):
        for smoothing in SMOOTHINGS:
            model = fit(genus.NGram(smoothing=smoothing), texts)
            total = sum(math.exp(float(model.log_prob([t])[0])) for t in ("", *sorted(set("".join(texts)))))
            assert 0 < total <= 1 + 1e-12 and len(model.sample(3)) == 3


def test_add_0_is_maximum_likelihood():
    model = fit(genus.NGram(order=2, smoothing="add-k", k=0.0), ["ab", "aa"])
    assert math.exp(float(model.log_prob(["ab"])[0])) == pytest.approx(1 / 3)  # a follows the beginning, b follows a once in 3
    assert float(model.log_prob(["b"])[0]) == -math.inf
    assert set(model.sample(50)) <= {"a" * n + "b" * m for n in range(1, 60) for m in (0, 1)}


@pytest.mark.parametrize("order", [2, 6])
def test_a_saved_model_is_small_enough_and_the_same(order, tmp_path):
    model = fit(genus.NGram(order=order), english())
    model.generate("a", max_new_tokens=5)  # what generating keeps is no part of it
    model.save(tmp_path)
    loaded = genus.load_model(tmp_path)
    assert torch.equal(loaded.log_prob(english()), model.log_prob(english()))
    assert loaded.generate("ab", max_new_tokens=30, seed=2) == model.generate("ab", max_new_tokens=30, seed=2)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda m: m.keys.__setitem__(slice(3, 5), m.keys[[4, 3]]), "keys must be in order"),
        (lambda m: m.keys.__setitem__(0, 5), "keys must be in order"),
        (lambda m: m.keys.__setitem__(-2, 10**15), "at most order=3 tokens"),
        (lambda m: m.suffix.__setitem__(-2, 0), "one token shorter"),
        (lambda m: m.suffix.__setitem__(3, -4), "one token shorter"),
        (lambda m: m.suffix.__setitem__(3, 10**9), "one token shorter"),
        (lambda m: m.share.__setitem__(2, math.nan), "probabilities"),
        (lambda m: m.share.__setitem__(2, -1.0), "probabilities"),
        (lambda m: m.share.__setitem__(int((m.keys == m.n_symbols).nonzero()), 0.5), "begins a sequence"),
        (lambda m: m.backoff.__setitem__(1, 2.0), "add up to one"),
        (lambda m: setattr(m, "share", m.share[:-1]), "one length"),
        (lambda m: [setattr(m, name, getattr(m, name)[:0]) for name in m.data_sized], "at least 2"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(harm, sentence, tmp_path):
    model = fit(genus.NGram(order=3), english())
    harm(model)
    model.save(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        genus.load_model(tmp_path)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="use fewer than"):
        fit(genus.NGram(), [[0, 1]], vocabulary=2**31)
    with pytest.raises(ValueError, match="use a lower order, or NGram"):
        fit(genus.MarkovChain(order=200), ["abc" * 5])


@pytest.mark.parametrize(("order", "nats"), [(5, 1.5612), (7, 1.5165)])
def test_tiny_shakespeare(order, nats):
    """The last tenth, in nats a character; measured elsewhere with the same counts."""
    data = zoo.named("tiny_shakespeare")
    text = "".join(part.raw[0] for part in (data.train, data.valid, data.test))
    data = genus.Dataset.of([text], split=(0.9, 0.0, 0.1))
    model = genus.NGram(order=order).fit(data, progress=False)
    assert model.log_likelihood(data.test).nats_per_dim == pytest.approx(nats, abs=1e-3)


def test_penn_treebank():
    """Perplexity 141.2 is published for words and a modified Kneser-Ney model of order 5 (Mikolov et al. 2011)."""
    data = zoo.named("penn_treebank", tokenizer="words")
    score = genus.NGram(order=5).fit(data, progress=False).log_likelihood(data.test)
    assert math.exp(score.nats_per_dim) == pytest.approx(141.06, abs=0.05)


# ---------------------------------------------------------------------------------------------------- the trie itself


def test_a_trie_holds_every_sequence_with_its_count():
    text = endless(300)[0]
    trie = suffix_trie.grow(text, torch.arange(300), 3, 6)
    counted = Counter(tuple(text[i : i + n].tolist()) for n in (1, 2, 3) for i in range(300 - n + 1))
    starts = suffix_trie.level_starts(trie.keys, 6, 3)
    assert starts[-1] == len(trie.keys) - 1 == len(counted) + 1
    for gram, count in counted.items():
        node, suffix = torch.tensor(0), torch.tensor(0)
        for token in gram:
            node = suffix_trie.child(trie.keys, 6, node, torch.tensor(token))
        for token in gram[1:]:
            suffix = suffix_trie.child(trie.keys, 6, suffix, torch.tensor(token))
        assert trie.counts[node] == count and trie.suffix[node] == suffix and starts[len(gram)] <= node < starts[len(gram) + 1]
    assert int(suffix_trie.child(trie.keys, 6, torch.tensor(-1), torch.tensor(5))) == suffix_trie.NOWHERE


# ------------------------------------------------------------------------------------------------------- Markov chains


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_chain_is_its_counts(order):
    model = fit(genus.MarkovChain(order=order, smoothing=0.5), english())
    texts = [["^"] * order + list(word) + ["$"] for word in english()]
    counts = Counter(tuple(t[i - order : i + 1]) for t in texts for i in range(order, len(t)))
    contexts = Counter(tuple(t[i - order : i]) for t in texts for i in range(order, len(t)))
    for word in ["", "ab", "cab", "bbb", "acca"]:
        text = ["^"] * order + list(word) + ["$"]
        grams = [tuple(text[i - order : i + 1]) for i in range(order, len(text))]
        wanted = sum(math.log((counts[gram] + 0.5) / (contexts[gram[:-1]] + 0.5 * 4)) for gram in grams)
        assert float(model.log_prob([word])[0]) == pytest.approx(wanted, abs=1e-10)


def test_strings_of_a_chain_add_up_to_one():
    """p(at most 8 characters), by enumeration, is what the transition matrix says of having ended after 9 steps."""
    model = fit(genus.MarkovChain(order=1), ["ab", "b", "", "abb"])
    told = model.log_prob(["".join(s) for n in range(9) for s in itertools.product("ab", repeat=n)]).exp().sum()
    matrix = model.transition_matrix
    start = matrix[2].clone()
    matrix[2] = torch.tensor([0, 0, 1.0])  # stay at the end
    assert float(told) == pytest.approx(float((start @ torch.linalg.matrix_power(matrix, 8))[2]), abs=1e-12)


def test_an_endless_text_begins_with_shorter_contexts():
    model = fit(genus.MarkovChain(order=2, smoothing=0.0), endless(), vocabulary=5)
    text = torch.cat(endless())
    share = (text == 3).double().mean()
    assert float(model.log_prob([torch.tensor([3])])[0].exp()) == pytest.approx(float(share), abs=1e-12)
    same = fit(genus.NGram(order=3, smoothing="add-k", k=0.5), endless(), vocabulary=5)
    chain = fit(genus.MarkovChain(order=2, smoothing=0.5), endless(), vocabulary=5)
    torch.testing.assert_close(chain.log_prob(endless()), same.log_prob(endless()))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("ends", [True, False])
def test_long_runs_visit_states_as_the_stationary_distribution_says(order, ends):
    data = english() if ends else endless()
    model = fit(genus.MarkovChain(order=order), data)
    assert model.is_irreducible() and model.is_regular() and model.period() == 1
    states, pi = model.states, model.stationary_distribution()
    assert len(states) == len(pi) and float(pi.sum()) == pytest.approx(1)
    torch.testing.assert_close(pi @ model.transition_matrix, pi)
    torch.testing.assert_close(torch.linalg.matrix_power(model.transition_matrix, 512), pi.expand(len(pi), -1))
    if ends:  # the end of one sequence is the beginning of the next
        drawn = model.space.encode(model.sample(4000, seed=0))
        end, last = model.nothing, pi.new_zeros(model.nothing + 1).index_add_(0, states[:, -1], pi)
        share = torch.bincount(drawn.values, minlength=end + 1) / len(drawn.values)
        torch.testing.assert_close(share.double(), last, atol=0.01, rtol=0)


def test_the_chain_of_the_lecture():
    pi = markov_chains.stationary_distribution(WEATHER.T)
    torch.testing.assert_close(pi, torch.tensor([4, 40, 7], dtype=torch.float64) / 51, rtol=1e-14, atol=0)
    assert markov_chains.is_irreducible(WEATHER.T) and markov_chains.is_regular(WEATHER.T)
    with pytest.raises(ValueError, match=r"row 0 sums to 0.1, not to 1; its columns do: pass matrix.T"):
        markov_chains.stationary_distribution(WEATHER)


def test_the_stationary_distribution_is_the_eigenvector_to_the_last_digit():
    matrix = torch.rand(30, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 4
    matrix /= matrix.sum(1, keepdim=True)
    values, vectors = np.linalg.eig(matrix.numpy().T)
    wanted = vectors[:, np.argmax(values.real)].real
    np.testing.assert_allclose(markov_chains.stationary_distribution(matrix).numpy(), wanted / wanted.sum(), rtol=1e-10)
    tiny = 1e-30  # two states that are hardly ever left
    pi = markov_chains.stationary_distribution([[1 - tiny, tiny], [3 * tiny, 1 - 3 * tiny]])
    assert pi.tolist() == pytest.approx([0.75, 0.25], rel=1e-14)


def power_is_positive(matrix) -> bool:
    steps = np.asarray(matrix) > 0
    reached = steps.copy()
    for _ in range(len(steps) ** 2):  # Wielandt 1950: (n - 1)^2 + 1 steps are enough
        if reached.all():
            return True
        reached = (reached.astype(int) @ steps) > 0
    return bool(reached.all())


def test_regular_means_that_some_power_is_positive():
    make = np.random.default_rng(0)
    seen = Counter()
    for _ in range(200):
        n = make.integers(1, 6)
        steps = make.random((n, n)) < 0.4
        steps[np.arange(n), make.integers(0, n, n)] = True
        matrix = steps / steps.sum(1, keepdims=True)
        regular = markov_chains.is_regular(matrix)
        assert regular == power_is_positive(matrix)
        if markov_chains.is_irreducible(matrix):
            back = [t for t in range(1, 3 * n * n) if np.linalg.matrix_power(steps.astype(float), t)[0, 0] > 0]
            assert markov_chains.period(matrix) == math.gcd(*back)
        else:
            with pytest.raises(ValueError, match="classes of states"):
                markov_chains.period(matrix)
        closed = markov_chains.closed_classes(matrix)
        if len(closed) == 1:
            pi = markov_chains.stationary_distribution(matrix).numpy()
            np.testing.assert_allclose(pi @ matrix, pi, atol=1e-14)
        seen[(regular, len(closed))] += 1
    assert len(seen) >= 3  # of every kind


def test_walks_in_a_circle_and_parts_that_are_never_left():
    circle = np.roll(np.eye(4), 1, axis=1)
    assert markov_chains.period(circle) == 4 and not markov_chains.is_regular(circle) and markov_chains.is_irreducible(circle)
    with pytest.raises(ValueError, match="2 parts that are never left"):
        markov_chains.stationary_distribution(np.eye(2))
    for wrong in ([[0.5, 0.5]], [[1.5, -0.5], [0, 1]], [[math.nan]], [[0.5, 0.2], [0.5, 0.5]], []):
        with pytest.raises(ValueError, match="matrix"):
            markov_chains.stationary_distribution(wrong)


def test_no_smoothing_shows_what_was_seen():
    model = fit(genus.MarkovChain(smoothing=0.0), [[0, 1, 2] * 20], vocabulary=4)
    assert model.transition_matrix[:3, :3].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert model.transition_matrix[3].tolist() == [0.25] * 4  # never seen: left open
    assert not model.is_irreducible() and model.stationary_distribution().tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    with pytest.raises(ValueError, match="too many for a square matrix"):
        fit(genus.MarkovChain(order=3), [torch.arange(30)], vocabulary=30).transition_matrix  # noqa: B018


def test_a_chain_learns_in_batches_as_in_one(tmp_path):
    for data in (english(), list(Ragged.of(endless()))):
        one = fit(genus.MarkovChain(order=2), data)
        many = genus.MarkovChain(order=2).fit(data, batch_size=7, progress=False)
        assert torch.equal(one.table, many.table)
    one.table[0, 0] += 0.5
    one.save(tmp_path)
    with pytest.raises(ValueError, match="add up to one"):
        genus.load_model(tmp_path)


def test_texts_go_on_in_whatever_they_come():
    texts = ["hello", "help", "held"] * 4
    model = genus.NGram().fit(np.array(texts), progress=False)
    told = model.generate(texts, max_new_tokens=3)
    for prompts in (np.array(texts), pd.Series(texts), tuple(texts)):
        assert model.generate(prompts, max_new_tokens=3) == told
