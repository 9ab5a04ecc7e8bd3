"""A private, versioned, encrypted bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_cors_configuration import (
    S3BucketCorsConfiguration,
    S3BucketCorsConfigurationCorsRule,
)
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import S3BucketLifecycleConfiguration
from cdktf_cdktf_provider_aws.s3_bucket_notification import S3BucketNotification, S3BucketNotificationQueue
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import S3BucketOwnershipControls
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import S3BucketVersioningA
from constructs import Construct

from constructs_lib.lifecycle import lifecycle_rules
from constructs_lib.policy import policy_json, tls_only
from constructs_lib.queue import Queue
from constructs_lib.reachable import Reachable
from constructs_lib.site import Site

__all__ = ["Bucket", "BucketProps"]


@dataclass(frozen=True, kw_only=True)
class BucketProps:
    """A bucket of the deployment."""

    site: Site
    purpose: str
    """``input`` or ``output``: the name is ``dropbatch-<environment>-<purpose>-`` and digits that make it unique."""
    abort_uploads_days: int = 1
    kms_key_arn: str | None = None
    """A customer's key. Default: S3's own."""
    expire_days: int | None = None
    """Days after which objects and their versions are deleted. Default: never."""
    archive_days: int | None = None
    """Days after which larger objects move to the archive class. Default: never."""
    archive_class: str = "GLACIER_IR"
    web_origins: Sequence[str] = ()
    """Origins of web pages from which browsers may read and upload, with credentials. Default: none."""


class Bucket(Reachable):
    """A bucket: versioned, encrypted, closed to the public. Kept when destroyed, unless the site is disposable."""

    def __init__(self, scope: Construct, id_: str, props: BucketProps) -> None:
        super().__init__(scope, id_, site=props.site, kms_key_arn=props.kms_key_arn)
        bucket = S3Bucket(
            self,
            "Bucket",
            bucket_prefix=props.site.name(props.purpose, ""),
            force_destroy=props.site.disposable,
        )
        self.purpose = props.purpose
        self.name: str = bucket.bucket
        self.arn: str = bucket.arn
        versioning = S3BucketVersioningA(
            self, "Versioning", bucket=self.name, versioning_configuration={"status": "Enabled"}
        )
        encryption = S3BucketServerSideEncryptionConfigurationA(
            self,
            "Encryption",
            bucket=self.name,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=(
                        {"sse_algorithm": "aws:kms", "kms_master_key_id": props.kms_key_arn}
                        if props.kms_key_arn
                        else {"sse_algorithm": "AES256"}
                    ),
                    # One call to the key for many objects: at a thousandth of the price.
                    bucket_key_enabled=True if props.kms_key_arn else None,
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
        policy = S3BucketPolicy(
            self,
            "Policy",
            bucket=self.name,
            policy=policy_json([tls_only("s3", self.arn, f"{self.arn}/*")]),
            depends_on=[private],  # S3 takes one change of a bucket's access at a time
        )
        owner = S3BucketOwnershipControls(
            self, "Owner", bucket=self.name, rule={"object_ownership": "BucketOwnerEnforced"}
        )
        lifecycle = S3BucketLifecycleConfiguration(
            self,
            "Lifecycle",
            bucket=self.name,
            rule=lifecycle_rules(
                abort_uploads_days=props.abort_uploads_days,
                expire_days=props.expire_days,
                archive_days=props.archive_days,
                archive_class=props.archive_class,
            ),
            depends_on=[versioning],  # rules about old versions need them to exist
        )
        if props.web_origins:
            S3BucketCorsConfiguration(
                self,
                "WebPages",
                bucket=self.name,
                cors_rule=[
                    S3BucketCorsConfigurationCorsRule(
                        allowed_origins=list(props.web_origins),
                        allowed_methods=["GET", "HEAD", "PUT", "POST"],
                        allowed_headers=["*"],
                        expose_headers=["ETag", "x-amz-version-id"],  # uploads in parts are put together by the first
                        max_age_seconds=3600,
                    )
                ],
            )
        self.whole: list[ITerraformDependable] = [versioning, encryption, private, policy, owner, lifecycle]
        """What makes the bucket what it is."""

    def notify(self, queue: Queue) -> None:
        """Send every creation of an object to a queue. Replaces any other notification of the bucket."""
        queue.accept_from("s3.amazonaws.com", self.arn)
        S3BucketNotification(
            self,
            "Notification",
            bucket=self.name,
            queue=[S3BucketNotificationQueue(id="created", queue_arn=queue.arn, events=["s3:ObjectCreated:*"])],
        )
