import os

import pytest

from tests.lambdas.crash.schedule import faults_of
from tests.lambdas.crash.world import SAFEGUARDS

SCHEDULES = int(os.environ.get("DROPBATCH_CRASH_SCHEDULES", "2500"))
_PARTS = 20


@pytest.mark.parametrize("part", range(_PARTS))
def test_whatever_dies_wherever_every_file_is_processed_exactly_once(part: int) -> None:
    for seed in range(part, SCHEDULES, _PARTS):
        assert faults_of(seed) == [], f"seed {seed}"


@pytest.mark.parametrize("safeguard", sorted(SAFEGUARDS))
def test_without_any_one_safeguard_some_schedule_fails(safeguard: str) -> None:
    rest = SAFEGUARDS - {safeguard}

    assert any(faults_of(seed, rest) for seed in range(2000))
