"""Copy the project, with the shipped environment files, for tests that deploy or change it.

The environment files and images at the top of the repository belong to the lab: tests do not depend on them.
"""

import shutil
from pathlib import Path

__all__ = ["ROOT", "SHIPPED", "bootstrap_toml", "copy_project"]

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = Path(__file__).with_name("shipped")
"""The files of ``environments/`` and ``bootstrap.toml``."""

_FOLDERS = ("constructs_lib", "dropbatch", "image/wordcount", "lambdas")


def copy_project(root: Path, *more: str) -> Path:
    """Copy the files that ``main.py`` reads, and `more`, into the folder `root`; return `root`."""
    shutil.copytree(SHIPPED, root, dirs_exist_ok=True)
    for name in (*_FOLDERS, "main.py", *more):
        source, target = ROOT / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return root


def bootstrap_toml(*environments: str) -> str:
    """A `bootstrap.toml` for a repository that deploys these environments."""
    listed = ", ".join(f'"{name}"' for name in environments)
    return f"""
[account]
region = "eu-central-1"

[github]
repository = "lab/dropbatch"
owner_id = "12"
repository_id = "345"
environments = [{listed}]
"""
