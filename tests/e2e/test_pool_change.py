"""A pool whose machines are changed by a deploy while a run is on them."""

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.lab import Lab, until
from tests.project import ROOT

pytestmark = pytest.mark.e2e

SCRIPT = b"until [ -e %s ]; do sleep 0.1; done; echo done > $1/result.txt\n"


def test_a_deploy_that_changes_machines_completes_and_the_run_on_them_succeeds_once(lab: Lab) -> None:
    file = lab.root / "environments" / "sandbox.toml"
    text = file.read_text()
    end = lab.root / "end-of-run"

    # Given a run that takes its time
    run = lab.drop("lab/script/long.sh", SCRIPT % str(end).encode())
    until(lambda: ((item := lab.run(run)) and item["state"] == "RUNNING") or None, "the run to run")
    (pool,) = {item["pool"] for item in lab.runs() if item["run_id"] == run}
    try:
        # When the machines of its pool are changed, then the deploy ends while the run goes on
        changed = text.replace(f"[compute.{pool}]\n", f'[compute.{pool}]\ninstance_types = ["c7i"]\n')
        assert changed != text
        file.write_text(changed)
        lab.synthesize()
        lab.terraform().apply()
        found = environment(lab, pool)
        assert (found["status"], found["computeResources"]["instanceTypes"]) == ("UPDATING", ["c7i"])
        item = lab.run(run)
        assert item is not None
        assert (item["state"], item["attempt"]) == ("RUNNING", 1)

        # And other runs start, and the long one succeeds on its first attempt
        assert lab.ended(lab.drop("lab/quick/beside.txt", b"word\n"))["state"] == "SUCCEEDED"
        end.touch()
        item = lab.ended(run)
        assert (item["state"], item["attempt"], item.get("earlier", [])) == ("SUCCEEDED", 1, [])
        assert lab.result(item, "result.txt") == b"done\n"
        assert environment(lab, pool)["status"] == "VALID"

        # And its machines can be patched, with nothing else changed
        before = environment(lab, pool)["computeResources"]
        command = [sys.executable, "-m", "delivery.patch", "sandbox"]
        environ = {**os.environ, **lab.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=lab.root, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{pool}: new jobs get machines with the newest image" in done.stdout
        assert environment(lab, pool)["computeResources"] == before
    finally:
        end.touch()
        file.write_text(text)
        lab.synthesize()
        lab.terraform().apply()
    assert environment(lab, pool)["computeResources"]["instanceTypes"] != ["c7i"]


def environment(lab: Lab, pool: str) -> dict[str, Any]:
    """Return the compute environments of a pool's queue."""
    batch = lab.client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=[f"dropbatch-sandbox-{pool}"])["jobQueues"]
    arns = [each["computeEnvironment"] for each in queue["computeEnvironmentOrder"]]
    (found,) = batch.describe_compute_environments(computeEnvironments=arns)["computeEnvironments"]
    return dict(found)
