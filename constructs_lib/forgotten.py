"""What Terraform forgets instead of deleting it: a bucket of ours when one of others takes its place."""

from collections.abc import Iterable

from cdktf import TerraformStack

__all__ = ["OWN_INPUTS", "forget"]

OWN_INPUTS = (
    "aws_s3_bucket.Inputs_Bucket_4FACFAC2",
    "aws_s3_bucket_versioning.Inputs_Versioning_F4FF6122",
    "aws_s3_bucket_server_side_encryption_configuration.Inputs_Encryption_4215C096",
    "aws_s3_bucket_public_access_block.Inputs_Private_EFF7238E",
    "aws_s3_bucket_policy.Inputs_Policy_EBAE543D",
    "aws_s3_bucket_ownership_controls.Inputs_Owner_F6B6A955",
    "aws_s3_bucket_lifecycle_configuration.Inputs_Lifecycle_E2EC0303",
    "aws_s3_bucket_cors_configuration.Inputs_WebPages_6D1D7957",
)
"""The input bucket and all that protects it, by their addresses in the stack. Not what makes runs of its files."""


def forget(stack: TerraformStack, addresses: Iterable[str]) -> None:
    """Have Terraform forget what is at these addresses, if anything is, and leave it in the account as it is.

    Otherwise a deploy would take a bucket's policy, versioning and walls away before AWS refuses to delete the bucket,
    for there is data in it.
    """
    stack.add_override("removed", [{"from": each, "lifecycle": {"destroy": False}} for each in addresses])
