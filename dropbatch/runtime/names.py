"""Convert S3 keys to file names and back. Paths never lead out of the intended directory."""

import hashlib
import os
from pathlib import Path, PurePosixPath

from dropbatch.contract import keys
from dropbatch.runtime.errors import StageInError, StageOutError

__all__ = ["MAX_KEY_BYTES", "MAX_NAME_BYTES", "file_name", "output_key", "path_below"]

MAX_NAME_BYTES = 255
"""Maximum length of a file name on Linux and macOS."""
MAX_KEY_BYTES = 1024
"""Maximum length of a key in S3, in UTF-8 bytes."""

RESERVED = frozenset({keys.record_key(""), keys.log_key("")})


def file_name(key: str) -> str:
    """Return a file name for an object: the last part of its key, if a file system allows that.

    Spaces, quotes, emoji and newlines are kept. A part that is empty, ``.`` or ``..``, contains NUL, or is longer than
    255 bytes is shortened or replaced, and gets a digest of the key.
    """
    name = key.rpartition("/")[2]
    if name not in {"", ".", ".."} and "\0" not in name and len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    kept = name.replace("\0", "").strip(".") or "input"
    suffix = PurePosixPath(kept).suffix
    # The file extension is kept, because programs choose a reader by it.
    if len(os.fsencode(suffix)) > 32:
        suffix = ""
    room = MAX_NAME_BYTES - len(digest) - 1 - len(os.fsencode(suffix))
    stem = os.fsencode(kept.removesuffix(suffix))[:room].decode("utf-8", "ignore")
    return f"{stem}-{digest}{suffix}"


def path_below(prefix: str, key: str) -> PurePosixPath:
    """Return the path of an object within the local copy of its folder: the part of its key after the prefix.

    Raises:
        StageInError: a file system does not allow the path, or it leads out of the folder. It is not renamed silently,
            since the program would then get a different folder.
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
    """Return the key of a result, given its path below the output directory.

    Raises:
        StageOutError: the name is reserved, is not valid UTF-8, or makes a key that is too long for S3.
    """
    name = relative.as_posix()
    if name in RESERVED:
        raise StageOutError(f"the result {name} has a reserved name: give it another name")
    try:
        size = len((prefix + name).encode())
    except UnicodeEncodeError:
        raise StageOutError(f"the result {name!r} has a name that is not UTF-8: give it another name") from None
    if size > MAX_KEY_BYTES:
        raise StageOutError(
            f"the result {name} would get a key of {size} bytes, S3 allows {MAX_KEY_BYTES}: "
            "shorten the name of the result or of the input"
        )
    return prefix + name
