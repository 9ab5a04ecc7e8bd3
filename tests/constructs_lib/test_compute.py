import base64
import json
from typing import Any

import pytest

from constructs_lib.assets import Image
from constructs_lib.bucket import Bucket, BucketProps
from constructs_lib.container import Resources
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.machine_profile import MachineProfile, MachineProfileProps
from constructs_lib.network import Network, NetworkProps
from constructs_lib.pipeline import Pipeline, PipelineProps, Shared
from constructs_lib.pool import Pool, PoolProps
from constructs_lib.registry import Registry, RegistryProps
from tests.constructs_lib.synthesis import Stack, statement, synthesize

Json = dict[str, Any]


def network(scope, site) -> Network:
    return Network(scope, "Network", NetworkProps(site=site, cidr="10.1.0.0/16"))


def pool(scope, site, **props) -> Pool:
    registry = Registry(scope, "Registry", RegistryProps(site=site))
    logs = LogGroup(scope, "Logs", LogGroupProps(name="/dropbatch/test/jobs"))
    profile = MachineProfile(scope, "Profile", MachineProfileProps(site=site, registry=registry, job_logs=logs))
    defaults: Json = {"name": "spot", "spot": True, "max_vcpus": 8, "instance_types": ["m6i"], "shares": ["lab"]}
    return Pool(
        scope, "Pool", PoolProps(site=site, network=network(scope, site), profile=profile, **(defaults | props))
    )


def pipeline(scope, site, **props) -> Pipeline:
    buckets: Json = {
        name: Bucket(scope, name, BucketProps(site=site, purpose=purpose))
        for name, purpose in (("inputs", "input"), ("outputs", "output"))
    }
    shared = Shared(
        site=site,
        groups=["lab", "hub"],
        registry=Registry(scope, "Registry", RegistryProps(site=site)),
        job_logs=LogGroup(scope, "Logs", LogGroupProps(name="/dropbatch/test/jobs")),
        **buckets,
    )
    defaults: Json = {
        "name": "align",
        "image": Image(directory="image/align", tag="align-0123"),
        "command": ["align", "{input}"],
        "resources": Resources(vcpus=2, memory_mib=3500),
        "timeout_minutes": 90,
        "tries": 3,
    }
    return Pipeline(scope, "Pipeline", PipelineProps(shared=shared, **(defaults | props)))


class TestNetwork:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(network)

    def test_spreads_over_two_zones(self, stack: Stack) -> None:
        subnets = stack.resources("aws_subnet")
        assert [each["cidr_block"] for each in subnets] == ["10.1.0.0/18", "10.1.64.0/18"]
        assert len({each["availability_zone"] for each in subnets}) == 2
        assert all(each["map_public_ip_on_launch"] for each in subnets)

    def test_lets_https_out_and_nothing_in(self, stack: Stack) -> None:
        rule = stack.one("aws_vpc_security_group_egress_rule")
        assert (rule["from_port"], rule["to_port"], rule["ip_protocol"]) == (443, 443, "tcp")
        assert not stack.types() & {"aws_vpc_security_group_ingress_rule", "aws_security_group_rule"}
        assert not {"ingress", "egress"} & set(stack.one("aws_security_group"))

    def test_locks_the_default_security_group(self, stack: Stack) -> None:
        assert not {"ingress", "egress"} & set(stack.one("aws_default_security_group"))

    def test_reaches_s3_and_dynamodb_for_free(self, stack: Stack) -> None:
        endpoints = stack.resources("aws_vpc_endpoint", vpc_endpoint_type="Gateway")
        assert {each["service_name"] for each in endpoints} == {
            "com.amazonaws.eu-central-1.s3",
            "com.amazonaws.eu-central-1.dynamodb",
        }
        assert "aws_nat_gateway" not in stack.types()


class TestPool:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(pool)

    @pytest.mark.parametrize(
        ("spot", "kind", "allocation"),
        [(True, "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED"), (False, "EC2", "BEST_FIT_PROGRESSIVE")],
    )
    def test_buys_machines_by_kind(self, spot: bool, kind: str, allocation: str) -> None:
        stack = synthesize(lambda scope, site: pool(scope, site, spot=spot))
        bought = stack.one("aws_batch_compute_environment")["compute_resources"]
        assert (bought["type"], bought["allocation_strategy"]) == (kind, allocation)

    def test_environment_can_be_replaced_below_its_queue(self, stack: Stack) -> None:
        environment = stack.one("aws_batch_compute_environment")
        assert environment["compute_environment_name_prefix"] == "dropbatch-test-spot-"
        assert environment["lifecycle"]["create_before_destroy"] is True
        assert not {"service_role", "compute_environment_name"} & set(environment)

    def test_deploy_neither_resumes_a_pause_nor_resizes(self, stack: Stack) -> None:
        ignored = stack.one("aws_batch_compute_environment")["lifecycle"]["ignore_changes"]
        assert set(ignored) == {"compute_resources[0].desired_vcpus", "state"}
        assert stack.one("aws_batch_job_queue")["lifecycle"] == {"ignore_changes": ["state"]}

    def test_machines_follow_the_launch_template_by_version(self, stack: Stack) -> None:
        template = stack.one("aws_batch_compute_environment")["compute_resources"]["launch_template"]
        assert template["version"].endswith(".latest_version}")

    def test_image_of_the_machines_is_amazon_linux_2023(self, stack: Stack) -> None:
        resources = stack.one("aws_batch_compute_environment")["compute_resources"]
        assert resources["ec2_configuration"] == [{"image_type": "ECS_AL2023"}]

    def test_queue_is_shared_fairly_between_groups(self) -> None:
        stack = synthesize(lambda scope, site: pool(scope, site, shares=["hub", "lab"]))
        shares = stack.one("aws_batch_scheduling_policy")["fair_share_policy"]["share_distribution"]
        assert [(each["share_identifier"], each["weight_factor"]) for each in shares] == [("hub", 1), ("lab", 1)]
        assert "scheduling_policy_arn" in stack.one("aws_batch_job_queue")

    def test_jobs_that_cannot_start_are_cancelled(self, stack: Stack) -> None:
        actions = stack.one("aws_batch_job_queue")["job_state_time_limit_action"]
        assert {each["reason"] for each in actions} == {
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
            "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
        }
        assert {(each["action"], each["state"], each["max_time_seconds"]) for each in actions} == {
            ("CANCEL", "RUNNABLE", 600)
        }

    def test_minimum_above_maximum_is_refused(self) -> None:
        with pytest.raises(Exception, match=r"pool spot: min_vcpus must not exceed max_vcpus \(8\), got 9: lower it"):
            synthesize(lambda scope, site: pool(scope, site, min_vcpus=9))

    def test_share_that_batch_does_not_take_is_refused(self) -> None:
        with pytest.raises(Exception, match=r"share identifiers take letters and digits only, got \['my-lab'\]"):
            synthesize(lambda scope, site: pool(scope, site, shares=["my-lab"]))


