"""Remove the input bucket from Terraform's state without deleting it, when an existing bucket replaces it."""

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
"""Addresses in the stack of the input bucket and of the resources that protect it, without its notifications."""


def forget(stack: TerraformStack, addresses: Iterable[str]) -> None:
    """Remove the resources at these addresses from the state, if there are any, and leave them in the account.

    Otherwise a deploy would take a bucket's policy, versioning and walls away before AWS refuses to delete the bucket,
    for there is data in it.
    """
    stack.add_override("removed", [{"from": each, "lifecycle": {"destroy": False}} for each in addresses])
