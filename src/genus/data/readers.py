"""Readers: a file or a folder, by its suffix, as raw data with its labels. Nothing of the user's is ever written.

    .csv .tsv .parquet          a table                  .npy .npz        arrays
    .txt .md                    one text, or its lines   .wav .flac       a recording
    .png .jpg ...               an image                 a folder         of images, texts or recordings

In a folder the sub-folders are the classes; sub-folders called train, valid and test are the parts.
"""

from __future__ import annotations

import codecs
import gzip
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genus.data.cache import spool_table
from genus.data.rows import Rows
from genus.fields import perhaps
from genus.spaces import Reals, Sequence, Space, Table
from genus.spaces.arrays import scalar
from genus.warn import warn

BIG_ARRAY = 256 << 20  # bytes above which an .npy is read by rows
BIG_TABLE = 512 << 20  # bytes above which a table is read by chunks into the cache
CHUNK = 1 << 17  # rows of such a chunk

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)  # the EXIF tag of a photograph, and its values where width and height change places
TEXTS = (".txt", ".md")
RECORDINGS = (".wav", ".flac", ".ogg")
PARTS = {"train": 0, "training": 0, "valid": 1, "val": 1, "validation": 1, "test": 2, "testing": 2}


@dataclass(frozen=True)
class Raw:
    """Raw data before it is a Dataset: in three parts if somebody has split it, else all in `train`."""

    train: Any
    valid: Any = None
    test: Any = None
    labels: tuple[Any, ...] = (None, None, None)
    classes: tuple[str, ...] = ()
    conditions: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # what `given=` may name
    space: Space | None = None
    entropy: float | None = None  # nats
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)  # when nobody has split it
    in_time: bool = False  # one sequence, to be cut by position
    sample_rate: int | None = None  # hertz

    @classmethod
    def of(cls, parts: Iterable[Any], **fields: Any) -> Raw:
        """Raw data in the parts train, valid and test (None where there is none)."""
        train, valid, test = parts
        return cls(train, valid, test, **fields)

    @property
    def is_split(self) -> bool:
        return self.valid is not None or self.test is not None


def read(path: str | Path, **options: Any) -> Raw:
    """The raw data of a file or folder.

    Options by kind. Tables: `separator`, `header` (False: the first line is data), `dtype` ({column: type}),
    `encoding`, `columns` (those to keep). Arrays: `key`, the name of the array in an .npz. Texts: `lines` (True: one
    string a line), `encoding`. Images: `size` (pixels, or (height, width)): all are cropped and resized to it.
    Recordings: none; several channels become their mean, with a warning. Raises FileNotFoundError, ValueError or TypeError,
    each with what to do.
    """
    path = Path(path).expanduser()
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"{path}: no such file or folder{perhaps(path.name, siblings)}")
    reader = _reader_of(path)
    known = [name for name, p in inspect.signature(reader).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            takes = f"takes {', '.join(f'{option}=' for option in known)}" if known else "takes none"
            raise TypeError(f"{name}: is no option for {path.name}, which {takes}{perhaps(name, known)}")
    if "encoding" in options:
        _refuse_encoding(options["encoding"])
    try:
        return reader(path, **options)
    except PermissionError as error:
        raise PermissionError(f"{path}: may not be read; change its permissions") from error


def _refuse_encoding(name: Any) -> None:
    try:
        codecs.lookup(name)
    except (LookupError, TypeError) as error:
        raise ValueError(f"encoding={name!r} is not known; pass one such as 'utf-8', 'utf-16' or 'latin-1'") from error


def _reader_of(path: Path) -> Callable[..., Raw]:
    if path.is_dir():
        return _folder_reader(path)
    if not path.is_file():
        raise ValueError(f"{path}: is a pipe or a device, and data are read more than once; save them to a file, and pass that")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: is empty")
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    reader = _READERS.get(suffix)
    if reader is None or (name != path.name.lower() and suffix not in (".csv", ".tsv")):
        if suffix in (".pkl", ".pickle", ".pt", ".pth", ".joblib"):
            raise ValueError(f"{path}: a {suffix} file may hold code that runs when it is read; save the data as .npz or .parquet")
        raise ValueError(f"{path}: {suffix or 'no suffix'} is not known; the known ones are {', '.join(_READERS)}, and folders")
    return reader


# -- tables ------------------------------------------------------------------------------------------------------


def read_csv(
    path: Path,
    *,
    separator: str | None = None,
    header: bool = True,
    dtype: Any = None,
    encoding: str = "utf-8",
    columns: list[str] | None = None,
) -> Raw:
    """A DataFrame of a .csv or .tsv; pandas' saved index ("Unnamed: 0") is left out. Big ones are streamed."""
    import pandas as pd

    separator = separator or ("\t" if ".tsv" in path.name.lower() else ",")
    options = {
        "sep": separator,
        "dtype": dtype,
        "encoding": encoding,
        "usecols": columns,
        "header": 0 if header else None,
    }
    try:
        if header:
            _refuse_double_names(path, separator, encoding, columns)
        if path.stat().st_size > BIG_TABLE:
            return _streamed(path, lambda: (_without_index(frame) for frame in pd.read_csv(path, chunksize=CHUNK, **options)))
        frame = _without_index(pd.read_csv(path, low_memory=False, **options))
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path}: is empty") from error
    except pd.errors.ParserError as error:
        raise ValueError(f"{path}: {_parser_hint(str(error))}") from error
    except UnicodeDecodeError as error:  # pandas counts from the beginning of a cell
        raise _no_text(path, encoding, _first_strange_byte(path, encoding)) from error
    except ValueError as error:
        if not columns or "usecols" not in str(error).lower():
            raise
        known = list(pd.read_csv(path, nrows=0, sep=separator, encoding=encoding).columns)
        wrong = next(name for name in columns if name not in known)
        raise ValueError(f"{path}: no column is called {wrong!r}{perhaps(wrong, known)}") from error
    return Raw(_checked_frame(frame, path, separator, header, dtype or {}))


