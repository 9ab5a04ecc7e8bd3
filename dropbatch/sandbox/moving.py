"""Move a saved sandbox to another port."""

from pathlib import Path

from dropbatch.sandbox.layout import Layout

__all__ = ["move_port"]


def move_port(layout: Layout, old: int, new: int) -> None:
    """Rewrite the addresses in the saved state: URLs of SQS queues contain the port, here and in Terraform's state."""
    before, after = f"127.0.0.1:{old}", f"127.0.0.1:{new}"
    for path in [*_files(layout.state), *_files(layout.terraform)]:
        text = path.read_text()
        if before in text:
            path.write_text(text.replace(before, after))


def _files(directory: Path) -> list[Path]:
    return [path for pattern in ("*.json", "**/*.tfstate") for path in directory.glob(pattern)]
