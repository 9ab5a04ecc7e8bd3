"""Common base of our buckets and existing buckets."""

from collections.abc import Sequence

from constructs import Construct

from constructs_lib.policy import Statement
from constructs_lib.queue import Queue
from constructs_lib.rights import Grantee
from constructs_lib.site import Site

__all__ = ["Reachable"]


class Reachable(Construct):
    """What buckets have in common: name, ARN, grants; and the key that reading and writing needs, if there is one."""

    name: str
    arn: str

    def __init__(self, scope: Construct, id_: str, *, site: Site, kms_key_arn: str | None = None) -> None:
        super().__init__(scope, id_)
        self._site = site
        self._key = kms_key_arn

    def notify(self, queue: Queue) -> None:
        """Send every creation of an object to a queue."""
        raise NotImplementedError

    def grant_list(self, role: Grantee) -> None:
        """Grant ListBucket: without it S3 answers 403 instead of 404 for a missing object."""
        role.grant(Statement(sid="KnowWhatIsThere", actions=["s3:ListBucket"], resources=[self.arn]))

    def grant_list_below(self, role: Grantee, sid: str, *prefixes: str) -> None:
        """Grant the listing of objects and versions below some prefixes."""
        role.grant(
            Statement(
                sid=sid,
                actions=["s3:ListBucket", "s3:ListBucketVersions"],
                resources=[self.arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
            )
        )

    def grant(self, role: Grantee, sid: str, actions: Sequence[str], *prefixes: str) -> None:
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
        if self._key is not None:
            self._grant_key(role, self._key, writes="PutObject" in actions)

    def _grant_key(self, role: Grantee, key: str, *, writes: bool) -> None:
        # A multipart upload is decrypted while it is put together, so writing needs both.
        role.grant(
            Statement(
                sid="UseKeyToWrite" if writes else "UseKeyToRead",
                actions=["kms:Decrypt", "kms:GenerateDataKey"] if writes else ["kms:Decrypt"],
                resources=[key],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{self._site.region}.amazonaws.com"}},
            )
        )
