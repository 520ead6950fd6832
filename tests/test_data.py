"""Datasets, readers, the cache, named sets."""

import gzip
import io
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from genus.data import Dataset, Rows, cache, datasets, examples_of, load_dataset, readers, toy_log_density, with_classes
from genus.data.named import NAMED
from genus.data.named.images import read_idx
from genus.data.named.toys import TOYS
from genus.data.readers import read
from genus.spaces import Binary, Images, Reals, Sequence, Table, Tokens


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Tests write to a cache of their own, and the network is out of reach."""
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path / "cache"))

    def offline(*args, **kwargs):
        raise OSError("the tests have no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("GENUS_DATA", raising=False)


# -- Dataset -----------------------------------------------------------------------------------------------------


def test_split_is_a_function_of_the_seed():
    x = torch.arange(100.0)[:, None]
    a, b, c = (Dataset.of(x, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a.train.x, b.train.x) and not torch.equal(a.train.x, c.train.x)
    assert [len(part) for part in (a.train, a.valid, a.test)] == [80, 10, 10]
    assert torch.cat([a.train.x, a.valid.x, a.test.x]).sort(0).values.equal(x)


def test_split_leaves_the_users_randomness_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Dataset.of(torch.arange(100.0)[:, None])
    assert torch.rand(1) == expected


def test_labels_and_conditions_stay_with_their_points():
    x = np.arange(50.0)[:, None]
    data = Dataset.of(x, given=np.arange(50.0)[:, None], labels=np.arange(50))
    for part in (data.train, data.valid, data.test):
        assert torch.equal(part.x[:, 0], part.given[:, 0]) and torch.equal(part.x[:, 0].long(), part.labels)
    given = data.with_labels_given()
    assert torch.equal(given.train.given[:, 0], given.train.labels.double())


@pytest.mark.parametrize("labels", [["b", "a", "b"], [7, 3, 7], [True, False, True], [2.0, 1.0, 2.0]], ids=str)
@pytest.mark.parametrize("wrap", [np.array, torch.tensor, lambda y: np.array(y, dtype=object)], ids=["numpy", "torch", "objects"])
def test_labels_of_one_column_are_labels(labels, wrap):
    if wrap is torch.tensor and isinstance(labels[0], str):
        pytest.skip("torch has no strings")
    flat = wrap(labels)
    column = flat.reshape(3, 1)
    told, asked = (with_classes(examples_of(np.eye(3), given)) for given in (flat, column))
    assert asked.given_space.columns[0].categories == told.given_space.columns[0].categories == tuple(sorted(set(labels)))
    assert torch.equal(asked.given, told.given) and torch.equal(asked.given_space.encode(column), told.given)


def test_a_label_that_is_masked_is_none():
    for labels in (np.array([1, 0, 1]), np.array(["a", "b", "a"])):
        for given in (np.ma.masked_array(labels, [False, True, False]), np.where([False, True, False], None, labels)):
            with pytest.raises(ValueError, match="given: row 1 has no label"):
                with_classes(examples_of(np.eye(3), given))


def test_given_columns_of_a_frame():
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "kind": ["x", "y", "x", "y"]})
    data = Dataset.of(frame, given="kind", split=(1, 0, 0))
    assert [c.name for c in data.space.columns] == ["a"] and data.train.raw["a"].tolist() == frame["a"].tolist()
    assert data.train.given_space.decode(data.given)["kind"].tolist() == frame["kind"].tolist()
    with pytest.raises(ValueError, match="no column of the data is called 'kin'"):
        Dataset.of(frame, given="kin")


def test_one_text_is_cut_by_position():
    text = "abcdefghij" * 10
    data = Dataset.of([text])
    assert [part.raw[0] for part in (data.train, data.valid, data.test)] == [text[:80], text[80:90], text[90:]]
    assert not data.space.ends


def test_parts_share_what_the_first_says():
    data = Dataset.of_parts(pd.DataFrame({"a": [0.5, 1.0], "g": ["x", "y"]}), pd.DataFrame({"a": [1.0], "g": ["y"]}), given="g")
    assert data.test.given.tolist() == [[1.0]] and data.test.space == data.train.space and len(data.valid) == 0


def test_examples_are_iterated_to_their_end():
    part = Dataset.of(np.arange(20.0)[:, None], split=(1, 0, 0)).train
    assert [float(one.x) for one in part] == list(range(20)) and len(part[-1]) == len(part[np.int64(19)]) == 1
    for beyond in (20, -21):
        with pytest.raises(IndexError, match=f"example {beyond} was asked for, but there are 20"):
            part[beyond]


@pytest.mark.parametrize("split", [(1, 1, 1), (0, 0.5, 0.5), (0.5, 0.5), (1.5, -0.5, 0), "abc", None, ("a", "b", "c")])
def test_refused_splits(split):
    with pytest.raises(ValueError, match="split="):
        Dataset.of(np.zeros((4, 1)), split=split)


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        ([], {}, "empty"),
        (np.array([[1.0], [np.inf]]), {}, "row 1 holds infinity"),
        (np.array([[0.5], [2.0]]), {"given": [1]}, "has 1 rows, but the data have 2"),
        (np.array([[0.5], [2.0]]), {"given": "a"}, "one value"),
        (np.array([[0.5], [2.0]]), {"seed": "a"}, "seed='a'"),
        (["a"], {"tokenizer": "byte"}, "tokenizer='byte'"),
        (np.eye(2), {"labels": np.ma.masked_array([0, 1], [False, True])}, "labels: row 1 has no label; drop the row"),
        (np.eye(2), {"labels": ["a", "b"]}, "labels: an array of strings"),
        (np.eye(2), {"labels": [0]}, "labels: has 1 rows, but the data have 2; pass one for each example"),
        (np.eye(2), {"labels": [0, 1, 1]}, "labels: has 3 rows"),
        (np.eye(2), {"given": scipy.sparse.csr_array(np.eye(2))}, r"given: is sparse; pass given.toarray\(\)"),
    ],
)
def test_refused_data(data, options, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        Dataset.of(data, **options)


# -- rows on disk and the cache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(100,), (100, 3), (100, 2, 3)])
def test_rows_are_as_in_memory(tmp_path, shape):
    x = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    rows, x = Rows(tmp_path / "x.npy"), torch.from_numpy(x)
    for index in (
        slice(None),
        slice(3, 50, 7),
        slice(90, 200),
        slice(5, 5),
        torch.tensor([7, 3, 99]),
        torch.arange(20).flip(0),
    ):
        assert torch.equal(rows[index], x[index])
    memory, disk = Dataset.of(x, seed=1), Dataset.of(rows, seed=1)
    assert memory.space == disk.space
    for part in ("train", "valid", "test"):
        assert torch.equal(getattr(memory, part).x, getattr(disk, part).x)
    index = torch.randperm(80)
    assert torch.equal(memory.train.batch(index)[0], disk.train.batch(index)[0])


def test_rows_refuse_what_they_cannot_stream(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="C-ordered"):
        Rows(tmp_path / "f.npy")
    np.save(tmp_path / "x.npy", np.zeros((100, 2)))
    os.truncate(tmp_path / "x.npy", 500)
    with pytest.raises(ValueError, match="shorter than its header says"):
        Rows(tmp_path / "x.npy")


def test_infinity_on_disk_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[0.0], [np.inf]]))
    with pytest.raises(ValueError, match="infinity"):
        Dataset.of(Rows(tmp_path / "x.npy"))


def test_from_batches(tmp_path):
    x = np.random.RandomState(0).standard_normal((100, 3))
    data = Dataset.from_batches((x[i : i + 30] for i in range(0, 100, 30)), split=(1, 0, 0))
    assert isinstance(data.train.points.source, Rows) and np.array_equal(data.train.x, x)
    again = Dataset.from_batches(torch.from_numpy(x).split(7), split=(1, 0, 0))
    assert again.train.points.source.path == data.train.points.source.path
    assert len(list((tmp_path / "cache" / "streams").iterdir())) == 1
    assert np.array_equal(np.load(data.train.points.source.path), x)


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "is empty"),
        ([np.zeros((0, 2))], "is empty"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "batch 1 holds float64 rows of shape"),
        ([np.zeros(2), np.zeros(2, np.int64)], "batch 1 holds int64"),
        ([np.array(["a"])], "batches: batch 0: an array of strings is not numeric"),
        ([np.zeros((2, 2)), np.array([[0, 1], [2, np.inf]])], "batches: batch 1: row 1 holds infinity; remove the row"),
    ],
)
def test_refused_batches(batches, sentence, tmp_path):
    with pytest.raises((ValueError, TypeError), match=sentence):
        Dataset.from_batches(batches)
    assert not any((tmp_path / "cache").rglob("*.*"))


def test_download(tmp_path, monkeypatch):
    content = b"hello"
    sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: io.BytesIO(gzip.compress(content)))
    path = cache.download("https://example.org/x.gz", tmp_path / "sub" / "x.gz", sha)
    assert gzip.decompress(path.read_bytes()) == content
    with pytest.raises(ValueError, match="not the file that was expected"):
        cache.download("https://example.org/x.gz", tmp_path / "sub" / "y.gz", "0" * 64)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["x.gz"]


# -- readers -----------------------------------------------------------------------------------------------------


def write(path, content, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", **options)
    return path


def test_csv(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 1.5], "c": ["x", "y", None]})
    for name, options in (("a.csv", {}), ("a.tsv", {"sep": "\t"}), ("a.csv.gz", {})):
        frame.to_csv(tmp_path / name, index=name == "a.csv", **options)
        before = (tmp_path / name).read_bytes()
        pd.testing.assert_frame_equal(read(tmp_path / name).train, frame)
        assert (tmp_path / name).read_bytes() == before
    data = load_dataset(tmp_path / "a.csv", given="c", split=(1, 0, 0))
    assert isinstance(data.space, Table) and len(data.train) == 3 and data.name == "a.csv"
    assert read(tmp_path / "a.csv", columns=["b"]).train.columns.tolist() == ["b"]


def test_columns_of_a_csv_without_names_are_numbered(tmp_path):
    data = load_dataset(write(tmp_path / "x.csv", "1,a\n2,b\n3,a\n"), header=False, split=(1, 0, 0))
    assert data.train.raw.columns.tolist() == [0, 1]
    cells = "\n".join(map(str, range(50))) + "\noops\n"
    with pytest.raises(ValueError, match="the column 0 holds 'oops' in line 51.*dtype={0: str}"):
        read(write(tmp_path / "y.csv", cells), header=False)


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("", {}, "is empty"),
        ("\n", {}, "is empty"),
        ("a,b\n", {}, "no rows"),
        ("a;b\n1;2\n", {}, "separator=';'"),
        ("1,2\n3,4\n", {}, "header=False"),
        ("a,b\n1,2\n1,2,3\n", {}, "line 3 has 3 cells.*2"),
        ("a,b,a\n1,2,3\n", {}, "two columns are called 'a'; rename one"),
        ("a\n" + "\n".join(map(str, range(50))) + "\noops\n", {}, "'a' holds 'oops' in line 52"),
        ("a,b\n1,2\n", {"columns": ["bb"]}, "no column is called 'bb'; perhaps you meant 'b'"),
        ("a,b\n1,2\n", {"seperator": ";"}, "perhaps you meant 'separator'"),
    ],
)
def test_refused_csv(tmp_path, content, options, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        read(write(tmp_path / "x.csv", content), **options)


def test_columns_of_a_csv_are_as_they_are_called(tmp_path):
    path = write(tmp_path / "x.csv", "a,a.1,a,b,,\n1,2,3,4,5,6\n")
    assert read(path, columns=["a.1", "b"]).train.columns.tolist() == ["a.1", "b"]
    assert read(write(path, "a,a\n1,2\n"), header=False).train.shape == (2, 2)
    assert read(write(path, "a,b,,\n1,2,3,4\n")).train.shape == (1, 4)


def test_csv_of_other_encoding(tmp_path):
    (tmp_path / "x.csv").write_bytes("a\nä\n".encode("latin-1"))
    with pytest.raises(ValueError, match="encoding="):
        read(tmp_path / "x.csv")
    assert read(tmp_path / "x.csv", encoding="latin-1").train["a"].tolist() == ["ä"]
    for name in ("y.csv", "y.txt"):
        (tmp_path / name).write_bytes("a\nä\n".encode("utf-16"))
        with pytest.raises(ValueError, match="pass encoding='utf-16'"):
            read(tmp_path / name)


def test_a_text_that_is_missing_is_told():
    with pytest.raises(TypeError, match="also holds None; drop it"):
        Dataset.of(["ab", None, "b"])


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", "y"])})
    frame.to_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "x.parquet").train, frame)
    with pytest.raises(ValueError, match="perhaps you meant 'a'"):
        read(tmp_path / "x.parquet", columns=["aa"])
    (tmp_path / "y.parquet").write_bytes(b"not a table at all")
    with pytest.raises(ValueError, match="no parquet file, or damaged"):
        read(tmp_path / "y.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_big_tables_are_streamed(tmp_path, monkeypatch, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(readers, "BIG_TABLE", 0)
    monkeypatch.setattr(readers, "CHUNK", 7)
    frame = pd.DataFrame({"a": range(50), "b": np.linspace(0, 1, 50), "c": [None, *range(49)]})
    path = tmp_path / f"x.{suffix}"
    save = lambda f: f.to_csv(path, index=False) if suffix == "csv" else f.to_parquet(path)  # noqa: E731
    save(frame)
    raw = read(path)
    assert isinstance(raw.train, Rows) and [c.kind for c in raw.space.columns] == ["integer", "continuous", "integer"]
    data = load_dataset(path, split=(1, 0, 0))
    pd.testing.assert_frame_equal(data.train.raw, frame.astype({"c": float}))
    memory = Dataset.of(frame, split=(1, 0, 0))
    assert [(c.name, c.kind, c.low, c.high) for c in data.space.columns] == [
        (c.name, c.kind, c.low, c.high) for c in memory.space.columns
    ]
    monkeypatch.setattr(cache, "_write_rows", None)  # the second time it is read from the cache
    assert len(read(path).train) == 50
    monkeypatch.undo()
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(readers, "BIG_TABLE", 0)
    save(frame[:20])  # a changed source is read anew
    assert len(read(path).train) == 20
    save(frame.assign(b="text"))
    with pytest.raises(TypeError, match="'b' holds .* drop it"):
        read(path)


def test_npy(tmp_path, monkeypatch):
    x = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "x.npy", x)
    assert np.array_equal(read(tmp_path / "x.npy").train, x)
    monkeypatch.setattr(readers, "BIG_ARRAY", 0)
    assert isinstance(read(tmp_path / "x.npy").train, Rows)
    assert np.array_equal(load_dataset(tmp_path / "x.npy", split=(1, 0, 0)).train.x, x)


def test_npz(tmp_path):
    x, y = np.arange(12.0).reshape(4, 3), np.array(["b", "a", "b", "a"])
    np.savez(tmp_path / "parts.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    data = load_dataset(tmp_path / "parts.npz")
    assert (len(data.train), len(data.valid), len(data.test)) == (4, 0, 1)
    assert data.classes == ("a", "b") and data.train.labels.tolist() == [1, 0, 1, 0]
    np.savez(tmp_path / "one.npz", X=x, y=[0, 1, 0, 1], other=y)
    raw = read(tmp_path / "one.npz")
    assert np.array_equal(raw.train, x) and raw.labels[0].tolist() == [0, 1, 0, 1]
    assert np.array_equal(read(tmp_path / "one.npz", key="y").train, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="called 'x'; it holds"):
        read(tmp_path / "one.npz", key="x")
    np.savez(tmp_path / "many.npz", a=x, b=x)
    with pytest.raises(ValueError, match=r"several arrays \(a, b\); pass key="):
        read(tmp_path / "many.npz")
    np.savez(tmp_path / "parts2.npz", train=x, valid=x[:2], test=x[:1])
    assert [len(p) for p in (lambda d: (d.train, d.valid, d.test))(load_dataset(tmp_path / "parts2.npz"))] == [4, 2, 1]


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read(tmp_path / "x.npy")
    write(tmp_path / "y.npz", "garbage")
    with pytest.raises(ValueError, match="no array file"):
        read(tmp_path / "y.npz")


def test_text(tmp_path):
    path = write(tmp_path / "x.txt", "One line.\n\nA second: ä😀\n")
    assert read(path).train == ["One line.\n\nA second: ä😀\n"]
    assert read(path, lines=True).train == ["One line.", "A second: ä😀"]
    assert isinstance(load_dataset(path, tokenizer="bytes").space, Tokens)
    with pytest.raises(ValueError, match="holds no text"):
        read(write(tmp_path / "y.txt", " \n"))
    for part, label, text in (("train", "good", "yes"), ("train", "bad", "no"), ("test", "bad", "never")):
        write(tmp_path / "reviews" / part / label / "1.txt", text)
    data = load_dataset(tmp_path / "reviews")
    assert data.classes == ("bad", "good") and data.train.raw == ["no", "yes"] and data.test.raw == ["never"]
    assert data.train.labels.tolist() == [0, 1] and data.test.labels.tolist() == [0]


def test_photographs_stand_upright(tmp_path):
    image = pytest.importorskip("PIL.Image")
    photo = image.fromarray(np.arange(128, dtype=np.uint8).reshape(8, 16))
    turned = photo.getexif()
    turned[0x0112] = 6  # to be shown turned by a quarter to the right
    for i in range(2):
        photo.save(tmp_path / f"{i}.png", exif=turned)
    expected = np.rot90(np.arange(128).reshape(8, 16), -1)
    assert read(tmp_path).train.tolist() == [expected.tolist()] * 2


def test_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.RandomState(0).randint(0, 256, (6, 5, 4), dtype=np.uint8)
    for i, label in enumerate(["cat", "dog", "cat"]):
        (tmp_path / "grey" / label).mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels[i]).save(tmp_path / "grey" / label / f"{i}.png")
    raw = read(tmp_path / "grey")
    assert np.array_equal(raw.train, pixels[[0, 2, 1]]) and raw.labels[0].tolist() == [0, 0, 1] and raw.classes == ("cat", "dog")
    assert load_dataset(tmp_path / "grey").space == Images(1, 5, 4, layout="nhw")
    (tmp_path / "colour").mkdir()
    image.fromarray(np.stack([pixels[0]] * 3, -1)).save(tmp_path / "colour" / "a.png")
    image.fromarray(np.stack([pixels[0]] * 3 + [np.zeros((5, 4), np.uint8)], -1)).save(tmp_path / "colour" / "b.png")
    raw = read(tmp_path / "colour")
    assert raw.train.shape == (2, 5, 4, 3) and (raw.train[1] == 255).all() and raw.labels[0] is None
    image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "colour" / "c.png")
    with pytest.warns(UserWarning, match="1 of 3 images were cropped and resized.*5 x 4"):
        assert read(tmp_path / "colour").train.shape == (3, 5, 4, 3)
    assert read(tmp_path / "colour", size=8).train.shape == (3, 8, 8, 3)
    assert read(tmp_path / "colour", size=(8, 6)).train.shape == (3, 8, 6, 3)
    with pytest.raises(ValueError, match="size='big'|number of pixels"):
        read(tmp_path / "colour", size="big")
    image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "colour" / "d.png")
    image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "colour" / "e.png")
    with pytest.raises(ValueError, match="5 images have 4 different sizes; pass size="):
        read(tmp_path / "colour")
    write(tmp_path / "colour" / "f.png", "not an image")
    with pytest.raises(ValueError, match="f.png: is a damaged image"):
        read(tmp_path / "colour", size=8)


def test_recordings(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    wave = (np.random.RandomState(0).randint(-9999, 9999, 300) / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", np.stack([wave[:100]] * 2, 1), 8000, subtype="PCM_16")
    data = load_dataset(tmp_path / "a.wav")
    assert data.space == Sequence(Reals(())) and data.sample_rate == 8000 and len(data.test) == 1
    assert np.array_equal(np.concatenate([np.asarray(p.points[0]) for p in (data.train, data.valid, data.test)]), wave)
    with pytest.warns(
        UserWarning, match=r"the channels of 1 of the recordings were averaged into one; pass arrays.*\(steps, channels\)"
    ):
        data = load_dataset(tmp_path, split=(1, 0, 0))
    assert data.train.points.lengths.tolist() == [300, 100]
    with pytest.warns(UserWarning, match="b.wav: the 2 channels were averaged into one"):
        load_dataset(tmp_path / "b.wav")
    soundfile.write(tmp_path / "c.wav", wave, 16000)
    with pytest.raises(ValueError, match="different sample rates.*16000"):
        read(tmp_path)
    write(tmp_path / "d.wav", "no sound")
    with pytest.raises(ValueError, match="no recording"):
        read(tmp_path / "d.wav")


def test_files_that_are_none(tmp_path):
    write(tmp_path / "table.csv", "a\n1\n")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder; perhaps you meant 'table.csv'"):
        load_dataset(tmp_path / "tabel.csv")
    with pytest.raises(ValueError, match=r"\.doc is not known; the known ones are \.csv"):
        read(write(tmp_path / "x.doc", "a"))
    with pytest.raises(ValueError, match="code that runs"):
        read(write(tmp_path / "x.pkl", "a"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images, texts or recordings"):
        read(tmp_path / "empty")


# -- named sets --------------------------------------------------------------------------------------------------


def test_digits():
    data = load_dataset("digits")
    assert data.space == Images(1, 8, 8, levels=17) and (len(data.train), len(data.valid), len(data.test)) == (
        1437,
        0,
        360,
    )
    from sklearn.datasets import load_digits

    assert np.array_equal(torch.cat([data.train.x, data.test.x]).squeeze(1), load_digits().images)
    assert data.train.labels[:4].tolist() == [0, 1, 2, 3] and data.classes[3] == "3"
    binary = load_dataset("binary_digits")
    assert binary.space == Binary((1, 8, 8)) and torch.equal(binary.test.x, (data.test.x >= 8).to(torch.uint8))
    given = load_dataset("digits", given=True, limit=50)
    assert len(given.train) == 50 and given.train.given.shape == (50, 1) and len(given.valid) == 0


def test_iris():
    data = load_dataset("iris", split=(1, 0, 0))
    assert len(data.train) == 150 and data.classes == ("setosa", "versicolor", "virginica")
    assert data.train.raw.columns.tolist() == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert len(load_dataset("iris").test) == 15


@pytest.mark.parametrize("name", TOYS)
def test_toys(name):
    data = load_dataset(name, n=8000, seed=1, split=(1, 0, 0))
    assert data.train.x.dtype is torch.float32 and data.space == Reals((2,))
    assert torch.equal(data.train.x, load_dataset(name, n=8000, seed=1, split=(1, 0, 0)).train.x)
    surprise = -toy_log_density(name)(data.train.x)
    assert abs(surprise.mean() - data.entropy) < 4 * surprise.std() / len(surprise) ** 0.5
    far = toy_log_density(name)(data.train.x[:100] + 3)
    assert far.mean() < -data.entropy - 1


def test_toys_integrate_to_one():
    side = torch.linspace(-2.5, 2.5, 201, dtype=torch.float64)
    mass = toy_log_density("pinwheel")(torch.cartesian_prod(side, side)).exp().sum() * (side[1] - side[0]) ** 2
    assert abs(mass - 1) < 1e-3
    assert abs(load_dataset("ring", n=10).entropy - 0.312148) < 1e-6


def test_datasets():
    frame = datasets()
    assert frame["name"].is_unique and {"name", "space", "examples", "description", "available"} <= set(frame.columns)
    assert frame.set_index("name")["available"][["digits", "iris", "ring"]].eq("yes").all()
    assert frame["description"].str.len().gt(0).all() and frame["source"].str.len().gt(0).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name_or_path": "digit"}, "neither a data set nor a file; perhaps you meant 'digits'"),
        ({"name_or_path": "adbench/pendigit"}, "perhaps you meant 'adbench/pendigits'"),
        ({"name_or_path": np.zeros(3)}, "takes a name or a path, not ndarray"),
        ({"name_or_path": ""}, "'' is neither a data set nor a file"),
        ({"name_or_path": "digits", "split": (1, 0, 0)}, "comes split"),
        ({"name_or_path": "digits", "sise": 3}, "sise: is no option of digits"),
        ({"name_or_path": "ring", "N": 3}, "its own are n"),
        ({"name_or_path": "ring", "n": 0}, "n=0 must be"),
        ({"name_or_path": "iris", "limit": 0}, "limit=0 must be"),
        ({"name_or_path": "iris", "given": "sepal"}, "no column of the data is called 'sepal'"),
        ({"name_or_path": "ring", "given": True}, "ring has none"),
        ({"name_or_path": "digits", "given": "label"}, "pass given=True for its labels"),
        ({"name_or_path": "digits", "tokenizer": "words"}, "cut into words"),
        ({"name_or_path": "digits", "seed": 0.5}, "seed=0.5"),
    ],
)
def test_refused_requests(arguments, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        load_dataset(**arguments)


def test_a_set_that_is_not_here(no_data):
    with pytest.raises(
        FileNotFoundError,
        match=r"frey_faces: is not on this machine; get it from https.*GENUS_DATA names as frey_faces/",
    ):
        load_dataset("frey_faces")
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded \(the tests have no network\).*GENUS_DATA"):
        load_dataset("tiny_shakespeare")


def test_idx(tmp_path, monkeypatch):
    x = np.random.RandomState(0).randint(0, 256, (5, 28, 28), dtype=np.uint8)

    def pack(array):
        return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())

    monkeypatch.setenv("GENUS_DATA", str(tmp_path))
    for file in NAMED["fashion_mnist"].files[0]:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pack(x if "images" in file.name else np.arange(5, dtype=np.uint8)))
    data = load_dataset("fashion_mnist")
    assert np.array_equal(data.train.x.squeeze(1), x) and data.test.labels.tolist() == [0, 1, 2, 3, 4]
    path.write_bytes(gzip.compress(b"\1\2\3\4"))
    with pytest.raises(ValueError, match="no idx file"):
        read_idx(path)


SLOW = ("celeba", "cifar10_jpeg", "flowers", "musedata", "nottingham", "imdb", "tatoeba", "multi30k")
QUICK = [name for name in NAMED if name not in SLOW
         and not name.startswith("adbench") and NAMED[name].files]  # fmt: skip


@pytest.mark.parametrize("name", [*QUICK, "adbench/pendigits", "celeba", "cifar10_jpeg"])
def test_named_sets_are_as_described(name):
    entry = NAMED[name]
    if entry.available != "yes":
        pytest.skip(f"{name} is not on this machine: {entry.remedy}")
    decoded = name in ("celeba", "cifar10_jpeg")
    data = load_dataset(name, limit=20) if decoded else load_dataset(name)
    sizes = (len(data.train), len(data.valid), len(data.test))
    if not decoded:
        assert sizes == entry.sizes or (entry.sizes[1:] == (0, 0) and sum(sizes) == entry.sizes[0])
    assert type(data.space).__name__ == entry.space.partition("(")[0]
    point = data.train[0:1]
    assert data.space.encode(point.raw) is not None
    for labels in (part.labels for part in (data.train, data.test) if part.labels is not None):
        assert int(labels.min()) >= 0 and int(labels.max()) < len(data.classes)


def here(*names):
    absent = [name for name in names if NAMED[name].available != "yes"]
    if absent:
        pytest.skip(f"{absent[0]} is not on this machine: {NAMED[absent[0]].remedy}")


def test_adult():
    here("adult")
    data = load_dataset("adult", given="income")
    kinds = {c.name: c.kind for c in data.space.columns}
    assert kinds["age"] == "integer" and kinds["workclass"] == "categorical" and "income" not in kinds and "split" not in kinds
    missing = torch.isnan(data.train.x).sum(0) + torch.isnan(data.test.x).sum(0)
    assert int(missing[data.space.position("workclass")]) == 2799
    assert int(data.train.given.sum()) == 7841


def test_conditions_that_come_with_a_set():
    here("celeba", "openmoji")
    faces = load_dataset("celeba", given=["Smiling", "Male"], limit=10)
    assert faces.train.given.shape == (10, 2) and faces.space == Images(3, 64, 64)
    icons = load_dataset("openmoji", given="line")
    assert icons.train.given_space == Images(1, 64, 64) and icons.given.shape == (1589, 1, 64, 64)
    with pytest.raises(ValueError, match="perhaps you meant 'Smiling'"):
        load_dataset("celeba", given="Smilling", limit=10)


def test_words():
    here("penn_treebank")
    data = load_dataset("penn_treebank", tokenizer="words")
    assert data.space == Tokens(10000) and [len(p.points[0]) for p in (data.train, data.valid, data.test)] == [
        929589,
        73760,
        82430,
    ]
    assert data.classes[0] == "the"


def test_binary_mnist_is_made_as_the_file_was(tmp_path, monkeypatch):
    here("mnist", "binary_mnist")
    root = Path(os.environ["GENUS_DATA"])
    expected = load_dataset("binary_mnist")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "mnist").symlink_to(root / "mnist")
    monkeypatch.setenv("GENUS_DATA", str(tmp_path / "only"))
    made = load_dataset("binary_mnist")
    for part in ("train", "valid", "test"):
        assert torch.equal(getattr(made, part).x, getattr(expected, part).x)
    assert torch.equal(made.valid.labels, expected.valid.labels)


def test_rows_as_the_steps_of_one_series(tmp_path):
    frame = pd.DataFrame({"n": np.arange(10)})
    frame.to_csv(tmp_path / "one.csv", index=False)
    frame.assign(name="a").to_csv(tmp_path / "two.csv", index=False)
    data = load_dataset(tmp_path / "one.csv", series=True, split=(0.5, 0.2, 0.3))
    assert data.space == Sequence(Reals((), "int64")) and data.test.raw[0].tolist() == [7, 8, 9]
    (rows,) = load_dataset(tmp_path / "two.csv", series=True).train.raw
    assert list(rows.columns) == ["n", "name"] and len(rows) == 8
    (tmp_path / "text.txt").write_text("a text")
    with pytest.raises(ValueError, match="series: text.txt is no table or array"):
        load_dataset(tmp_path / "text.txt", series=True)


def test_a_dataset_lies_where_a_model_needs_it():
    data = Dataset.of(np.arange(40.0).reshape(10, 4))
    moved = data.lying_in((Sequence,))
    assert moved.space == Sequence(Reals((), "float64"), 4) and torch.equal(moved.test.raw, data.test.raw)
    assert data.lying_in((Tokens,)) is data and data.lying_in((Reals, Sequence)) is data
    codes = Dataset.of(np.arange(40).reshape(10, 4) % 7)
    assert codes.lying_in((Tokens,)).space == Tokens(7, length=4)
