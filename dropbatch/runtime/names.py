"""Names: from S3 keys to files and back, without ever leaving the directory meant for them."""

import hashlib
import os
from pathlib import Path, PurePosixPath

from dropbatch.contract import keys
from dropbatch.runtime.errors import StageInError, StageOutError

__all__ = ["MAX_KEY_BYTES", "MAX_NAME_BYTES", "file_name", "output_key", "path_below"]

MAX_NAME_BYTES = 255
"""Longest name of one file on Linux and macOS."""
MAX_KEY_BYTES = 1024
"""Longest key in S3, in UTF-8 bytes."""

RESERVED = frozenset({keys.record_key(""), keys.log_key("")})


def file_name(key: str) -> str:
    """Name for the local copy of an object: the last part of its key wherever a file system can hold that.

    Spaces, quotes, emoji and newlines are names like others. A part that is empty, ``.`` or ``..``, contains NUL or is
    longer than 255 bytes becomes a name made of what can be kept, marked with a digest of the key.
    """
    name = key.rpartition("/")[2]
    if name not in {"", ".", ".."} and "\0" not in name and len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    kept = name.replace("\0", "").strip(".") or "input"
    suffix = PurePosixPath(kept).suffix
    # Programs choose a reader by the ending, so it is the part worth keeping.
    if len(os.fsencode(suffix)) > 32:
        suffix = ""
    room = MAX_NAME_BYTES - len(digest) - 1 - len(os.fsencode(suffix))
    stem = os.fsencode(kept.removesuffix(suffix))[:room].decode("utf-8", "ignore")
    return f"{stem}-{digest}{suffix}"


def path_below(prefix: str, key: str) -> PurePosixPath:
    """Path of an object within the copy of its folder: what its key says below the folder's prefix.

    Raises:
        StageInError: a file system cannot hold that path, or it would lead out of the copy. To rename it silently would
            give the program another folder than the one that was meant.
    """
    below = key.removeprefix(prefix)
    for part in below.split("/"):
        if part in {"", ".", ".."} or "\0" in part or len(os.fsencode(part)) > MAX_NAME_BYTES:
            shown = f"{part[:40]}…" if len(part) > 40 else part
            raise StageInError(
                f"the object {key!r} cannot be a file of the folder {prefix!r}: {shown!r} is not a valid name for a "
                "file or directory: rename the object"
            )
    return PurePosixPath(below)


def output_key(prefix: str, relative: PurePosixPath | Path) -> str:
    """Key of a result, from its path below the output directory.

    Raises:
        StageOutError: the name is taken by the run itself, is no text, or makes a key that S3 does not take.
    """
    name = relative.as_posix()
    if name in RESERVED:
        raise StageOutError(f"the result {name} has a name that dropbatch writes itself: give it another name")
    try:
        size = len((prefix + name).encode())
    except UnicodeEncodeError:
        raise StageOutError(f"the result {name!r} has a name that is not UTF-8: give it another name") from None
    if size > MAX_KEY_BYTES:
        raise StageOutError(
            f"the result {name} would get a key of {size} bytes, S3 takes {MAX_KEY_BYTES}: "
            "shorten the name of the result or of the input"
        )
    return prefix + name
