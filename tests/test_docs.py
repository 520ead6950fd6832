"""The documentation: every block of code runs as it is printed, and every page and picture can be found."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    (page, number, code)
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]
LONG = {("README", 0), ("adult", 0), ("classifiers", 1), ("kalman", 0)}  # many seconds: read by the compiler only
BUNDLED = {"digits", "iris"}  # sets that come with scikit-learn
pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="a source distribution has no docs/")


@pytest.mark.filterwarnings("ignore:.*stopped after max_iter")
@pytest.mark.parametrize("page, number, code", [pytest.param(*b, id=f"{b[0].stem}-{b[1]}") for b in BLOCKS])
def test_a_block_of_code_runs_as_printed(page, number, code, tmp_path, monkeypatch):
    block = compile(code, f"{page.name}, block {number + 1}", "exec")
    if (page.stem, number) in LONG:
        return
    wanted = set(re.findall(r'(?:load_dataset|fit)\("([a-z_/]+)"', code)) - BUNDLED
    if wanted and "GENUS_DATA" not in os.environ:
        pytest.skip(f"GENUS_DATA names no folder with {', '.join(sorted(wanted))}")
    if "plot" in code:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    exec(block, {})


def test_every_page_is_in_the_index_and_every_picture_on_a_page_with_its_code():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = [page for page in PAGES if page.stem != "README"]
    assert [page.name for page in pages if f"]({page.name})" not in index] == []
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.with_suffix(".py").exists(), picture
        assert any(
            f"]({picture.name})" in page.read_text("utf-8") or f"docs/{picture.name}" in page.read_text("utf-8") for page in PAGES
        )


def test_links_and_pictures_are_there():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r'(?:\]\(|src="|href=")([^)"#]+)', page.read_text("utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
