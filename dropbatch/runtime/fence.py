"""Take the fence of an attempt for a job: only the first job of an attempt continues."""

from typing import TYPE_CHECKING

from dropbatch.contract import fence, keys
from dropbatch.runtime.errors import RefusedError, SupersededError
from dropbatch.runtime.s3_errors import explain, failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["claim"]


def claim(client: "S3Client", bucket: str, key: str, *, job_id: str, what: str, who: str) -> None:
    """Take the fence `key` for a job. ``what`` names the attempt, and ``who`` the role, in errors.

    Raises:
        SupersededError: another job has it.
        RefusedError: it cannot be written or read.
    """
    uri = keys.uri(bucket, key)
    try:
        owner = fence.take(client, bucket, key, job_id)
    except fence.FenceBusyError as error:
        raise RefusedError(f"{uri} is being written by several jobs at once: retry the run") from error
    except failures() as error:
        raise RefusedError(explain(who, "write", uri, error)) from error
    if owner != job_id:
        raise SupersededError(f"{what} is run by job {owner}, this is job {job_id}: nothing to do")
