"""Pages of results: ``maxResults`` and ``nextToken``."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dropbatch.sandbox.batch.errors import ClientError

__all__ = ["chosen", "page"]

Item = TypeVar("Item")


def page(items: Sequence[Item], request: dict[str, Any], default: int = 100) -> tuple[list[Item], dict[str, str]]:
    """Return one page of `items`, and ``{"nextToken": …}`` if more follow."""
    start = _offset(request.get("nextToken"))
    size = int(request.get("maxResults") or default)
    if not 1 <= size <= default:
        raise ClientError(f"maxResults: must be 1 to {default}, got {size}")
    end = start + size
    token = {"nextToken": base64.urlsafe_b64encode(f"after {end}".encode()).decode()} if end < len(items) else {}
    return list(items[start:end]), token


def chosen(
    resources: Mapping[str, Item], names: Iterable[str], request: dict[str, Any]
) -> tuple[list[Item], dict[str, str]]:
    """Return the resources with these names (unknown names are skipped, as on AWS), or a page of all."""
    wanted = list(names)
    if wanted:
        return [resources[name] for name in dict.fromkeys(wanted) if name in resources], {}
    return page([resources[name] for name in sorted(resources)], request)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"after "))
    except ValueError:
        raise ClientError("nextToken is not one this operation gave out") from None
