from pathlib import Path

import pytest

from dropbatch.sandbox import provider_mirror
from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.provider_mirror import Provider, cli_configuration, find

AWS = Provider.of("aws", "5.100.0")


def put(mirror: Path, version: str = "5.100.0", machine: str | None = None) -> Path:
    directory = (
        mirror / "registry.terraform.io" / "hashicorp" / "aws" / version / (machine or provider_mirror._machine())
    )
    directory.mkdir(parents=True)
    (directory / f"terraform-provider-aws_v{version}_x5").touch()
    return mirror


@pytest.fixture(autouse=True)
def _empty_roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    monkeypatch.setattr(provider_mirror, "_SOFTWARE_ROOTS", (tmp_path / "opt",))


def env(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": str(tmp_path / "share"), **more}


@pytest.mark.parametrize("source", ["aws", "hashicorp/aws", "registry.terraform.io/hashicorp/aws"])
def test_a_source_in_any_form_gives_namespace_and_type(source: str) -> None:
    assert Provider.of(source, "1").source == "hashicorp/aws"


def test_the_registry_serves_when_there_is_no_mirror(tmp_path: Path) -> None:
    assert find([AWS], env(tmp_path)) is None


@pytest.mark.parametrize("place", ["opt", "opt/a", "opt/a/b", "home/.terraform.d/plugins"])
def test_a_mirror_in_a_usual_place_is_found(tmp_path: Path, place: str) -> None:
    mirror = put(tmp_path / place)

    assert find([AWS], env(tmp_path)) == mirror


def test_a_mirror_four_levels_down_is_not_found(tmp_path: Path) -> None:
    put(tmp_path / "opt" / "a" / "b" / "c")

    assert find([AWS], env(tmp_path)) is None


@pytest.mark.parametrize(("version", "machine"), [("5.99.0", None), ("5.100.0", "plan9_mips")])
def test_a_mirror_of_another_provider_is_not_used(tmp_path: Path, version: str, machine: str | None) -> None:
    put(tmp_path / "opt" / "a", version, machine)

    assert find([AWS], env(tmp_path)) is None


def test_any_version_in_a_mirror_satisfies_a_constraint(tmp_path: Path) -> None:
    mirror = put(tmp_path / "opt" / "a", "5.99.0")

    assert find([Provider.of("aws", "~> 5.0")], env(tmp_path)) == mirror


def test_archives_count_as_a_mirror(tmp_path: Path) -> None:
    directory = tmp_path / "opt" / "registry.terraform.io" / "hashicorp" / "aws"
    directory.mkdir(parents=True)
    (directory / f"terraform-provider-aws_5.100.0_{provider_mirror._machine()}.zip").touch()

    assert find([AWS], env(tmp_path)) == tmp_path / "opt"


@pytest.mark.parametrize("inner", ["", "registry.terraform.io"])
def test_a_named_directory_is_searched_first(tmp_path: Path, inner: str) -> None:
    put(tmp_path / "opt" / "a")
    named = put(tmp_path / "mine")

    assert find([AWS], env(tmp_path, DROPBATCH_PROVIDER_MIRROR=str(named / inner))) == named


def test_a_named_directory_without_the_provider_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TerraformError, match=r"does not hold hashicorp/aws 5\.100\.0"):
        find([AWS], env(tmp_path, DROPBATCH_PROVIDER_MIRROR=str(tmp_path)))


def test_a_mirror_configuration_covers_only_its_providers() -> None:
    text = cli_configuration(Path("/m"), [AWS])

    assert 'include = ["registry.terraform.io/hashicorp/aws"]' in text
    assert 'exclude = ["registry.terraform.io/hashicorp/aws"]' in text
