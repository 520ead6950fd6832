"""Bad input gets a sentence: which argument, what it was, the rule, what to do instead; and nothing half-done is left."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import zoo
from zoo import Case, cases

import genus
from genus import GPT, VAE, Dataset, Gaussian, GaussianMixture, KernelDensity
from genus.data import examples_of
from genus.fields import check_count, fields_of
from genus.learning import LearnsByEM, LearnsByGradient, LearnsByMemory, LearnsInClosedForm
from genus.model import Classifies, HasLikelihood
from genus.registry import model_classes
from genus.spaces import Reals

X = zoo.moons(60)
FRAME = zoo.numbers(60)
MIXED = zoo.table(60)
EMPTY = Dataset.of(X[:4]).test


def with_value(value, x=X):
    x = x.clone()
    x[3, 1] = value
    return x


def model_with(name, **options):
    return zoo.small(model_classes()[name], **options)


# what is wrong: (model, data, options of fit, words the sentence must hold). Every model meets those of "every".
EVERY_DATA = {
    "nothing": (None, "data", "pass an array"),
    "a number": (3.0, "data", "pass an array"),
    "an empty list": ([], "data: is empty", "pass at least one"),
    "no rows": (np.zeros((0, 2)), "data: is empty", "pass at least one"),
    "no columns": (np.zeros((5, 0)), "data", "pass at least one column"),
    "an empty frame": (pd.DataFrame({"a": []}), "no rows", "pass at least one"),
    "a dict": ({"a": [1, 2]}, "data: is a dict", "pass pandas.DataFrame"),
    "bytes": (b"abc", "data: is one string", "pass a list"),
    "strings among numbers": (np.array([["a", "1"], ["b", "2"]]), "strings", "pass a DataFrame"),
    "objects": (np.array([[object(), 1]]), "not numeric", "pass a DataFrame"),
    "complex numbers": (np.ones((5, 2)) * 1j, "complex", "pass real and imaginary parts"),
    "lists in cells": (pd.DataFrame({"a": [[1], [2]]}), "'a' holds list objects", "convert them"),
    "a sparse tensor": (X.to_sparse(), "sparse", "to_dense"),
    "rows of unequal shape": ([np.zeros((2, 2)), np.zeros((3, 1))], "different", "make every item alike"),
    "mixed list": (["a", 3, "b"], "holds 3", "make every item a string"),
    "a tensor of no axes": (torch.tensor(3.0), "data: a single number", "pass an array"),
    "an array of no axes": (np.array(3.0), "data: a single number", "pass an array"),
    "a tensor without numbers": (torch.empty(5, 2, device="meta"), "data: is on the meta device", "of another device"),
    "a missing file": ("no-such-file-or-set", "no-such-file-or-set", ""),
    "dates": (pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2021-01-01"])}), "'when' holds dates", "pass numbers"),
    "two columns of one name": (pd.DataFrame([[1.0, 2.0], [3.0, 1.0]], columns=["a", "a"]), "two columns are called 'a'", "rename"),
    "a column of nothing": (pd.DataFrame({"a": [1.5, 2.5], "b": [np.nan, np.nan]}), "'b' has no values", "drop it"),
    "infinity in a frame": (FRAME.assign(width=np.inf), "'width' holds infinity", "write NaN"),
}
NUMERIC_DATA = {
    "infinity": (with_value(math.inf), "row 3 holds infinity", "remove the row"),
    "minus infinity": (with_value(-math.inf), "row 3 holds infinity", "remove the row"),
    "one row": (X[:1], "one row", "pass more"),
    "a constant column": (torch.cat([X, torch.full((60, 1), 7.0)], 1), "column 2 of the data is constant", "drop it"),
    "a constant named column": (FRAME.assign(width=2.5), "'width' is constant", "drop it"),
}
MISSING_DATA = {
    "NaN": (with_value(math.nan), "missing values (NaN)", "fill them"),
    "NaN in a frame": (FRAME.assign(width=FRAME["width"].where(FRAME.index > 3)), "missing values (NaN)", "fill them"),
}


def every_bad_fit():
    for name, cls in model_classes().items():
        for what, row in EVERY_DATA.items():
            yield name, what, row
        # of rows: a model of sequences reads the same array as sequences of numbers
        if issubclass(Reals, cls.spaces) and any(case.model == name and case.material == "reals" for case in cases()):
            for what, row in NUMERIC_DATA.items():
                if issubclass(cls, HasLikelihood) or row[1] == "row 3 holds infinity":  # only a density minds a constant column
                    yield name, what, row
            if not cls.takes_missing:
                for what, row in MISSING_DATA.items():
                    yield name, what, row


def says(error: pytest.ExceptionInfo, *words: str) -> None:
    sentence = str(error.value)
    for word in words:
        assert word in sentence, f"{word!r} is not in: {sentence}"
    assert 15 < len(sentence) < 600 and "\n\n" not in sentence


@pytest.mark.parametrize("name, what, row", [pytest.param(*r, id=f"{r[0]}-{r[1]}") for r in every_bad_fit()])
def test_bad_data_is_refused_with_a_remedy(name, what, row, tmp_path):
    data, *words = row
    model = model_with(name)
    run = tmp_path / "run"
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as error:
        zoo.quickly(model, data, run=run)
    says(error, *words)
    assert model.space is None and not list(model.state_dict())  # nothing was built
    assert not run.exists()


@pytest.mark.parametrize("name", list(model_classes()))
def test_a_space_it_does_not_take_is_refused_with_a_remedy(name):
    cls = model_classes()[name]
    taken = {case.material for case in cases() if case.model == name}
    refused = [m for m in zoo.MATERIALS.values() if m.name not in taken and (name, m.name) not in zoo.COSTLY]
    for material in refused:
        model = zoo.small(cls)
        with pytest.raises((ValueError, TypeError)) as error:
            zoo.quickly(model, examples_of(material.make(), space=material.space, accepts=cls.spaces))
        says(error, cls.__name__)
        assert any(word in str(error.value) for word in ("use", "drop", "takes", "fill", "pass"))
        assert model.space is None


# ------------------------------------------------------------------------------------------------- options of fit

GRADIENT = {
    "epochs 0": ({"epochs": 0}, "epochs=0", "at least 1"),
    "epochs -3": ({"epochs": -3}, "epochs=-3", "at least 1"),
    "epochs 1.5": ({"epochs": 1.5}, "epochs=1.5", "whole number"),
    "epochs text": ({"epochs": "20"}, "epochs='20'", "whole number"),
    "epochs True": ({"epochs": True}, "epochs=True", "whole number"),
    "steps 0": ({"steps": 0}, "steps=0", "at least 1"),
    "steps nan": ({"steps": math.nan}, "steps=nan", "whole number"),
    "both": ({"epochs": 2, "steps": 10}, "epochs=2 and steps=10", "pass one of them"),
    "learning_rate 0": ({"learning_rate": 0.0}, "learning_rate=0.0", "above 0"),
    "learning_rate -1": ({"learning_rate": -1}, "learning_rate=-1", "above 0"),
    "learning_rate nan": ({"learning_rate": math.nan}, "learning_rate=nan", "above 0"),
    "learning_rate inf": ({"learning_rate": math.inf}, "learning_rate=inf", "above 0"),
    "learning_rate text": ({"learning_rate": "fast"}, "learning_rate='fast'", "number"),
    "validation share 0": ({"validation": 0.0}, "validation=0.0", "share"),
    "validation share 1": ({"validation": 1.0}, "validation=1.0", "share"),
    "validation share nan": ({"validation": math.nan}, "validation=nan", "share"),
    "validation other shape": ({"validation": torch.zeros(4, 5)}, "validation", "expected (n, 2)"),
    "validation a number": ({"validation": 3}, "validation", "pass"),
    "resume without run": ({"resume": True}, "resume=True", "pass run="),
}
EVERYWHERE = {
    "batch_size 0": ({"batch_size": 0}, "batch_size=0", "at least 1"),
    "batch_size text": ({"batch_size": "big"}, "batch_size='big'", "whole number"),
    "seed text": ({"seed": "one"}, "seed='one'", "whole number"),
    "seed fraction": ({"seed": 1.5}, "seed=1.5", "whole number"),
    "seed None": ({"seed": None}, "seed=None", "whole number"),
    "seed True": ({"seed": True}, "seed=True", "whole number"),
    "device": ({"device": "abacus"}, "device='abacus'", "choose"),
    "device None": ({"device": None}, "device=None", "choose"),
    "device cuda": ({"device": "cuda"}, "device='cuda'", "choose 'cpu'"),
    "precision": ({"precision": "float8"}, "precision='float8'", "choose"),
    "precision None": ({"precision": None}, "precision=None", "choose"),
    "run a number": ({"run": 5}, "run=5", "folder"),
    "given too short": ({"given": ["a"]}, "given", "pass one for each example"),
    "given one value": ({"given": "a"}, "given='a'", "one condition for each"),
}


def bad_options():
    for name, cls in model_classes().items():
        table = {**EVERYWHERE, **(GRADIENT if issubclass(cls, LearnsByGradient) else {})}
        for what, row in table.items():
            if (what == "device cuda" and torch.cuda.is_available()) or "validation" in row[0].keys() - cls.takes:
                continue
            yield pytest.param(name, *row, id=f"{name}-{what}")
        for option, value in (("epochs", 3), ("steps", 3), ("learning_rate", 0.1), ("validation", 0.1)):
            if option not in cls.takes:
                yield pytest.param(name, {option: value}, f"{option}={value}", f"takes no {option}; drop it", id=f"{name}-{option}")
        if not issubclass(cls, LearnsByGradient | Classifies):  # of these, one takes it, the other misses its labels first
            yield pytest.param(name, {"precision": "bfloat16"}, "precision='bfloat16'", "pass 'float32'", id=f"{name}-bfloat16")


def data_for(name):
    kinds = ("reals", "binary", "tokens", "words", "digits", "walks", "ragged-walks")
    material = next(m for m in kinds if any(c.model == name and c.material == m for c in cases()))
    return zoo.as_examples(model_classes()[name], material), zoo.MATERIALS[material].make()


@pytest.mark.parametrize("name, options, argument, remedy", list(bad_options()))
def test_a_bad_option_of_fit_is_refused(name, options, argument, remedy, tmp_path):
    examples, raw = data_for(name)
    model = model_with(name)
    run = tmp_path / "run"
    if "run" not in options and not options.get("resume"):
        options = {**options, "run": run}
    if name == "gpt" and "validation" in options and isinstance(options["validation"], torch.Tensor):
        remedy = "(n, 2, 2)"
    with pytest.raises((ValueError, TypeError)) as error:
        model.fit(raw, progress=False, **options)
    says(error, argument, remedy)
    assert model.space is None and not run.exists()


def test_every_way_of_learning_is_in_the_table():
    for cls in model_classes().values():
        assert issubclass(cls, LearnsByGradient | LearnsInClosedForm | LearnsByEM | LearnsByMemory), (
            f"{cls.__name__}: add its way's options here"
        )


def test_a_dataset_with_nothing_to_learn_from_is_refused():
    data = Dataset.of(X)
    data = replace(data, train=data.train[:0])
    for model in (Gaussian(), genus.Empirical()):
        with pytest.raises(ValueError, match="its training part is empty; pass more data"):
            model.fit(data)
    with pytest.raises(ValueError, match="validation: is empty; pass at least one"):
        model_with("vae").fit(X, validation=EMPTY)
    with pytest.raises(ValueError, match="has no training part .*; pass more rows"):
        genus.compare("gaussian", data)


def test_an_unknown_option_of_fit_is_a_type_error():
    with pytest.raises(TypeError, match="epoch"):
        Gaussian().fit(X, epoch=3)


# ----------------------------------------------------------------------------------------------------- hyper-parameters


def bad_values(field):
    kind = str(field.described)
    yield object()
    yield [1, "a"]
    yield {"a": 1}
    if field.choices:
        yield field.choices[0] + "x" if isinstance(field.choices[0], str) else 1e300
        yield -3.7
    elif "whole number" in kind:
        yield from (1.5, "3", True, math.nan, math.inf)
    elif "number" in kind:
        yield from ("3", True, math.nan, math.inf, -math.inf)
    elif "True or False" in kind:
        yield from (1, "yes")
    elif "string" in kind:
        yield from (3, 1.5)
    if field.rule is not None and math.isfinite(field.rule.low):
        yield field.rule.low - 1 if "whole" in kind else field.rule.low - 1e-9
    if field.rule is not None and math.isfinite(field.rule.high):
        yield int(field.rule.high) + 1 if "whole" in kind else field.rule.high + 1e-9


@pytest.mark.parametrize("name", list(model_classes()))
def test_wrong_hyper_parameters_are_refused_by_name(name):
    cls = model_classes()[name]
    for field in fields_of(cls).values():
        for value in bad_values(field):
            if field.default is None and value is None:
                continue
            model = cls()
            for attempt in (lambda: cls(**{field.name: value}), lambda: model.set_params(**{field.name: value})):  # noqa: B023
                with pytest.raises((ValueError, TypeError)) as error:
                    attempt()
                says(error, cls.__name__, field.name)
            assert model.get_params() == cls().get_params()


@pytest.mark.parametrize("name", list(model_classes()))
def test_a_typo_in_a_hyper_parameter_is_named(name):
    cls = model_classes()[name]
    for field in fields_of(cls):
        with pytest.raises(TypeError, match=f"perhaps you meant '{field}'"):
            cls(**{field + "z": 1})
    with pytest.raises(TypeError):
        cls(3)  # keyword-only


def test_an_array_where_a_number_belongs():
    for several in (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match="bandwidth must be a number or one of 'scott'"):
            KernelDensity(bandwidth=several)
    for value in (np.array([1, 2]), np.array(2.5), torch.tensor([1, 2]), torch.tensor(2.5)):
        with pytest.raises(TypeError, match="n_components must be a whole number"):
            GaussianMixture(n_components=value)
        with pytest.raises(ValueError, match="must be a whole number, at least 0"):
            check_count("n", value)
    assert GaussianMixture(n_components=torch.tensor(3)).n_components == GaussianMixture(n_components=np.int64(3)).n_components == 3


def test_several_parameters_are_set_together_or_not_at_all():
    model = GaussianMixture(n_components=2)
    with pytest.raises(ValueError):
        model.set_params(n_components=7, covariance_type="round")
    assert model.n_components == 2


SIZES = [
    (lambda: GaussianMixture(n_components=100).fit(X, progress=False), "n_components=100", "use fewer"),
    (lambda: GPT(width=30, n_heads=4).fit(zoo.words(), progress=False), "width=30", "multiple of 2 * n_heads"),
    (lambda: VAE(head="bernoulli").fit(X, steps=2, progress=False), "head='bernoulli'", "choose one of gaussian"),
    (lambda: VAE(architecture="convolutional").fit(X, steps=2, progress=False), "architecture='convolutional'", "use 'mlp'"),
    (lambda: Dataset.of(X, split=(0.5, 0.5, 0.5)), "split=(0.5, 0.5, 0.5)", "add up to 1"),
    (lambda: Dataset.of(X, given=["a"]), "given: has 1 rows", "pass one for each example"),
    (lambda: Dataset.of(X, seed="x"), "seed='x'", "whole number"),
    (lambda: Dataset.of(X, space=3), "space: is of type int", "such as genus.Reals(2)"),
    (lambda: Dataset.of(X, space="Reals"), "space: is of type str", "such as genus.Reals(2)"),
    (lambda: Dataset.of(torch.tensor(1.0)), "data: a single number", "pass an array"),
    (lambda: Dataset.of(X, given=torch.tensor(1.0)), "given: a single number", "pass an array"),
    (lambda: genus.compare("gaussian", torch.tensor(1.0)), "data: a single number", "pass an array"),
    (lambda: genus.evaluate(torch.tensor(1.0), X), "real: Tensor is no data", "pass an array"),
    (lambda: genus.DelayMixture(covariance_floor=1e308), "covariance_floor=1e+308", "at most 1"),
    (lambda: genus.DelayMixture(n_components=10**9).fit([X[:, 0]], progress=False), "n_components=1000000000", "use smaller"),
    (lambda: genus.DelayMixture(delay=10**9).fit([X[:, 0]], progress=False), "delay=1000000000", "use smaller"),
    (lambda: genus.GaussianMixture(n_components=10**9).fit(X, progress=False), "n_components=1000000000", "use smaller"),
    (lambda: genus.VAE(width=10**9).fit(X, progress=False), "width=1000000000", "use smaller"),
    (lambda: genus.GPT(width=2**20).fit(["ab", "ba"], progress=False), "width=1048576", "use smaller"),
    (lambda: Gaussian().fit(Dataset.of(X), given=["a"] * 60), "given: a Dataset carries its conditions", "Dataset.of"),
    (lambda: VAE().fit(Dataset.of(X), given=True, progress=False), "given=True", "pass given=values"),
    (lambda: Gaussian().fit(scipy.sparse.csr_matrix(X.numpy())), "data: is sparse", "pass data.toarray()"),
    (lambda: Gaussian().fit(X).log_likelihood(scipy.sparse.coo_array(X.numpy())), "data: is sparse", "pass data.toarray()"),
    (lambda: Gaussian().fit(np.ma.masked_greater(X.numpy(), 1)), "data: holds missing values", "use GaussianMixture"),
    (lambda: genus.load_model("/nonexistent"), "holds no model", "fit one"),
    (lambda: Dataset.of(MIXED, given="twon"), "no column of the data is called 'twon'", ""),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_sizes_that_do_not_fit(number):
    call, *words = SIZES[number]
    with pytest.raises((ValueError, FileNotFoundError, TypeError)) as error:
        call()
    says(error, *words)


@pytest.mark.parametrize("name", list(model_classes()))
def test_a_fit_that_fails_late_leaves_no_run_without_a_word(name, tmp_path, monkeypatch):
    """A refusal met while building or starting (sizes that do not fit) leaves no folder behind."""
    model = model_with(name)

    def refuse(*args, **kwargs):
        raise ValueError("it does not fit")

    monkeypatch.setattr(type(model), "build", refuse)
    with pytest.raises(ValueError, match="it does not fit"):
        zoo.quickly(model, data_for(name)[1], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_many_components_leave_no_run(tmp_path):
    with pytest.raises(ValueError, match="n_components=100"):
        GaussianMixture(n_components=100).fit(X, run=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_place_of_the_run_folder(tmp_path):
    (tmp_path / "run").write_text("mine")
    for model in (Gaussian(), model_with("vae")):
        with pytest.raises((ValueError, OSError)) as error:
            zoo.quickly(model, X, run=tmp_path / "run")
        assert "run" in str(error.value) and model.space is None
    with pytest.raises(NotADirectoryError, match="pass a folder"):
        Gaussian().fit(X).save(tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


# ------------------------------------------------------------------------------------------------------- a fitted model


def score_cases():
    reals = ("wrong width", torch.zeros(3, 5), "has shape (3, 5)", "expected (n, 2)")
    for model in ("gaussian", "gaussian-mixture", "vae"):
        yield Case(model, "reals"), *reals
        yield Case(model, "reals"), "a row alone", torch.zeros(2), "has shape (2,)", "expected (n, 2)"
        yield Case(model, "reals"), "infinity", with_value(math.inf), "infinity", "remove the row"
        yield Case(model, "reals"), "strings", ["a", "b"], "strings", ""
        yield Case(model, "reals"), "nothing", [], "", ""
        yield Case(model, "numbers"), "a column less", FRAME.drop(columns="length"), "'length' is missing", ""
        yield Case(model, "numbers"), "text in a column", FRAME.assign(width="wide"), "'width'", "'wide'"
        yield Case(model, "numbers"), "fractions", FRAME.assign(count=0.5), "'count' is integer, but holds 0.5", ""
        yield Case(model, "binary"), "a two", torch.full((3, 2, 2), 2), "row 0 holds 2", "threshold"
        yield Case(model, "digits"), "too bright", torch.full((3, 8, 8), 17, dtype=torch.uint8), "holds 17", "rescale"
        yield Case(model, "digits"), "too wide", torch.zeros(3, 8, 9, dtype=torch.uint8), "(n, 8, 8)", "crop or resize"
        yield Case(model, "whole"), "fractions", torch.full((3, 2), 0.5), "fractions", "pass the data as floats"
    yield Case("gaussian", "reals"), "NaN", with_value(math.nan), "row 3 holds NaN", "fill them"
    yield (
        Case("vae", "table"),
        "an unknown category",
        MIXED.assign(town="Corkk"),
        "'town' holds 'Corkk'",
        "perhaps you meant 'Cork'",
    )
    yield Case("vae", "table"), "a yes for a bool", MIXED.assign(smoker="yes"), "'smoker'", "'yes'"
    yield Case("gpt", "words"), "an unknown character", ["abc"], "'c' was not in the training text", "remove it"
    yield Case("gpt", "tokens"), "an unknown token", torch.full((3, 4), 3), "holds 3", "tokens run from 0 to 2"
    yield Case("gpt", "tokens"), "a negative token", torch.full((3, 4), -1), "holds -1", "tokens run from 0 to 2"
    yield Case("gpt", "tokens"), "another length", torch.zeros(3, 5, dtype=torch.int64), "has 5 tokens", "must have 4"
    yield Case("gpt", "tokens"), "fractions", torch.zeros(3, 4), "whole numbers", ""


@pytest.mark.parametrize("case, what, data, words", [pytest.param(c, w, d, ws, id=f"{c}-{w}") for c, w, d, *ws in score_cases()])
def test_scoring_what_is_no_data_of_its_kind(case, what, data, words, fitted):
    model = fitted(case)
    before = zoo.state_of(model)
    with pytest.raises((ValueError, TypeError)) as error:
        model.log_likelihood(data)
    says(error, *words)
    assert zoo.same_state(before, zoo.state_of(model))


VERBS = [
    ("vae-reals", lambda m: m.sample(-1), "n=-1", "at least 0"),
    ("vae-reals", lambda m: m.sample(2.5), "n=2.5", "whole number"),
    ("vae-reals", lambda m: m.sample("3"), "n='3'", "whole number"),
    ("vae-reals", lambda m: m.sample(True), "n=True", "whole number"),
    ("vae-reals", lambda m: m.sample(None), "n=None", "whole number"),
    ("vae-reals", lambda m: m.sample(3, seed="a"), "seed='a'", "whole number"),
    ("vae-reals", lambda m: m.log_likelihood(X, samples=0), "samples=0", "at least 1"),
    ("vae-reals", lambda m: m.log_likelihood(X, samples=1.5), "samples=1.5", "whole number"),
    ("vae-reals", lambda m: m.log_likelihood(X, batch_size=0), "batch_size=0", "at least 1"),
    ("vae-reals", lambda m: m.log_likelihood(X, batch_size=-4), "batch_size=-4", "at least 1"),
    ("vae-reals", lambda m: m.log_likelihood(X, seed=None), "seed=None", "whole number"),
    ("vae-reals", lambda m: m.log_likelihood(X, given=["a"] * 60), "given", ""),
    ("vae-reals", lambda m: m.log_likelihood(EMPTY), "data: is empty", "pass at least one"),
    ("vae-reals", lambda m: m.encode(EMPTY), "data: is empty", "pass at least one"),
    ("gaussian-reals", lambda m: m.complete(EMPTY), "data: is empty", "pass at least one"),
    ("vae-reals", lambda m: m.decode(torch.zeros(3, 9)), "z", "(3, 9)"),
    ("vae-reals", lambda m: m.decode([["a", "b"]]), "z", "strings"),
    ("vae-reals", lambda m: m.decode([[0.0, 0.0], [0.0, math.nan]]), "z: row 1 holds NaN", "codes are finite numbers"),
    ("vae-reals", lambda m: m.decode([[math.inf, 0.0]]), "z: row 0 holds infinity", "codes are finite numbers"),
    ("vae-reals", lambda m: m.decode(torch.empty(3, 2, device="meta")), "z: is on the meta device", "of another device"),
    ("vae-reals", lambda m: m.encode(torch.zeros(3, 9)), "(3, 9)", "expected (n, 2)"),
    ("gaussian-reals", lambda m: m.log_prob(torch.zeros(3, 9)), "x: has shape (3, 9)", "expected (n, 2)"),
    ("gaussian-reals", lambda m: m.log_prob(with_value(math.inf)), "x: row 3 holds infinity", "remove the row"),
    ("gaussian-reals", lambda m: m.log_prob(with_value(math.nan)), "NaN", "fill them"),
    ("gaussian-reals", lambda m: m.log_prob(torch.empty(3, 2, device="meta")), "x: is on the meta device", "of another device"),
    ("gaussian-reals", lambda m: m.sample(3, given=torch.tensor(1.0)), "given: a single number", "pass an array"),
    ("gaussian-reals", lambda m: m.sample(3, given=[[1.0, 2.0], [3.0, 4.0]]), "given: has 2 rows", "use complete"),
    ("gaussian-reals", lambda m: m.sample(3, given={"a": 1.0}), "given: 'a' is no column", "numbered 0 to 1"),
    ("gaussian-reals", lambda m: m.sample(3, given={0: "a"}), "given", "'a'"),
    ("gaussian-reals", lambda m: m.sample(3, given="a"), "given='a'", "pass {column: value}"),
    ("gaussian-reals", lambda m: m.sample(3, given=X[:2]), "given: has 2 rows", "use complete"),
    ("gaussian-reals", lambda m: m.sample(3, given={0: math.inf}), "given", "infinity"),
    ("gaussian-reals", lambda m: m.complete(torch.zeros(3, 5)), "(3, 5)", "expected (n, 2)"),
    ("gpt-words", lambda m: m.generate("xyz"), "'x' was not in the training text", "remove it"),
    ("gpt-words", lambda m: m.generate("a", max_new_tokens=-1), "max_new_tokens=-1", "at least 0"),
    ("gpt-words", lambda m: m.generate("a", temperature=-0.1), "temperature=-0.1", "at least 0"),
    ("gpt-words", lambda m: m.generate("a", temperature=math.nan), "temperature=nan", "at least 0"),
    ("gpt-words", lambda m: m.generate("a", temperature="hot"), "temperature='hot'", "number"),
    ("gpt-words", lambda m: m.generate("a", top_k=0), "top_k=0", "at least 1"),
    ("gpt-words", lambda m: m.generate("a", top_p=0.0), "top_p=0.0", "above 0"),
    ("gpt-words", lambda m: m.generate("a", top_p=1.5), "top_p=1.5", "at most 1"),
    ("gpt-words", lambda m: m.generate("a", top_p="most"), "top_p='most'", ""),
    ("gpt-words", lambda m: m.generate("a", num_beams=0), "num_beams=0", "at least 1"),
    ("gpt-words", lambda m: m.generate("a", num_beams=2, top_p=0.5), "top_p=0.5: is of drawing", "num_beams=2 searches; leave one"),
    ("gpt-words", lambda m: m.generate("a", num_beams=2, temperature=0), "temperature=0", "num_beams=2"),
    ("gpt-words", lambda m: m.generate("a", length_penalty=2.0), "length_penalty=2.0: is of the search", "or leave it out"),
    ("gpt-words", lambda m: m.generate(3), "prompt", ""),
    ("gpt-words", lambda m: m.generate(torch.tensor(1)), "prompt=1 is of type int", "pass text, or a list of tokens"),
    ("gpt-words", lambda m: m.generate({"a": ["b"]}), "prompt: is a dict", ""),
    ("gpt-tokens", lambda m: m.log_likelihood({"a": [0, 1]}), "data: is a dict", "pass pandas.DataFrame"),
    ("gpt-tokens", lambda m: m.log_likelihood(torch.tensor(1)), "data: a single number", "pass an array"),
    ("hidden-markov-ragged-walks", lambda m: m.log_likelihood({"a": [1.0, 2.0]}), "data: is a dict", "pass pandas.DataFrame"),
    ("hidden-markov-ragged-walks", lambda m: m.complete(np.array(1.0)), "data: a single number", "pass an array"),
    ("hidden-markov-ragged-walks", lambda m: m.continuations({"a": [1.0]}, 2), "series: is a dict", "pass pandas.DataFrame"),
    ("hidden-markov-ragged-walks", lambda m: m.log_prob(torch.randn(4, 2, requires_grad=True)), "no list of sequences", "pass [data]"),
    ("hidden-markov-walks", lambda m: m.log_prob(torch.full((2, *m.space.shape), math.inf, requires_grad=True)), "x: row 0", "remove"),
    ("gpt-tokens", lambda m: m.generate("ab"), "prompt", "pass a list of tokens"),
    ("gpt-tokens", lambda m: m.generate([7]), "prompt", "from 0 to 2"),
    ("gpt-tokens", lambda m: m.generate([0.5]), "prompt", "whole numbers"),
    ("gpt-binary", lambda m: m.generate([0]), "generate goes on with sequences", "use sample(n)"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(VERBS)))
def test_verbs_refuse_bad_arguments(number, fitted):
    name, call, *words = VERBS[number]
    case = next(c for c in cases() if str(c) == name)
    model = fitted(case)
    before, mode = zoo.state_of(model), model.training
    with pytest.raises((ValueError, TypeError)) as error:
        call(model)
    says(error, *words)
    assert zoo.same_state(before, zoo.state_of(model)) and model.training == mode


@pytest.mark.parametrize("case", cases(HasLikelihood, on=("reals", "walks")), ids=str)
def test_numbers_at_the_edge_of_floats_give_numbers_or_a_sentence(case, fitted):
    """Far from all data a score may be -inf, never NaN; the state does not change."""
    far = case.raw[:4].clone() * 1e12
    nats = fitted(case).log_likelihood(far).nats
    assert not bool(nats.isnan().any()) and bool((nats < -100).all())


def test_what_a_user_sees_is_one_line_with_a_remedy():
    """The sentences of this file in one look: each names an argument or the data, and none is a bare torch error."""
    for data in (X[:, :1], X.double(), torch.zeros(0, 2)):
        model = copy.deepcopy(Gaussian().fit(X))
        if len(data) and data.shape[1] == 2:
            assert math.isfinite(model.log_likelihood(data).mean)  # another precision is no mistake
            continue
        with pytest.raises(ValueError) as error:
            model.log_likelihood(data)
        says(error, "data")


def test_a_folder_may_be_named_from_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Gaussian().fit(X, run="~/run").save("~/model")
    assert sorted(os.listdir(tmp_path)) == ["model", "run"]
    assert genus.load_model("~/model").space == genus.load_model("~/run").space


def test_no_name_is_no_data():
    for read in (Gaussian().fit, lambda name: genus.evaluate(name, X)):
        with pytest.raises(ValueError, match="'' is neither a data set nor a file"):
            read("")


def test_the_working_folder_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Gaussian().fit(X).sample(3)
    with pytest.raises(ValueError):
        Gaussian().fit(X, epochs=3)
    assert os.listdir(tmp_path) == []


def test_a_row_with_a_hole_is_numbered_from_the_start_of_the_data():
    x = torch.randn(3000, 2)
    x[2500, 1] = math.nan
    with pytest.raises(ValueError, match="row 2500 holds NaN"):
        genus.Gaussian().fit(x[:100]).log_likelihood(x)
