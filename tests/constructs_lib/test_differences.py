"""The differences between two stacks are complete: applied to the first, they give the second."""

import pytest

from tests.constructs_lib.differences import apply, as_text, differences, renamed


@pytest.mark.parametrize(
    ("base", "other", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="equal"),
        pytest.param({"a": 1}, {"a": True}, [(("a",), (1,), (True,))], id="type"),
        pytest.param({"a": {"b": None}}, {"a": {}}, [(("a", "b"), (None,), ())], id="key-removed"),
        pytest.param({}, {"a": []}, [(("a",), (), ([],))], id="key-added"),
        pytest.param([1, 2], [1, 3], [((1,), (2,), (3,))], id="item-changed"),
        pytest.param([1, 2, 3], [2, 3], [((0,), (1,), ())], id="item-removed"),
        pytest.param([1, 2], [0, 1, 2, 3], [((0,), (), (0,)), ((3,), (), (3,))], id="items-added"),
        pytest.param(
            [1, 2, 3],
            [2, 4, 5, 6],
            [((0,), (1,), ()), ((1,), (), (4,)), ((2,), (3,), (5,)), ((3,), (), (6,))],
            id="items-removed-and-added",
        ),
        pytest.param({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [(("a", 0, "b"), (1,), (2,))], id="nested"),
        pytest.param({"a": 1}, [1], [((), ({"a": 1},), ([1],))], id="kind"),
    ],
)
def test_differences_restore_the_other_value(base: object, other: object, expected: list[object]) -> None:
    found = list(differences(base, other))

    assert found == expected
    assert apply(base, found) == other


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert as_text(("resource", "aws_sqs_queue", 0, "tags")) == "resource.aws_sqs_queue[0].tags"


def test_an_environment_is_renamed_only_as_a_whole_word() -> None:
    body = {"/dropbatch/prod": ["dropbatch-prod-arrival", "production", 1]}
    assert renamed(body, "prod", "dev") == {"/dropbatch/dev": ["dropbatch-dev-arrival", "production", 1]}
