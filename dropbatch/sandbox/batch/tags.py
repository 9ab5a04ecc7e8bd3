"""Operations on the tags of Batch resources."""

from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.store import Store

__all__ = ["Tags"]

_MOST = 50


class Tags:
    """Operations on tags."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tag(self, request: dict[str, Any]) -> dict[str, Any]:
        """TagResource."""
        tags = self._store.tagged(request["resourceArn"])
        added = request.get("tags") or {}
        if len({**tags, **added}) > _MOST:
            raise ClientError(f"tags: at most {_MOST} per resource")
        tags.update(added)
        return {}

    def untag(self, request: dict[str, Any]) -> dict[str, Any]:
        """UntagResource."""
        tags = self._store.tagged(request["resourceArn"])
        for key in request.get("tagKeys") or []:
            tags.pop(key, None)
        return {}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": dict(self._store.tagged(request["resourceArn"]))}