def read_parquet(path: Path, *, columns: list[str] | None = None) -> Raw:
    """A DataFrame of a .parquet. Big ones are streamed."""
    import pandas as pd

    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(f"{path}: reading parquet needs pyarrow: pip install 'genus[table]'") from error
    from pyarrow.lib import ArrowInvalid

    def chunks() -> Iterator[Any]:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK, columns=columns):
                yield batch.to_pandas()

    try:
        if parquet.read_metadata(path).num_rows == 0:
            raise ValueError(f"{path}: has no rows")
        known = parquet.read_schema(path).names
        for name in columns or ():
            if name not in known:
                raise ValueError(f"{path}: no column is called {name!r}{perhaps(name, known)}")
        if path.stat().st_size > BIG_TABLE:
            return _streamed(path, chunks)
        return Raw(pd.read_parquet(path, columns=columns))
    except ArrowInvalid as error:
        raise ValueError(f"{path}: is no parquet file, or damaged ({str(error).splitlines()[0]})") from error


def _streamed(path: Path, chunks: Callable[[], Iterator[Any]]) -> Raw:
    rows, columns = spool_table(path, chunks)
    return Raw(rows, space=Table(columns))


def _without_index(frame: Any) -> Any:
    return frame.drop(columns=frame.columns[0]) if frame.columns[0] == "Unnamed: 0" and frame.shape[1] > 1 else frame


def _refuse_double_names(path: Path, separator: str, encoding: str, columns: list[str] | None) -> None:
    """pandas would call the second column of two called a "a.1"."""
    import pandas as pd

    names = pd.read_csv(path, sep=separator, encoding=encoding, header=None, nrows=1, dtype=str).iloc[0].dropna()
    double = names[names.duplicated() & (names.isin(columns) if columns else True)]
    if len(double):
        raise ValueError(f"{path}: two columns are called {double.iloc[0]!r}; rename one")


def _parser_hint(message: str) -> str:
    import re

    cells = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if cells:
        expected, line, saw = cells.groups()
        return f"line {line} has {saw} cells, but the lines before it have {expected}; quote cells that hold the separator"
    return f"could not be read as a table ({message.strip()})"


def _checked_frame(frame: Any, path: Path, separator: str, header: bool, dtype: Any) -> Any:
    if not len(frame):
        raise ValueError(f"{path}: has a header but no rows")
    names = [str(name) for name in frame.columns]
    for other in (";", "\t", "|", ","):
        if len(names) == 1 and other != separator and other in names[0]:
            raise ValueError(
                f"{path}: is one column called {names[0]!r}; if its cells are separated by {other!r}, pass separator={other!r}"
            )
    if header and all(map(_is_number, names)):
        raise ValueError(f"{path}: its first line holds numbers ({', '.join(names[:3])}), not names; pass header=False")
    for name in dtype if isinstance(dtype, dict) else ():
        if name not in frame.columns:
            raise ValueError(f"{path}: no column is called {name!r}{perhaps(name, names)}")
    for name in frame.columns:
        if not isinstance(dtype, dict) or name not in dtype:
            _refuse_stray_cell(frame[name], path, header)
    return frame


