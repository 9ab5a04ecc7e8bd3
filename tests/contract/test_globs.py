import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbatch.contract.globs import literal_prefix, matcher

LETTERS = st.text(alphabet="ab/*?[]!-", max_size=12)


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("a/*", "a/", True),
        ("a/**", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/b/cc", False),
        ("**/c", "c", True),
        ("**", "a/b", True),
        ("**/**/*.x", "a/b/c.x", True),
        ("a/?", "a/b", True),
        ("a/?", "a/bb", False),
        ("a/[!b]", "a/c", True),
        ("a/[*]", "a/*", True),
        ("a/[z-a]", "a/z", False),
        ("a/.*", "a/.hidden", True),
        ("a/*.txt", "a/x\n.txt", True),
        ("a//*", "a//b", True),
        ("a//*", "a/b", False),
    ],
)
def test_patterns_match_as_in_a_shell(pattern: str, key: str, expected: bool) -> None:
    assert matcher(pattern)(key) is expected


@given(pattern=LETTERS, key=LETTERS)
def test_every_match_begins_with_the_literal_prefix(pattern: str, key: str) -> None:
    if matcher(pattern)(key):
        assert key.startswith(literal_prefix(pattern))


@given(key=st.text(max_size=30).filter(lambda text: not set("*?[") & set(text)))
def test_a_pattern_without_stars_matches_itself_only(key: str) -> None:
    assert matcher(key)(key)
    assert not matcher(key)(key + "x")


@pytest.mark.parametrize("pattern", ["*a" * 20 + "b", "**/" * 20 + "b", "**/*a" * 10 + "/b"])
def test_matching_takes_little_time_with_any_pattern(pattern: str) -> None:
    """A quadratic matcher takes a thousandth of this time; one that backtracks would take years."""
    matches = matcher(pattern)
    begun = time.process_time()

    assert not matches("a" * 450 + "/a" * 225)
    assert time.process_time() - begun < 5