class TestMachines:
    @pytest.fixture(scope="class")
    @classmethod
    def template(cls) -> Json:
        return synthesize(lambda scope, site: pool(scope, site, root_gib=77)).one("aws_launch_template")

    def test_metadata_service_takes_version_2_only(self, template: Json) -> None:
        assert template["metadata_options"]["http_tokens"] == "required"

    def test_disk_is_encrypted(self, template: Json) -> None:
        (disk,) = template["block_device_mappings"]
        assert disk["device_name"] == "/dev/xvda"
        assert disk["ebs"] == {
            "encrypted": "true",
            "volume_size": 77,
            "volume_type": "gp3",
            "delete_on_termination": "true",
        }

    def test_start_script_is_mime_and_keeps_jobs_from_credentials(self, template: Json) -> None:
        text = base64.b64decode(template["user_data"]).decode()
        assert text.startswith("MIME-Version: 1.0\nContent-Type: multipart/mixed")
        assert "169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT" in text
        assert "169.254.170.2" not in text

    def test_instances_and_volumes_bear_the_cost_tag(self, template: Json) -> None:
        tags = {each["resource_type"]: each["tags"]["research-stack-id"] for each in template["tag_specifications"]}
        assert tags == {"instance": "dropbatch-test", "volume": "dropbatch-test"}

    def test_machines_join_clusters_of_this_deployment_only(self) -> None:
        rights = synthesize(pool).rights("dropbatch-test.machines")
        (clusters,) = statement(rights, "JoinCluster")["Resource"]
        assert clusters.endswith(":cluster/*dropbatch-test-*")
        services = {action.split(":")[0] for each in rights for action in each["Action"]}
        assert services == {"ecs", "ecr", "logs"}


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

    def test_retries_only_what_another_try_can_mend(self, definition: Json) -> None:
        assert definition["retry_strategy"] == {
            "attempts": 3,
            "evaluate_on_exit": [
                {"action": "RETRY", "on_status_reason": "Host EC2*"},
                {"action": "RETRY", "on_reason": "CannotPullContainerError:*"},
                {"action": "EXIT", "on_reason": "*"},
            ],
        }

    def test_old_revisions_stay(self, definition: Json) -> None:
        assert definition["deregister_on_new_revision"] is False

    def test_tags_reach_the_tasks(self, definition: Json) -> None:
        assert definition["propagate_tags"] is True
        assert definition["tags"] == {"dropbatch:group": "lab", "dropbatch:pipeline": "align"}

    def test_timeout_is_in_seconds(self, definition: Json) -> None:
        assert definition["timeout"] == {"attempt_duration_seconds": 5400}

    def test_program_runs_below_the_runtime(self, container: Json) -> None:
        assert container["command"] == ["dropbatch-run", "--", "align", "{input}"]
        assert container["resourceRequirements"] == [
            {"type": "VCPU", "value": "2"},
            {"type": "MEMORY", "value": "3500"},
        ]

    def test_program_is_not_root_and_writes_to_scratch_only(self, container: Json) -> None:
        assert container["user"] == "10001:10001"
        assert container["readonlyRootFilesystem"] is True
        assert container["mountPoints"] == [{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False}]
        assert "privileged" not in container

    def test_environment_is_that_of_the_contract(self, container: Json) -> None:
        names = [each["name"] for each in container["environment"]]
        ours = ["DROPBATCH_ENVIRONMENT", "DROPBATCH_IMAGE", "DROPBATCH_OUTPUT_BUCKET"]
        assert names == ["AWS_DEFAULT_REGION", "AWS_REGION", *ours]

    def test_log_stream_tells_group_and_pipeline(self, container: Json) -> None:
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

    def test_image_given_by_uri_is_taken_as_it_is(self) -> None:
        stack = synthesize(lambda scope, site: pipeline(scope, site, image=Image(uri="quay.io/lab/align:2.1")))
        definition = stack.one("aws_batch_job_definition", name="dropbatch-test-align-lab")
        assert json.loads(definition["container_properties"])["image"] == "quay.io/lab/align:2.1"
        assert "terraform_data" not in stack.types()


def _key(arn: str) -> str:
    return arn.split("}/", 1)[1]
