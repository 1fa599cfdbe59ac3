# Every target first ensures the host environment `.venv` (envs/bootstrap.sh), then makes one call.
# GNU Make 3.81, as macOS ships it, is enough. `make` itself turns any failure into exit code 2;
# scripts that want the tool's own exit codes call .venv/bin/sdcoreml.

.DEFAULT_GOAL := help
SDCOREML := .venv/bin/sdcoreml
PYTHON_IN := .venv/bin/python

# What a goal runs must not inherit what this make was told (--fix runs make in turn). The tool knows
# that make started it, and spells its advice so; tests expect it under its own name.
APART := unset PYTHONPATH PYTHONHOME ARGS MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL;
RUN := export SDCOREML_BY_MAKE=1; $(APART)
# pytest rewrites the tests' asserts, which takes 16 s in each process where it may not be kept.
TESTS := $(APART) unset PYTHONDONTWRITEBYTECODE;
SPREAD := -n logical --dist worksteal
# Slow tests wait for processes, files and time limits a fifth of their time: one more than cores.
WIDE := -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal
STYLE := .venv/bin/ruff check --quiet . && .venv/bin/ruff format --quiet --check .
QUICK := "not slow and not network"
# How much of the code the quick tests run is measured: with all tests, that would take minutes more.
COVERED := --cov --cov-report=

# What each goal may be told; all take COMMON. Anything else would be ignored in silence.
GOALS := help bootstrap studio doctor env upstream convert verify test lint unit inside browser lock bench clean
COMMON := ARGS TOOLCHAIN BACKEND PYTHON SDCOREML_ENVS
TAKES_doctor := MODEL OUT ATTENTION SIZE
TAKES_convert := MODEL OUT ATTENTION SIZE BITS
TAKES_verify := MODEL OUT
.PHONY: $(GOALS)

