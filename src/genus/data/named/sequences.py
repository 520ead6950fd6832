"""Named sequences: recordings, music, measurements in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genus.data.named.registry import File, named
from genus.data.named.tables import RDATASETS
from genus.data.readers import Raw
from genus.spaces import Binary, Reals, Sequence

KEYS = 88  # of a piano, MIDI 21 to 108
RATE = 8000  # hertz of the spoken digits


@named(
    "fsdd",
    "3,000 spoken English digits by six speakers, 8 kHz (the free spoken digit dataset)",
    kind="sequences",
    space="Sequence(Reals())",
    sizes=(2700, 0, 300),
    source="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
    files=((File("fsdd/fsdd.npz"),), (File("fsdd/recordings"),)),
)
def fsdd(files: dict[str, Path], limit: int | None = None) -> Raw:
    """Recordings 0 to 4 of each speaker and digit are the test part."""
    waves, digits, index = _fsdd_archive(files["fsdd.npz"]) if "fsdd.npz" in files else _fsdd_folder(files["recordings"])
    parts = [np.flatnonzero(index >= 5)[:limit], np.flatnonzero(index < 5)[:limit]]
    train, test = ([waves[i].astype(np.float32) / 32768 for i in part] for part in parts)
    labels = (digits[parts[0]], None, digits[parts[1]])
    return Raw(train, None, test, labels=labels, classes=tuple("0123456789"), space=Sequence(Reals(())), sample_rate=RATE)


def _register_music(name: str, sentence: str, sizes: tuple[int, int, int]) -> None:
    @named(
        name,
        f"{sentence}, 88 keys on or off in each step (Boulanger-Lewandowski et al. 2012)",
        kind="sequences",
        space="Sequence(Binary(88))",
        sizes=sizes,
        source="http://www-ens.iro.umontreal.ca/~boulanni/icml2012",
        licence="research only",
        files=((File(f"polyphonic_music/{name}.npz"),),),
    )
    def load(files: dict[str, Path]) -> Raw:
        archive = np.load(files[f"{name}.npz"])
        parts = []
        for part in ("train", "valid", "test"):
            keys = np.unpackbits(archive[part], axis=1, count=KEYS)  # (steps, 88)
            parts.append(np.split(keys, np.cumsum(archive[f"{part}_lengths"])[:-1]))
        return Raw.of(parts, space=Sequence(Binary((KEYS,))))


for _name, _sentence, _sizes in (
    ("jsb_chorales", "chorales by Bach", (229, 76, 77)),
    ("nottingham", "folk tunes", (694, 173, 170)),
    ("piano_midi", "classical pieces for piano", (87, 12, 25)),
    ("musedata", "classical pieces for orchestra and piano", (524, 135, 124)),
):
    _register_music(_name, _sentence, _sizes)


def _register_series(name: str, sentence: str, url: str) -> None:
    @named(
        name,
        f"{sentence}; one series, cut 80/10/10 in time",
        kind="sequences",
        space="Sequence(Reals())",
        sizes=(1, 1, 1),
        source=url,
        licence="facts",
        files=((File(f"time_series/{name}.csv", url),),),
    )
    def load(files: dict[str, Path]) -> Raw:
        import pandas as pd

        values = pd.read_csv(files[f"{name}.csv"]).iloc[:, -1].to_numpy(np.float32)
        return Raw([values], space=Sequence(Reals(())), in_time=True)


for _name, _sentence, _file in (
    ("airpassengers", "passengers of airlines, thousands a month, 1949 to 1960", "AirPassengers"),
    ("sunspots", "sunspots, monthly, 1749 to 1983", "sunspots"),
    ("nile", "the flow of the Nile at Aswan, yearly, 1871 to 1970", "Nile"),
    ("lynx", "lynxes trapped in Canada, yearly, 1821 to 1934", "lynx"),
):
    _register_series(_name, _sentence, f"{RDATASETS}/datasets/{_file}.csv")


def _register_archive(name: str, sentence: str, channels: int, sizes: tuple[int, int, int], url: str) -> None:
    @named(
        name,
        sentence,
        kind="sequences",
        space=f"Sequence(Reals({channels}))",
        sizes=sizes,
        source=url,
        licence="research",
        files=((File(f"time_series/{name.replace('_', '')}.npz"),),),
    )
    def load(files: dict[str, Path]) -> Raw:
        (path,) = files.values()
        archive = np.load(path)
        train, test = (np.split(archive[f"x_{p}"], np.cumsum(archive[f"lengths_{p}"])[:-1]) for p in ("train", "test"))
        labels = (archive["y_train"], None, archive["y_test"])
        return Raw(
            train,
            None,
            test,
            labels=labels,
            classes=tuple(map(str, archive["classes"])),
            space=Sequence(Reals((channels,))),
        )


for _name, _sentence, _channels, _sizes in (
    ("basic_motions", "a smart watch while its wearer rests, walks, runs, plays: six channels", 6, (40, 0, 40)),
    ("gun_point", "the hand of an actor who draws a gun, or points", 1, (50, 0, 150)),
    ("japanese_vowels", "nine speakers who say two vowels: 12 coefficients a frame", 12, (270, 0, 370)),
):
    _register_archive(_name, _sentence, _channels, _sizes, "https://www.timeseriesclassification.com")


# -- parts -------------------------------------------------------------------------------------------------------


def _fsdd_archive(path: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    archive = np.load(path)
    waves = np.split(archive["audio"], archive["offsets"][1:-1])
    return waves, archive["digit"].astype(np.int64), archive["index"]


def _fsdd_folder(path: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The folder of the original, digit_speaker_index.wav."""
    import soundfile

    paths = sorted(path.glob("*_*_*.wav"))
    if not paths:
        raise FileNotFoundError(f"fsdd: {path} holds no recordings called digit_speaker_index.wav")
    names = [p.stem.split("_") for p in paths]
    waves = [soundfile.read(p, dtype="int16")[0] for p in paths]
    return waves, np.array([int(n[0]) for n in names]), np.array([int(n[2]) for n in names])
