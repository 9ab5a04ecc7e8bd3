"""Build a tree of folders and files from the listing of a bucket, in one pass. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Folder", "build_tree"]


@dataclass
class Folder:
    """A folder: totals of all files below it, and the entries to show. A file is a folder without entries."""

    name: str
    files: int = 0
    """Number of files at any depth; objects that only mark a folder are not counted."""
    size: int = 0
    """Total bytes of these files."""
    newest: str = ""
    """ISO-8601 time of the last change."""
    folders: "dict[str, Folder]" = field(default_factory=dict)
    leaves: "list[Folder]" = field(default_factory=list)
    """Files directly in this folder."""
    left_out: int = 0
    """Number of entries beyond the limit, which are not shown."""
    last_left_out: str = ""
    """The last subfolder counted in `left_out`. Keys are sorted, so its objects are consecutive."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "files": self.files,
            "bytes": self.size,
            "newest": self.newest or None,
            "entries": [*(each.to_dict() for each in self.folders.values()), *(_leaf(each) for each in self.leaves)],
            "left_out": self.left_out,
        }


def _leaf(leaf: Folder) -> dict[str, Any]:
    return {"name": leaf.name, "bytes": leaf.size, "newest": leaf.newest}


def build_tree(top: str, objects: Iterable[tuple[str, int, str]], *, depth: int, entries: int) -> Folder:
    """Return the tree below a prefix.

    Memory grows with the number of entries shown, not with the number of objects.

    Args:
        top: the common prefix of all keys; it ends in ``/``.
        objects: key, size in bytes and time of each object, in order of key.
        depth: number of levels to show.
        entries: maximum number of entries shown per folder; the rest is counted.
    """
    root = Folder(name=top)
    for key, size, at in objects:
        *path, name = key.removeprefix(top).split("/")
        if not name:
            continue
        here = root
        _count(root, size, at)
        for part in path[:depth]:
            below = _enter(here, part, entries)
            if below is None:
                break
            here = below
            _count(here, size, at)
        else:
            if len(path) < depth:
                _add(here, Folder(name=name, files=1, size=size, newest=at), entries)
    return root


def _add(folder: Folder, leaf: Folder, entries: int) -> None:
    if len(folder.folders) + len(folder.leaves) < entries:
        folder.leaves.append(leaf)
    else:
        folder.left_out += 1


def _enter(folder: Folder, name: str, entries: int) -> Folder | None:
    """Return the subfolder of that name, or None when it exceeds the limit of entries."""
    found = folder.folders.get(name)
    if found is not None:
        return found
    if len(folder.folders) + len(folder.leaves) >= entries:
        if folder.last_left_out != name:
            folder.last_left_out = name
            folder.left_out += 1
        return None
    return folder.folders.setdefault(name, Folder(name=name))


def _count(folder: Folder, size: int, at: str) -> None:
    folder.files += 1
    folder.size += size
    folder.newest = max(folder.newest, at)
