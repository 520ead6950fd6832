"""The yardsticks, each against an independent oracle; comparisons, evaluations and their reports."""

from __future__ import annotations

import io
import json
import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import genus
from genus.data import Dataset, Examples, examples_of
from genus.evaluation import compare, demo, evaluate
from genus.evaluation.charts import ticks
from genus.evaluation.compare import Comparison, named_models
from genus.evaluation.coverage import coverage
from genus.evaluation.features import COMPONENTS, WIDEST, features_of, narrowed
from genus.evaluation.leaderboard import Entry, Leaderboard, difference
from genus.evaluation.marginals import correlation_difference, kolmogorov_smirnov, total_variation
from genus.evaluation.memorisation import memorisation
from genus.evaluation.pictures import png, sample_sheet, sheet
from genus.evaluation.two_sample import area_under_curve, two_sample_test
from genus.evaluation.usefulness import usefulness
from genus.evaluation.wording import space_words
from genus.likelihood import LogLikelihood
from genus.spaces import Images, Ragged, Reals, Table, Tokens


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def plane() -> Dataset:
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    return Dataset.of(x @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]), split=(0.6, 0.1, 0.3), name="plane")


@pytest.fixture(scope="module")
def images() -> Dataset:
    x = np.random.default_rng(0).integers(0, 5, (120, 6, 6)).astype("uint8")
    labels = np.arange(120) % 3
    return Dataset.of(x, labels=labels, classes=("a", "b", "c"), space=Images(1, 6, 6, levels=5, layout="nhw"), name="<pictures>")


def frame(n: int, seed: int = 0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    x = r.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "y": x + 0.3 * r.normal(size=n),
            "k": r.integers(0, 4, n),
            "c": np.where(x > 0, "up", "down"),
            "b": r.random(n) < 0.3,
        }
    )


# -- measures against oracles --------------------------------------------------------------------------------------


def test_area_under_curve_is_the_share_of_ordered_pairs(rng: np.random.Generator) -> None:
    from sklearn.metrics import roc_auc_score

    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(0, 5, 30).astype(float)  # with ties
    auc, error = area_under_curve(a, b)
    assert auc == pytest.approx(roc_auc_score(np.repeat([1, 0], [40, 30]), np.concatenate([a, b])))
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    assert error == pytest.approx(math.sqrt(wins.mean(1).var(ddof=1) / 40 + wins.mean(0).var(ddof=1) / 30))


def test_standard_error_of_auc_is_its_spread(rng: np.random.Generator) -> None:
    found = [area_under_curve(rng.normal(1, 1, 60), rng.normal(0, 1, 60)) for _ in range(400)]
    spread = np.std([auc for auc, _ in found])
    assert np.mean([error for _, error in found]) == pytest.approx(spread, rel=0.15)


def test_two_sample_test_knows_the_best_auc(rng: np.random.Generator) -> None:
    # two normals a distance d apart: no classifier's AUC exceeds Phi(d / sqrt 2)
    result = two_sample_test(rng.normal(0, 1, (1500, 1)), rng.normal(1, 1, (1500, 1)))
    best = stats.norm.cdf(1 / math.sqrt(2))
    assert best - 0.04 < result.auc < best + 3 * result.standard_error
    null = two_sample_test(rng.normal(size=(800, 3)), rng.normal(size=(900, 3)))
    assert abs(null.auc - 0.5) < 4 * null.standard_error and null.n == 800
    again = two_sample_test(rng.normal(0, 1, (50, 300)), rng.normal(0, 3, (50, 300)))  # wide: by components
    assert again.auc > 0.9


def test_standard_error_of_a_two_sample_test_is_its_spread() -> None:
    """Over replications, the classifiers' own error counted; the scores' alone would be two thirds of it."""
    found = [two_sample_test(*np.random.default_rng(seed).normal(size=(2, 40, 2)), seed=seed) for seed in range(16)]
    spread = math.sqrt(np.mean([(test.auc - 0.5) ** 2 for test in found]))
    assert 0.8 < np.mean([test.standard_error for test in found]) / spread < 1.4


