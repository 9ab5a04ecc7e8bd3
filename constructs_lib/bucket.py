"""A private, versioned, encrypted bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleFilter,
)
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

from constructs_lib.policy import Statement, policy_json, tls_only
from constructs_lib.queue import Queue
from constructs_lib.role import Role
from constructs_lib.site import Site

__all__ = ["Bucket", "BucketProps"]


@dataclass(frozen=True, kw_only=True)
class BucketProps:
    """A bucket of the deployment."""

    site: Site
    purpose: str
    """``input`` or ``output``: the name is ``dropbatch-<environment>-<purpose>-`` and digits that make it unique."""
    abort_uploads_days: int = 1


class Bucket(Construct):
    """A bucket: versioned, encrypted, closed to the public. Kept when destroyed, unless the site is disposable."""

    def __init__(self, scope: Construct, id_: str, props: BucketProps) -> None:
        super().__init__(scope, id_)
        bucket = S3Bucket(
            self,
            "Bucket",
            bucket_prefix=props.site.name(props.purpose, ""),
            force_destroy=props.site.disposable,
        )
        self.name: str = bucket.bucket
        self.arn: str = bucket.arn
        S3BucketVersioningA(self, "Versioning", bucket=self.name, versioning_configuration={"status": "Enabled"})
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
            depends_on=[private],  # S3 takes one change of a bucket's access at a time
        )
        S3BucketOwnershipControls(self, "Owner", bucket=self.name, rule={"object_ownership": "BucketOwnerEnforced"})
        S3BucketLifecycleConfiguration(
            self,
            "Lifecycle",
            bucket=self.name,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="abort-uploads",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    abort_incomplete_multipart_upload=[
                        S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                            days_after_initiation=props.abort_uploads_days
                        )
                    ],
                )
            ],
        )

    def notify(self, queue: Queue) -> None:
        """Send every creation of an object to a queue. Replaces any other notification of the bucket."""
        queue.accept_from("s3.amazonaws.com", self.arn)
        S3BucketNotification(
            self,
            "Notification",
            bucket=self.name,
            queue=[S3BucketNotificationQueue(id="created", queue_arn=queue.arn, events=["s3:ObjectCreated:*"])],
        )

    def grant_list(self, role: Role) -> None:
        """Let a role see which objects there are: without, S3 answers "forbidden" where an object is missing."""
        role.grant(Statement(sid="KnowWhatIsThere", actions=["s3:ListBucket"], resources=[self.arn]))

    def grant(self, role: Role, sid: str, actions: Sequence[str], *prefixes: str) -> None:
        """Let a role do things (``GetObject`` …) to the objects below some prefixes (or matching ``*`` patterns)."""
        role.grant(
            Statement(
                sid=sid,
                actions=[f"s3:{action}" for action in actions],
                resources=[
                    f"{self.arn}/{prefix}*" if prefix.endswith("/") else f"{self.arn}/{prefix}" for prefix in prefixes
                ],
            )
        )
