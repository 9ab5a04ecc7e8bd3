import os

import pytest

from tests.lambdas.crash.schedule import faults_of
from tests.lambdas.crash.world import SAFEGUARDS

SCHEDULES = int(os.environ.get("DROPBATCH_CRASH_SCHEDULES", "2500"))
_PARTS = 20


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_file_is_processed_exactly_once_whatever_dies(part: int) -> None:
    for seed in range(part, SCHEDULES, _PARTS):
        assert faults_of(seed) == [], f"seed {seed}"


@pytest.mark.parametrize("safeguard", sorted(SAFEGUARDS))
def test_some_schedule_fails_without_any_one_safeguard(safeguard: str) -> None:
    rest = SAFEGUARDS - {safeguard}

    assert any(faults_of(seed, rest) for seed in range(2000))
