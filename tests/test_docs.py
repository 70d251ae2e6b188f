"""What the documentation tells people to do is done here, to the letter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.contract.root import ROOT

DOCS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", ["tour.md", "tour.zh.md"])
def test_the_line_that_the_tour_changes_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    file, line = "backends/jax/update.py", "optax.sgd(schedule(lr),"
    assert f"`{file}`" in text
    assert f"`{line}`" in text
    assert line in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.slow
def test_adding_a_backend_step_by_step(tmp_path: Path) -> None:
    """The commands, and the file between them, of the toy."""
    text = (ROOT / "docs" / "adding-a-backend.md").read_text(encoding="utf-8")
    toy = text.partition("## Step by step: a toy")[2]
    for name in ("backends", "common", "compare.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    said: list[str] = []
    parts = re.split(r"(<!-- .*? -->\n```python\n.*?```\n)", toy, flags=re.DOTALL)
    for part in parts:
        file = re.match(r"<!-- (.*?) -->\n```python\n(.*?)```", part, flags=re.DOTALL)
        if file:
            (tmp_path / file[1]).write_text(file[2], encoding="utf-8")
            continue
        for command in re.findall(r"^    (\S.*)$", part, flags=re.MULTILINE):
            done = subprocess.run(
                [
                    "bash",
                    "-euo",
                    "pipefail",
                    "-c",
                    command.replace("python ", f"{sys.executable} "),
                ],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
    made, copied, changed, shown, listed, ran, broken, found = said
    assert (made, copied, changed) == ("", "", "")
    assert "np.einsum" in shown
    assert "toy" in listed
    assert "All entrants agree with the referee: only rounding differs." in ran
    assert broken == ""
    assert "toy differs at step 1, stage loss" in found
    assert found.endswith("found\n")


@pytest.mark.parametrize("path", DOCS, ids=[str(path.relative_to(ROOT)) for path in DOCS])
def test_links_within_the_project_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("english", ["README.md", "docs/tour.md"])
def test_the_chinese_page_says_the_same(english: str) -> None:
    """The same commands in the same order, and the same links, or to the page in Chinese."""
    pages = [ROOT / english, ROOT / english.replace(".md", ".zh.md")]
    ours, theirs = (page.read_text(encoding="utf-8") for page in pages)
    assert commands(theirs) == commands(ours)
    assert len(commands(ours)) > 10
    assert links(pages[1]) == {
        chinese if (chinese := target.with_suffix(".zh.md")).exists() else target
        for target in links(pages[0])
    }


def commands(text: str) -> list[str]:
    """The lines to be typed, in a shell or in Python, without what is said of them."""
    return re.findall(r"^    ((?:python3? |from compare |found).*?)(?:  .*)?$", text, re.MULTILINE)


def links(page: Path) -> set[Path]:
    """The files to which a page leads, but for the same page in the other language."""
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    plain = page.with_name(page.name.replace(".zh.md", ".md"))
    found = {(page.parent / target).resolve() for target in targets}
    return found - {plain, plain.with_suffix(".zh.md")}


def test_the_glossary_has_one_row_for_each_word() -> None:
    rows = words_of_the_glossary()
    assert len(rows) > 100
    for side in zip(*rows, strict=True):
        words = [word for cell in side for word in cell]
        assert sorted(words) == sorted(set(words))


def words_of_the_glossary() -> list[tuple[list[str], list[str]]]:
    """Row by row: the Chinese words, the English ones."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    assert all(len(row) == 4 and bool(row[2].strip()) == bool(row[3].strip()) for row in rows)
    return [
        (re.findall(r"[^、（）]+", zh.strip()), re.sub(r" \(.*?\)", "", en).strip().split(", "))
        for zh, en, *_ in rows
    ]


#: What others call it -> what the Chinese edition of the book calls it, and so do we.
ELSEWHERE = {
    "轮次": "迭代周期", "轮数": "迭代周期", "池化": "汇聚", "归一化": "规范化", "丢弃法": "暂退法",
    "准确率": "精度", "正向": "前向", "就地": "原地", "批次": "批量",
}  # fmt: skip
CHINESE = [
    *ROOT.glob("*.zh.md"),
    *ROOT.glob("docs/*.zh.md"),
    *ROOT.glob("common/locale/zh/**/*.po"),
]


@pytest.mark.parametrize("path", CHINESE, ids=[str(path.relative_to(ROOT)) for path in CHINESE])
def test_chinese_has_the_words_of_the_book(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert {word: better for word, better in ELSEWHERE.items() if word in text} == {}


@pytest.mark.slow
def test_a_copy_of_the_project_needs_no_git(tmp_path: Path) -> None:
    """Who downloads an archive has the same commands."""
    for name in ("backends", "common", "compare.py"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "compare.py", "--backends", "numpy", "--model", "linear", "--epochs", "1"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