def test_wide_features_are_the_same_again_and_leave_the_users_randomness_alone():
    r = np.random.default_rng(0)
    a, b = r.normal(0, 1, (100, 300)), r.normal(0.1, 1, (100, 300))
    torch.manual_seed(3)
    first, next_number = two_sample_test(a, b, seed=0).auc, torch.rand(())
    torch.manual_seed(4)
    assert two_sample_test(a, b, seed=0).auc == first
    torch.manual_seed(3)
    assert torch.rand(()) == next_number


@pytest.mark.parametrize(
    "make",
    [
        lambda r: r.normal(size=(200, 4)),
        lambda r: r.normal(size=(200, 2)).round(1),
        lambda r: r.integers(0, 150, (200, 1)).astype(float),
        lambda r: r.integers(0, 2, (200, 3)).astype(float),
    ],
    ids=["numbers", "rounded", "many categories", "eight categories"],
)
def test_copies_of_real_rows_are_not_told_from_them(make, rng: np.random.Generator) -> None:
    real = make(rng)
    assert two_sample_test(real, rng.permutation(real)).auc == pytest.approx(0.5, abs=0.09)
    half = np.concatenate([real[:100], make(rng)[:100]])
    assert abs(two_sample_test(real, half).auc - 0.5) < 3 * two_sample_test(real, half).standard_error


def test_equal_rows_of_independent_sets_are_no_copies() -> None:
    found = []
    for seed in range(8):
        r = np.random.default_rng(seed)
        found.append(two_sample_test(*r.integers(0, 3, (2, 100, 2)).astype(float), seed=seed).auc)
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / math.sqrt(len(found))
    r = np.random.default_rng(0)
    fair, loaded = ((r.random((600, 1)) < p).astype(float) for p in (0.5, 0.8))  # no classifier's AUC exceeds 0.65
    result = two_sample_test(fair, loaded)
    assert abs(result.auc - 0.65) < 3 * result.standard_error


def test_two_sample_test_refuses_too_few() -> None:
    with pytest.raises(ValueError, match="at least 10 points"):
        two_sample_test(np.zeros((9, 2)), np.zeros((20, 2)))


def test_narrowed_keeps_small_and_reduces_wide(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    assert narrowed(a, b)[0] is a
    wide = narrowed(rng.normal(size=(100, WIDEST + 1)), rng.normal(size=(90, WIDEST + 1)))
    assert wide[0].shape == (100, COMPONENTS + 1) and wide[1].shape == (90, COMPONENTS + 1)


def test_coverage_by_hand(rng: np.random.Generator) -> None:
    a, b, k = rng.normal(size=(40, 3)), rng.normal(0.5, 1, (30, 3)), 4
    reach = lambda points, i: np.sort(np.linalg.norm(points - points[i], axis=1))[k]  # noqa: E731
    real, fake = [reach(a, i) for i in range(40)], [reach(b, j) for j in range(30)]
    gap = np.linalg.norm(a[:, None] - b[None], axis=2)
    found = coverage(a, b, neighbours=k)
    assert found.precision == pytest.approx(np.mean([any(gap[i, j] <= real[i] for i in range(40)) for j in range(30)]))
    assert found.recall == pytest.approx(np.mean([any(gap[i, j] <= fake[j] for j in range(30)) for i in range(40)]))
    assert found.density == pytest.approx(sum(gap[i, j] <= real[i] for i in range(40) for j in range(30)) / (k * 30))
    assert found.coverage == pytest.approx(np.mean([min(gap[i]) <= real[i] for i in range(40)]))
    same = coverage(np.ones((20, 2)), np.ones((20, 2)))  # copies of one point lie in each other's balls
    assert same.precision == same.recall == same.coverage == 1
    with pytest.raises(ValueError, match="neighbours=5"):
        coverage(a[:5], b)


def test_marginals_against_scipy(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=60).round(1), rng.normal(0.3, 1, 70).round(1)
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert total_variation(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 3])) == pytest.approx(0.5 * (0.25 + 0.25 + 0.25 + 0.25))
    x = rng.normal(size=(200, 3))
    y = x[:, [1, 0, 2]].copy()
    assert correlation_difference(x, x) == 0 and correlation_difference(x, y) < 0.2
    assert correlation_difference(x, np.repeat(x[:, :1], 3, axis=1)) > 0.8
    assert math.isnan(correlation_difference(x[:, :1], x[:, :1]))


