"""The command line: every command, every mistake, and what people read."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import genus
from genus.cli import COMMANDS, main
from genus.fields import fields_of
from genus.registry import model_classes

SMALL = ["--width", "16", "--n-layers", "1", "--steps", "3", "--no-progress"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small data of every kind and some models fitted to them."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("cli")
    make = np.random.default_rng(0)
    kind = make.choice(["setosa", "virginica"], 120)
    x = make.normal(size=120) + (kind == "setosa")
    table = pd.DataFrame({"x": x, "y": x + make.normal(size=120), "count": make.poisson(3, 120)})
    table.to_csv(folder / "numbers.csv", index=False)
    table.assign(species=kind).to_csv(folder / "flowers.csv", index=False)
    (folder / "lines.txt").write_text("\n".join(["one fish", "two fish", "red fish", "blue fish"] * 10) + "\n")
    (folder / "photos").mkdir()
    for i in range(12):
        Image.fromarray(make.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / "photos" / f"{i:02}.png")
    np.save(folder / "codes.npy", make.integers(0, 5, (40, 6)))
    np.save(folder / "points.npy", make.normal(size=(60, 2)).astype(np.float32))
    (folder / "waves").mkdir()
    for i in range(6):
        with wave.open(str(folder / "waves" / f"{i}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes((make.uniform(-9000, 9000, 64)).astype("<i2").tobytes())
    previous = Path.cwd()
    os.chdir(folder)
    try:
        for words in (
            ["gaussian-mixture", "--data", "numbers.csv", "--n-components", "2", "--run", "mixture"],
            ["vae", "--data", "flowers.csv", "--given", "species", "--latent-dim", "2", "--run", "vae", *SMALL],
            ["vae", "--data", "photos", "--run", "pictures", *SMALL],
            ["gpt", "--data", "lines.txt", "--lines", "--n-heads", "2", "--run", "gpt", *SMALL],
            ["gaussian", "--data", "points.npy", "--run", "plane"],
            ["kernel-density", "--data", "points.npy", "--run", "kernels"],
        ):
            assert main(["fit", *words, "--quiet"]) == 0, words
    finally:
        os.chdir(previous)
    return folder


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("GENUS_DEBUG", raising=False)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]):
    """Run a command that works; its stdout."""

    def run(*words: str) -> str:
        code = main(list(words))
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


@pytest.fixture
def answer(say):
    """Run a command with --json; its object."""

    def run(*words: str) -> dict:
        out = say(*words, "--json")
        assert out.count("\n") == 1
        return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))

    return run


# -- help --------------------------------------------------------------------------------------------------------


def test_help_names_every_command(say):
    text = say("--help")
    assert text == say() == say("help")
    for name in COMMANDS:
        assert f"genus {name}" in text


@pytest.mark.parametrize("name", sorted(model_classes()))
def test_help_of_a_model_explains_every_field(name, say):
    text = say("fit", name, "--help")
    flat = " ".join(text.split())
    for field in fields_of(model_classes()[name]).values():
        assert f"--{field.name.replace('_', '-')}" in text
        assert field.sentence and " ".join(field.sentence.split()) in flat, field.name
    assert " ".join((model_classes()[name].__doc__ or "").split("\n\n")[0].split()) in flat
    assert f"genus fit {name} --data" in text
    assert ("--epochs" in text) == ("epochs" in model_classes()[name].takes)
    options = text[text.index("\nhyper-parameters") : text.index("\nexamples")]
    assert max(len(line) for line in options.splitlines()) <= 100


def test_help_of_a_fit_tells_its_recipe(say):
    for name, cls in model_classes().items():
        if recipe := getattr(cls, "recipe", None):
            text = " ".join(say("fit", name, "--help").split())
            for known in (f"(default {recipe.steps}", f"(default {recipe.batch_size})", f"(default {recipe.learning_rate:g})"):
                assert known in text, name


def test_help_of_given_says_what_it_does(say):
    for name in ("complete", "forecast"):
        assert "--given" not in say(name, "--help")
    for name in ("score", "predict"):
        assert "--given" in say(name, "--help") and "learn p(x" not in say(name, "--help")


@pytest.mark.parametrize("name", sorted(model_classes()))
def test_the_examples_of_a_model_are_of_data_that_it_takes(name, say):
    cls, text = model_classes()[name], say("fit", name, "--help")
    examples = text[text.index("\nexamples") :]
    data = re.findall(r"--data (\S+)", examples)
    if data[0] in ("digits", "iris"):
        assert cls().refuses(genus.load_dataset(data[0]).lying_in(cls.spaces).space) is None
    kind = {"tiny_shakespeare": genus.Tokens, "nile": genus.Sequence, "textures/brick": genus.Images}.get(data[0])
    assert kind is None or kind in cls.spaces
    assert ("--given" in examples) == issubclass(cls, genus.Classifies)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_a_command_has_an_example_that_parses(name, say):
    text = say(name, "--help")
    assert text == say("help", name)
    assert text.startswith("usage: genus")
    examples = text[text.index("examples:") :].splitlines()[1:]
    assert examples and all(line.startswith(f"  genus {name}") for line in examples)


def test_overview_lists_models_by_family(say):
    text = say("fit", "--help")
    for name, cls in model_classes().items():
        assert re.search(rf"^{cls.__module__.split('.')[2]}$", text, re.MULTILINE)
        assert re.search(rf"^  {name}( |$)", text, re.MULTILINE)


# -- lists -------------------------------------------------------------------------------------------------------


def test_models(say, answer):
    assert {row["name"] for row in answer("models")["models"]} == set(model_classes())
    (row,) = (row for row in answer("models")["models"] if row["name"] == "vae")
    assert {"sample", "elbo", "latent", "conditional"} <= set(row["can"])
    assert "latent_dim" in row["hyper_parameters"]
    text = say("models", "generate")
    assert "gpt" in text and "gaussian-mixture" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_datasets(say, answer):
    assert "digits" in {row["name"] for row in answer("datasets")["datasets"]}
    assert "digits" in say("datasets", "handwritten")


# -- the verbs ---------------------------------------------------------------------------------------------------


def test_fit_says_what_was_learned_and_what_to_type_next(say, tmp_path, monkeypatch):
    data = str(Path("numbers.csv").resolve())
    monkeypatch.chdir(tmp_path)
    text = say("fit", "gaussian", "--data", data)
    assert "runs/gaussian-numbers" in text and "log-likelihood" in text and "(lower bound)" in text
    following = next(line for line in text.splitlines() if line.startswith("next")).split()[2:]
    assert Path("runs/gaussian-numbers/config.json").is_file()
    assert "samples.csv" in say(*following)
    assert len(pd.read_csv("samples.csv")) == 64
    say("fit", "gaussian", "--data", data)  # a second one takes a folder of its own
    assert Path("runs/gaussian-numbers-2/config.json").is_file()


def test_fit_as_json(answer, tmp_path):
    found = answer("fit", "vae", "--data", "numbers.csv", *SMALL, "--beta", "0.5", "--run", str(tmp_path / "a"))
    assert found["model"] == "vae" and found["hyper_parameters"]["beta"] == 0.5
    assert found["train"] == 96 and found["test"] == 12
    assert found["log_likelihood"]["kind"] == "lower bound" and found["log_likelihood"]["n"] == 12
    model = genus.load_model(tmp_path / "a")
    assert model.beta == 0.5


def test_fit_is_what_python_does(say, tmp_path):
    say("fit", "gaussian-mixture", "--data", "numbers.csv", "--n-components", "2", "--seed", "3", "--run", str(tmp_path / "a"))
    from genus.data import load_dataset

    model = genus.GaussianMixture(n_components=2).fit(load_dataset("numbers.csv"), seed=3, progress=False)
    assert genus.load_model(tmp_path / "a").means.equal(model.means)


def test_resume_goes_on(answer, tmp_path):
    words = ["fit", "vae", "--data", "numbers.csv", *SMALL, "--run", str(tmp_path / "a")]
    first, second = answer(*words), answer(*words, "--resume")
    assert first["log_likelihood"] == second["log_likelihood"]


def test_round_trip_of_a_table(say, answer, tmp_path):
    out = tmp_path / "deep" / "synthetic.csv"
    say("sample", "mixture", "-n", "30", "--seed", "1", "-o", str(out))
    frame = pd.read_csv(out)
    assert list(frame.columns) == ["x", "y", "count"] and len(frame) == 30 and frame["count"].dtype.kind == "i"
    assert pd.read_csv(pd.io.common.StringIO(say("sample", "mixture", "-n", "30", "--seed", "1"))).equals(frame)
    pd.testing.assert_frame_equal(pd.DataFrame(answer("sample", "mixture", "-n", "30", "--seed", "1")["samples"]), frame)
    say("score", "mixture", "--data", str(out), "-o", str(tmp_path / "scores.csv"))
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores.columns) == ["log_likelihood", "standard_error", "kind", "bits_per_dim"] and len(scores) == 30
    expected = genus.load_model("mixture").log_likelihood(frame)
    np.testing.assert_allclose(scores["log_likelihood"], expected.nats)
    assert set(scores["kind"]) == {"lower bound"}
    say("sample", "mixture", "-n", "4", "-o", str(tmp_path / "s.parquet"))
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 4


def test_score_knows_what_the_model_was_fitted_to(answer):
    found = answer("score", "mixture")
    assert found["part"] == "test" and found["n"] == 12 == len(found["log_likelihoods"])
    assert answer("score", "mixture", "--data", "numbers.csv")["n"] == 12
    assert answer("score", "mixture", "--split", "all")["n"] == 120
    assert answer("score", "mixture", "--split", "train")["n"] == 96
    assert answer("score", "mixture", "--data", "flowers.csv")["n"] == 120  # another file, a column more
    assert answer("score", "vae")["n"] == 12  # with its --given


def test_a_classifier_scores_what_has_no_labels(answer, tmp_path):
    run = str(tmp_path / "bayes")
    answer("fit", "naive-bayes", "--data", "flowers.csv", "--given", "species", "--run", run)
    table = pd.read_csv("numbers.csv")
    scores = answer("score", run, "--data", "numbers.csv")
    np.testing.assert_allclose(scores["log_likelihoods"], genus.load_model(run).log_likelihood(table).nats)


def test_given(answer, say):
    rows = answer("sample", "vae", "-n", "3", "--given", "species=setosa")["samples"]
    assert len(rows) == 3 and set(rows[0]) == {"x", "y", "count"}
    rows = answer("sample", "mixture", "-n", "3", "--given", "x=1.5,count=2")["samples"]
    assert {row["x"] for row in rows} == {1.5} and {row["count"] for row in rows} == {2}
    assert answer("sample", "plane", "-n", "2", "--given", "x0=1")["samples"]


def test_missing_cells_are_filled(say, answer, tmp_path):
    holes = pd.read_csv("flowers.csv")
    holes.loc[::4, "y"] = np.nan
    holes.loc[3:9, "species"] = None
    holes.to_csv(tmp_path / "holes.csv", index=False)
    run, out = str(tmp_path / "run"), str(tmp_path / "filled.csv")
    answer("fit", "mixture", "--data", str(tmp_path / "holes.csv"), "--run", run, "--n-components", "2")
    assert "37 missing cells drawn" in say("complete", run, "-o", out)
    filled = pd.read_csv(out)
    assert list(filled.columns) == list(holes.columns) and not filled.isna().any().any()
    known = holes.notna()
    assert ((filled == holes) | ~known).all().all()
    assert answer("complete", run)["filled"] == filled.to_dict("records")  # the same seed
    assert answer("complete", run, "--seed", "1")["filled"] != filled.to_dict("records")
    best = genus.load_model(run).impute(holes)
    assert answer("complete", run, "--best-guess")["filled"] == best.to_dict("records")
    few = holes.head(5).to_csv(tmp_path / "few.csv", index=False) or str(tmp_path / "few.csv")
    assert answer("complete", run, "--data", few)["missing"] == 4


def test_a_gap_in_a_series_is_filled(say, tmp_path):
    x = np.random.default_rng(0).normal(size=60).cumsum()
    x[20:25] = np.nan
    pd.DataFrame({"height": x}).to_csv(tmp_path / "gap.csv", index=False)
    run = str(tmp_path / "run")
    say("fit", "hidden-markov", "--data", str(tmp_path / "gap.csv"), "--run", run, "--max-iter", "5", "--n-states", "2")
    lines = say("complete", run).splitlines()
    assert len(lines) == 61 and all(lines)  # as many rows as there were


def test_classes_are_predicted(say, answer, tmp_path):
    run, out = str(tmp_path / "bayes"), str(tmp_path / "classes.csv")
    answer("fit", "naive-bayes", "--data", "flowers.csv", "--given", "species", "--run", run)
    model, flowers = genus.load_model(run), pd.read_csv("flowers.csv")
    points = flowers.drop(columns="species")
    found = answer("predict", run)
    assert found["accuracy"] == pytest.approx((model.predict(points) == flowers["species"]).mean()) and found["n"] == 120
    shutil.copy("flowers.csv", tmp_path / "others.csv")
    assert found["includes_training"] and not answer("predict", run, "--data", str(tmp_path / "others.csv"))["includes_training"]
    assert ", training examples included; 120 examples" in say("predict", run, "-o", out)
    text = say("predict", run, "--data", "numbers.csv", "-o", out)  # has no labels
    assert "accuracy" not in text
    frame = pd.read_csv(out)
    assert list(frame.columns) == ["species", "p(setosa)", "p(virginica)"]
    np.testing.assert_allclose(frame.iloc[:, 1:], model.predict_proba(points))
    assert list(frame["species"]) == list(model.predict(points))


def test_sequences_of_another_file_are_read_by_name(answer, tmp_path, capsys):
    """Its columns stand in another order, its categories have other codes."""
    towns = pd.DataFrame({"town": list("abc") * 40, "x": np.random.default_rng(0).normal(size=120)})
    towns.to_csv(tmp_path / "towns.csv", index=False)
    run = str(tmp_path / "hmm")
    assert main(["fit", "hidden-markov", "--data", str(tmp_path / "towns.csv"), "--series", "--run", run]) == 0
    few = pd.DataFrame({"x": [0.1, 0.2, np.nan, 0.4], "town": ["b", "c", None, "b"]})
    few.to_csv(tmp_path / "few.csv", index=False)
    capsys.readouterr()
    filled = pd.DataFrame(answer("complete", run, "--data", str(tmp_path / "few.csv"), "--series")["filled"])
    assert filled.town.tolist() == ["b", "c", "a", "b"] and filled.x.notna().all() and filled.x[0] == 0.1
    few[:2].to_csv(tmp_path / "two.csv", index=False)
    drawn = answer("forecast", run, "--data", str(tmp_path / "two.csv"), "--series", "--steps", "2", "--draws", "1")["forecast"]
    assert [row["town"] for row in drawn] == ["a", "b"]
    few.assign(town="z").to_csv(tmp_path / "other.csv", index=False)
    for verb in ("complete", "forecast"):
        assert main([verb, run, "--data", str(tmp_path / "other.csv"), "--series"] + ["--draws", "1"] * (verb == "forecast")) == 2
        assert "'z', a category not seen in training" in capsys.readouterr().err


def test_a_series_is_forecast(say, answer, tmp_path, capsys):
    made = np.random.default_rng(0)
    rows = pd.DataFrame({"height": made.normal(size=60).cumsum(), "width": made.normal(size=60)})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.assign(town=made.choice(["Bergen", "Cork"], 60)).to_csv(tmp_path / "towns.csv", index=False)
    run, towns, out = (str(tmp_path / name) for name in ("run", "towns", "next.csv"))
    fit = ("--max-iter", "3", "--n-states", "2", "--run")
    say("fit", "hidden-markov", "--data", str(tmp_path / "rows.csv"), *fit, run)
    say("forecast", run, "--steps", "4", "-o", out)
    frame = pd.read_csv(out)
    want = genus.load_model(run).forecast(rows, 4)
    assert list(frame["step"]) == [1, 2, 3, 4]
    for what in ("mean", "low", "high"):
        np.testing.assert_allclose(frame[[f"height_{what}", f"width_{what}"]], getattr(want, what))
    assert len(answer("forecast", run, "--steps", "3", "--draws", "5")["forecast"]) == 15
    assert main(["forecast", run, "--draws", "0"]) == 2 and "--draws 0 must be" in capsys.readouterr().err
    say("forecast", run, "-o", str(tmp_path / "next.png"))
    assert (tmp_path / "next.png").read_bytes().startswith(b"\x89PNG")
    say("fit", "hidden-markov", "--data", str(tmp_path / "towns.csv"), *fit, towns)
    drawn = answer("forecast", towns, "--steps", "2", "--draws", "3")["forecast"]
    assert [row["draw"] for row in drawn] == [0, 0, 1, 1, 2, 2] and {row["town"] for row in drawn} <= {"Bergen", "Cork"}
    assert main(["forecast", towns]) == 2  # a town has no mean


def test_round_trip_of_texts(say, answer, tmp_path):
    text = say("generate", "gpt", "one", "--max-new-tokens", "5", "--temperature", "0.5", "--seed", "2")
    model = genus.load_model("gpt")
    assert text == model.generate("one", max_new_tokens=5, temperature=0.5, seed=2) + "\n"
    assert answer("generate", "gpt", "--max-new-tokens", "3")["prompt"] == ""
    out = tmp_path / "samples.txt"
    say("sample", "gpt", "-n", "3", "-o", str(out))
    assert out.read_text() == say("sample", "gpt", "-n", "3")
    found = answer("score", "gpt", "--data", "lines.txt", "--split", "all")
    assert found["n"] == 40 and found["kind"] == "exact"


def test_round_trip_of_images(say, answer, tmp_path):
    found = answer("sample", "pictures", "-n", "4", "-o", str(tmp_path / "s.png"))
    assert found["output"] == str(tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    say("sample", "pictures", "-n", "4", "-o", str(tmp_path / "s.npz"))
    assert np.load(tmp_path / "s.npz")["x"].shape == (4, 8, 8)
    assert answer("score", "pictures", "--data", str(tmp_path / "s.npz"))["n"] == 4
    assert answer("score", "pictures", "--data", "photos")["n"] == 1


def test_pictures_without_a_name_overwrite_nothing(say, tmp_path, monkeypatch):
    folder = str(Path("pictures").resolve())
    monkeypatch.chdir(tmp_path)
    assert "samples.png" in say("sample", folder, "-n", "1")
    assert "samples-2.png" in say("sample", folder, "-n", "1")


def test_points_have_a_picture(say, tmp_path):
    say("sample", "plane", "-n", "5", "-o", str(tmp_path / "s.png"))
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert say("sample", "plane", "-n", "2").startswith("x0,x1\n")


def test_recordings(say, tmp_path):
    from genus.cli.export import fitting, shown_or_saved, wav_bytes
    from genus.spaces import Reals, Sequence

    space = Sequence(Reals(()))
    assert fitting(space) == [".npz", ".wav", ".csv", ".parquet"]
    two = [np.zeros(5), np.ones(3)]
    written = shown_or_saved(two, space, tmp_path / "b.wav", "2 samples", {}, name="samples", rate=8000).data["outputs"]
    assert [path.name for path in written] == ["b-0.wav", "b-1.wav"] and all(path.is_file() for path in written)
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.linspace(-1, 1, 50), 8000))
    with pytest.warns(UserWarning, match="% of a recording is louder than a .wav can be"):
        wav_bytes(np.linspace(-2, 2, 50), 8000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getframerate() == 8000 and file.getnframes() == 50


def test_recordings_without_a_name_are_saved_and_overwrite_nothing(say, answer, tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    run = str(tmp_path / "run")
    say("fit", "hidden-markov", "--data", "waves", "--run", run, "--max-iter", "2", "--n-states", "2", "--quiet")
    monkeypatch.chdir(tmp_path)
    assert "samples.wav" in say("sample", run, "-n", "1")
    with wave.open("samples.wav") as file:
        assert file.getframerate() == 8000
    assert "samples-0.wav to samples-1.wav" in say("sample", run, "-n", "2")
    first = Path("samples-0.wav").read_bytes()
    assert answer("sample", run, "-n", "2", "--seed", "1")["outputs"] == ["samples-2-0.wav", "samples-2-1.wav"]
    assert Path("samples-0.wav").read_bytes() == first
    say("sample", run, "-n", "1", "--sample-rate", "4000")
    with wave.open("samples-2.wav") as file:
        assert file.getframerate() == 4000


def test_the_rows_of_a_file_are_a_series_to_a_model_of_sequences(answer, say, tmp_path):
    made = np.random.default_rng(0)
    rows = pd.DataFrame({"height": made.normal(size=60), "town": made.choice(["Bergen", "Cork"], 60)})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    np.save(tmp_path / "series.npy", made.normal(size=(8, 20)))
    folder, fit = str(tmp_path / "run"), ("fit", "hidden-markov", "--max-iter", "3", "--run")
    found = answer(*fit, folder, "--data", str(tmp_path / "rows.csv"))
    assert found["test"] == 1 and "Table" in found["space"]
    assert answer("score", folder, "--data", str(tmp_path / "rows.csv"), "--split", "all")["n"] == 1
    say("sample", folder, "-n", "2", "-o", str(tmp_path / "drawn.csv"))
    drawn = pd.read_csv(tmp_path / "drawn.csv")
    assert say("sample", folder, "-n", "2") == (tmp_path / "drawn.csv").read_text()
    assert list(drawn.columns) == ["sequence", "height", "town"] and set(drawn["sequence"]) == {0, 1}
    many = answer(*fit, str(tmp_path / "many"), "--data", str(tmp_path / "series.npy"))
    one = answer(*fit, str(tmp_path / "one"), "--data", str(tmp_path / "series.npy"), "--series")
    assert "length=20" in many["space"] and "Reals(20,), length=None" in one["space"]


def test_whole_numbers_are_tokens_to_a_model_of_tokens(answer, say, tmp_path):
    folder = str(tmp_path / "codes")
    assert answer("fit", "gpt", "--data", "codes.npy", "--n-heads", "2", "--run", folder, *SMALL)["space"].startswith("Tokens")
    assert len(say("generate", folder, "3 1", "--max-new-tokens", "2").split()) == 4
    assert answer("score", folder)["kind"] == "exact"


def test_space_overrules_the_guess(answer, tmp_path):
    found = answer("fit", "gaussian", "--data", "photos", "--space", "reals", "--run", str(tmp_path / "a"))
    assert found["space"].startswith("Reals") and found["log_likelihood"]["kind"] == "exact"


def test_compare(say, answer, tmp_path):
    words = ["compare", "gaussian", "gaussian-mixture:n-components=2,tol=0.001", "mixture", "--data", "numbers.csv"]
    found = answer(*words, "--no-two-sample", "--no-progress")
    assert len(found["models"]) == 3 and all(row["nats"] is not None for row in found["models"])
    text = say(*words, "--no-two-sample", "--no-progress", "--report", str(tmp_path / "r" / "report.html"))
    assert "gaussian-mixture" in text and (tmp_path / "r" / "report.html").read_text().startswith("<!")


def test_a_likelihood_of_nothing_is_not_one_that_is_missing(answer, tmp_path):
    """JSON has no infinity, but float("-Infinity") is one."""
    for name, letters in (("seen", "ab"), ("unseen", "ba")):
        (tmp_path / f"{name}.txt").write_text("\n".join([letters] * 30))
    data, run = ("--data", str(tmp_path / "unseen.txt"), "--lines"), str(tmp_path / "run")
    answer("fit", "markov-chain", "--data", str(tmp_path / "seen.txt"), "--lines", "--smoothing", "0", "--run", run)
    found = answer("score", run, *data, "--split", "all")
    assert found["mean"] == "-Infinity" and set(found["log_likelihoods"]) == {"-Infinity"} and found["bits_per_dim"] == "Infinity"
    (row,) = answer("compare", run, *data, "--no-two-sample", "--no-progress")["models"]
    assert float(row["nats"]) == -np.inf and row["auc"] is None
    assert '"-Infinity"' in genus.cli.compare.parser().format_help()


def test_evaluate(say, answer):
    found = answer("evaluate", "--real", "numbers.csv", "--synthetic", "numbers.csv")
    assert found["n_real"] == 120 and {"auc", "copies"} <= {row["measure"] for row in found["measures"]}
    assert "auc" in say("evaluate", "--real", "numbers.csv", "--synthetic", "flowers.csv")


def test_evaluate_reads_files_as_it_is_told(answer, tmp_path):
    numbers, file = pd.read_csv("numbers.csv"), str(tmp_path / "semicolons.csv")
    numbers.to_csv(file, sep=";", index=False)
    found = answer("evaluate", "--real", file, "--synthetic", file, "--separator", ";", "--columns", "x,y")
    assert found["n_real"] == 120 and [row["column"] for row in found["columns"]] == ["x", "y"]
    np.savez(tmp_path / "drawn.npz", a=np.zeros((30, 64)), b=genus.load_dataset("digits").train.raw[:30].reshape(30, 1, 8, 8))
    found = answer("evaluate", "--real", "digits", "--synthetic", str(tmp_path / "drawn.npz"), "--key", "b")
    assert found["n_synthetic"] == 30


def test_demo(say, answer, tmp_path, monkeypatch):
    from genus.evaluation import demo

    monkeypatch.setattr(demo, "TOUR", (("gaussian", "gaussian", {}, {}, "One bell."),))
    text = say("demo", str(tmp_path / "tour"), "--no-progress")
    assert "One bell." in text and (tmp_path / "tour" / "report.html").is_file()
    found = answer("demo", str(tmp_path / "again"))
    assert found["report"] == str(tmp_path / "again" / "report.html") and len(found["models"]) == 1


# -- mistakes ----------------------------------------------------------------------------------------------------

MISTAKES = {
    "an unknown command": ("sampel mixture", "perhaps you meant 'sample'"),
    "an unknown option of genus": ("--verbose", "no option"),
    "an unknown model": ("fit gausian --data digits", "perhaps you meant 'gaussian'"),
    "no model": ("fit --data digits", "which model"),
    "no data": ("fit gaussian", "needs --data"),
    "an unknown data set": ("fit gaussian --data digitz", "perhaps you meant 'digits'"),
    "a missing file": ("fit gaussian --data number.csv", "perhaps you meant 'numbers.csv'"),
    "an unknown flag": ("fit vae --data digits --latent-dims 2", "perhaps you meant '--latent-dim'"),
    "an abbreviated flag": ("fit vae --data digits --latent 2", "--latent"),
    "a flag without its value": ("fit vae --data", "--data"),
    "a stray word": ("fit vae digits --data digits", "'digits'"),
    "a value of the wrong type": ("fit vae --data digits --latent-dim two", "must be a whole number"),
    "a value against the rule": ("fit vae --data digits --latent-dim 0", "at least 1"),
    "a fraction": ("fit vae --data digits --latent-dim 1.5", "must be a whole number"),
    "an unknown choice": ("fit gaussian-mixture --data digits --covariance-type ful", "perhaps you meant 'full'"),
    "steps that are no number": ("fit vae --data digits --steps many", "must be a whole number"),
    "no steps": ("fit vae --data digits --steps 0", "at least 1"),
    "epochs of a closed form": ("fit gaussian --data numbers.csv --epochs 3", "takes no epochs"),
    "epochs and steps": ("fit vae --data numbers.csv --epochs 3 --steps 3", "say the same thing twice"),
    "an unknown device": ("fit gaussian --data numbers.csv --device tpu", "device"),
    "an unknown precision": ("fit gaussian --data numbers.csv --precision half", "precision"),
    "an unknown column": ("fit vae --data flowers.csv --given specie", "'specie'"),
    "labels that there are not": ("fit vae --data points.npy --given", "labels"),
    "a split that is none": ("fit gaussian --data numbers.csv --split 1,2", "split"),
    "words for shares": ("fit gaussian --data numbers.csv --split most", "0.8,0.1,0.1"),
    "an option of another kind of file": ("fit gaussian --data numbers.csv --lines", "lines"),
    "a model that cannot": ("fit gpt --data numbers.csv", "cannot learn from this data"),
    "a space that cannot": ("fit gaussian --data numbers.csv --space images", "--space images"),
    "an unknown space": ("fit gaussian --data numbers.csv --space real", "perhaps you meant 'reals'"),
    "a run that is a file": ("fit gaussian --data numbers.csv --run numbers.csv", "is a file"),
    "a run that is full of other things": ("fit gaussian --data numbers.csv --run photos", "holds other files"),
    "no such folder": ("sample mixtur", "perhaps you meant 'mixture'"),
    "a folder without a model": ("sample photos", "holds no model"),
    "a file for a folder": ("sample numbers.csv", "holds no model"),
    "no folder": ("sample", "needs FOLDER"),
    "fewer than none": ("sample mixture -n -1", "at least 0"),
    "a suffix that does not fit": ("sample pictures -o samples.csv", ".png"),
    "no suffix": ("sample mixture -o samples", ".csv"),
    "a folder for a file": ("sample mixture -o photos", "is a folder"),
    "a file for a folder of the output": ("sample mixture -o numbers.csv/a.csv", "is a file"),
    "given to one that learned without": ("sample pictures --given 3", "without --given"),
    "nothing given": ("sample vae", "--given species=setosa"),
    "an unknown condition": ("sample vae --given species=rose", "rose"),
    "a condition without a name": ("sample mixture --given 3", "NAME=VALUE"),
    "a known cell of no column": ("sample mixture --given z=3", "'z'"),
    "a known cell that is no number": ("sample mixture --given x=three", "is no number"),
    "no likelihood": ("score gan --data points.npy", "no such folder"),
    "a score of other data": ("score mixture --data points.npy", "data"),
    "a score of a missing column": ("score vae --data numbers.csv", "species"),
    "an unknown part": ("score mixture --split tset", "perhaps you meant 'test'"),
    "scores as a picture": ("score mixture -o scores.png", ".csv"),
    "no text": ("generate mixture hello", "which has no generate; those that have it: gpt"),
    "an unknown character": ("generate gpt ÆØÅ", "Æ"),
    "a top-p above one": ("generate gpt one --top-p 2", "--top-p 2.0 must be"),
    "a temperature below zero": ("generate gpt one --temperature -1", "temperature"),
    "nothing to compare": ("compare --data numbers.csv", "needs MODEL"),
    "an unknown model to compare": ("compare gausian --data numbers.csv", "perhaps you meant 'gaussian'"),
    "an unknown setting": ("compare vae:latent=2 --data numbers.csv", "perhaps you meant 'latent_dim'"),
    "nothing that can be compared": ("compare gan --data flowers.csv --no-progress", "no model could be fitted: gan"),
    "a setting without a value": ("compare vae:latent --data numbers.csv", "FIELD=VALUE"),
    "nothing to fill with": ("complete vae", "those that have it"),
    "a best guess of what only draws": ("complete kernels --best-guess", "only draws"),
    "no classes": ("predict mixture", "naive-bayes"),
    "no series": ("forecast mixture", "hidden-markov"),
    "a level of draws": ("forecast mixture --level 0.5 --draws 3", "--level 0.5: is of intervals"),
    "classes as a picture": ("predict mixture -o classes.png", ".csv"),
    "a report of another kind": ("compare vae --data numbers.csv --report r.pdf", ".html"),
    "no synthetic data": ("evaluate --real numbers.csv", "needs --synthetic"),
    "missing synthetic data": ("evaluate --real numbers.csv --synthetic no.csv", "no.csv"),
    "a tour into a file": ("demo numbers.csv", "is a file"),
    "nothing of that name": ("models wat", "'wat'"),
    "no name of data": ("fit gaussian --data=", "--data: is empty"),
    "no name of real data": ("evaluate --real= --synthetic numbers.csv", "--real: is empty"),
    "no name of a run": ("fit gaussian --data numbers.csv --run=", "--run: is empty"),
    "a pipe": ("fit gaussian --data -", "save the data to a file"),
    "a device": ("fit gaussian --data /dev/null", "save them to a file"),
    "a dash for standard output": ("sample mixture -o -", "leave -o out to print"),
    "standard output": ("sample mixture -o /dev/stdout", "leave -o out to print"),
    "a file that cannot be": ("sample mixture -o /proc/x.csv", "/proc/x.csv: could not be written (No such file or directory)"),
    "more than memory holds": ("sample mixture -n 99999999999", "this machine has"),
    "a tokenizer of numbers": ("fit vae --data numbers.csv --tokenizer bytes", "--tokenizer bytes: is for texts"),
    "words of a text": ("fit gpt --data lines.txt --tokenizer words", "already cut into words (penn_treebank"),
    "draws of what is exact": ("score plane --samples 5", "this likelihood is exact"),
    "a sample rate of a table": ("sample mixture --sample-rate 100", "only recordings"),
    "a sample rate of a picture": ("sample pictures --sample-rate 100 -o s.png", "only recordings"),
    "a temperature of a search": (
        "generate gpt one --num-beams 2 --temperature 0.5",
        "--temperature 0.5: is of drawing, but --num-beams 2 searches",
    ),
    "a price of length without a search": ("generate gpt one --length-penalty 2", "the search that --num-beams above 1 makes"),
    "a run of another model": ("fit gaussian --data numbers.csv --run vae", "--run vae holds a vae of"),
    "no such column of names": ("fit gaussian --data numbers.csv --categorical cuont", "perhaps you meant 'count'"),
    "an option of files for a name": ("evaluate --real digits --synthetic digits --separator ;", "digits is none"),
    "given where there is nothing to give": ("complete mixture --given x", "no option is called --given"),
    "an unknown option of a list": ("datasets --all", "--all"),
}


def test_compare_names_its_own_option_of_runs(capsys):
    shutil.copytree("vae", "kept/gaussian")
    assert main(["compare", "gaussian", "--data", "numbers.csv", "--runs", "kept", "--no-progress"]) == 2
    assert "--runs kept/gaussian holds a vae of" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "hint"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("machine", [False, True], ids=["", "json"])
def test_a_mistake_is_one_line_and_exit_code_2(words, hint, machine, capsys):
    before = {path for path in Path(".").rglob("*") if "runs" not in path.parts}
    code = main([*words.split(), *(["--json"] if machine else [])])
    captured = capsys.readouterr()
    assert code == 2, captured
    assert captured.out == ""
    assert captured.err.startswith("genus: ") and captured.err.count("\n") == 1
    assert hint in captured.err, captured.err
    assert {path for path in Path(".").rglob("*") if "runs" not in path.parts} == before  # nothing half-done is left


AS_TYPED = {
    "a separator": ("fit gaussian --data semicolons.csv", "separated by ';', pass --separator ';'"),
    "a separator that is not seen": ("score plane --data tabs.csv", r"separated by '\t', pass --separator '\t'"),
    "a separator of evaluate": ("evaluate --real semicolons.csv --synthetic semicolons.csv", "pass --separator ';'"),
    "a header": ("fit gaussian --data headless.csv", "not names; pass --no-header"),
    "types": ("fit gaussian --data stray.csv", "or pass --categorical 'post code' if these are names"),
    "an encoding": ("fit gaussian --data latin.csv", "not utf-8 text (byte 72); pass --encoding latin-1 or its own"),
    "an encoding of nobody": ("fit gaussian --data latin.csv --encoding latin1st", "--encoding latin1st is not known"),
    "a key": ("fit gaussian --data several.npz", "(a, b); pass --key with the name of one"),
    "a size": ("fit gaussian --data sizes", "pass --size HEIGHTxWIDTH, or --size 64 for a square"),
    "options of another kind": ("fit gaussian --data codes.npy --key x", "--key: is no option for codes.npy"),
    "options that there are": ("fit gaussian --data numbers.csv --key x", "which takes --separator, --no-header, --categorical,"),
    "a tokenizer": ("generate gpt Æ", "or fit with --tokenizer bytes, which"),
    "labels": ("fit naive-bayes --data numbers.csv", "--given: a classifier learns from labels"),
    "labels of another name": ("fit vae --data points.npy --given y", "--given y: this data has no columns"),
    "labels that there are not": ("fit vae --data points.npy --given", "--given means the labels of the data"),
    "a folder without a model": ("sample photos", "; fit one with --run"),
    "shares": ("score plane --shares 1,2", "--shares 1.0,2.0 must be three shares"),
    "a limit": ("fit gaussian --data numbers.csv --limit 0", "--limit 0 must be a whole number of examples, at least 1\n"),
    "the sets": ("fit gaussian --data digitz", "; genus datasets lists the names"),
    "the models": ("fit gpt --data numbers.csv", "gpt cannot learn from this data: it takes Tokens or Images or Binary, not"),
    "models of a space": ("fit gpt --data numbers.csv", "; genus models lists those that take"),
    "a model": ("fit gan --data holes.csv", "fill them, or use mixture\n"),
    "a hyper-parameter": ("fit vae --data numbers.csv --latent-dim 0", "vae: --latent-dim 0, but --latent-dim must be at least 1"),
    "another": ("fit gaussian-mixture --data numbers.csv --n-components 300", "--n-components 300, but the data have 96 rows"),
    "more than one": ("fit vae --data numbers.csv --epochs 3 --steps 3", "--epochs 3 and --steps 3 say the same thing twice"),
    "what learning does not take": ("fit gaussian --data numbers.csv --epochs 3", "--epochs 3: gaussian learns"),
    "infinity": ("fit vae --data numbers.csv --learning-rate inf", "--learning-rate inf must be"),
}


@pytest.fixture(scope="module")
def odd_data(place: Path) -> None:
    """Files beside the others that no reader takes as they are."""
    from PIL import Image

    numbers = pd.read_csv(place / "numbers.csv")
    numbers.to_csv(place / "semicolons.csv", sep=";", index=False)
    numbers.to_csv(place / "tabs.csv", sep="\t", index=False)
    numbers.to_csv(place / "headless.csv", header=False, index=False)
    numbers.where(numbers["x"] > 0).to_csv(place / "holes.csv", index=False)
    numbers["x"].astype(str).rename("post code").replace(str(numbers["x"][3]), "none yet").to_csv(place / "stray.csv", index=False)
    (place / "latin.csv").write_bytes(b"x,name\n" + b"1,abcdef\n" * 7 + "Bj\u00f8rn,2\n".encode("latin-1"))
    np.savez(place / "several.npz", a=np.zeros((9, 2)), b=np.zeros((9, 2)))
    (place / "sizes").mkdir()
    for i in range(1, 9):
        Image.fromarray(np.zeros((8, 8 * i), dtype=np.uint8)).save(place / "sizes" / f"{i}.png")


@pytest.mark.parametrize(("words", "sentence"), AS_TYPED.values(), ids=AS_TYPED)
def test_the_library_s_arguments_are_flags_here(words, sentence, odd_data, capsys):
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err


def test_a_warning_speaks_of_flags_too(capsys, tmp_path):
    words = ["fit", "gaussian-mixture", "--data", "numbers.csv", "--max-iter", "1", "--n-init", "1", "--n-components", "3"]
    assert main([*words, "--quiet", "--run", str(tmp_path / "run")]) == 0
    assert "stopped after --max-iter 1 before" in capsys.readouterr().err


def test_what_the_system_refuses_to_write_is_named(capsys, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    out, run, report = (str(tmp_path / name) for name in ("s.csv", "run", "r.html"))
    for words, what in (
        (["sample", "mixture", "-o", out], out),
        (["fit", "gaussian", "--data", "numbers.csv", "--run", run], run),
        (["evaluate", "--real", "numbers.csv", "--synthetic", "numbers.csv", "--report", report], report),
    ):
        assert main(words) == 2
        assert capsys.readouterr().err == f"genus: {what}: could not be written (No space left on device)\n"


def test_bad_data_is_a_mistake(capsys, tmp_path):
    for content, hint in (("", "empty"), ("x,y\n", "no rows"), ("x,y\n1,2\n1,3,4\n", "line 3"), ("x;y\n1;2\n", "separat")):
        (tmp_path / "bad.csv").write_text(content)
        assert main(["fit", "gaussian", "--data", str(tmp_path / "bad.csv")]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and hint in captured.err, captured.err


def test_files_of_another_kind_say_what_they_are(capsys, tmp_path):
    np.savez(tmp_path / "none.npz")
    np.savez(tmp_path / "one.npz", x=np.float64(3))
    np.save(tmp_path / "one.npy", np.float64(3))
    np.savez(tmp_path / "archive.npz", x=np.zeros((9, 2)))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    np.save(tmp_path / "array.npy", np.zeros((9, 2)))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    os.mkfifo(tmp_path / "pipe.csv")
    strange = "\u20ac" * 50_000 + "\xe9"  # three bytes each: one is cut wherever a block ends
    (tmp_path / "long.csv").write_bytes(b"x,y\n" + strange[:-1].encode() + b"\xe9,1\n")
    with gzip.open(tmp_path / "zipped.csv.gz", "wb") as file:
        file.write(b"x,name\n1,Bj\xf8rn\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_bytes(b"Bj\xf8rn")
    for name, hint in {
        "none.npz": "none.npz: holds no arrays", "one.npz": "one.npz: holds one number", "one.npy": "one.npy: holds one number",
        "archive.npy": "archive.npy: is damaged, or no array file (numpy finds an NpzFile",
        "array.npz": "array.npz: is damaged, or no array file (numpy finds an ndarray", "pipe.csv": "pipe.csv: is a pipe",
        "long.csv": "long.csv: is not utf-8 text (byte 150004)", "zipped.csv.gz": "zipped.csv.gz: is not utf-8 text (byte 11)",
        "texts": "a.txt: is not utf-8 text (byte 2)",
    }.items():  # fmt: skip
        assert main(["fit", "gaussian", "--data", str(tmp_path / name)]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and hint in captured.err, captured.err


@pytest.mark.parametrize("bug", [KeyError("oops"), NotImplementedError(), ImportError("no such name", name="genus.x")])
def test_a_bug_is_told_from_a_mistake(bug, capsys, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise bug

    monkeypatch.setattr("genus.cli.sample.load_fitted", broken)
    assert main(["sample", "mixture"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "bug" in error and "GENUS_DEBUG" in error
    monkeypatch.setenv("GENUS_DEBUG", "1")
    assert main(["sample", "mixture"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_is_one_line(capsys, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("genus.cli.sample.load_fitted", interrupted)
    assert main(["sample", "mixture"]) == 130
    assert capsys.readouterr().err == "genus: interrupted\n"


def test_only_the_first_process_prints(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert main(["models"]) == 0
    assert capsys.readouterr().out == ""


# -- as a program ------------------------------------------------------------------------------------------------


def program(*words: str, **options) -> subprocess.CompletedProcess[str]:
    source = str(Path(genus.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "genus", *words], capture_output=True, text=True, env=environment, **options)


def test_program_and_its_exit_codes():
    assert program("--version").stdout == f"genus {genus.__version__}\n"
    failed = program("sampel")
    assert failed.returncode == 2 and failed.stdout == "" and failed.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's")
def test_full_standard_output_is_one_line():
    source = str(Path(genus.__file__).parent.parent)
    command = f"{sys.executable} -m genus datasets > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source})
    assert done.returncode == 2
    assert done.stderr == "genus: standard output: could not be written (No space left on device)\n"


def test_a_closed_pipe_is_quiet():
    source = str(Path(genus.__file__).parent.parent)
    command = f"{sys.executable} -m genus sample mixture -n 20000 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source})
    assert done.stdout == "x,y,count\n" and done.stderr == ""
