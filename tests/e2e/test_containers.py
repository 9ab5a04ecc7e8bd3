"""From a dropped file to its result in a container of the real image, which the sandbox builds from the snapshot."""

from collections.abc import Iterator

import pytest

from dropbatch.sandbox.engine import BUILD_OPTIONS, LABEL
from tests.e2e.lab import Lab, until
from tests.image import engine as engines
from tests.image.conftest import wheels

__all__ = ["wheels"]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def engine() -> engines.Engine:
    return engines.needed()


@pytest.fixture(scope="module")
def contained(lab: Lab, engine: engines.Engine, wheels: dict[str, str]) -> Iterator[Lab]:
    """The lab with its sandbox restarted with the container runner; images are built without a registry."""
    _, python = engine.base()
    arguments = wheels | {"BASE": python}
    options = ["--network=host", *(f"--build-arg={name}={value}" for name, value in arguments.items())]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(BUILD_OPTIONS, " ".join(options))
        lab.restart("container")
    yield lab
    lab.restart("process")


def test_a_dropped_file_is_counted_in_a_container(contained: Lab, engine: engines.Engine) -> None:
    run = contained.drop("lab/wordcount/contained.txt", b"one two two\n")

    until(lambda: (item := contained.run(run)) and item["state"] not in {"HELD", "SUBMITTED"}, "an image", seconds=300)
    item = contained.ended(run)

    assert item["state"] == "SUCCEEDED", item.get("reason")
    assert b" 3  words\n" in contained.result(item, "counts.txt")
    record = contained.record(item)
    assert (record["status"], record["exit_code"]) == ("SUCCEEDED", 0)
    label = f"--filter=label={LABEL}={contained.sandbox.layout.directory}"
    assert not engine.call("ps", "--all", "--quiet", label).stdout