def test_memorisation_sees_copies(rng: np.random.Generator) -> None:
    space, real = Reals(3, "float64"), torch.from_numpy(rng.normal(size=(400, 3)))
    fresh = memorisation(space, real, torch.from_numpy(rng.normal(size=(300, 3))))
    assert fresh.copies == 0 and fresh.real_copies == 0 and fresh.nearest_ratio == pytest.approx(1, abs=0.2)
    copied = memorisation(space, real, real[:100])
    assert copied.copies == 1 and copied.nearest_ratio == 0
    assert memorisation(space, real, real[:100] + 1e-4).nearest_ratio < 0.01
    zeros = memorisation(Reals(1), torch.tensor([[0.0], [-0.0], [1.0]]), torch.tensor([[0.0]]))
    assert zeros.copies == 1 and zeros.real_copies == pytest.approx(2 / 3)


def test_copies_are_counted_on_the_numbers_themselves() -> None:
    """What only features, rounded and summed up, have in common is no copy."""
    real, drawn = (np.random.default_rng(seed).lognormal(0, 4, (200, 2)) for seed in (0, 1))
    assert evaluate(real, drawn)["copies"] == 0
    real[0, 0] = 1e12
    found = evaluate(pd.DataFrame(real, columns=["a", "b"]), pd.DataFrame(drawn, columns=["a", "b"]))
    assert found["copies"] == 0 and found.told_copies == ""
    holes = torch.tensor([[math.nan, 1.0], [2.0, 3.0]])
    assert memorisation(Reals(2), holes, -holes.neg()).copies == 1  # the sign of a NaN is none
    series = Ragged.of([torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 2.0, 1.0])])
    assert memorisation(genus.Sequence(Reals(())), series, series[torch.tensor([1])]).copies == 1
    assert memorisation(genus.Sequence(Reals(())), series[:1], series[1:]).copies == 0
    text = torch.arange(1024) // 300  # an endless text is looked at piece by piece
    assert memorisation(Tokens(4), Ragged.of([text]), Ragged.of([text[256:]])).copies == 1


def test_distances_to_the_nearest_of_many_equal_rows_are_not_rounded(rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.normal(100, 1, (100, 7)))
    x[:60] = x[60]  # most have a twin, at no distance, which products would not find
    assert math.isnan(memorisation(Reals(7, "float64"), x, x + 1).nearest_ratio)
    pair = memorisation(Reals(1), torch.tensor([[0.0], [1.0], [3.0], [6.0]]), torch.tensor([[0.5], [4.0]]))
    assert pair.nearest_ratio == pytest.approx(0.75 / 1.5)  # of two in the middle their mean


def test_usefulness_of_good_and_useless_rows() -> None:
    real, good = frame(600, 1), frame(600, 2)
    space = Table.of(real)
    x, s = (space.encode(d).numpy() for d in (real, good))
    found = usefulness(space, x, s, "c")
    assert found.score == "accuracy" and found.synthetic > 0.9 and found.real > 0.9
    useless = s.copy()
    useless[:, 3] = np.random.default_rng(0).permutation(useless[:, 3])
    assert usefulness(space, x, useless, "c").synthetic < 0.7
    assert usefulness(space, x, s, "y").score == "R^2"
    with pytest.raises(ValueError, match="target='z' is no column"):
        usefulness(space, x, s, "z")
    x[:, 1] = 3.0
    with pytest.raises(ValueError, match="target='y' is the same in all of the 300 real rows"):
        usefulness(space, x, s, "y")


