"""The fence: of all jobs that were started for one attempt of a run, the first one to create an object may go on."""

from typing import TYPE_CHECKING

from dropbatch.contract import keys
from dropbatch.runtime.errors import RefusedError, SupersededError
from dropbatch.runtime.s3_errors import error_code, explain, failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["claim"]

_TRIES = 5


def claim(client: "S3Client", bucket: str, key: str, *, job_id: str, what: str, who: str) -> None:
    """Return when this job holds the fence `key`; ``what`` says of which attempt it is.

    Raises:
        SupersededError: another job holds it.
        RefusedError: it cannot be written, or not read.
    """
    uri = keys.uri(bucket, key)
    try:
        for _ in range(_TRIES):
            try:
                client.put_object(Bucket=bucket, Key=key, Body=job_id.encode(), IfNoneMatch="*")
                return
            except client.exceptions.ClientError as error:
                # 409: another conditional write was under way; S3 asks for a new try.
                if error_code(error) == "ConditionalRequestConflict":
                    continue
                if error_code(error) not in {"PreconditionFailed", "412"}:
                    raise
            holder = client.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8", "replace")
            if holder == job_id:
                return  # a further try of this job, or an answer that was lost on the way
            raise SupersededError(f"{what} is run by job {holder}, this is job {job_id}: nothing to do")
    except failures() as error:
        raise RefusedError(explain(who, "write", uri, error)) from error
    raise RefusedError(f"{uri} is being written by several jobs at once: retry the run")
