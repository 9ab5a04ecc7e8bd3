"""The real Terraform with the real provider finds nothing wrong with any environment."""

from pathlib import Path

import pytest

from dropbatch.sandbox.terraform import Terraform


@pytest.mark.parametrize("environment", ["bootstrap", "dev", "prod", "sandbox"])
def test_stack_is_valid(environment: str, synthesized: Path, tmp_path: Path) -> None:
    terraform = Terraform(synthesized.parent, environment, {"DROPBATCH_SANDBOX_DIR": str(tmp_path)})
    terraform.init()
    terraform.validate()
