# Every target sets itself up: a virtual environment in .venv with pinned packages, nothing global.
# `make demo` needs Python >= 3.11, Node and Terraform >= 1.11 on PATH; no AWS account, no container engine.

PYTHON ?= python3
SETUP = @$(PYTHON) dropbatch/preflight.py
RUN = .venv/bin/python
CDKTF = node_modules/.package-lock.json

.PHONY: help demo demo-down test rehearse soak lint format synth bench-synth bench-arrival bench-staging bench-overhead bench-import bench-status bench-help bench-scheduler reference picture pins environments confirm images plan apply smoke patch drift drift-issue comment cdk-terrain release aws-acceptance

$(CDKTF): package-lock.json
	@npm ci --no-audit --no-fund --silent
	@touch $@

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*##  ?/\1\t/' | expand -t 18

demo:  ## drop a file in the sandbox and see it come back processed (FILE=… for one of yours)
	$(SETUP) demo
	@$(RUN) -m dropbatch.cli demo $(if $(FILE),"$(FILE)")

demo-down:  ## destroy what the demo deployed, stop the sandbox, leave nothing
	$(SETUP) demo
	@$(RUN) -m dropbatch.cli demo-down

test: $(CDKTF)  ## all tests, those against the sandbox with the real Terraform too
	$(SETUP) test
	@$(RUN) -m pytest -n 5 --dist loadscope --no-loadscope-reorder

rehearse: $(CDKTF)  ## deploys by hand, interrupted, and of everything as the deploy role; acceptance; CDK Terrain; 10,000 schedules of deaths
	$(SETUP) test
	@$(RUN) -m pytest -m soak tests/delivery tests/checks tests/e2e/test_full_environment.py
	@DROPBATCH_CRASH_SCHEDULES=10000 $(RUN) -m pytest -n 2 tests/lambdas/crash

lint:  ## style, types, formatting; workflows; policies; checkov on the plan of every environment
	$(SETUP) test
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy .
	@$(RUN) -m checks.reference --check
	@$(RUN) -m checks.workflows
	@.venv/bin/zizmor --offline --pedantic --no-progress --quiet .github
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(RUN) -m checks.rights
	@$(RUN) -m checks.plans

format:  ## mend what `make lint` says about style, where a tool can
	$(SETUP) lint
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

# --- the steps of .github/workflows (docs/delivery.md) --------------------------------------------------------------
# What is named by the workflow comes as an environment variable and is never part of a command's text.

environments:  ## environments that workflows can deploy; ENV=dev: check it, and print its region
	$(SETUP) synth
	@$(RUN) -m delivery.environments $${ENV:+"$$ENV"}

confirm:  ## to destroy ENV, CONFIRM must be its name
	$(SETUP) synth
	@$(RUN) -m delivery.environments "$$ENV" --destroy "$$CONFIRM"

images:  ## build the images of all environments that workflows deploy, into INTO; ARCHITECTURE=arm64: those only
	$(SETUP) synth
	@$(RUN) -m delivery.images --into "$(INTO)" $${ARCHITECTURE:+--architecture "$$ARCHITECTURE"}

plan:  ## what a deploy of ENV would do; LOOK=1: without a lock; SEAL=file: kept, encrypted with PLAN_KEY
	$(SETUP) synth
	@$(RUN) -m delivery.plan "$$ENV" --action "$${ACTION:-deploy}" --page "build/delivery/$$ENV.md" \
	  $(if $(LOOK),--look) $(if $(SEAL),--seal "$(SEAL)")

apply:  ## do what `make plan` said, and nothing else; SEALED=file with DIGEST: the plan that was approved
	$(SETUP) synth
	@$(RUN) -m delivery.apply "$$ENV" --action "$${ACTION:-deploy}" \
	  $(if $(SEALED),--sealed "$(SEALED)" --digest "$$DIGEST")

smoke:  ## drop a file in ENV and wait for its result (SMOKE_FILE, SMOKE_PIPELINE, SMOKE_GROUP)
	$(SETUP) synth
	@$(RUN) -m delivery.smoke "$$ENV"

