"""The house: imports point down, the public names are the documented ones, everything says what it is."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import genus
from genus.fields import fields_of
from genus.registry import model_classes, name_of

SOURCE = Path(genus.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# DESIGN section 2, from the ground up; one floor a line, and what shares a floor may meet
FLOORS = [
    {"fields", "randomness", "files", "warn"},
    {"spaces"},
    {"data"},
    {"likelihood", "forecast", "model"},
    {"networks", "sampling"},
    {"probability"},
    {"learning"},
    {"models"},
    {"registry", "artifacts"},
    {"evaluation", "applications"},
    {"cli", "explorer"},
]
LATE = {  # imports up, inside a function, with their reason
    ("model", "artifacts"),  # save is a verb of every model
    ("learning", "artifacts"),  # a run replaces no other model
    ("artifacts", "genus"),  # the version
    ("cli", "genus"),
    ("explorer", "genus"),
    ("evaluation", "genus"),
    ("applications", "genus"),
}
OUTSIDE = {"__init__", "__main__"}


def part_of(module: str) -> str:
    """genus.spaces.reals -> spaces; genus -> genus."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "genus"


def floor(part: str) -> int:
    for number, parts in enumerate(FLOORS):
        if part in parts:
            return number
    raise AssertionError(f"{part} has no place in the house: add it to DESIGN section 2 and to FLOORS")


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(("genus", *(p for p in parts if p != "__init__")))


