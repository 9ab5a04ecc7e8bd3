"""Tests of the example program. A lab keeps the tests of a program beside it, and runs them with pytest."""

# ruff: noqa: D103, PLR0917, S101 – tests

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("wordcount")


def run(tmp_path: Path, content: bytes) -> tuple[dict[str, int], list[list[str]]]:
    """Run the program on a file with this content; return the totals by name, and the list of frequent words."""
    source, target = tmp_path / "in put.txt", tmp_path / "counts.txt"
    source.write_bytes(content)
    subprocess.run([sys.executable, PROGRAM, source, target], check=True, capture_output=True)
    totals, _, top = target.read_text("utf-8").partition("\n\n")
    pairs = (line.split(None, 1) for line in totals.splitlines())
    return {name: int(number) for number, name in pairs}, [line.split() for line in top.splitlines()]


@pytest.mark.parametrize(
    ("content", "lines", "words", "different", "characters"),
    [
        (b"", 0, 0, 0, 0),
        (b"one two\nTwo, three!\n", 2, 4, 3, 20),
        (b"no newline at the end", 1, 5, 5, 21),
        ("Straße – STRASSE\n".encode(), 1, 3, 1, 17),
        (b"\xff\xfe broken \xff\n", 1, 3, 1, 12),
        (b"\n\n\n", 3, 0, 0, 3),
        (b"a\r\nb\r\n", 2, 2, 2, 6),
    ],
)
def test_totals(tmp_path: Path, content: bytes, lines: int, words: int, different: int, characters: int) -> None:
    totals, _ = run(tmp_path, content)

    assert totals == {"lines": lines, "words": words, "different words": different, "characters": characters}


def test_frequent_words_first_and_equal_ones_by_alphabet(tmp_path: Path) -> None:
    _, top = run(tmp_path, b"beta alpha (beta) gamma's alpha BETA.")

    assert top == [["3", "beta"], ["2", "alpha"], ["1", "gamma's"]]


def test_words_across_pieces_are_counted_once(tmp_path: Path) -> None:
    word = b"antidisestablishmentarianism "
    times = 100_000  # 2.9 MB: three pieces, none of which ends where a word does

    totals, top = run(tmp_path, word * times)

    assert totals["words"] == times
    assert top == [[str(times), word.decode().strip()]]
    assert totals["different words"] == 1


def test_one_word_larger_than_a_piece(tmp_path: Path) -> None:
    totals, _ = run(tmp_path, b"x" * 3_000_000)

    assert totals["characters"] == 3_000_000
    assert totals["lines"] == 1


def test_equal_texts_give_equal_tables(tmp_path: Path) -> None:
    first = run(tmp_path, b"c b a c")
    assert run(tmp_path, b"c b a c") == first


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["only-one"], 2), (["/no/such/file", "out"], 1)])
def test_faults_are_one_line(arguments: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, PROGRAM, *arguments], check=False, capture_output=True, text=True)

    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
