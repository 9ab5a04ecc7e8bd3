import json
import subprocess
import sys

from tests.project import ROOT


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_submodules_work_without_the_package_being_executed() -> None:
    out = python("""
import os
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"
import sys
import constructs_lib
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
stack = TerraformStack(Testing.app(), "test")
SqsQueue(stack, "Queue", name="works")
print('"name": "works"' in Testing.synth(stack))
package = "cdktf_cdktf_provider_aws"
imported = sorted(name for name in sys.modules if name.startswith(package) and "_private" not in name)
print(imported, hasattr(sys.modules[package], "__all__"))
""")
    package = "cdktf_cdktf_provider_aws"
    assert out.splitlines() == ["True", f"{[package, f'{package}._jsii', f'{package}.sqs_queue']} False"]


def test_an_imported_package_is_kept() -> None:
    assert (
        python("""
import sys, types
real = types.ModuleType("cdktf_cdktf_provider_aws")
sys.modules["cdktf_cdktf_provider_aws"] = real
import constructs_lib
print(sys.modules["cdktf_cdktf_provider_aws"] is real)
""")
        == "True"
    )


def test_a_missing_package_is_reported() -> None:
    assert (
        python("""
import importlib.util
importlib.util.find_spec = lambda name: None
try:
    import constructs_lib
except ModuleNotFoundError as error:
    print(error)
""")
        == "cdktf_cdktf_provider_aws is not installed: install requirements-dev.txt"
    )


def test_node_loads_only_the_modules_that_are_used(tmp_path, monkeypatch) -> None:
    # Given a script that writes down, when jsii's process ends, what it has loaded of the provider's package
    loaded, script = tmp_path / "loaded.json", tmp_path / "loaded.cjs"
    script.write_text(f"""
process.on("exit", () => {{
  const files = Object.keys(require.cache).filter((file) => file.includes("@cdktf/provider-aws/"));
  if (files.length) require("node:fs").writeFileSync({json.dumps(str(loaded))}, JSON.stringify(files));
}});
""")
    monkeypatch.setenv("NODE_OPTIONS", f"--require {json.dumps(str(script))}")

    # When two kinds of resources are used
    python("""
import os
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"
import constructs_lib
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.provider import AwsProvider
stack = TerraformStack(Testing.app(), "test")
AwsProvider(stack, "Aws")
SqsQueue(stack, "Queue")
""")

    # Then only these were loaded
    files = {file.split("/lib/", 1)[1] for file in json.loads(loaded.read_text())}
    assert files == {"lazy-index.js", "provider/index.js", "sqs-queue/index.js"}
