"""A rehearsal in the sandbox changes nothing that the same checkout deployed to AWS."""

from pathlib import Path

import pytest

from delivery import rehearsal
from delivery.rehearsal import OVERRIDE, override, override_all

ENV = {"DROPBATCH_SANDBOX_DIR": "/lab/.dropbatch/sandbox", "AWS_ENDPOINT_URL": "http://127.0.0.1:4000"}


def test_a_local_state_is_kept_with_the_sandbox() -> None:
    stack = {"terraform": {"backend": {"local": {"path": "../../../terraform.dev.tfstate"}}}}
    assert override(stack, "dev", ENV)["terraform"]["backend"] == {
        "local": {"path": "/lab/.dropbatch/sandbox/rehearsal.dev.tfstate"}
    }


def test_a_state_in_s3_is_kept_in_the_sandbox() -> None:
    stack = {"terraform": {"backend": {"s3": {"bucket": "b", "key": "k"}}}}
    found = override(stack, "dev", ENV)["terraform"]["backend"]["s3"]
    assert (found["bucket"], found["endpoints"]) == ("b", {"s3": "http://127.0.0.1:4000"})


def test_settings_of_the_sandbox_do_not_reach_a_real_deploy(tmp_path: Path, capsys) -> None:
    env = {**ENV, "CDKTF_OUTDIR": str(tmp_path / "cdktf.out")}
    assert rehearsal.main(env) == 2
    assert capsys.readouterr().err == (
        "error: in cdktf.out a real deploy would find the settings of the sandbox: add `--output cdktf.sandbox`\n"
    )
    assert not list(tmp_path.iterdir())


def test_outside_the_sandbox_the_rehearsal_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearsal.main({}) == 2
    assert "call it by `dropbatch sandbox exec -- …`" in capsys.readouterr().err


def test_every_stack_gets_its_own_state(tmp_path: Path) -> None:
    for name in ("dev", "prod"):
        folder = tmp_path / "stacks" / name
        folder.mkdir(parents=True)
        (folder / "cdk.tf.json").write_text('{"terraform": {"backend": {"local": {"path": "x"}}}}')
    override_all(tmp_path, ENV)
    assert "rehearsal.prod.tfstate" in (tmp_path / "stacks/prod" / OVERRIDE).read_text()
