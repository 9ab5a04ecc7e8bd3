"""A wrap of ECR."""

import json
from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_missing_images"]


def wrap_missing_images() -> None:
    """Refuse DescribeImages of a missing image, as AWS does; MiniStack omits it from the result."""
    ecr = emulator.service("ecr")
    original = expected(ecr, "_describe_images", "(data)")

    def describe_images(data: Any) -> Any:
        status, headers, body = original(data)
        if status == HTTPStatus.OK and len(json.loads(body)["imageDetails"]) < len(data.get("imageIds") or []):
            name = data["repositoryName"]
            wanted = next(each for each in data["imageIds"] if not ecr._find_image(name, each))
            return ecr.error_response_json(
                "ImageNotFoundException",
                f"The image with imageId {json.dumps(wanted)} does not exist within the repository with name '{name}'",
                HTTPStatus.BAD_REQUEST,
            )
        return status, headers, body

    ecr._describe_images = describe_images
