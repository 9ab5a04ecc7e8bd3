import base64
import subprocess
from email import message_from_bytes
from typing import Any

import pytest

from constructs_lib.existing_network import ExistingNetwork, ExistingNetworkProps
from constructs_lib.machine_profile import MachineProfile, MachineProfileProps
from constructs_lib.network import Network, NetworkProps
from constructs_lib.pool import Pool, PoolProps
from constructs_lib.registry import Registry, RegistryProps
from tests.constructs_lib.synthesis import Stack, statement, synthesize

Json = dict[str, Any]
INFRASTRUCTURE = {
    "type": "type",
    "allocation_strategy": "allocationStrategy",
    "instance_type": "instanceTypes",
    "instance_role": "instanceRole",
    "subnets": "subnets",
    "security_group_ids": "securityGroupIds",
    "launch_template": "launchTemplate",
    "ec2_configuration": "ec2Configuration",
}
"""Batch's name of each strategy, by Terraform's."""


def network(scope, site) -> Network:
    return Network(scope, "Network", NetworkProps(site=site, cidr="10.1.0.0/16"))


def pool(scope, site, **props) -> Pool:
    registry = Registry(scope, "Registry", RegistryProps(site=site))
    profile = MachineProfile(scope, "Profile", MachineProfileProps(site=site, registry=registry))
    defaults: Json = {"name": "spot", "spot": True, "max_vcpus": 8, "instance_types": ["m6i"], "shares": {"lab": 1}}
    return Pool(
        scope, "Pool", PoolProps(site=site, network=network(scope, site), profile=profile, **(defaults | props))
    )


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


class TestPrivateNetwork:
    @pytest.fixture(scope="class", params=[False, True], ids=["one", "per zone"])
    @classmethod
    def stack(cls, request) -> tuple[Stack, bool]:
        props: Json = {"private": True, "nat_per_zone": request.param}
        build: Json = {"cidr": "10.1.0.0/16", **props}
        return synthesize(
            lambda scope, site: Network(scope, "Network", NetworkProps(site=site, **build))
        ), request.param

    def test_machines_have_no_public_address(self, stack: tuple[Stack, bool]) -> None:
        subnets = stack[0].resources("aws_subnet")
        assert {each["cidr_block"] for each in subnets} == {f"10.1.{third}.0/18" for third in (0, 64, 128, 192)}
        assert not any(each.get("map_public_ip_on_launch") for each in subnets)

    def test_there_are_as_many_gateways_as_set(self, stack: tuple[Stack, bool]) -> None:
        found, per_zone = stack
        assert len(found.resources("aws_nat_gateway")) == len(found.resources("aws_eip")) == (2 if per_zone else 1)
        outward = {each["nat_gateway_id"] for each in found.resources("aws_route") if "nat_gateway_id" in each}
        assert len(outward) == (2 if per_zone else 1)

    def test_buckets_are_reached_without_the_gateway(self, stack: tuple[Stack, bool]) -> None:
        for endpoint in stack[0].resources("aws_vpc_endpoint"):
            assert len(endpoint["route_table_ids"]) == 3