patch:  ## give the pools of ENV machines with the newest image; running jobs keep theirs
	$(SETUP) synth
	@$(RUN) -m delivery.patch "$$ENV"

drift:  ## whether ENV is still what was deployed; what is not goes to the folder INTO
	$(SETUP) synth
	@$(RUN) -m delivery.drift look "$$ENV" --into "$(INTO)"

drift-issue:  ## bring the repository's issue in line with what `make drift` left in FOUND
	$(SETUP) synth
	@$(RUN) -m delivery.drift tell "$(FOUND)"

comment:  ## the plans below PAGES as the one comment of a pull request
	$(SETUP) synth
	@$(RUN) -m delivery.comment "$(PAGES)"

synth:  ## write the Terraform of every environment to cdktf.out
	$(SETUP) synth
	@$(RUN) main.py

bench-synth:  ## synthesis time, with and without the lazy provider import
	$(SETUP) synth
	@$(RUN) bench/synth.py

bench-arrival:  ## 100,000 files at once under AWS's limits, against one SubmitJob per file
	$(SETUP) demo
	@$(RUN) -m bench.arrival

bench-staging:  ## the runtime's transfers beside `aws s3 cp` and s5cmd; 2 GB in bounded memory; 10,000 objects
	$(SETUP) lint
	@$(RUN) -m bench.staging

bench-overhead:  ## what the runtime adds to a program that does nothing
	$(SETUP) lint
	@$(RUN) -m bench.overhead

bench-status:  ## `dropbatch status` over 100,000 runs, beside a paginator of boto3; its memory
	$(SETUP) demo
	@$(RUN) -m bench.status

bench-help:  ## `dropbatch --help`, beside a Python that only imports click
	$(SETUP) demo
	@$(RUN) -m bench.help

bench-import:  ## what the arrival function's imports add to a cold start
	$(SETUP) demo
	@$(RUN) bench/import_cost.py

soak: $(CDKTF)  ## what takes too long for `make test`: more schedules, more files, more deaths
	$(SETUP) test
	@DROPBATCH_CRASH_SCHEDULES=100000 DROPBATCH_KILL_FILES=5000 $(RUN) -m pytest tests/lambdas/crash \
	  tests/e2e/test_killed_functions.py
	@$(RUN) -m pytest -m soak

bench-scheduler:  ## an array of 10,000 on the sandbox's scheduler, and in a whole sandbox: CPU, memory, every event once
	$(SETUP) test
	@$(RUN) bench/scheduler.py

reference:  ## write docs/reference from what it describes
	$(SETUP) synth
	@$(RUN) -m checks.reference

picture:  ## draw docs/architecture.svg from docs/architecture.d2
	@npm install --silent --no-save @terrastruct/d2@0.1.33
	@node docs/draw.mjs

cdk-terrain:  ## rehearse the move to CDK Terrain on a copy (docs/adr/0006-…); its packages are installed once
	$(SETUP) test
	@$(RUN) -m checks.cdk_terrain

aws-acceptance: $(CDKTF)  ## try the main promises on an AWS account, and write a dated report (REGION=…)
	$(SETUP) test
	@$(RUN) -m delivery.acceptance $${REGION:+--region "$$REGION"}

release:  ## number, CHANGELOG and upgrade fixture of VERSION, as in VERSION=0.1.0; then commit and tag (docs/delivery.md)
	$(SETUP) synth
	@$(RUN) -m delivery.release "$$VERSION"
	@$(RUN) main.py
	@$(RUN) -m delivery.release "$$VERSION" --keep dev

pins:  ## pin requirements*.in again, newest versions that go together
	@$(RUN) -m pip install --quiet uv
	@for name in requirements requirements-dev; do \
	  .venv/bin/uv pip compile --quiet --upgrade --python-version 3.11 --universal --no-emit-index-url \
	    --no-header --no-annotate $$name.in -o $$name.txt || exit 1; done
