"""The bucket in which Terraform keeps the state of all environments."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import S3BucketOwnershipControls
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import S3BucketVersioningA
from constructs import Construct

from constructs_lib.policy import policy_json, tls_only
from constructs_lib.site import Site

__all__ = ["StateBucket", "StateBucketProps"]


@dataclass(frozen=True, kw_only=True)
class StateBucketProps:
    """The account it is for."""

    site: Site


class StateBucket(Construct):
    """``dropbatch-state-<account>-<region>``: versioned, so that a state that went wrong can be brought back."""

    def __init__(self, scope: Construct, id_: str, props: StateBucketProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        bucket = S3Bucket(
            self,
            "Bucket",
            bucket=f"dropbatch-state-{site.account}-{site.region}",
            lifecycle={"prevent_destroy": True},
        )
        self.name: str = bucket.bucket
        self.arn: str = bucket.arn
        versioning = S3BucketVersioningA(
            self, "Versioning", bucket=self.name, versioning_configuration={"status": "Enabled"}
        )
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "Encryption",
            bucket=self.name,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default={"sse_algorithm": "AES256"}
                )
            ],
        )
        private = S3BucketPublicAccessBlock(
            self,
            "Private",
            bucket=self.name,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        S3BucketPolicy(
            self,
            "Policy",
            bucket=self.name,
            policy=policy_json([tls_only("s3", self.arn, f"{self.arn}/*")]),
            depends_on=[private],
        )
        S3BucketOwnershipControls(self, "Owner", bucket=self.name, rule={"object_ownership": "BucketOwnerEnforced"})
        S3BucketLifecycleConfiguration(
            self,
            "Lifecycle",
            bucket=self.name,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="old-states",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    noncurrent_version_expiration=[
                        S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=365)
                    ],
                )
            ],
            depends_on=[versioning],
        )