def _refuse_stray_cell(series: Any, path: Path, header: bool) -> None:
    """A column of numbers with a stray cell that is none would quietly become a column of categories."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series.dtype) or isinstance(series.dtype, pd.CategoricalDtype):
        return
    present = series.dropna()
    numbers = pd.to_numeric(present, errors="coerce")
    strays = present[numbers.isna()]
    if len(strays) and numbers.nunique() > 20 and len(strays) <= 0.1 * len(present):
        line, name = int(strays.index[0]) + 1 + header, scalar(series.name)
        raise ValueError(
            f"{path}: the column {name!r} holds {strays.iloc[0]!r} in line {line}, but its other cells are "
            "numbers; correct it, leave it empty if it is missing, or "
            f"pass dtype={{{name!r}: str}} if these are names"
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


# -- arrays ------------------------------------------------------------------------------------------------------


def read_npy(path: Path) -> Raw:
    """The array of an .npy; a big one stays on disk and is read by rows."""
    if path.stat().st_size > BIG_ARRAY:
        return Raw(Rows(path))
    return Raw(_plain_array(path, lambda: _loaded(path, np.ndarray)))


def read_npz(path: Path, *, key: str | None = None) -> Raw:
    """The arrays of an .npz: x_train, y_train, x_test, ... (or train, test), else `key`, x, X, data or the only one."""
    archive = _plain_array(path, lambda: _loaded(path, np.lib.npyio.NpzFile))
    names = archive.files
    load = lambda name: None if name is None else _plain_array(path, lambda: archive[name])  # noqa: E731
    if key is not None:
        if key not in names:
            raise ValueError(f"{path}: holds no array called {key!r}; it holds {', '.join(names)}{perhaps(key, names)}")
        return Raw(load(key))
    for x, y in (("x_", "y_"), ("X_", "y_"), ("", "y_")):
        suffixes = [next((s for s, p in PARTS.items() if p == part and x + s in names), None) for part in range(3)]
        if suffixes[0] and (suffixes[1] or suffixes[2]):
            parts = [None if s is None else load(x + s) for s in suffixes]
            labels = [load(f"{y}{s}") if f"{y}{s}" in names else None for s in suffixes]
            return _labelled(parts, labels)
    name = next((n for n in ("x", "X", "data") if n in names), names[0] if len(names) == 1 else None)
    if not names:
        raise ValueError(f"{path}: holds no arrays")
    if name is None:
        raise ValueError(f"{path}: holds several arrays ({', '.join(names)}); pass key= with the name of one")
    label = next((n for n in ("y", "Y", "labels") if n in names), None)
    return _labelled([load(name), None, None], [load(label), None, None])


def _labelled(parts: list[Any], labels: list[Any]) -> Raw:
    """Arrays with their labels; labels that are strings become the numbers of classes."""
    present = [part for part in labels if part is not None]
    if not present or present[0].dtype.kind not in "US":
        return Raw.of(parts, labels=tuple(labels))
    classes = np.unique(np.concatenate(present))
    codes = tuple(None if part is None else np.searchsorted(classes, part) for part in labels)
    return Raw.of(parts, labels=codes, classes=tuple(map(str, classes)))


def _loaded(path: Path, kind: type) -> Any:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, kind):
        raise TypeError(f"numpy finds an {type(found).__name__} in it; correct its suffix")
    return found


def _plain_array(path: Path, load: Callable[[], Any]) -> Any:
    try:
        array = load()
    except Exception as error:
        if "pickle" in str(error).lower():
            raise ValueError(
                f"{path}: holds Python objects or is no array file; save plain arrays of numbers with numpy.save"
            ) from error
        raise ValueError(f"{path}: is damaged, or no array file ({error})") from error
    if getattr(array, "ndim", 1) == 0:
        raise ValueError(f"{path}: holds one number by itself, where there should be an array with one row per example")
    return array


# -- texts -------------------------------------------------------------------------------------------------------


def read_text(path: Path, *, lines: bool = False, encoding: str = "utf-8") -> Raw:
    """A list of one string, the whole text; with `lines`, of one string for each line that is not blank."""
    text = _text(path, encoding)
    if not text.strip():
        raise ValueError(f"{path}: holds no text")
    return Raw([line for line in text.splitlines() if line.strip()] if lines else [text])


def _read_text_folder(path: Path, *, lines: bool = False, encoding: str = "utf-8") -> Raw:
    entries = _entries(path, TEXTS)
    texts = [_text(entry.path, encoding) for entry in entries]
    if lines:
        pieces = [(e, line) for e, text in zip(entries, texts) for line in text.splitlines() if line.strip()]
        entries, texts = [e for e, _ in pieces], [line for _, line in pieces]
    return _assembled(entries, texts, lambda chosen: [texts[i] for i in chosen])


def _text(path: Path, encoding: str) -> str:
    try:
        with open(path, encoding=encoding, newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise _no_text(path, encoding, error.start) from error


def _no_text(path: Path, encoding: str, byte: int) -> ValueError:
    with open(path, "rb") as file:
        marked = file.read(2) in (b"\xff\xfe", b"\xfe\xff")  # the byte order mark
    own = "encoding='utf-16'" if marked else "encoding='latin-1' or its own"
    return ValueError(f"{path}: is not {encoding} text (byte {byte}); pass {own}")


def _first_strange_byte(path: Path, encoding: str) -> int:
    """The number of the first byte of a file that is no text."""
    decoder, read = codecs.getincrementaldecoder(encoding)(), 0
    with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
        while block := file.read(CHUNK):
            waiting = len(decoder.getstate()[0])  # bytes of a character that the last block ended in
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return read - waiting + error.start
            read += len(block)
    return read


# -- recordings --------------------------------------------------------------------------------------------------


def read_recording(path: Path) -> Raw:
    """One recording as a sequence of float32 in [-1, 1], the mean of its channels."""
    wave, rate, channels = _load_wave(path)
    _tell_of_channels(path, [channels])
    return Raw([wave], space=Sequence(Reals(())), in_time=True, sample_rate=rate)


def _read_recording_folder(path: Path) -> Raw:
    entries = _entries(path, RECORDINGS)
    waves, rates, channels = zip(*(_load_wave(entry.path) for entry in entries))
    if len(set(rates)) > 1:
        common: int = Counter(rates).most_common(1)[0][0]
        other = next(i for i, rate in enumerate(rates) if rate != rates[0])
        raise ValueError(
            f"{path}: its recordings have different sample rates ({rates[0]} Hz, but {entries[other].path.name} "
            f"{rates[other]} Hz); convert them all to {common} Hz"
        )
    _tell_of_channels(path, channels)
    raw = _assembled(entries, waves, lambda chosen: [waves[i] for i in chosen])
    return replace(raw, space=Sequence(Reals(())), sample_rate=rates[0])


def _tell_of_channels(path: Path, channels: Iterable[int]) -> None:
    several = [count for count in channels if count > 1]
    if several:
        whose = f"the {several[0]} channels" if path.is_file() else f"the channels of {len(several)} of the recordings"
        warn(f"{path}: {whose} were averaged into one; pass arrays of shape (steps, channels) to learn them all")


def _load_wave(path: Path) -> tuple[np.ndarray, int, int]:
    """The mean of the channels (steps,), the sample rate in hertz, and how many channels there were."""
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(f"{path}: reading recordings needs soundfile: pip install 'genus[audio]'") from error
    try:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: is damaged, or no recording ({error})") from error
    if not len(wave):
        raise ValueError(f"{path}: is a recording of no length; remove it")
    return wave.mean(axis=1, dtype=np.float32), int(rate), wave.shape[1]


# -- images ------------------------------------------------------------------------------------------------------


def read_image(path: Path, *, size: int | tuple[int, int] | None = None) -> Raw:
    """One image: uint8 (1, height, width) if grey, else (1, height, width, 3)."""
    return Raw(_load_images([path], path, size))


def _read_image_folder(path: Path, *, size: int | tuple[int, int] | None = None) -> Raw:
    entries = _entries(path, IMAGES)
    images = _load_images([entry.path for entry in entries], path, size)
    return _assembled(entries, images, lambda chosen: images if len(chosen) == len(images) else images[chosen])


def _load_images(paths: list[Path], source: Path, size: int | tuple[int, int] | None) -> np.ndarray:
    """uint8 (n, height, width), or (n, height, width, 3) if any has colour; transparency is laid on white."""
    headers = [_image_header(path) for path in paths]
    height, width = _one_size([shape for shape, _ in headers], source, size)
    mode = "L" if all(mode in ("1", "L") for _, mode in headers) else "RGB"
    out = np.empty((len(paths), height, width) if mode == "L" else (len(paths), height, width, 3), dtype=np.uint8)
    for i, path in enumerate(paths):
        out[i] = _load_image(path, mode, height, width)
    return out


def _image_header(path: Path) -> tuple[tuple[int, int], str]:
    with _open_image(path) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"{path}: has more than 8 bits a pixel; convert it to 8, or pass the arrays themselves")
        turned = image.getexif().get(ORIENTATION, 1) in LYING
        return (image.width, image.height) if turned else (image.height, image.width), image.mode


def _load_image(path: Path, mode: str, height: int, width: int) -> np.ndarray:
    from PIL import Image, ImageOps

    with _open_image(path) as image:
        try:
            image.load()
        except OSError as error:
            raise ValueError(f"{path}: is a damaged image ({error}); remove it") from error
        image = ImageOps.exif_transpose(image)  # upright, as every viewer shows it
        if mode == "RGB" and (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert(mode)
        if (image.height, image.width) != (height, width):
            image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        return np.asarray(image)


def _open_image(path: Path) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError(f"{path}: reading images needs Pillow: pip install 'genus[image]'") from error
    try:
        return Image.open(path)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: is a damaged image, or none ({error}); remove it") from error


def _one_size(shapes: list[tuple[int, int]], source: Path, size: Any) -> tuple[int, int]:
    """(height, width) of all: `size`, else the commonest, if at least half have it."""
    if size is not None:
        pair = (size, size) if hasattr(size, "__index__") else tuple(size)
        if len(pair) != 2 or not all(hasattr(s, "__index__") and s > 0 for s in pair):
            raise ValueError(f"size={size!r} must be a number of pixels, or (height, width)")
        return pair  # type: ignore[return-value]
    ((height, width), count) = Counter(shapes).most_common(1)[0]
    if 2 * count < len(shapes):
        raise ValueError(
            f"{source}: its {len(shapes)} images have {len(set(shapes))} different sizes; "
            "pass size=(height, width), or size=64 for a square"
        )
    if count < len(shapes):
        warn(
            f"{source}: {len(shapes) - count} of {len(shapes)} images were cropped and resized to the commonest size, "
            f"{height} x {width}; pass size=(height, width) for another"
        )
    return height, width


# -- folders -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """A file of a folder: the part it is in (0 train, 1 valid, 2 test) and its class, the name of its sub-folder."""

    path: Path
    part: int
    label: str | None


def _folder_reader(path: Path) -> Callable[..., Raw]:
    kinds = Counter(kind for p in path.rglob("*") if _seen(p) for kind in (IMAGES, TEXTS, RECORDINGS) if p.suffix.lower() in kind)
    if not kinds:
        raise ValueError(
            f"{path}: this folder holds no images, texts or recordings; pass the file itself, if it is a table or arrays"
        )
    kind = kinds.most_common(1)[0][0]
    readers: dict[tuple[str, ...], Callable[..., Raw]] = {
        IMAGES: _read_image_folder,
        TEXTS: _read_text_folder,
        RECORDINGS: _read_recording_folder,
    }
    return readers[kind]


def _entries(folder: Path, suffixes: tuple[str, ...]) -> list[_Entry]:
    """The files of a folder in the order of their names."""
    entries = []
    tops = [p.name.lower() for p in folder.iterdir() if p.is_dir() and _seen(p)]
    split = "train" in tops and set(tops) <= set(PARTS)
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and _seen(p) and p.is_file()):
        steps = path.relative_to(folder).parts[:-1]
        if any(step.startswith(".") for step in steps):
            continue
        part = PARTS[steps[0].lower()] if split and steps else 0
        steps = steps[1:] if split else steps
        entries.append(_Entry(path, part, steps[0] if steps else None))
    return entries


def _assembled(entries: list[_Entry], items: Any, choose: Callable[[list[int]], Any]) -> Raw:
    """The parts of a folder, labelled if every file is in a sub-folder."""
    if not entries:
        raise ValueError("the folder holds no examples")
    labelled = all(entry.label is not None for entry in entries)
    classes = sorted({str(entry.label) for entry in entries}) if labelled else []
    parts: list[Any] = []
    labels: list[Any] = []
    for part in range(3):
        chosen = [i for i, entry in enumerate(entries) if entry.part == part]
        parts.append(choose(chosen) if chosen else None)
        codes = [classes.index(str(entries[i].label)) for i in chosen] if labelled else []
        labels.append(np.array(codes, dtype=np.int64) if chosen and labelled else None)
    return Raw.of(parts, labels=tuple(labels), classes=tuple(classes))


def _seen(path: Path) -> bool:
    return not path.name.startswith(".")


_READERS: dict[str, Callable[..., Raw]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
    **dict.fromkeys(TEXTS, read_text),
    **dict.fromkeys(RECORDINGS, read_recording),
    **dict.fromkeys(IMAGES, read_image),
}
