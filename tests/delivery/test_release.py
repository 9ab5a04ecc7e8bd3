import datetime
import json
from pathlib import Path

import pytest

import dropbatch
from delivery import release
from delivery.errors import DeliveryError
from delivery.release import FIXTURES, faults, fixture, previous, turned
from tests.constructs_lib.normal import normal
from tests.constructs_lib.synthesis import read_stacks, run_main
from tests.project import ROOT, copy_project

TODAY = datetime.date(2026, 11, 28)
SECTION = "### What a deploy does\n\n- Nothing.\n"
RELEASED = (
    f"# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-28\n\n{SECTION}\n## [0.1.0] - 2026-10-01\n\n{SECTION}"
)
OPEN = RELEASED.replace("## [0.2.0] - 2026-11-28\n\n", "")
BOTH = ["0.1.0.json", "0.2.0.json"]


def kept() -> list[Path]:
    return sorted((ROOT / FIXTURES).glob("*.json"))


def test_versions_of_this_repository_agree() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert faults(changelog, dropbatch.__version__, [path.name for path in kept()]) == []


def test_the_stack_of_the_release_equals_the_current_one(tmp_path: Path) -> None:
    """A changed stack needs a new version, or no upgrade from this one would be tested."""
    file = ROOT / FIXTURES / f"{dropbatch.__version__}.json"
    if not file.exists():
        assert dropbatch.__version__.endswith(".dev0")
        return
    copy_project(tmp_path / "project")
    assert run_main(tmp_path / "project", tmp_path / "cdktf.out").returncode == 0
    today = fixture(read_stacks(tmp_path / "cdktf.out")["dev"].body)
    assert normal(json.loads(file.read_text())) == normal(today), "write the next number with .dev0"


@pytest.mark.parametrize(
    ("changelog", "version", "fixtures", "said"),
    [
        (RELEASED, "0.2.0", BOTH, ""),
        (OPEN, "0.2.0.dev0", ["0.1.0.json"], ""),
        (OPEN, "0.1.1.dev0", ["0.1.0.json"], ""),
        (RELEASED.replace("[Unreleased]", "[0.3.0]"), "0.2.0", BOTH, "first section must be [Unreleased], got [0.3.0]"),
        (RELEASED, "0.3.0", BOTH, "the number is 0.3.0, the last section of CHANGELOG.md is [0.2.0]"),
        (OPEN, "0.1.0", ["0.1.0.json"], "what is not in 0.1.0 needs another number"),
        (OPEN, "0.1.0.dev0", ["0.1.0.json"], "the number is 0.1.0.dev0, and 0.1.0 is released"),
        (RELEASED, "0.2.0", BOTH[:1], "tests/upgrades/0.2.0.json is missing"),
        (RELEASED.replace(" - 2026-11-28", ""), "0.2.0", BOTH, "[0.2.0]: a date belongs behind it"),
        (RELEASED.replace(" - 2026-11-28", " - soon"), "0.2.0", BOTH, "got 'soon'"),
        (RELEASED.replace(SECTION, "### Added\n", 1), "0.2.0", BOTH, "[0.2.0]: '### What a deploy does' is missing"),
        (OPEN.replace(SECTION, "### Added\n", 1), "0.2.0.dev0", BOTH, "[Unreleased]: '### What a deploy does' is miss"),
        (RELEASED.replace("[0.1.0]", "[0.2.1]"), "0.2.0", [*BOTH, "0.2.1.json"], "versions must go down"),
    ],
)
def test_a_disagreement_of_versions_is_reported(changelog: str, version: str, fixtures: list[str], said: str) -> None:
    found = faults(changelog, version, fixtures)
    assert (said in "\n".join(found)) if said else (found == [])


def test_an_upgrade_starts_from_the_newest_earlier_release(tmp_path: Path) -> None:
    fixtures = [tmp_path / f"{version}.json" for version in ("0.0.0", "0.10.0", "0.9.0")]
    assert previous(fixtures, "0.11.0.dev0").stem == "0.10.0"
    assert previous(fixtures, "0.10.0").stem == "0.9.0"  # at the release itself
    assert previous(fixtures, "0.9.0").stem == "0.0.0"


@pytest.mark.parametrize(
    ("changelog", "version", "said"),
    [
        (OPEN, "0.1.0", "must be after 0.1.0, which is released, got 0.1.0"),
        (RELEASED, "0.3.0", r"CHANGELOG.md: \[Unreleased\] is empty: there is nothing to release"),
        (OPEN, "v0.2", "version: three numbers, as in 0.1.0, got 'v0.2'"),
    ],
)
def test_an_invalid_release_is_refused(changelog: str, version: str, said: str) -> None:
    with pytest.raises(DeliveryError, match=said):
        turned(changelog, version, "2026-11-28")


def test_a_release_writes_version_section_and_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    # Given work since 0.1.0
    (tmp_path / "CHANGELOG.md").write_text(OPEN)
    (tmp_path / "dropbatch").mkdir()
    package = tmp_path / "dropbatch/__init__.py"
    package.write_text('"""What."""\n\n__version__ = "0.2.0.dev0"\n')
    (tmp_path / FIXTURES).mkdir(parents=True)
    stack = tmp_path / "cdktf.out/stacks/dev/cdk.tf.json"
    stack.parent.mkdir(parents=True)
    body = {"//": 1, "terraform": {"backend": {}, "x": 1}, "resource": {"a": {"b": {"provisioner": 1, "c": "d"}}}}
    stack.write_text(json.dumps(body))
    monkeypatch.chdir(tmp_path)

    # When it is released, twice
    for _ in range(2):
        assert release.main(["0.2.0"], TODAY) == 0
    assert release.main(["0.2.0", "--keep", "dev"], TODAY) == 0

    # Then all agree, and people are told what is left to do
    assert (tmp_path / "CHANGELOG.md").read_text() == RELEASED
    assert package.read_text() == '"""What."""\n\n__version__ = "0.2.0"\n'
    assert json.loads((tmp_path / FIXTURES / "0.2.0.json").read_text()) == {
        "terraform": {"x": 1},
        "resource": {"a": {"b": {"c": "d"}}},
    }
    assert faults(RELEASED, "0.2.0", BOTH) == []
    assert "git tag -a v0.2.0" in capsys.readouterr().out
    # And another of the same number is refused
    assert release.main(["0.1.0"], TODAY) == 1
    assert "must be after 0.2.0" in capsys.readouterr().err
