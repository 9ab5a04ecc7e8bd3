import json
from typing import Any

import pytest

from constructs_lib.assets import Image
from constructs_lib.bucket import Bucket, BucketProps
from constructs_lib.container import Resources, Surroundings
from constructs_lib.job import Retry
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.pipeline import Pipeline, PipelineProps, Shared
from constructs_lib.registry import Registry, RegistryProps
from tests.constructs_lib.synthesis import Stack, statement, synthesize

Json = dict[str, Any]


def pipeline(scope, site, **props) -> Pipeline:
    buckets: Json = {
        name: Bucket(scope, name, BucketProps(site=site, purpose=purpose))
        for name, purpose in (("inputs", "input"), ("outputs", "output"))
    }
    shared = Shared(
        site=site,
        registry=Registry(scope, "Registry", RegistryProps(site=site)),
        job_logs=LogGroup(scope, "Logs", LogGroupProps(name="/dropbatch/test/jobs")),
        **buckets,
    )
    defaults: Json = {
        "name": "align",
        "groups": {"lab": [], "hub": []},
        "image": Image(directory="image/align", tag="align-0123"),
        "command": ["align", "{input}"],
        "resources": Resources(vcpus=2, memory_mib=3500),
        "timeout_minutes": 90,
        "tries": 3,
        "priority": 7,
    }
    return Pipeline(scope, "Pipeline", PipelineProps(shared=shared, **(defaults | props)))