def test_features_of_every_space() -> None:
    assert features_of(Tokens(3, ends=True), Ragged.of([torch.tensor([0, 1, 3]), torch.tensor([3])])).shape[0] == 2
    endless = Tokens(4)
    assert features_of(endless, Ragged.of([torch.zeros(1000, dtype=torch.int64)])).shape[0] == 3  # pieces of 256
    assert features_of(Tokens(4, length=5), torch.zeros(7, 5, dtype=torch.int64)).shape == (7, 20)
    series = genus.Sequence(Reals(2))
    assert features_of(series, Ragged.of([torch.zeros(4, 2), torch.zeros(0, 2)])).shape == (2, 11)
    numbers = Ragged.of([torch.tensor([1.0, torch.nan, 2.0]), torch.zeros(4)])
    assert features_of(genus.Sequence(Reals(())), numbers).shape == (2, 6)  # items without an axis
    assert np.isfinite(features_of(genus.Sequence(Reals(())), numbers)).all()
    holes = torch.tensor([[1.0, torch.nan], [0.0, 2.0]])
    assert np.isfinite(features_of(Reals(2), holes)).all() and features_of(Reals(2), holes).shape == (2, 4)


# -- compare -------------------------------------------------------------------------------------------------------


def test_compare_ranks_within_a_kind_and_lists_what_cannot_stand(plane: Dataset) -> None:
    fitted = genus.Gaussian().fit(plane)
    before = fitted.mean.clone()
    board = compare(
        {"bell": fitted, "mixture": genus.GaussianMixture(n_components=2), "vae": "vae", "gan": genus.GAN, "gpt": "gpt"},
        plane, steps=20, batch_size=16, progress=False,
    )  # fmt: skip
    table = board.frame.set_index("model")
    assert list(table.kind) == ["exact", "exact", "lower bound", "none", "not fitted"]
    assert sorted(table["rank"].dropna()) == [1, 1, 2]
    assert set(table.index[:2]) == {"bell", "mixture"} and table.nats.iloc[0] >= table.nats.iloc[1]
    scored = fitted.log_likelihood(plane.test)
    assert table.nats["bell"] == pytest.approx(scored.mean) and table.bits_per_dim["bell"] == pytest.approx(scored.bits_per_dim)
    assert torch.equal(fitted.mean, before) and "fitted before" in table.note["bell"] and math.isnan(table.fit_seconds["bell"])
    assert "Tokens" in table.note["gpt"] and table.note["gan"] == "has no likelihood" and math.isnan(table.nats["gan"])
    assert table.parameters["vae"] > 0 and table.fit_seconds["vae"] > 0 and table.sample_seconds["gan"] > 0
    assert (table.auc.dropna() <= 1).all() and abs(table.auc["bell"] - table.auc_baseline["bell"]) < 0.2
    assert set(board.models) == {"bell", "mixture", "vae", "gan"}
    assert any("at or above" in note for note in board.footnotes)
    told = json.loads(json.dumps(board.to_dict(), allow_nan=False))
    assert [row["model"] for row in told["models"]] == list(table.index)
    assert "gpt: it takes" in repr(board)


def test_compare_is_its_seed(plane: Dataset) -> None:
    boards = [compare(["gaussian", genus.VAE(width=8)], plane, steps=5, seed=3, progress=False).frame for _ in range(2)]
    same = [name for name in boards[0].columns if "seconds" not in name]
    pd.testing.assert_frame_equal(boards[0][same], boards[1][same])


def test_compare_takes_names_folders_and_raw_data(tmp_path, plane: Dataset) -> None:
    genus.Gaussian().fit(plane).save(tmp_path / "g")
    board = compare(
        [str(tmp_path / "g"), "gaussian", genus.Gaussian], plane, two_sample=False, runs=tmp_path / "runs", progress=False
    )
    assert list(board.frame.model) == ["gaussian", "gaussian #2", "gaussian #3"]
    assert board.frame.auc.isna().all() and (tmp_path / "runs" / "gaussian-2" / "config.json").is_file()
    whole = compare("gaussian", frame(200)[["x", "y", "k"]], progress=False)
    assert whole.frame.kind[0] == "lower bound"  # k is whole numbers: seen through noise


