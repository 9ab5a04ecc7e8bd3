"""The Terraform of every environment, compared with the snapshots.

One environment is kept in full, the others as their differences from it. In a snapshot of differences, the values of
the environment kept in full name the other environment instead of itself. After an intended change:
``pytest tests/constructs_lib --snapshot-update``, then read the difference.
"""

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.constructs_lib.differences import apply, as_text, differences, renamed
from tests.constructs_lib.normal import normal
from tests.constructs_lib.synthesis import Stack, read_stacks, run_main
from tests.project import ROOT, SHIPPED, copy_project

IN_FULL = "prod"
"""The environment with the most resources."""
BY_DIFFERENCES = ("dev", "sandbox")


@pytest.mark.parametrize("name", ["bootstrap", IN_FULL])
def test_stack_is_as_committed(stacks: dict[str, Stack], name: str, snapshot: SnapshotAssertion) -> None:
    assert normal(stacks[name].body) == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("name", BY_DIFFERENCES)
def test_differences_from_prod_are_as_committed(
    stacks: dict[str, Stack], name: str, snapshot: SnapshotAssertion
) -> None:
    base, body = renamed(normal(stacks[IN_FULL].body), IN_FULL, name), normal(stacks[name].body)

    found = list(differences(base, body))

    assert apply(base, found) == body  # so that no difference can be missing
    by_path = {
        as_text(path): dict([*((IN_FULL, value) for value in in_base), *((name, value) for value in in_other)])
        for path, in_base, in_other in found
    }
    assert by_path == snapshot(extension_class=JSONSnapshotExtension)


def test_every_environment_has_a_snapshot(stacks: dict[str, Stack]) -> None:
    environments = {path.stem for path in (SHIPPED / "environments").glob("*.toml")}
    assert set(stacks) - {"bootstrap"} == environments == {IN_FULL, *BY_DIFFERENCES}


def test_the_output_contains_no_path_of_this_machine(synthesized) -> None:
    for path in synthesized.glob("stacks/*/cdk.tf.json"):
        text = path.read_text()
        for place in (ROOT, synthesized.parent, "/tmp/dropbatch", "/home/", "/root/"):
            assert str(place) not in text


def test_a_snapshot_does_not_change_with_the_code_of_functions(project, stacks: dict[str, Stack]) -> None:
    # Given functions and an image whose code has changed
    for code in ("lambdas/arrival/handler.py", "dropbatch/contract/runs.py", "image/wordcount/wordcount"):
        with (project / code).open("a") as file:
            file.write("\n# changed\n")

    # When the stacks are synthesized
    done = run_main(project, project.parent / "cdktf.out")

    # Then they differ, but not in what is compared
    assert done.returncode == 0, done.stderr
    changed = read_stacks(project.parent / "cdktf.out")
    assert changed["dev"].body != stacks["dev"].body
    assert {name: normal(stack.body) for name, stack in changed.items()} == {
        name: normal(stack.body) for name, stack in stacks.items()
    }


def test_synthesis_is_reproducible(synthesized, tmp_path) -> None:
    again = tmp_path / "cdktf.out"
    assert run_main(copy_project(tmp_path / "elsewhere"), again).returncode == 0
    first, second = (
        {path.relative_to(outdir): path.read_bytes() for path in outdir.rglob("*") if path.is_file()}
        for outdir in (synthesized, again)
    )
    assert first == second
