"""Build ARNs of Batch resources, and parse references that are names or ARNs."""

from dropbatch.sandbox.batch.errors import ClientError

__all__ = ["Arns", "split_definition"]


class Arns:
    """Build and parse the ARNs of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region

    def of(self, kind: str, name: str) -> str:
        """Return the ARN of a resource; `kind` is AWS's spelling, such as ``job-queue``."""
        return f"arn:aws:batch:{self.region}:{self.account}:{kind}/{name}"

    def name(self, kind: str, reference: str) -> str:
        """Return the name from `reference`, a name or an ARN of that kind."""
        if not reference.startswith("arn:"):
            return reference
        prefix = self.of(kind, "")
        if not reference.startswith(prefix):
            raise ClientError(f"{reference} is not the ARN of a {kind} in {self.region} of account {self.account}")
        return reference.removeprefix(prefix)


def split_definition(reference: str) -> tuple[str, int | None]:
    """Return name and revision from ``name`` or ``name:revision``."""
    name, colon, revision = reference.partition(":")
    if not colon:
        return name, None
    if not revision.isdigit():
        raise ClientError(f"job definition {reference}: the revision must be a number")
    return name, int(revision)
