import os
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One deployed stack for all end-to-end tests: an apply costs a minute of the provider's waits."""
    saved = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    made = Lab(tmp_path_factory.mktemp("lab"))
    try:
        made.deploy()
        yield made
    finally:
        made.sandbox.destroy_state()
        os.environ.update(saved)
