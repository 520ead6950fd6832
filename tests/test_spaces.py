"""Spaces: raw -> x -> raw is exact, and bad input gets its sentence."""

import datetime
import decimal
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genus.spaces import Binary, Images, Ragged, Reals, Sequence, Table, Tokens, infer_space, space_config, space_from
from genus.spaces.arrays import holds_missing
from genus.spaces.known import space_row
from genus.spaces.tokenizers import BPE, Bytes, Characters, tokenizer_from, tokenizer_of

# the same examples in every run; they are small, so that shrinking one is not worth the minutes it may take
quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
finite = {"allow_nan": False, "allow_infinity": False}
shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def same(a, b):
    """Equal to the bit, NaN with NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def kept(space):
    """The space as it comes back from a file."""
    return space_from(json.loads(json.dumps(space_config(space))))


# -- arrays ------------------------------------------------------------------------------------------------------


@quick
@given(st.data(), st.sampled_from(["float32", "float64"]))
def test_reals_round_trip(data, dtype):
    elements = st.floats(width=int(dtype[-2:]), allow_infinity=False, allow_nan=False) | st.just(float("nan"))
    raw = data.draw(hnp.arrays(dtype, shapes, elements=elements))
    space = Reals(raw.shape[1:], dtype)
    assert same(kept(space).decode(space.encode(raw)), raw)


@quick
@given(hnp.arrays(st.sampled_from(["uint8", "int8", "int16", "int32", "int64"]), shapes))
def test_whole_numbers_round_trip(raw):
    space = infer_space(raw, (Reals,))
    x = space.encode(raw)
    assert same(space.decode(x), raw)
    if isinstance(space, Reals) and np.abs(raw.astype(float)).max() < 2**20:
        real = space.dequantise(x)
        assert torch.equal(space.from_standardised(space.standardise(real)[0]), x)


@quick
@given(hnp.arrays(st.sampled_from(["bool", "uint8", "int64", "float32", "float64"]), shapes, elements=st.integers(0, 1)))
def test_binary_round_trip(raw):
    space = Binary(raw.shape[1:], str(raw.dtype))
    x = space.encode(raw)
    assert x.dtype is torch.uint8 and same(kept(space).decode(x), raw)
    assert torch.equal(space.from_standardised(space.standardise(space.dequantise(x))[0]), x)


@quick
@given(st.data(), st.sampled_from(["nchw", "nhwc", "nhw"]), st.sampled_from([1, 3, 4]), st.sampled_from([2, 17, 256]))
def test_images_round_trip(data, layout, channels, levels):
    n, h, w = (data.draw(st.integers(1, 5)) for _ in range(3))
    channels = 1 if layout == "nhw" else channels
    shape = {"nchw": (n, channels, h, w), "nhwc": (n, h, w, channels), "nhw": (n, h, w)}[layout]
    raw = data.draw(hnp.arrays("uint8", shape, elements=st.integers(0, levels - 1)))
    space = Images(channels, h, w, levels, layout)
    x = space.encode(raw)
    assert x.shape == (n, channels, h, w) and same(kept(space).decode(x), raw)
    assert torch.equal(space.from_standardised(space.standardise(space.dequantise(x))[0]), x)


def test_images_of_many_levels():
    raw = np.array([[[[0, 65535], [300, 7]]]], dtype=np.int32)
    space = Images(1, 2, 2, levels=65536)
    assert same(space.decode(space.encode(raw)), raw)


def test_encoding_leaves_the_data_alone():
    raw = np.array([[1.0, np.nan], [2.0, 3.0]])
    before = raw.tobytes()
    raw.flags.writeable = False
    Reals((2,), "float64").encode(raw)
    assert raw.tobytes() == before


# -- tokens and text ---------------------------------------------------------------------------------------------


@quick
@given(
    hnp.arrays(
        st.sampled_from(["uint8", "int16", "int64"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.integers(0, 9),
    )
)
def test_tokens_round_trip(raw):
    space = infer_space(raw, (Tokens,))
    x = space.encode(raw)
    assert x.dtype is torch.int64 and same(kept(space).decode(x), raw)
    assert space.encodes_like(infer_space(raw.astype("int32"), (Tokens,)))
    ragged = infer_space([raw[0], raw[0, :1]], (Tokens,))
    assert same(ragged.decode(ragged.encode([raw[0]]))[0], raw[0])


@pytest.mark.parametrize("dtype", ["float32", "bool", "int8"])
def test_tokens_of_a_dtype_that_does_not_hold_them(dtype):
    with pytest.raises(ValueError, match=f"dtype='{dtype}' does not hold every whole number below 200"):
        Tokens(200, dtype=dtype)
    assert Tokens(2, length=1, dtype="bool").decode(torch.tensor([[1]])).dtype is torch.bool


@quick
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=6), st.booleans())
def test_ragged_tokens_round_trip(raw, ends):
    space = Tokens(10, ends=ends)
    x = space.encode(raw)
    assert [s.tolist() for s in kept(space).decode(x)] == raw
    assert x.lengths.tolist() == [len(s) + ends for s in raw]
    assert space.count_dims(x).tolist() == [len(s) for s in raw]


texts = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), min_size=1, max_size=5)


@quick
@given(texts)
@pytest.mark.parametrize("kind", ["characters", "bytes", "bpe:300"])
def test_text_round_trip(kind, raw):
    if kind.startswith("bpe"):
        pytest.importorskip("tokenizers")
    if not any(raw):
        raw = [*raw, "a"]
    space = Tokens(ends=True, tokenizer=tokenizer_of(raw, kind))
    x = space.encode(raw)
    assert kept(space).decode(x) == raw
    assert space.count_dims(x).tolist() == [len(text) for text in raw]


@pytest.mark.parametrize("text", ["\U0001f469‍\U0001f680 e\u0301 \u0000\r\n\t", "שלום 中文 𝒳", " two  spaces "])
def test_awkward_text(text):
    for tokenizer in (Characters.of([text]), Bytes()):
        assert tokenizer_from(tokenizer.config()).decode(tokenizer.encode(text)) == text
    pytest.importorskip("tokenizers")
    tokenizer = BPE.of(["something else"], 300)
    assert tokenizer_from(tokenizer.config()).decode(tokenizer.encode(text)) == text


def test_half_a_surrogate_pair():
    tokenizer = Characters.of(["a\ud800"])
    assert tokenizer.decode(tokenizer.encode("\ud800a")) == "\ud800a"
    with pytest.raises(ValueError, match="half of a surrogate pair.*remove it"):
        Bytes().encode("a\ud800")


def test_bytes_that_are_no_text():
    assert Bytes().decode(torch.tensor([97, 255])) == "a\ufffd"


def test_unknown_character():
    with pytest.raises(ValueError, match="'z' was not in the training text.*bytes"):
        Characters("abc").encode("abz")
    with pytest.raises(ValueError, match="'z'"):
        Characters("").encode("z")


@pytest.mark.parametrize("kind", ["words", "bpe:20", "bytes:3", ""])
def test_unknown_tokenizer(kind):
    with pytest.raises(ValueError, match="tokenizer="):
        tokenizer_of(["a"], kind)


# -- sequences ---------------------------------------------------------------------------------------------------


@quick
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.sampled_from([(), (2,)]))
def test_ragged_sequences_round_trip(lengths, shape):
    random = np.random.RandomState(0)
    raw = [random.standard_normal((n, *shape)).astype(np.float32) for n in lengths]
    space = Sequence(Reals(shape))
    x = space.encode(raw)
    assert x.lengths.tolist() == lengths
    assert all(same(a, b) for a, b in zip(kept(space).decode(x), raw))


def test_sequences_of_one_length_round_trip():
    raw = np.random.RandomState(0).standard_normal((3, 5, 2)).astype(np.float32)
    space = Sequence(Reals((2,)), length=5)
    assert same(kept(space).decode(space.encode(raw)), raw)
    fitted = space.fit([space.encode(raw)])
    z, slope = fitted.standardise(fitted.dequantise(fitted.encode(raw)))
    assert z.shape == (3, 10) and slope.shape == (3,)
    assert torch.allclose(fitted.from_standardised(z), torch.from_numpy(raw), atol=1e-6)


def test_draws_in_single_precision_keep_the_digits_of_a_column_far_from_zero():
    raw = 1e9 + torch.rand(200, 1, dtype=torch.float64)
    frame = pd.DataFrame({"x": raw[:, 0], "whole": torch.arange(10**9, 10**9 + 200)})
    z = torch.linspace(-1, 1, 50)
    for space in (Reals(1, "float64").fit([raw]), Table.of(frame).fit([torch.from_numpy(frame.to_numpy())])):
        real = space.from_standardised(z[:, None].expand(-1, space.dims))
        assert real.dtype == torch.float64 and bool((real.diff(dim=0) > 0).all())


def test_ragged():
    x = Ragged.of([torch.arange(3), torch.arange(0), torch.arange(5)])
    assert [len(s) for s in x] == [3, 0, 5] and len(x[1:]) == 2 and len(x[-1]) == 5
    assert [s.tolist() for s in x[torch.tensor([2, 0])]] == [[0, 1, 2, 3, 4], [0, 1, 2]]
    assert [len(s) for s in x[::-1]] == [5, 0, 3]
    assert len(x[0:0]) == 0 and "0 sequences" in repr(x[0:0])
    padded, mask = x.padded()
    assert padded.shape == (3, 5) and mask.sum() == 8
    with pytest.raises(IndexError):
        x[3]


# -- tables ------------------------------------------------------------------------------------------------------

whole = st.integers(-(2**53) + 1, 2**53 - 1)
words = st.sampled_from(["", "a", "b", "Ünï", "😀", "nan", "None", " "])
COLUMNS = {
    "int64": (whole, False),
    "int8": (st.integers(-128, 127), False),
    "uint8": (st.integers(0, 255), False),
    "Int64": (whole, True),
    "float32": (st.floats(width=32, **finite), True),
    "float64": (st.floats(**finite), True),
    "Float64": (st.floats(**finite), True),
    "bool": (st.booleans(), False),
    "boolean": (st.booleans(), True),
    "object": (words, True),
    "str": (words, True),
    "string": (words, True),
}


@st.composite
def frames(draw):
    n = draw(st.integers(1, 8))
    columns = {}
    for dtype, (values, may_miss) in COLUMNS.items():
        cells = draw(st.lists(values | st.none() if may_miss else values, min_size=n, max_size=n))
        if all(cell is None for cell in cells):
            cells[0] = draw(values)
        columns[dtype] = pd.Series(cells, dtype=dtype)
    categories = draw(st.permutations(["low", "mid", "high"]))
    cells = draw(st.lists(st.sampled_from([*categories, None]), min_size=n, max_size=n))
    cells[0] = cells[0] or "low"
    columns["ordered"] = pd.Series(pd.Categorical(cells, categories=categories, ordered=True))
    codes = draw(st.lists(st.sampled_from([3, 1, None]), min_size=n, max_size=n))
    codes[0] = 3
    columns["codes"] = pd.Series(pd.Categorical(codes, categories=[3, 1]))
    return pd.DataFrame(columns)


@quick
@given(frames())
def test_table_round_trip(frame):
    space = Table.of(frame)
    x = space.encode(frame)
    assert x.dtype is torch.float64 and torch.equal(torch.isnan(x), torch.from_numpy(frame.isna().to_numpy()))
    back = kept(space).decode(x)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert space.features(x).shape == (len(frame), *space.feature_shape)


def test_table_features():
    frame = pd.DataFrame({"a": [1.0, 3.0, None], "b": ["x", None, "y"], "c": [True, False, True], "d": [1, 3, 1]})
    space = Table.of(frame)
    space = space.fit([space.encode(frame)])
    features = space.features(space.encode(frame))
    a, a_gone, b, b_gone, c = features[:, 0], features[:, 1], features[:, 2:4], features[:, 4], features[:, 5]
    assert a.tolist() == pytest.approx([-((12 / 13) ** 0.5), (12 / 13) ** 0.5, 0]) and a_gone.tolist() == [0, 0, 1]
    assert b.tolist() == [[1, 0], [0, 0], [0, 1]] and b_gone.tolist() == [0, 1, 0]
    assert c.tolist() == [1, -1, 1]
    assert features.shape == (3, *space.feature_shape) and space.feature_shape == (7,)


def test_table_takes_columns_by_name_and_position():
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [1, 2]})
    space = Table.of(frame)
    x = space.encode(frame)
    assert torch.equal(space.encode(frame[["b", "a"]].assign(c=0)), x)
    assert torch.equal(space.encode(frame.to_numpy()), x)
    assert space.encode_value("b", 2) == 2


def test_table_of_plain_values():
    space = Table.of_values(["b", "a", "b"])
    assert space.decode(space.encode(["a", "b"])) == ["a", "b"]
    assert Table.of_values([0.5, 1.5]).columns[0].kind == "continuous"
    assert Table.of_values(torch.tensor([2, 0, 1])).columns[0].categories == (0, 1, 2)


def test_big_whole_floats_are_continuous():
    assert Table.of(pd.DataFrame({"a": [1e20, 3e20]})).columns[0].kind == "continuous"


@pytest.mark.parametrize(
    ("frame", "error", "sentence"),
    [
        ({"a": [1.0, np.inf]}, ValueError, "'a' holds infinity"),
        ({"a": [np.nan, np.nan]}, ValueError, "'a' has no values at all; drop it"),
        ({"a": pd.to_datetime(["2020-01-01"])}, TypeError, "'a' holds dates"),
        ({"a": pd.to_timedelta([1], unit="s")}, TypeError, "'a' holds dates"),
        ({"a": [f"2026-01-{day:02}" for day in range(1, 31)]}, TypeError, "'a' holds dates; pass numbers"),
        ({"a": [f"2026-01-{day:02}T10:00:00Z" for day in range(1, 31)]}, TypeError, "'a' holds dates; pass numbers"),
        ({"a": [datetime.date(2026, 1, 1)]}, TypeError, "'a' holds dates"),
        ({"a": [1 + 2j, 3.0]}, TypeError, "'a' holds complex numbers; pass their real and imaginary parts"),
        ({"a": [10**25, 10**25 + 1]}, ValueError, r"beyond 2\*\*53"),
        ({"a": ["x", -(10**400)]}, ValueError, r"beyond 2\*\*53"),
        ({"a": pd.Categorical([10**25])}, ValueError, r"beyond 2\*\*53"),
        ({"a": ["x", np.inf]}, ValueError, "'a' holds infinity"),
        ({"a": pd.Categorical([1.5, -np.inf])}, ValueError, "'a' holds infinity"),
        ({"a": ["x", np.longdouble(1)]}, TypeError, "'a' holds longdouble objects"),
        ({"a": [2**53 + 1, 1]}, ValueError, r"beyond 2\*\*53"),
        ({"a": [[1], [2]]}, TypeError, "'a' holds list objects; convert them"),
        ({"a": [{"b": 1}, {"b": 2}]}, TypeError, "'a' holds dict objects"),
        ({"a": [(1,), (2,)]}, TypeError, "'a' holds tuple objects"),
        ({"a": ["x", object()]}, TypeError, "'a' holds object objects"),
        ({"a": [f"id{i}" for i in range(1001)]}, ValueError, "1001 different values.*identifier"),
        ({("a", "b"): [1]}, TypeError, "must be named by a string"),
    ],
)
def test_refused_frames(frame, error, sentence):
    with pytest.raises(error, match=sentence):
        Table.of(pd.DataFrame(frame))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"a": [1.0]}, "'b' is missing"),
        ({"a": [1.0], "b": ["dog"]}, "'dog', a category not seen in training.*'cat'"),
        ({"a": [1.0], "b": [["cat"]]}, "'b' holds list objects; convert them"),
        (scipy.sparse.csr_array(np.eye(3)), "is sparse"),
        ({"a": ["x"], "b": ["cat"]}, "'a' is continuous, but holds 'x'"),
        ({"a": [np.inf], "b": ["cat"]}, "infinity"),
        ({"a": [1.0], "b": ["cat"], "c": [2]}, "'c' is boolean, but holds 2"),
        (pd.Series({"a": 1.0, "b": "cat", "c": True}), "a Series, one row or column of a table; pass a DataFrame"),
        ([1.0, 0.0, 1.0], "has 1 columns, but this table has 3"),
        (torch.tensor([[1.0, 2.0, 0.0]]), "'b' holds 2, but its values are numbered 0 to 1"),
        (torch.tensor([[1.0, 0.5, 0.0]]), "'b' holds 0.5"),
        (torch.tensor([[torch.inf, 0.0, 0.0]]), "infinity"),
    ],
)
def test_rows_that_do_not_fit_the_table(raw, sentence):
    space = Table.of(pd.DataFrame({"a": [0.5, 1.5], "b": ["cat", "cow"], "c": [True, False]}))
    with pytest.raises((ValueError, TypeError), match=sentence):
        space.encode(pd.DataFrame({"c": [True], **raw}) if isinstance(raw, dict) else raw)


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-01", "2026-02-01"] * 20,  # a handful of dates may be categories
        ["unknown", *(f"2026-01-{day:02}" for day in range(1, 31))] * 2,
        [f"{year:04}-ab-{year}" for year in range(40)] * 2,
        [f"202601{day:02}" for day in range(1, 31)] * 2,  # numbers, for all one knows
    ],
)
def test_what_only_looks_like_dates_is_categorical(values):
    assert Table.of(pd.DataFrame({"a": values})).columns[0].kind == "categorical"


def test_dates_may_be_called_categories():
    frame = pd.DataFrame({"a": [f"2026-01-{day:02}" for day in range(1, 31)] * 2})
    assert Table.of(frame, {"a": "categorical"}).columns[0].kind == "categorical"


def test_half_a_character_is_refused():
    value, name = pd.DataFrame({"a": pd.Series(["\ud800", "x"], dtype=object)}), pd.DataFrame({"a": [1.0]})
    name.columns = pd.Index(["\ud800"], dtype=object)
    for frame in (value, name):
        with pytest.raises(ValueError, match=r"the column '.*' holds '\\ud800', half of a surrogate pair"):
            Table.of(frame)


def test_a_dtype_that_a_file_cannot_name_is_refused():
    arrow = pytest.importorskip("pyarrow")
    column = pd.Series([decimal.Decimal("1.5")], dtype=pd.ArrowDtype(arrow.decimal128(5, 2)))
    with pytest.raises(TypeError, match=r"'a' is of dtype decimal128.*convert it"):
        Table.of(pd.DataFrame({"a": column}))


def test_columns_may_be_called_by_whole_numbers():
    frame = pd.DataFrame({2019: [1.5, 2, 4], 2021: [2.5, 1, 3], 2022: ["a", "b", "a"]})  # labels of numpy's int64
    space = Table.of(frame)
    pd.testing.assert_frame_equal(space.decode(space.encode(frame)), frame)
    assert Table(**json.loads(json.dumps(space.config()))) == space
    assert space_row(space, {np.int64(2021): 0.5})[0, 1] == 0.5
    assert space_row(Reals(2), {np.int64(1): 0.5})[0, 1] == 0.5


@pytest.mark.parametrize(
    "dtype, number", [("int8", 300), ("uint8", -3), ("float16", 1e6), ("int64", 1e19), ("Int16", 40_000), ("float32", -1e39)]
)
def test_a_table_gives_back_no_number_that_the_dtype_does_not_hold(dtype, number):
    space = Table.of(pd.DataFrame({"a": [1, 2]}).astype(dtype))
    wrong = pd.DataFrame({"a": [1, number]}, dtype=object)
    with pytest.raises(ValueError, match=f"'a' holds {number:g}, which is beyond {dtype}".replace("+", r"\+")):
        space.decode(space.encode(wrong))
    with pytest.raises(ValueError, match="given: the column 'a' holds"):
        space_row(space, {"a": number})
    assert space.decode(torch.tensor([[100.0]]))["a"].dtype == dtype


@pytest.mark.parametrize("space", [Reals(1, "int64"), Reals(1), Table.of(pd.DataFrame({0: [1, 2]}))], ids=repr)
@pytest.mark.parametrize("number", [10**400, -(10**400), 10**39], ids=["400 digits", "less", "39 digits"])
def test_a_known_number_that_no_dtype_holds(space, number):
    with pytest.raises(ValueError, match="given: .*(too large|beyond)"):
        space_row(space, {0: number})


def test_a_known_image_lies_as_the_data_do():
    for layout, shape in (("nhw", (2, 3)), ("nhwc", (2, 3, 3)), ("nchw", (3, 2, 3))):
        image = np.arange(float(np.prod(shape))).reshape(shape)
        image.flat[4] = np.nan
        space = Images(1 if layout == "nhw" else 3, 2, 3, layout=layout)
        for known in (image, image[None]):
            np.testing.assert_array_equal(space.decode(space_row(space, known))[0], image)
        with pytest.raises(ValueError, match="given: has 2 rows"):
            space_row(space, np.stack([image, image]))
        with pytest.raises(ValueError, match="given: .*crop or resize"):
            space_row(space, image[:1])


def test_kinds_overrule():
    frame = pd.DataFrame({"a": [1, 2, 3]})
    assert Table.of(frame, {"a": "categorical"}).columns[0].categories == (1, 2, 3)
    with pytest.raises(ValueError, match="no column is called 'A'"):
        Table.of(frame, {"A": "categorical"})


def test_two_columns_of_one_name():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match="two columns are called 'a'"):
        Table.of(frame)


# -- inference and bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "space"),
    [
        (np.zeros((3, 2), np.float32) + 0.5, Reals((2,))),
        (np.array([[0, 1], [1, 1]]), Binary((2,), "int64")),
        (np.full((2, 5, 4), 9, np.uint8), Images(1, 5, 4, layout="nhw")),
        (np.full((2, 5, 4, 3), 9, np.uint8), Images(3, 5, 4, layout="nhwc")),
        (np.full((2, 3, 5, 6), 9, np.uint8), Images(3, 5, 6)),
        (np.array([[3, 4], [5, 6]]), Reals((2,), "int64")),
        ([[1, 2], [3]], Tokens(4, ends=True)),
        ([[0.5, 1.0], [2.0]], Sequence(Reals((), "float64"))),
        (["ab", "c"], Tokens(ends=True, tokenizer=Characters("abc"))),
        (pd.Series(["ab", "c"]), Tokens(ends=True, tokenizer=Characters("abc"))),
        (pd.Series(["ab", "c"], dtype="category"), Tokens(ends=True, tokenizer=Characters("abc"))),
        (np.array(["ab", "c"]), Tokens(ends=True, tokenizer=Characters("abc"))),
        (np.array([[0.5, 2], [1, 3]], dtype=object), Reals((2,), "float64")),
        (np.array([[4, 2], [1, 3]], dtype=object), Reals((2,), "int64")),
        ([[4, None], [1, 3]], Reals((2,), "float64")),
    ],
)
def test_inferred(raw, space):
    assert infer_space(raw) == space
    assert len(space.encode(raw)) == len(raw)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64", "bool"])
@pytest.mark.parametrize(
    "pack", [lambda x: x, list, lambda x: np.where(np.ma.getmaskarray(x), None, x)], ids=["array", "rows", "None"]
)
def test_what_is_masked_is_missing(dtype, pack):
    values, mask = np.array([[3, 1], [0, 5], [2, 2]]).astype(dtype), np.array([[0, 0], [1, 0], [0, 1]], bool)
    raw = pack(np.ma.masked_array(values, mask))
    x = infer_space(raw).encode(raw)
    assert np.array_equal(x, np.where(mask, np.nan, values), equal_nan=True)
    bare = np.ma.masked_array(values)
    assert same(infer_space(bare, (Reals,)).encode(bare), infer_space(values, (Reals,)).encode(values))


def test_a_column_of_texts_is_texts_to_a_model_of_them():
    frame = pd.DataFrame({"text": ["ab", "c"]})
    space = infer_space(frame, (Tokens,))
    assert space == infer_space(["ab", "c"]) and space.decode(space.encode(frame)) == ["ab", "c"]
    assert isinstance(infer_space(frame), Table) and isinstance(infer_space(frame.assign(n=1), (Tokens,)), Table)


def test_what_a_model_accepts_decides():
    signed = [[-1], [2, 3]]
    assert infer_space(signed, (Sequence, Tokens)) == Sequence(Reals((), "int64"))
    with pytest.raises(ValueError, match="tokens are whole numbers from 0, but -1"):
        infer_space(signed, (Tokens,))
    assert infer_space([[1.0, 2.0]], (Sequence,)) == Sequence(Reals((), "float64"))
    several = np.empty(2, dtype=object)
    several[:] = [np.array([0.5]), np.array([1.5, 2.0])]
    assert infer_space(several) == Sequence(Reals((), "float64"))
    assert len(Sequence(Reals((), "float64")).encode(several)) == 2


@pytest.mark.parametrize("length", [None, 2])
@pytest.mark.parametrize("pack", [list, np.stack, Ragged.of], ids=["list", "array", "ragged"])
def test_what_is_wrong_with_a_sequence_names_it(length, pack):
    sequences = [torch.zeros(2), torch.tensor([1.0, np.inf])]
    with pytest.raises(ValueError, match="sequence 1: row 1 holds infinity"):
        Sequence(Reals(()), length).encode(pack(sequences))


def test_ragged_tokens_are_taken_with_their_ends_or_without():
    space = Tokens(3, ends=True)
    encoded = space.encode([[0, 1], [], [2]])
    again, bare = (
        space.encode(encoded),
        space.encode(Ragged.of([torch.tensor([0, 1]), torch.tensor([], dtype=torch.int64), torch.tensor([2])])),
    )
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(encoded, again, bare, strict=True))
    with pytest.raises(ValueError, match="sequence 0 holds 9"):
        space.encode(Ragged.of([torch.tensor([9])]))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([], "data: is empty"),
        (np.zeros((0, 3)), "data: is empty"),
        (np.zeros((3, 0)), "holds no numbers"),
        (pd.DataFrame({"a": []}), "has no rows"),
        (None, "NoneType is no data"),
        (3.0, "float is no data"),
        ("a text", "one string"),
        ({"a": [1]}, "pandas.DataFrame"),
        (["a", 1], "also holds 1"),
        (np.array([["a", "b"]]), "not numeric"),
        (np.array([[2**70, 1]], dtype=object), "int objects is not numeric"),
        (scipy.sparse.csr_array(np.eye(2)), r"data: is sparse; pass data.toarray\(\)"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "dates"),
        (np.array([1j]), "complex"),
        (np.array([2**63], dtype=np.uint64), r"beyond 2\*\*63; pass them as floats"),
        (torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8), r"quantised tensors.*pass data.dequantize\(\)"),
        (torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged), r"nested tensors.*pass list\(data.unbind\(\)\)"),
        (np.zeros(3, dtype=[("a", "f8"), ("b", "i4")]), "structured array is a table; pass pandas.DataFrame"),
        (torch.eye(2).to_sparse(), "sparse"),
        ([np.zeros((2, 2)), np.zeros((3, 1))], "different shapes"),
        ([[], [], []], "no numbers|empty"),
        (["", ""], "every text is empty"),
    ],
)
def test_refused_data(raw, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        infer_space(raw)


@pytest.mark.parametrize(
    ("space", "raw", "sentence"),
    [
        (Reals((2,)), [[1.0, np.inf]], "row 0 holds infinity"),
        (Reals((2,)), [[1.0, 2.0], [3.0]], "different lengths"),
        (Reals((2,)), [[1.0, 2.0, 3.0]], r"shape \(1, 3\).*\(2,\)"),
        (Reals((2,)), torch.zeros(2), r"one point alone: expected \(n, 2\); pass data\[None\]"),
        (Images(1, 2, 2, layout="nhw"), torch.zeros(2, 2), r"one point alone: expected \(n, 2, 2\)"),
        (Reals((2,), "int64"), [[0.5, 1.0]], "holds fractions"),
        (Reals((1,)), [["a"]], "not numeric"),
        (Reals(()), 3.0, "single number"),
        (Binary((2,)), [[0, 1], [0, 2]], "row 1 holds 2, but binary"),
        (Binary((1,)), [[np.nan]], "holds nan"),
        (Images(1, 1, 1), [[[[256]]]], "image 0 holds 256.*0 to 255"),
        (Images(1, 1, 1, levels=17), np.full((1, 1, 1, 1), 17, np.uint8), "0 to 16"),
        (Images(1, 1, 1), [[[[0.5]]]], "holds 0.5"),
        (Images(1, 1, 1), [[[[np.nan]]]], "holds nan"),
        (Images(1, 2, 2), np.zeros((1, 3, 3), np.uint8), "crop or resize"),
        (Images(1, 2, 2), [np.zeros((2, 2), np.uint8), np.zeros((3, 3), np.uint8)], "different lengths"),
        (Images(1, 1, 1), [np.ma.masked_array([[[3]]], True)], "holds nan"),
        (Tokens(3), [[0, 3]], "holds 3, but tokens run from 0 to 2"),
        (Tokens(3), [[0.5]], "whole numbers"),
        (Tokens(3, length=2), [[0]], "must have 2"),
        (Tokens(3), [], "empty"),
        (Sequence(Reals(())), [], "empty"),
        (Sequence(Reals((2,))), [np.zeros((3, 1))], "shape"),
    ],
)
def test_refused_by_a_space(space, raw, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        space.encode(raw)


@pytest.mark.parametrize("dtype, number", [("float32", 1e99), ("int8", 300), ("uint8", -1), ("uint8", 256.0)])
def test_numbers_that_the_dtype_does_not_hold_are_refused(dtype, number):
    space = Reals(1, dtype)
    with pytest.raises(ValueError, match=f"too large for {dtype}"):
        space.encode(np.array([[1], [number]]))
    assert space.encode(np.array([[1], [100]])).dtype == space.dtype


@pytest.mark.parametrize("dtype, wider", [("uint16", "int32"), ("uint32", "int64"), ("uint64", "int64")])
def test_unsigned_numbers_are_read_as_wider_ones(dtype, wider):
    numbers = [[1, 60_000], [7, 2]]
    for raw in (np.array(numbers, dtype), torch.tensor(numbers, dtype=getattr(torch, dtype))):
        space = infer_space(raw)
        assert space == Reals(2, wider) and space.encode(raw).tolist() == numbers


def test_data_that_are_all_missing_are_told_so():
    x = torch.full((3, 2), torch.nan)
    with pytest.raises(ValueError, match=r"data: every value is missing \(NaN\)"):
        Reals(2).fit([x])


def test_constant_column_is_told():
    space = Reals((3,), "float64")
    x = space.encode([[1.0, 5.0, 2.0], [2.0, 5.0, 3.0]])
    assert "column 1 of the data is constant" in space.fit([x]).complaint()
    assert space.fit([x[:, ::2].repeat(1, 2)[:, :3]]).complaint() is None
    frame = pd.DataFrame({"a": [0.5, 0.5]})
    assert "'a' is constant" in Table.of(frame).fit([Table.of(frame).encode(frame)]).complaint()


@pytest.mark.parametrize("column", [1e9 + 1e-6 * np.arange(9), 1e-310 * np.arange(9)])
def test_a_column_that_varies_too_little_is_told_so(column):
    frame = pd.DataFrame({"a": column})
    complaint = Table.of(frame).fit([Table.of(frame).encode(frame)]).complaint()
    said = f"is constant (always {column.mean():g}"
    assert said in complaint and "as far as float64 can tell" in complaint and "rescale what does vary" in complaint
    assert f"column 0 of the data {said}" in Reals(1, "float64").fit([torch.from_numpy(column)[:, None]]).complaint()


def test_columns_of_any_size_are_standardised_or_told():
    far = 1e12 + torch.randn(1000, 1, dtype=torch.float64)
    assert Reals((1,), "float64").fit([far]).complaint() is None
    tenths = torch.full((100_001, 1), 0.1, dtype=torch.float64)  # its mean is rounded
    assert "constant" in Reals((1,), "float64").fit([tenths]).complaint()
    frame = pd.DataFrame({"a": [1.5e308, 1.5e308, 1.5]})
    with pytest.raises(ValueError, match="column 'a' holds numbers whose sum overflows; divide it"):
        Table.of(frame).fit([Table.of(frame).encode(frame)])


@pytest.mark.parametrize("size", [1e-290, 1e-160, 1e160, 1e290])
def test_numbers_without_a_square_are_standardised_as_others_are(size):
    torch.manual_seed(0)  # a mean near zero by chance would have fewer digits
    x = torch.randn(90, 3, dtype=torch.float64) * torch.tensor([1.0, 1e-3, 1e6]) + 1.5
    x[::7, 1] = torch.nan
    (at, spread), (far, wide) = (Reals((3,), "float64").fit((x * by).split(40)).location_scale for by in (1.0, size))
    torch.testing.assert_close(far / size, at, rtol=1e-14, atol=0)
    torch.testing.assert_close(wide / size, spread, rtol=1e-12, atol=0)
    growing = torch.tensor([[-size], [size], [1e290], [-1e290]], dtype=torch.float64).split(2)  # in chunks
    assert float(Reals((1,), "float64").fit(growing).location_scale[1]) == pytest.approx(math.hypot(size, 1e290) * 0.5**0.5)


def test_standardisation_is_streamed_and_counted():
    x = torch.randn(1000, 3, dtype=torch.float64) * torch.tensor([1.0, 1e-3, 1e6]) + 1e4
    space = Reals((3,), "float64").fit(x.split(77))
    z, slope = space.standardise(x)
    assert torch.allclose(z.mean(0), torch.zeros(3).double(), atol=1e-6)
    assert torch.allclose(z.std(0, unbiased=False), torch.ones(3).double(), atol=1e-6)
    assert torch.allclose(slope, -x.std(0, unbiased=False).log().sum().expand(1000))
    assert torch.allclose(space.from_standardised(z), x)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        {},
        {"kind": "Space"},
        {"kind": "Reals"},
        {"kind": "Reals", "shape": "x"},
        {"kind": "Binary", "shape": [2], "z": 1},
        {"kind": "Sequence"},
        {"kind": "Table", "columns": [{"name": "a", "evil": 1}]},
        {"kind": "Tokens"},
    ],
)
def test_a_space_from_a_damaged_file(config):
    with pytest.raises(ValueError):
        space_from(config)


def test_one_sequence_is_no_list_of_them():
    for space, raw in (
        (Sequence(Reals(())), np.zeros(5)),
        (Sequence(Reals(())), [0.0, 1.0]),
        (Sequence(Reals(2)), np.zeros((5, 2))),
        (Sequence(Reals((), "float64"), 5), np.zeros(5)),
        (Sequence(Reals(())), pd.DataFrame({"a": [1.0]})),
    ):
        with pytest.raises(ValueError, match=r"pass \[data\], if it is one sequence"):
            space.encode(raw)
    with pytest.raises(ValueError, match="sequence 1 has 3 steps, but every one must have 2"):
        Sequence(Reals(()), 2).encode([[1.0, 2.0], [1.0, 2.0, 3.0]])


@pytest.mark.parametrize("missing", [False, True])
def test_moments_of_a_long_column_that_drifts_far_from_zero(missing):
    """More rows than are taken at once, so that their moments are put together of many tiles."""
    x = np.random.default_rng(0).standard_normal((150_000, 3)) * [1, 1e-3, 50] + [1e6, -1e5, 0]
    x[:, 2] += np.linspace(0, 1000, len(x))  # sorted, as a column of times is
    x[::7, 1] = np.nan if missing else x[::7, 1]
    space = Reals(3, "float64").fit([torch.from_numpy(x[:100_000]), torch.from_numpy(x[100_000:])])
    location, scale = space.location_scale
    np.testing.assert_allclose(location, np.nanmean(x, 0), rtol=1e-12)
    np.testing.assert_allclose(scale, np.nanstd(x, 0), rtol=1e-8)


def test_finite_numbers_whose_sum_overflows_are_neither_missing_nor_infinite():
    huge = torch.tensor([[3e38, 3e38], [-3e38, -3e38]] * 40)
    assert torch.equal(Reals(2).encode(huge), huge)
    assert not holds_missing(huge) and holds_missing(torch.tensor([1.0, math.nan, math.inf]))
    with pytest.raises(ValueError, match="row 1 holds infinity"):
        Reals(2).encode(torch.tensor([[1.0, math.nan], [math.inf, -math.inf]]))


def test_names_that_are_all_different_are_warned_of():
    with pytest.warns(UserWarning, match="the column 'id' has another value in each of its 40 rows"):
        Table.of(pd.DataFrame({"id": [f"n{i}" for i in range(40)], "x": range(40)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Table.of(pd.DataFrame({"id": ["a", "b"] + [f"n{i}" for i in range(38)] + ["a"]}))