class TestExistingNetwork:
    def test_only_a_security_group_is_created(self) -> None:
        props: Json = {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"], "all_ports": True}
        stack = synthesize(
            lambda scope, site: ExistingNetwork(scope, "Network", ExistingNetworkProps(site=site, **props))
        )
        assert stack.types() == {"aws_security_group", "aws_vpc_security_group_egress_rule"}
        assert stack.one("aws_security_group")["vpc_id"] == "vpc-1"
        rule = stack.one("aws_vpc_security_group_egress_rule")
        assert (rule["ip_protocol"], rule["cidr_ipv4"]) == ("-1", "0.0.0.0/0")


class TestPool:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(pool)

    @pytest.mark.parametrize(
        ("spot", "kind", "allocation"),
        [(True, "SPOT", "SPOT_CAPACITY_OPTIMIZED"), (False, "EC2", "BEST_FIT_PROGRESSIVE")],
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

    def test_a_deploy_neither_resumes_a_pause_nor_resizes(self, stack: Stack) -> None:
        ignored = stack.one("aws_batch_compute_environment")["lifecycle"]["ignore_changes"]
        assert {"compute_resources[0].desired_vcpus", "state"} <= set(ignored)
        assert stack.one("aws_batch_job_queue")["lifecycle"] == {"ignore_changes": ["state"]}

    def test_settings_that_replace_machines_are_left_to_the_command(self, stack: Stack) -> None:
        environment = stack.one("aws_batch_compute_environment")
        ignored = {each.rpartition(".")[2] for each in environment["lifecycle"]["ignore_changes"]}
        resources = environment["compute_resources"]
        assert resources.keys() - ignored == {"min_vcpus", "max_vcpus"}  # these only scale
        assert "update_policy" in ignored
        assert "update_policy" not in environment
        (wanted,) = (
            each["triggers_replace"]["resources"]
            for each in stack.resources("terraform_data")
            if "resources" in each["triggers_replace"]
        )
        assert {INFRASTRUCTURE[name] for name in ignored & resources.keys()} == wanted.keys()
        alike = wanted.keys() - {"launchTemplate", "ec2Configuration"}
        assert {key: wanted[key] for key in alike} == {
            key: resources[name] for name, key in INFRASTRUCTURE.items() if key in alike
        }
        template = resources["launch_template"]
        assert wanted["launchTemplate"] == {
            "launchTemplateId": template["launch_template_id"],
            "version": template["version"],
        }
        assert wanted["ec2Configuration"] == [{"imageType": "ECS_AL2023"}]

    def test_an_environment_waits_until_its_profile_is_visible(self, stack: Stack) -> None:
        waited = [each for each in stack.one("aws_batch_compute_environment")["depends_on"] if "terraform_data" in each]
        assert [each.rpartition("_")[0] for each in waited] == ["terraform_data.Profile_Known"]

    def test_machines_follow_the_launch_template_by_version(self, stack: Stack) -> None:
        template = stack.one("aws_batch_compute_environment")["compute_resources"]["launch_template"]
        assert template["version"].endswith(".latest_version}")

    def test_image_of_the_machines_is_amazon_linux_2023(self, stack: Stack) -> None:
        resources = stack.one("aws_batch_compute_environment")["compute_resources"]
        assert resources["ec2_configuration"] == [{"image_type": "ECS_AL2023"}]

    def test_queue_is_shared_fairly_between_groups(self) -> None:
        stack = synthesize(lambda scope, site: pool(scope, site, shares={"hub": 1, "lab": 1}))
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

    def test_an_invalid_share_is_refused(self) -> None:
        with pytest.raises(Exception, match=r"share identifiers take letters and digits only, got \['my-lab'\]"):
            synthesize(lambda scope, site: pool(scope, site, shares={"my-lab": 1}))

    def test_gpu_machines_start_from_the_image_with_the_driver(self) -> None:
        stack = synthesize(lambda scope, site: pool(scope, site, gpu=True))
        resources = stack.one("aws_batch_compute_environment")["compute_resources"]
        assert resources["ec2_configuration"] == [{"image_type": "ECS_AL2023_NVIDIA"}]

    def test_a_custom_machine_image_is_used(self) -> None:
        stack = synthesize(lambda scope, site: pool(scope, site, ami="ami-01234567"))
        resources = stack.one("aws_batch_compute_environment")["compute_resources"]
        assert resources["ec2_configuration"] == [{"image_id_override": "ami-01234567", "image_type": "ECS_AL2023"}]


class TestMachines:
    @pytest.fixture(scope="class")
    @classmethod
    def template(cls) -> Json:
        return synthesize(lambda scope, site: pool(scope, site, root_gib=77)).one("aws_launch_template")

    def test_the_metadata_service_requires_version_2(self, template: Json) -> None:
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

    def test_scratch_space_is_on_a_separate_disk_when_set(self) -> None:
        template = synthesize(lambda scope, site: pool(scope, site, scratch_gib=200)).one("aws_launch_template")
        root, scratch = template["block_device_mappings"]
        assert (scratch["device_name"], scratch["ebs"]["volume_size"]) == ("/dev/sdf", 200)
        assert scratch["ebs"]["encrypted"] == root["ebs"]["encrypted"] == "true"
        text = base64.b64decode(template["user_data"]).decode()
        assert 'mount -o noatime "$disk" /var/lib/docker/volumes\n' in text

    @pytest.mark.parametrize("props", [{}, {"scratch_gib": 9}, {"session_manager": True}])
    def test_user_data_consists_of_valid_bash_scripts(self, props: Json) -> None:
        template = synthesize(lambda scope, site: pool(scope, site, **props)).one("aws_launch_template")
        parts = list(message_from_bytes(base64.b64decode(template["user_data"])).walk())[1:]
        assert [part.get_content_type() for part in parts] == ["text/cloud-boothook", "text/x-shellscript"]
        for part in parts:
            script: Any = part.get_payload(decode=True)
            assert subprocess.run(["bash", "-n"], input=script, check=False, capture_output=True).returncode == 0
        assert ("amazon-ssm-agent" in script.decode()) is ("session_manager" in props)

    def test_start_script_is_mime_and_keeps_jobs_from_credentials(self, template: Json) -> None:
        text = base64.b64decode(template["user_data"]).decode()
        assert text.startswith("MIME-Version: 1.0\nContent-Type: multipart/mixed")
        assert "OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT" in text
        assert "FORWARD" not in text  # Batch's jobs have the host's network
        assert "169.254.170.2" not in text

    def test_instances_and_volumes_have_the_cost_tag(self, template: Json) -> None:
        tags = {each["resource_type"]: each["tags"]["research-stack-id"] for each in template["tag_specifications"]}
        assert tags == {"instance": "dropbatch-test", "volume": "dropbatch-test"}

    def test_machines_join_clusters_of_this_deployment_only(self) -> None:
        rights = synthesize(pool).rights("dropbatch-test.machines")
        (clusters,) = statement(rights, "JoinCluster")["Resource"]
        assert clusters.endswith(":cluster/*dropbatch-test-*")
        services = {action.split(":")[0] for each in rights for action in each["Action"]}
        assert services == {"ecs", "ecr"}

    def test_logs_are_sent_with_the_rights_of_the_pipeline(self, template: Json) -> None:
        text = base64.b64decode(template["user_data"]).decode()
        assert "'ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true' >> /etc/ecs/ecs.config" in text