def test_compare_refuses_before_it_fits(plane: Dataset) -> None:
    with pytest.raises(ValueError, match="perhaps you meant 'gaussian'"):
        compare(["gausian"], plane)
    for nobody in ([], {}):
        with pytest.raises(ValueError, match="models: is empty"):
            compare(nobody, plane)
    for settings, words in (
        ({"epochs": 1, "steps": 2}, "say the same thing twice"), ({"samples": 0}, "samples=0"),
        ({"learning_rate": -1}, "learning_rate=-1"), ({"precision": "x"}, "precision='x'"), ({"device": "x"}, "device='x'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            compare("gaussian", plane, **settings)
    with pytest.raises(TypeError, match="models: 3 is of type int"):
        named_models([3])
    with pytest.raises(ValueError, match="no test part"):
        compare("gaussian", Dataset.of(np.zeros((5, 2)) + np.arange(5)[:, None], split=(1, 0, 0)))
    with pytest.raises(TypeError, match="one part of a dataset"):
        compare("gaussian", plane.test)
    with pytest.raises(ValueError, match="n_samples=0"):
        compare("gaussian", plane, n_samples=0)


def test_compare_lists_a_model_that_cannot_learn(plane: Dataset) -> None:
    board = compare([genus.GaussianMixture(n_components=1000), "gaussian"], plane, progress=False)
    assert "use fewer components" in board.frame.note.iloc[1] and board.frame.kind.iloc[1] == "not fitted"


def test_compare_refuses_a_fitted_model_of_other_data(plane: Dataset) -> None:
    elsewhere = genus.GaussianMixture(n_components=2).fit(frame(100)[["x", "y"]], progress=False)
    board = compare({"elsewhere": elsewhere, "gan": genus.GAN(width=8)}, frame(100)[["x", "k"]], steps=2, progress=False)
    row = board.frame.set_index("model").loc["elsewhere"]
    assert row.kind == "not scored" and row.note == "data: the column 'y' is missing"
    assert list(board.models) == ["gan"] and not any("None: the model" in note and "elsewhere" in note for note in board.footnotes)
    board = compare({"fewer columns": elsewhere}, frame(100)[["x", "y", "k"]], progress=False)
    assert "was fitted to points of 2 numbers, and these data have 3" in board.frame.note[0]
    assert not board.models and len(board.footnotes) == 2 and board.footnotes[0].startswith("Not scored")


def test_compare_given(plane: Dataset) -> None:
    x = torch.cat([plane.train.x, plane.test.x])
    data = Dataset.of(x, given=["a" if v > 0 else "b" for v in x[:, 0]])
    board = compare([genus.VAE(width=8), "gaussian"], data, steps=5, progress=False)
    table = board.frame.set_index("model")
    assert table.kind["vae(width=8)"] == "lower bound" and "does not learn with given" in table.note["gaussian"]


def test_compare_says_which_class_was_never_seen(plane: Dataset) -> None:
    x = plane.train.x[:60]
    parts = [examples_of(x[rows], labels) for rows, labels in ((slice(40), ["b", "c"] * 20), (slice(40, 60), ["a", *["b"] * 19]))]
    (entry,) = compare("naive-bayes", Dataset(parts[0], parts[0][0:0], parts[1]), progress=False).entries
    (note,) = entry.notes
    assert note.startswith("given: ") and "holds 'a', a category not seen in training" in note


def test_text_has_nats_per_character(tmp_path) -> None:
    texts = ["abc", "abca", "bb", "cab"] * 30
    board = compare(genus.GPT(n_layers=1, width=8, n_heads=1), texts, steps=3, progress=False)
    row = board.frame.iloc[0]
    assert row.nats_per_character == pytest.approx(row.bits_per_dim * math.log(2))
    assert "<pre>" in board.save(tmp_path / "text.html").read_text()


def entry(name: str, nats: list[float], kind: str) -> Entry:
    made = Entry(name, genus.Gaussian().fit(np.eye(3)), LogLikelihood(torch.tensor(nats).double(), kind))  # type: ignore[arg-type]
    return made


def test_across_kinds_only_a_bound_above_an_exact_value_is_decided(plane: Dataset) -> None:
    exact = entry("sure", [-5.0, -5.1, -4.9, -5.0], "exact")
    above, below = entry("above", [-3.0, -3.1, -2.9, -3.2], "lower bound"), entry("below", [-6.0, -6.1, -6.2, -5.9], "lower bound")
    board = Leaderboard([below, above, exact], plane, plane.space, None)
    assert [e.name for e in board.entries] == ["sure", "above", "below"]
    assert [row["rank"] for row in board.rows] == [1, 1, 2]
    decided, undecided = board.across
    assert "above over sure" in decided and "below" not in decided and "below and sure" in undecided
    gap, error = difference(above, below)
    assert board.rows[2]["behind"] == pytest.approx(gap) and board.rows[2]["behind_standard_error"] == pytest.approx(error)


# -- evaluate ------------------------------------------------------------------------------------------------------


def test_evaluate_tables_beside_what_real_data_get(tmp_path) -> None:
    real, good = frame(500, 1), frame(400, 2)
    bad = good.assign(y=np.random.default_rng(0).permutation(good.y), c="up")
    well, ill = evaluate(real, good, target="c"), evaluate(real, bad)
    assert well["auc"] < 0.6 < ill["auc"] and well["usefulness"] > 0.9
    assert ill["correlation_difference"] > well["correlation_difference"] + 0.1
    distances = ill.column_frame.set_index("column").distance
    assert distances["c"] > 0.3 and distances["x"] < 0.2
    assert list(well.frame.columns) == ["measure", "value", "standard_error", "real", "meaning"]
    assert evaluate(real, real)["copies"] == 1 and well["copies"] == 0
    assert "Kolmogorov-Smirnov" in repr(well) and json.dumps(well.to_dict(), allow_nan=False)
    assert well.frame.equals(evaluate(real, good, target="c").frame)
    with pytest.raises(KeyError, match="there are auc"):
        well["beauty"]
    real.to_csv(tmp_path / "a.csv", index=False)
    good.to_csv(tmp_path / "b.csv", index=False)
    assert evaluate(tmp_path / "a.csv", str(tmp_path / "b.csv"))["auc"] == pytest.approx(evaluate(real, good)["auc"])
    check_page(ill.save(tmp_path / "deep" / "evaluation.html").read_text())


def test_evaluate_says_how_many_are_copies() -> None:
    real = frame(60)
    both = evaluate(real, pd.concat([real[:25], frame(35, 1)]))
    assert "60 synthetic rows beside 60 real ones; 25 are exact copies of real ones" in repr(both)
    assert "exact copies" not in repr(evaluate(real, frame(60, 1))) and evaluate(real, real)["auc"] > 0.35


def test_evaluate_tells_of_columns_that_do_not_fit() -> None:
    with pytest.raises(TypeError, match="synthetic: the column 'x' is continuous, but holds 'str'"):
        evaluate(frame(60), frame(60).assign(x="str"))
    with pytest.warns(UserWarning, match="synthetic: what the real data have no column for is left out: 'z'"):
        evaluate(frame(60), frame(60, 1).assign(z=1))


def test_evaluate_what_real_data_never_were() -> None:
    real, odd = frame(100), frame(100, 1)
    odd["c"], odd["k"] = "sideways", odd["k"] + 0.5  # an unknown category, and fractions for whole numbers
    assert evaluate(real, odd)["auc"] > 0.9
    holes = frame(100, 2)
    holes.loc[:30, "y"] = np.nan
    assert evaluate(real, holes)["auc"] > 0.5
    lost = evaluate(real, holes.assign(y=np.nan), target="y")
    assert lost.column_frame.set_index("column").distance["y"] == 1
    assert lost["column_distance"] == pytest.approx(lost.column_frame.distance.mean())
    assert lost.frame.set_index("measure").real["usefulness"] > 0.5 and math.isnan(lost["usefulness"])


@pytest.mark.parametrize("kind", ["vectors", "images", "texts", "series", "tokens"])
def test_evaluate_any_data(kind: str, tmp_path) -> None:
    r = np.random.default_rng(0)
    make = {
        "vectors": lambda: r.normal(size=(60, 2)).astype("float32"),
        "images": lambda: r.integers(0, 256, (60, 5, 5), dtype="uint8"),
        "texts": lambda: ["".join(r.choice(list("ab "), 5 + i % 4)) for i in range(60)],
        "series": lambda: [r.normal(size=(5 + i % 4, 2)) for i in range(60)],
        "tokens": lambda: r.integers(0, 5, (60, 4)),
    }[kind]
    result = evaluate(make(), make())
    assert 0.1 < result["auc"] < 0.9
    check_page(result.save(tmp_path / "r.html").read_text())


def test_evaluate_refuses() -> None:
    with pytest.raises(ValueError, match="at least 20 real and 10 synthetic"):
        evaluate(np.zeros((5, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="synthetic: has no column 'y'"):
        evaluate(frame(50), frame(50).drop(columns="y"))
    with pytest.raises(TypeError, match="one is a DataFrame"):
        evaluate(frame(50), np.zeros((50, 2)))
    with pytest.raises(ValueError, match="synthetic: is not of the real data's kind"):
        evaluate(np.random.rand(50, 3), np.random.rand(50, 2))
    with pytest.raises(ValueError, match="real: is empty"):
        evaluate([], [1])
    with pytest.raises(ValueError, match="target='x' names a column of a table"):
        evaluate(np.random.rand(50, 3), np.random.rand(50, 3), target="x")
    with pytest.raises(TypeError, match="real: NoneType is no data"):
        evaluate(None, [1])


# -- pictures and pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_is_read_back_by_pillow(channels: int) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, channels), dtype=np.uint8)
    assert np.array_equal(np.asarray(image.open(io.BytesIO(png(pixels)))).reshape(pixels.shape), pixels)


def test_sheets(images: Dataset) -> None:
    image = pytest.importorskip("PIL.Image")
    one = np.array([[[[0], [255]]]], np.uint8)
    drawn = np.asarray(image.open(io.BytesIO(sheet(one, width=8, gap=False))))
    assert drawn.shape[2] == 2 and drawn[0, 0, 0] == 0 and drawn[-1, -1, 0] == 255 and (drawn[..., 1] == 255).all()
    for space, raw in (
        (images.space, images.test.raw), (Reals((3, 8, 8)), torch.randn(5, 3, 8, 8)), (Reals(2), torch.randn(50, 2))
    ):  # fmt: skip
        assert image.open(io.BytesIO(sample_sheet(space, raw))).size[0] > 300
    with pytest.raises(ValueError, match="has no picture"):
        sample_sheet(Reals(5), torch.randn(4, 5))


def test_ticks_are_round() -> None:
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10] and ticks(-0.13, 0.21) == [-0.1, 0.0, 0.1, 0.2] and ticks(1, 1) == [1]


class Page(HTMLParser):
    """The tags of a page, checked to nest; what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:  # type: ignore[type-arg]
        self.seen.append(tag)
        names = dict(attrs)
        self.sources += [names[key] for key in ("src", "href") if key in names and tag != "a"]
        if tag in ("img", "svg"):
            assert names.get("alt") or names.get("aria-label")
        if tag not in ("meta", "img", "br", "link", "line", "rect", "circle", "polyline", "image"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:  # type: ignore[type-arg]
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(text: str) -> Page:
    page = Page()
    page.feed(text)
    assert not page.open and "script" not in page.seen and "nan" not in text.split("</style>")[1].split("base64")[0]
    assert all(source.startswith("data:image/png") for source in page.sources)
    return page


def test_report_of_images_has_samples_curves_table_and_map(tmp_path, images: Dataset) -> None:
    board = compare({"two": genus.VAE(latent_dim=2, width=8), "<b>": "gaussian", "gan": "gan"}, images, steps=12, progress=False)
    path = board.save(tmp_path / "report.html", title="A & B")
    text = path.read_text()
    page = check_page(text)
    assert page.seen.count("img") >= 7 and "<b>" not in text and "&lt;b&gt;" in text and "A &amp; B" in text
    assert 'id="map"' in text and "lower bound" in text and "no likelihood" in text and "Learning curve" in text
    assert "http://" not in text and "https://" not in text
    with pytest.raises(ValueError, match="a report is an .html file"):
        board.save(tmp_path / "report.pdf")


@pytest.mark.parametrize("kind", ["plane", "table"])
def test_report_of_other_spaces(kind: str, tmp_path, plane: Dataset) -> None:
    data = plane if kind == "plane" else Dataset.of(frame(300))
    board = compare(["gaussian", genus.VAE(width=8)], data, steps=5, progress=False)
    text = board.save(tmp_path / "r.html").read_text()
    check_page(text)
    assert "Samples, side by side" in text if kind == "plane" else "Filled: real. Line: generated." in text


def test_report_says_who_was_shown_the_labels_and_what_their_colours_mean(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 3))
    data = Dataset.of(x, labels=np.arange(90) % 2, classes=("small", "<large>"), name="two kinds")
    factors = genus.FactorAnalysis(n_components=2)
    text = compare([factors, "naive-bayes"], data, two_sample=False, progress=False).save(tmp_path / "r.html").read_text()
    check_page(text)
    assert "2 kinds (small, &lt;large&gt;), which were shown to naive-bayes only." in text
    assert "in the colour of its label (" in text and "&lt;large&gt;</span>)" in text
    text = compare(factors, data, two_sample=False, progress=False).save(tmp_path / "r.html").read_text()
    assert "which are not shown to the models" in text


def test_spaces_in_words() -> None:
    table = Dataset.of(frame(20)).space
    for space, words in (
        (Reals(3), "points of 3 numbers"), (Reals(2), "pairs of numbers"), (genus.Sequence(Reals(())), "sequences of numbers"),
        (genus.Sequence(table), f"sequences of rows of a table of {len(table.columns)} columns"),
    ):  # fmt: skip
        assert space_words(space) == words


def test_report_of_a_run_taken_up_again(plane: Dataset) -> None:
    comparison = Comparison(plane)
    made = comparison.add("g", genus.Gaussian().fit(plane))
    assert made.history == [] and "g" in repr(comparison.leaderboard())
    assert isinstance(plane.test, Examples)


def test_demo_tells_and_writes(tmp_path, monkeypatch) -> None:
    small = {"gpt": {"n_layers": 1, "width": 8}, "gaussian-mixture": {"n_components": 2}}
    short = tuple((n, k, small.get(k, h), {"steps": 2} if o else o, s) for n, k, h, o, s in demo.TOUR)
    monkeypatch.setattr(demo, "TOUR", short)
    told: list[str] = []
    threads = torch.get_num_threads()
    board = demo.run_demo(tmp_path / "tour", progress=False, tell=told.append)
    assert torch.get_num_threads() == threads
    assert len(board.frame) == 6 and not any(e.refused or e.two_sample is None for e in board.entries)
    assert (tmp_path / "tour" / "report.html").is_file() and genus.load_model(tmp_path / "tour" / "runs" / "vae")
    assert "report.html" in told[-1] and "genus sample" in told[-1]
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="pass a folder"):
        demo.run_demo(tmp_path / "file")
