"""A minimal environment file, and the settings or faults read from one."""

from pathlib import Path

import pytest

from dropbatch.settings import Settings, SettingsError, load

# The smallest valid file.
GOOD = """
[environment]
name = "lab1"
region = "eu-central-1"

[budget]
monthly_usd = 10

[compute.spot]
kind = "spot"
max_vcpus = 4

[pipeline.count]
image = "image/wordcount"
command = ["wordcount", "{input}", "{output}"]
pools = ["spot"]
"""


def read(file: Path, text: str) -> Settings:
    """Write the file and return its settings."""
    file.write_text(text, encoding="utf-8")
    return load(file)


def faults(file: Path, text: str) -> list[str]:
    """Write an invalid file and return its faults, without the file's path."""
    with pytest.raises(SettingsError) as caught:
        read(file, text)
    return [fault.removeprefix(f"{file}: ") for fault in caught.value.faults]
