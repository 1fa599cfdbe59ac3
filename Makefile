# Every target first ensures the host environment `.venv` (envs/bootstrap.sh), then makes one call.
# GNU Make 3.81, as macOS ships it, is enough. `make` itself turns any failure into exit code 2;
# scripts that want the tool's own exit codes call .venv/bin/sdcoreml.

.DEFAULT_GOAL := help
SDCOREML := .venv/bin/sdcoreml
PYTHON_IN := .venv/bin/python
export TOOLCHAIN BACKEND

.PHONY: help bootstrap doctor env convert verify test lint unit inside lock bench clean

help: ## show this list
	@echo "sdcoreml: Stable Diffusion checkpoints to verified Core ML folders"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  variables: MODEL=a folder or a single file  OUT=folder  TOOLCHAIN=tested  BACKEND=venv (or conda)"
	@echo "             PYTHON=/path/to/python3  ARGS='more options'"

bootstrap:
	@envs/bootstrap.sh

doctor: bootstrap ## examine this machine, the toolchain and (MODEL=path) a model
	@$(SDCOREML) doctor $(if $(MODEL),"$(MODEL)") $(if $(OUT),--output "$(OUT)") $(ARGS)

env: bootstrap ## build the tested environment, or confirm that it is there
	@$(SDCOREML) env $(ARGS)

convert: bootstrap ## turn MODEL=path (or, without MODEL, a small sample) into a Core ML folder OUT=folder
	@$(SDCOREML) convert $(if $(MODEL),"$(MODEL)",--sample) $(if $(OUT),--output "$(OUT)") $(ARGS)

verify: bootstrap ## check a finished Core ML folder OUT=folder again
	@$(if $(OUT),:,echo "error: say which folder: make verify OUT=models/NAME_ATTENTION_WxH" >&2; exit 2)
	@$(if $(OUT),,echo 'error: no folder to verify; say which: make verify OUT=folder' >&2; exit 2;) \
	$(SDCOREML) verify "$(OUT)" $(if $(MODEL),--against "$(MODEL)") $(ARGS)

test: lint unit inside ## everything that CI runs: lint, types, tests here and in the tested environment

lint: bootstrap ## ruff and mypy
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy

unit: bootstrap ## the tests that need no torch
	@$(PYTHON_IN) -m pytest -q $(ARGS)

inside: bootstrap ## the tests that run in the tested environment, a conversion of the sample among them
	@$(PYTHON_IN) tests/inside/runner.py -q $(ARGS)

lock: bootstrap ## compile every lock again from its requirements
	@$(SDCOREML) env lock $(ARGS)

bench: bootstrap ## measure what the documents claim
	@$(PYTHON_IN) -m tests.bench $(ARGS)

clean: ## remove what was built here: environments and caches, never a model or a result
	@rm -rf .envs .venv .venv.old .venv.lock build .mypy_cache .pytest_cache .ruff_cache .hypothesis