ASKED := $(or $(MAKECMDGOALS),help)
TAKEN := $(foreach goal,$(ASKED),$(TAKES_$(goal))) $(COMMON)
SAID := $(strip $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
VALUES := MODEL OUT ATTENTION SIZE BITS TOOLCHAIN BACKEND PYTHON SDCOREML_ENVS
GIVEN := $(strip $(foreach name,$(VALUES),$(if $(filter undefined,$(origin $(name))),,$(name))))
EMPTY := $(strip $(foreach name,$(GIVEN),$(if $(value $(name)),,$(name))))
NO_GOALS := $(filter-out $(GOALS),$(ASKED))
NO_VARIABLES := $(filter-out $(TAKEN),$(SAID))

ifdef NO_GOALS
$(error no goal is called $(NO_GOALS); a model is named with MODEL: make convert MODEL=path/to/model)
endif
ifdef NO_VARIABLES
$(error make $(ASKED) takes no variable $(NO_VARIABLES), only $(strip $(TAKEN)))
endif
ifdef EMPTY
$(error $(EMPTY) is empty; give it a value or leave it out)
endif
ifeq ($(filter verify,$(ASKED))$(filter OUT,$(GIVEN)),verify)
$(error no folder to verify; say which: make verify OUT=models/NAME-ATTENTION_WxH)
endif

# They reach the tool through the environment as they were typed: make and the shell only pass them.
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

# A variable as an option: $(call option,OUT,--output) is --output "$OUT", where there is one.
option = $(if $(value $(1)),$(2) "$$$(1)")

help: ## show this list
	@echo "sdcoreml: Stable Diffusion checkpoints to verified Core ML folders"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  variables: MODEL=a folder, a file or owner/name  OUT=folder  TOOLCHAIN=tested  BACKEND=venv (or conda)"
	@echo "             ATTENTION=split-einsum (or original)  SIZE=512x768  BITS=6"
	@echo "             PYTHON=/path/to/python3  ARGS='more options'"

bootstrap:
	@envs/bootstrap.sh

studio: bootstrap ## open one page in the browser: choose a model, convert it, look at it
	@$(RUN) $(SDCOREML) studio $(ARGS)

doctor: bootstrap ## examine this machine, the toolchain and (MODEL=path) a model
	@$(RUN) $(SDCOREML) doctor $(call option,MODEL) $(call option,OUT,--output) \
	$(call option,ATTENTION,--attention) $(call option,SIZE,--size) $(ARGS)

env: bootstrap ## build the tested environment, or confirm that it is there
	@$(RUN) $(SDCOREML) env $(ARGS)

upstream: bootstrap ## obtain Apple's converter at the tested commit, or repair it
	@$(RUN) $(SDCOREML) env upstream $(ARGS)

convert: ## turn MODEL=path (or, without MODEL, a small sample) into a Core ML folder OUT=folder
	@$(if $(value MODEL),,echo "converting the built-in sample, a tiny model that draws coloured shapes;" \
	"for a model of yours: make convert MODEL=path/to/model" >&2)
	@envs/bootstrap.sh
	@$(RUN) $(SDCOREML) convert $(if $(value MODEL),"$$MODEL",--sample) $(call option,OUT,--output) \
	$(call option,ATTENTION,--attention) $(call option,SIZE,--size) $(call option,BITS,--bits) $(ARGS)

verify: bootstrap ## check a finished Core ML folder OUT=folder again
	@$(RUN) $(SDCOREML) verify "$$OUT" $(call option,MODEL,--against) $(ARGS)

# mypy keeps one core busy for a minute where it has no cache, and building the environments of the
# tests inside waits for disk and network for one more, so quick tests run beside both. In a new clone
# pytest rewrites the tests' asserts, once; processes that begin together would do it each, measured.
# What runs beside the tests does not get Ctrl-C from the terminal, so the recipe ends it.
test: bootstrap ## everything that CI runs: lint, types, all tests here and in the tested environment
	@$(STYLE)
	@.venv/bin/mypy & types=$$!; \
	$(TESTS) $(PYTHON_IN) tests/inside/runner.py --build & built=$$!; \
	trap 'kill $$types $$built 2>/dev/null; exit 130' INT TERM HUP; \
	$(TESTS) $(PYTHON_IN) -m pytest -qq --collect-only >/dev/null; \
	$(TESTS) $(PYTHON_IN) -m pytest -q $(SPREAD) -m $(QUICK) $(if $(ARGS),,$(COVERED)) $(ARGS); \
	tests=$$?; wait $$types; types=$$?; wait $$built; built=$$?; \
	[ $$types = 0 ] && [ $$built = 0 ] && exit $$tests; exit 1
	@$(TESTS) $(PYTHON_IN) -m tests.again -q $(WIDE) -m "slow or network" $(ARGS)
	@$(TESTS) $(PYTHON_IN) tests/inside/runner.py -q $(ARGS)
	@$(if $(ARGS),,$(TESTS) $(PYTHON_IN) -m tests.browser --if-any)

lint: bootstrap ## ruff and mypy
	@$(STYLE)
	@.venv/bin/mypy

unit: bootstrap ## the quick tests, in about a minute: none that is slow or needs torch or a network
	@$(TESTS) $(PYTHON_IN) -m pytest -q $(SPREAD) -m $(QUICK) $(ARGS)

inside: bootstrap ## the tests that run in the tested environment, a conversion of the sample among them
	@$(TESTS) $(PYTHON_IN) tests/inside/runner.py -q $(ARGS)

browser: bootstrap ## look at every kind of page in headless Chromium; it fails where there is none
	@$(TESTS) $(PYTHON_IN) -m tests.browser $(ARGS)

lock: bootstrap ## compile every lock again from its requirements, the host's own among them
	@$(RUN) $(SDCOREML) env lock $(ARGS)
	@$(if $(filter-out --check --upgrade,$(ARGS)),,$(APART) $(PYTHON_IN) -m tools.host_locks $(ARGS))

bench: bootstrap ## measure what the documents claim
	@$(APART) $(PYTHON_IN) -m tests.bench $(ARGS)

clean: ## remove what was built here: environments and caches, never a model or a result
	@rm -rf .envs .venv .venv.old .venv.lock build .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