def imports(path: Path):
    """(module imported, whether inside a function) of every import of genus in a file; those for types alone left out."""
    tree = ast.parse(path.read_text("utf-8"))

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names if alias.name.split(".")[0] == "genus")
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: imports by full name, not by dots"
                if (child.module or "").split(".")[0] == "genus":
                    for alias in child.names:  # from genus.models import x may name a module
                        full = f"{child.module}.{alias.name}"
                        is_module = (SOURCE.parent / Path(*full.split("."))).with_suffix(".py").exists() or (
                            SOURCE.parent / Path(*full.split("."))
                        ).is_dir()
                        yield (full if is_module else child.module), inside
            yield from visit(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    return list(visit(tree, False))


@pytest.mark.parametrize(
    "path", [f for f in FILES if f.parent != SOURCE or f.stem not in OUTSIDE], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_imports_point_down(path):
    here = part_of(module_of(path))
    for module, inside in imports(path):
        there = part_of(module)
        if there == here:
            continue
        if inside and (here, there) in LATE:
            continue
        assert there != "genus", f"{path}: imports genus itself; import the part that is meant"
        assert floor(there) <= floor(here), f"{path}: imports {module}, which is above it"


def test_the_import_reader_sees_what_it_must(tmp_path, monkeypatch):
    """The test above can fail: a file of spaces that imports models is seen, early and late."""
    bad = tmp_path / "bad.py"
    bad.write_text("import genus.models\nfrom genus.learning import em\ndef f():\n    from genus.artifacts import save_model\n")
    assert imports(bad) == [("genus.models", False), ("genus.learning.em", False), ("genus.artifacts", True)]
    assert floor("models") > floor("spaces") and floor("learning") > floor("probability")
    with pytest.raises(AssertionError, match="no place"):
        floor("utils")


def test_spaces_likelihood_and_model_share_no_circle():
    """Within a floor, files of one part do not import each other both ways at the top of the file."""
    graph = {module_of(path): {m for m, inside in imports(path) if not inside} for path in FILES}

    def reaches(start, goal, seen):
        for there in graph.get(start, ()):
            if there == goal or (there not in seen and not seen.add(there) and reaches(there, goal, seen)):
                return True
        return False

    packages = {module_of(p) for p in FILES if p.stem == "__init__"}
    circles = [m for m in graph if m not in packages and reaches(m, m, set())]
    assert not circles, circles


def test_families_of_models_never_import_each_other():
    for path in (SOURCE / "models").rglob("*.py"):
        family = path.relative_to(SOURCE / "models").parts[0]
        for module, _ in imports(path):
            if module.startswith("genus.models."):
                assert module.split(".")[2] == family, f"{path}: imports {module}"
            assert module != "genus.models" and part_of(module) not in ("registry", "artifacts")


def test_there_is_no_cupboard_for_everything():
    forbidden = {"utils", "util", "helpers", "misc", "common", "core", "base", "tools"}
    assert not [f for f in FILES if f.stem in forbidden or f.parent.name in forbidden]
    long = [f"{f.relative_to(SOURCE)}: {n}" for f in FILES if (n := len(f.read_text().splitlines())) > 800]
    assert not long, long


def test_nothing_is_pickled_or_evaluated():
    """Files hold no code: no pickle, no torch.load, no eval or exec anywhere in the library."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
                assert not {n.split(".")[0] for n in names} & {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load", "torch.save", "__import__"), f"{path}:{node.lineno}: {called}"


# -------------------------------------------------------------------------------------------------- the public names

DOCUMENTED = {  # DESIGN section 4, and the capabilities and spaces of section 3
    "load_dataset", "datasets", "Dataset", "load_model", "models", "LogLikelihood", "toy_log_density", "compare", "compare_classifiers", "evaluate",
    "Leaderboard",
    "Model", "CanSample", "HasLikelihood", "HasLogProb", "HasDensity", "HasElbo", "HasEnergy", "HasScore", "HasLatent", "Conditional", "Classifies",
    "Completes", "Imputes", "CanGenerate", "Forecasts",
    "Space", "Reals", "Binary", "Images", "Tokens", "Table", "Sequence",
}  # fmt: skip
NEEDED = {"load_dataset", "datasets", "Dataset", "load_model", "models", "LogLikelihood", "Model"}
MODULES = set().union(*FLOORS)


def test_the_public_names_are_the_documented_ones():
    models = {cls.__name__ for cls in model_classes().values()}
    public = set(dir(genus)) - (MODULES - {"models"})
    assert public - DOCUMENTED - models == set(), "not documented: add it to DESIGN section 4, or hide it"
    assert public >= NEEDED, f"missing: {NEEDED - public}"
    assert models <= public, f"models without a public name: {models - public}"
    assert set(genus.__all__) == public
    stub = ast.parse((SOURCE / "__init__.pyi").read_text()).body
    assert sorted(ast.literal_eval(stub[-1].value)) == sorted(dir(genus)), "what editors see is not what there is"
    assert all(getattr(genus, name) is not None for name in dir(genus))


def test_models_is_the_table_and_not_the_package():
    assert callable(genus.models) and len(genus.models()) == len(model_classes())
    import genus.models.classical.gaussian as module

    assert callable(genus.models) and genus.models.classical.gaussian.Gaussian is module.Gaussian is genus.Gaussian


def test_help_and_editors_see_the_hyper_parameters():
    for cls in model_classes().values():
        signature = inspect.signature(cls)
        assert {name: p.default for name, p in signature.parameters.items()} == {n: f.default for n, f in fields_of(cls).items()}
    assert list(inspect.signature(genus.VAE()).parameters) != list(inspect.signature(genus.VAE).parameters)


def test_names_on_the_command_line():
    known = {
        "VAE": "vae",
        "GaussianMixture": "gaussian-mixture",
        "PixelCNN": "pixel-cnn",
        "GPT": "gpt",
        "RealNVP": "real-nvp",
        "GAN": "gan",
    }
    for name, want in known.items():
        assert name_of(type(name, (), {})) == want
    assert len({cls.__name__.lower() for cls in model_classes().values()}) == len(model_classes())


def test_the_signatures_of_section_4():
    from genus.learning import Learns
    from genus.model import CanGenerate, CanSample, HasLikelihood

    fit = inspect.signature(Learns.fit).parameters
    promised = [
        "given",
        "validation",
        "epochs",
        "steps",
        "batch_size",
        "learning_rate",
        "seed",
        "device",
        "precision",
        "run",
        "resume",
        "progress",
    ]
    assert [n for n, p in fit.items() if p.kind is inspect.Parameter.KEYWORD_ONLY] == promised
    assert (fit["seed"].default, fit["device"].default, fit["precision"].default, fit["progress"].default) == (
        0,
        "auto",
        "auto",
        True,
    )
    sample = inspect.signature(CanSample.sample).parameters
    assert list(sample) == ["self", "n", "given", "seed"]
    generate = set(inspect.signature(CanGenerate.generate).parameters)
    assert {"prompt", "max_new_tokens", "temperature", "top_k", "top_p", "num_beams"} <= generate
    assert inspect.signature(CanGenerate.generate).parameters["top_k"].default is None  # no hidden top_k
    assert {"data", "given", "samples", "seed"} <= set(inspect.signature(HasLikelihood.log_likelihood).parameters)
    for name in ("mean", "bits_per_dim", "nats", "kind", "standard_error"):
        assert name in genus.LogLikelihood.__dataclass_fields__ or hasattr(genus.LogLikelihood, name)


HEAVY = (
    "pandas", "sklearn", "matplotlib", "PIL", "tqdm", "safetensors", "scipy", "pyarrow", "soundfile", "tokenizers",
    "torch._dynamo", "sympy", "starlette", "torchvision",
)  # fmt: skip


def test_importing_genus_imports_nothing_heavy():
    code = (
        "import sys, json, genus; names = sorted(sys.modules);"
        "import torch; before = set(sys.modules); [getattr(genus, name) for name in dir(genus)];"
        f"print(json.dumps([names, [m for m in {HEAVY!r} if m in sys.modules and m not in before]]))"
    )
    path = os.pathsep.join([str(SOURCE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=True
    )
    at_once, when_asked = json.loads(done.stdout)
    assert "torch" not in at_once and "numpy" not in at_once and "genus.model" not in at_once
    assert when_asked == []


def test_loading_a_small_model_wakes_no_compiler(tmp_path):
    """torch.eye on the meta device imports sympy and torch._dynamo, more than a second; loading must not."""
    data = [[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]]
    genus.Gaussian().fit(data).save(tmp_path / "gaussian")
    genus.GaussianMixture(n_components=1).fit(data).save(tmp_path / "mixture")
    genus.VAE(width=8).fit(data, steps=1, progress=False).save(tmp_path / "vae")
    genus.GPT(width=8).fit(["a", "b"], steps=1, progress=False).save(tmp_path / "gpt")
    code = (
        f"import sys, genus, pathlib; [genus.load_model(f).sample(2) for f in pathlib.Path({str(tmp_path)!r}).iterdir()];"
        "print('torch._dynamo' in sys.modules)"
    )
    path = os.pathsep.join([str(SOURCE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=True
    )
    assert done.stdout.strip() == "False"


# ----------------------------------------------------------------------------------------------------- words about it


def public_definitions(path: Path):
    """(name, node) of what a file defines for others: functions, classes, and public methods of public classes."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node


def is_told(node) -> bool:
    """Whether a definition says what it is: in a docstring, in words given to its decorator, or in a line or two of code."""
    if ast.get_docstring(node):
        return True
    if isinstance(node, ast.ClassDef):
        return False
    words = [a for d in node.decorator_list if isinstance(d, ast.Call) for a in d.args if isinstance(a, ast.Constant)]
    return len(words) > 1 or len(node.body) <= 3 or node.name == "parser"  # a command's parser is its own help


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_what_is_public_has_a_docstring(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{path}: a file opens with what the thing is"
    silent = [name for name, node in public_definitions(path) if not is_told(node)]
    assert not silent, f"{path}: {', '.join(silent)} without a docstring"


@pytest.mark.parametrize("name", list(model_classes()))
def test_a_model_says_what_it_is_and_where_it_comes_from(name):
    cls = model_classes()[name]
    paragraphs = [" ".join(p.split()) for p in inspect.cleandoc(cls.__doc__ or "").split("\n\n")]
    first = paragraphs[0]
    assert first.endswith(".") and 20 < len(first) < 160, first
    assert re.search(r"\b(1[6-9]|20)\d\d\b", " ".join(paragraphs[1:])), "no source with a year"
    row = genus.models().set_index("name").loc[name]
    assert row["what"] == first and re.search(r"\b(1[6-9]|20)\d\d\b", row["source"])
    file = inspect.getdoc(sys.modules[cls.__module__]) or ""
    assert len(file) > 20, "the file opens with what the thing is"


@pytest.mark.parametrize("name", list(model_classes()))
def test_every_hyper_parameter_has_its_sentence(name):
    cls = model_classes()[name]
    for field in fields_of(cls).values():
        assert len(field.sentence) > 8, f"{cls.__name__}.{field.name}: say what it is in a comment behind it"
        assert not field.sentence.endswith("."), f"{cls.__name__}.{field.name}: a comment, without a full stop"
        field.check(field.default, cls.__name__)  # a default that breaks its own rule


@pytest.mark.parametrize("name", list(model_classes()))
def test_nothing_happens_in_the_constructor(name):
    cls = model_classes()[name]
    assert "__init__" not in vars(cls), "hyper-parameters are fields; modules are made in build"
    model = cls()
    assert model.space is None and not list(model.parameters()) and not list(model.buffers())


def test_lines_fit_on_a_screen():
    wide = [
        f"{p.relative_to(SOURCE)}:{i}" for p in FILES for i, line in enumerate(p.read_text().splitlines(), 1) if len(line) > 160
    ]
    assert not wide, wide[:10]
