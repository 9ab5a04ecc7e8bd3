"""Lifecycle rules of a bucket."""

from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
    S3BucketLifecycleConfigurationRuleTransition,
)

__all__ = ["lifecycle_rules"]

_SMALL_BYTES = 128 * 1024
"""Below this an archive costs more than it saves; and run records stay readable at once."""


def lifecycle_rules(
    *, abort_uploads_days: int, expire_days: int | None, archive_days: int | None, archive_class: str
) -> list[S3BucketLifecycleConfigurationRule]:
    """Return rules that remove incomplete uploads and, if configured, expire and archive objects."""
    rules = [
        S3BucketLifecycleConfigurationRule(
            id="abort-uploads",
            status="Enabled",
            filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
            abort_incomplete_multipart_upload=[
                S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                    days_after_initiation=abort_uploads_days
                )
            ],
        )
    ]
    if expire_days is not None:
        rules.append(
            S3BucketLifecycleConfigurationRule(
                id="expire",
                status="Enabled",
                filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=expire_days)],
                noncurrent_version_expiration=[
                    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=expire_days)
                ],
            )
        )
    if archive_days is not None:
        rules.append(
            S3BucketLifecycleConfigurationRule(
                id="archive",
                status="Enabled",
                filter=[S3BucketLifecycleConfigurationRuleFilter(object_size_greater_than=_SMALL_BYTES - 1)],
                transition=[
                    S3BucketLifecycleConfigurationRuleTransition(days=archive_days, storage_class=archive_class)
                ],
            )
        )
    return rules