class TestPipeline:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(pipeline)

    @pytest.fixture(scope="class")
    @classmethod
    def definition(cls, stack: Stack) -> Json:
        return stack.one("aws_batch_job_definition", name="dropbatch-test-align-lab")

    @pytest.fixture(scope="class")
    @classmethod
    def container(cls, definition: Json) -> Json:
        container: Json = json.loads(definition["container_properties"])
        return container

    def test_every_group_has_a_definition_and_a_role_of_its_own(self, stack: Stack) -> None:
        definitions = stack.resources("aws_batch_job_definition")
        assert {each["name"] for each in definitions} == {"dropbatch-test-align-lab", "dropbatch-test-align-hub"}
        assert len({json.loads(each["container_properties"])["jobRoleArn"] for each in definitions}) == 2

    def test_only_failures_that_another_try_can_fix_are_retried(self, definition: Json) -> None:
        assert definition["retry_strategy"] == {
            "attempts": 3,
            "evaluate_on_exit": [
                {"action": "RETRY", "on_status_reason": "Host EC2*"},
                {"action": "RETRY", "on_reason": "CannotPullContainerError:*"},
                {"action": "EXIT", "on_reason": "*"},
            ],
        }

    def test_jobs_have_a_priority_within_their_share(self, definition: Json) -> None:
        assert definition["scheduling_priority"] == 7

    def test_old_revisions_are_kept(self, definition: Json) -> None:
        assert definition["deregister_on_new_revision"] is False

    def test_tags_are_propagated_to_the_tasks(self, definition: Json) -> None:
        assert definition["propagate_tags"] is True
        assert definition["tags"] == {"dropbatch:group": "lab", "dropbatch:pipeline": "align"}

    def test_timeout_is_in_seconds(self, definition: Json) -> None:
        assert definition["timeout"] == {"attempt_duration_seconds": 5400}

    def test_the_program_is_wrapped_by_the_runtime(self, container: Json) -> None:
        assert container["command"] == ["dropbatch-run", "--", "align", "{input}"]
        assert container["resourceRequirements"] == [
            {"type": "VCPU", "value": "2"},
            {"type": "MEMORY", "value": "3500"},
        ]

    def test_the_program_is_not_root_and_writes_to_scratch_only(self, container: Json) -> None:
        assert container["user"] == "10001:10001"
        assert container["readonlyRootFilesystem"] is True
        assert container["volumes"] == [{"name": "scratch", "host": {}}]
        assert container["mountPoints"] == [{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False}]
        assert "privileged" not in container

    def test_the_environment_is_that_of_the_contract(self, container: Json) -> None:
        names = [each["name"] for each in container["environment"]]
        ours = ["DROPBATCH_ENVIRONMENT", "DROPBATCH_IMAGE", "DROPBATCH_OUTPUT_BUCKET"]
        assert names == ["AWS_DEFAULT_REGION", "AWS_REGION", *ours]

    def test_the_log_stream_names_group_and_pipeline(self, container: Json) -> None:
        assert container["logConfiguration"]["options"]["awslogs-stream-prefix"] == "lab/align"

    def test_job_role_reaches_its_own_group_and_pipeline_only(self, stack: Stack) -> None:
        rights = {
            each["Sid"]: (
                {action.removeprefix("s3:") for action in each["Action"]},
                [_key(arn) for arn in each["Resource"]],
            )
            for each in stack.rights("dropbatch-test-align-lab")
            if "Condition" not in each
        }
        assert rights == {
            "ReadInputs": ({"GetObject", "GetObjectVersion"}, ["lab/align/*", "lab/inputs/*", "lab/configs/*"]),
            "ReadManifests": ({"GetObject"}, ["_dropbatch/manifests/lab/align/*.json"]),
            "ClaimRuns": ({"GetObject", "PutObject"}, ["_dropbatch/started/lab/align/*"]),
            "PublishResults": ({"PutObject", "DeleteObject", "AbortMultipartUpload"}, ["lab/align/*"]),
        }

    def test_job_role_lists_its_own_folders_only(self, stack: Stack) -> None:
        lists = {
            each["Sid"]: each["Condition"]["StringLike"]["s3:prefix"]
            for each in stack.rights("dropbatch-test-align-lab")
            if "s3:ListBucket" in each["Action"]
        }
        assert lists == {
            "ListInputs": ["lab/align/*", "lab/inputs/*", "lab/configs/*"],
            "ListResults": ["lab/align/*"],
        }

    def test_roles_are_for_tasks_of_this_account_only(self, stack: Stack) -> None:
        roles = stack.resources("aws_iam_role")
        assert {each["name"] for each in roles} == {
            "dropbatch-test-align.execution",
            "dropbatch-test-align-lab",
            "dropbatch-test-align-hub",
        }
        for each in roles:
            (trust,) = json.loads(each["assume_role_policy"])["Statement"]
            assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
            assert set(trust["Condition"]) == {"StringEquals", "ArnLike"}

    def test_image_is_pushed_before_a_definition_names_it(
        self, stack: Stack, definition: Json, container: Json
    ) -> None:
        push = stack.one("terraform_data")
        assert push["triggers_replace"]["tag"] == "align-0123"
        (provisioner,) = push["provisioner"]
        command = provisioner["local-exec"]["command"]
        assert "-m dropbatch.images push --directory 'image/align' --tag 'align-0123'" in command
        assert container["image"].endswith(".repository_url}:align-0123")
        assert stack.address("terraform_data") in definition["depends_on"]

    def test_image_is_built_for_the_machines(self) -> None:
        image = Image(directory="image/align", tag="align-arm64-0123", architecture="arm64")
        stack = synthesize(lambda scope, site: pipeline(scope, site, image=image))
        (provisioner,) = stack.one("terraform_data")["provisioner"]
        assert "--architecture 'arm64'" in provisioner["local-exec"]["command"]

    @pytest.fixture(scope="class")
    @classmethod
    def rich(cls) -> Stack:
        around = Surroundings(
            environment={"MODE": "fast", "DROPBATCH_ENVIRONMENT": "never"},
            secrets={
                "TOKEN": "arn:aws:secretsmanager:eu-central-1:1:secret:token-AbCdEf:key::",
                "LICENCE": "arn:aws:ssm:eu-central-1:1:parameter/lab/licence",
            },
            secret_keys=["arn:aws:kms:eu-central-1:1:key/mine"],
            mounts={"/ref": "/ref", "/db": "/data:rw"},
            read_buckets=["reference"],
            tags={"project": "p1"},
        )
        resources = Resources(vcpus=4, memory_mib=8000, gpus=1, shared_memory_mib=512, ulimits={"nofile": 9})
        retries = [Retry(action="RETRY", exit_code="75"), Retry(action="EXIT", reason="OutOfMemoryError:*")]
        props: Json = {"surroundings": around, "resources": resources, "retries": retries}
        return synthesize(lambda scope, site: pipeline(scope, site, **props))

    @pytest.fixture(scope="class")
    @classmethod
    def rich_container(cls, rich: Stack) -> Json:
        definition = rich.one("aws_batch_job_definition", name="dropbatch-test-align-lab")
        container: Json = json.loads(definition["container_properties"])
        return container

    def test_gpus_memory_and_limits_are_requested(self, rich_container: Json) -> None:
        assert {"type": "GPU", "value": "1"} in rich_container["resourceRequirements"]
        assert rich_container["linuxParameters"] == {"initProcessEnabled": True, "sharedMemorySize": 512}
        assert rich_container["ulimits"] == [{"name": "nofile", "softLimit": 9, "hardLimit": 9}]

    def test_folders_of_the_machine_are_mounted_read_only(self, rich_container: Json) -> None:
        points = {each["containerPath"]: each["readOnly"] for each in rich_container["mountPoints"]}
        assert points == {"/tmp": False, "/ref": True, "/data": False}
        hosts = [each["host"]["sourcePath"] for each in rich_container["volumes"] if each["host"]]
        assert hosts == ["/ref", "/db"]

    def test_variables_of_the_pipeline_do_not_replace_ours(self, rich_container: Json) -> None:
        environment = {each["name"]: each["value"] for each in rich_container["environment"]}
        assert (environment["MODE"], environment["DROPBATCH_ENVIRONMENT"]) == ("fast", "test")

    def test_only_the_execution_role_reads_the_named_secrets(self, rich: Stack, rich_container: Json) -> None:
        assert [each["name"] for each in rich_container["secrets"]] == ["LICENCE", "TOKEN"]
        rights = rich.rights("dropbatch-test-align.execution")
        assert statement(rights, "ReadSecrets")["Resource"] == [
            "arn:aws:secretsmanager:eu-central-1:1:secret:token-AbCdEf"
        ]
        assert statement(rights, "ReadParameters")["Resource"] == ["arn:aws:ssm:eu-central-1:1:parameter/lab/licence"]
        assert not [each for each in rich.rights("dropbatch-test-align-lab") if "Secret" in each["Sid"]]

    def test_keys_of_secrets_are_used_only_through_the_services_that_store_them(self, rich: Stack) -> None:
        granted = statement(rich.rights("dropbatch-test-align.execution"), "DecryptSecrets")
        assert (granted["Action"], granted["Resource"]) == (["kms:Decrypt"], ["arn:aws:kms:eu-central-1:1:key/mine"])
        assert granted["Condition"] == {
            "StringEquals": {
                "kms:ViaService": ["secretsmanager.eu-central-1.amazonaws.com", "ssm.eu-central-1.amazonaws.com"]
            }
        }

    def test_without_a_custom_key_nothing_may_be_decrypted(self, stack: Stack) -> None:
        rights = stack.rights("dropbatch-test-align.execution")
        assert not [each for each in rights if "kms:Decrypt" in each["Action"]]

    def test_an_image_in_another_private_repository_may_be_pulled(self, stack: Stack) -> None:
        uri = "222222222222.dkr.ecr.eu-west-1.amazonaws.com/lab/other:1"
        other = synthesize(lambda scope, site: pipeline(scope, site, image=Image(uri=uri)))

        def pulled(of: Stack) -> list[str]:
            found: list[str] = statement(of.rights("dropbatch-test-align.execution"), "PullImages")["Resource"]
            return found

        assert pulled(other) == [*pulled(stack), "arn:aws:ecr:eu-west-1:222222222222:repository/lab/other"]

    def test_rules_of_the_pipeline_come_first(self, rich: Stack) -> None:
        definition = rich.one("aws_batch_job_definition", name="dropbatch-test-align-lab")
        rules = definition["retry_strategy"]["evaluate_on_exit"]
        assert rules[:2] == [
            {"action": "RETRY", "on_exit_code": "75"},
            {"action": "EXIT", "on_reason": "OutOfMemoryError:*"},
        ]
        assert (len(rules), rules[-1]) == (5, {"action": "EXIT", "on_reason": "*"})

    def test_other_buckets_may_be_read_and_tags_reach_jobs(self, rich: Stack) -> None:
        found = statement(rich.rights("dropbatch-test-align-lab"), "ReadOtherBuckets")
        assert found["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
        assert [arn.rpartition(":")[2] for arn in found["Resource"]] == ["reference/*"]
        assert rich.one("aws_batch_job_definition", name="dropbatch-test-align-lab")["tags"]["project"] == "p1"

    def test_an_image_given_by_uri_is_used_unchanged(self) -> None:
        stack = synthesize(lambda scope, site: pipeline(scope, site, image=Image(uri="quay.io/lab/align:2.1")))
        definition = stack.one("aws_batch_job_definition", name="dropbatch-test-align-lab")
        assert json.loads(definition["container_properties"])["image"] == "quay.io/lab/align:2.1"
        assert "terraform_data" not in stack.types()


def _key(arn: str) -> str:
    return arn.split("}/", 1)[1]
