import os
import shutil
import subprocess
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.sealed import KEY, About, seal, sha256, unseal

ENV = {"PATH": os.environ["PATH"], KEY: "0123456789abcdef0123456789abcdef"}
ABOUT = About(environment="prod", commit="0123456789abcdef", action="deploy")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    folder = tmp_path / "stack"
    for name, text in {
        "cdk.tf.json": "{}",
        "plan.tfplan": "the plan, with a secret",
        ".terraform.lock.hcl": "lock",
        ".terraform/providers/large": "not needed",
        "assets/arrival/0123/code.zip": "zip",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def sealed(stack: Path, tmp_path: Path) -> tuple[Path, str]:
    file = tmp_path / "kept" / "sealed"
    return file, seal(stack, ABOUT, file, ENV)


def test_unsealing_replaces_the_files_of_the_folder(sealed: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "other.tf.json").write_text("{}")
    unseal(*sealed, ABOUT, folder, ENV)
    assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "cdk.tf.json": "{}",
        "plan.tfplan": "the plan, with a secret",
        ".terraform.lock.hcl": "lock",
        "assets/arrival/0123/code.zip": "zip",
    }


def test_a_sealed_plan_is_encrypted_with_a_new_salt(sealed: tuple[Path, str], stack: Path, tmp_path: Path) -> None:
    file, digest = sealed
    assert b"secret" not in file.read_bytes()
    assert digest == sha256(file)
    assert seal(stack, ABOUT, tmp_path / "again", ENV) != digest  # a salt of its own


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": "dev"}, "sealed is for deploy of prod at 0123456789ab, not for deploy of dev at 0123456789ab"),
        ({"commit": "f" * 40}, "not for deploy of prod at ffffffffffff: plan again"),
        ({"action": "destroy"}, "is for deploy of prod at 0123456789ab, not for destroy of prod"),
    ],
)
def test_a_plan_for_something_else_is_refused(sealed: tuple[Path, str], stack: Path, change, said: str) -> None:
    with pytest.raises(DeliveryError, match=said):
        unseal(*sealed, About(**{**vars(ABOUT), **change}), stack, ENV)
    assert (stack / "cdk.tf.json").exists()


def test_another_file_than_the_approved_one_is_refused(sealed: tuple[Path, str], stack: Path) -> None:
    file, digest = sealed
    seal(stack, ABOUT, file, ENV)
    with pytest.raises(DeliveryError, match=f"that of the approved plan is {digest}: plan again"):
        unseal(file, digest, ABOUT, stack, ENV)


def test_another_key_opens_no_sealed_plan(sealed: tuple[Path, str], stack: Path) -> None:
    file, digest = sealed
    with pytest.raises(DeliveryError, match=f"openssl cannot read sealed: .*: was {KEY} changed since"):
        unseal(file, digest, ABOUT, stack, {**ENV, KEY: "f" * 32})


@pytest.mark.parametrize("key", ["", "short"])
def test_a_missing_key_says_how_to_make_one(stack: Path, tmp_path: Path, key: str) -> None:
    with pytest.raises(DeliveryError, match=r"at least 32 characters are needed, .*openssl rand -hex 32 \| gh secret"):
        seal(stack, ABOUT, tmp_path / "sealed", {**ENV, KEY: key})


def test_a_file_changed_inside_the_seal_is_named(sealed: tuple[Path, str], stack: Path, tmp_path: Path) -> None:
    """An attacker with the key adds another package to the sealed plan."""
    file, _ = sealed
    options = ["-aes-256-cbc", "-md", "sha256", "-pbkdf2", "-iter", "600000", "-pass", f"pass:{ENV[KEY]}"]
    plain, tree = tmp_path / "plain.tar.gz", tmp_path / "tree"
    subprocess.run(["openssl", "enc", "-d", *options, "-in", file, "-out", plain], check=True)
    shutil.unpack_archive(plain, tree, filter="data")
    (tree / "stack/assets/arrival/0123/code.zip").write_text("another")
    subprocess.run(["tar", "-czf", plain, "-C", tree, "about.json", "stack"], check=True)
    subprocess.run(["openssl", "enc", "-e", "-salt", *options, "-in", plain, "-out", file], check=True)
    with pytest.raises(DeliveryError, match=r"sealed is not whole: assets/arrival/0123/code\.zip: plan again"):
        unseal(file, sha256(file), ABOUT, stack, ENV)


def test_an_expired_plan_says_how_to_continue(tmp_path: Path, stack: Path) -> None:
    with pytest.raises(DeliveryError, match=r"does not exist: .* run that job again"):
        unseal(tmp_path / "sealed", "0" * 64, ABOUT, stack, ENV)
