# SPDX-License-Identifier: Apache-2.0
# The front door. Meson and Ninja do the building; longer errands live in tools/.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON := /usr/bin/python3

.PHONY: all run test test-v2 test-unprivileged test-images chaos autoscale-sim lint format bench install deb test-deb docs deps clean help

all: ## build everything to build/ (the default)
	@tools/build.sh $(BUILD)

run: ## install what is missing, build, start the server, show a first program run
	@tools/deps.sh run
	@tools/build.sh $(BUILD)
	@tools/run.sh $(BUILD)

test: ## install what is missing, build, run every test (SUITES="unit http" for some, see --list)
	@tools/deps.sh test
	@$(PYTHON) tools/test.py $(SUITES)

test-v2: ## the attacks on the sandbox again, in a virtual machine that has cgroup v2 only (minutes)
	@tools/deps.sh test vm
	@tools/build.sh $(BUILD)
	@EVALX_BUILD=$(BUILD) tests/hostile/run_v2.sh

test-unprivileged: ## the attacks again, with a sandbox that an ordinary user runs (no control groups)
	@tools/deps.sh test
	@tools/build.sh $(BUILD)
	@EVALX_BUILD=$(BUILD) tests/hostile/run_unprivileged.sh

test-images: ## all container images and the compose deployment, by a container engine of the test's own (minutes)
	@tools/deps.sh images vm
	@tools/build.sh $(BUILD)
	@EVALX_IMAGES=all EVALX_BUILD=$(BUILD) $(PYTHON) -m pytest -q tests/images

chaos: ## break a deployment of several processes at random; SECONDS=60 SEED=n, see docs/reliability.md
	@tools/deps.sh test
	@tools/build.sh $(BUILD)
	@EVALX_BUILD=$(BUILD) unshare --mount $(PYTHON) tests/chaos/chaos.py --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

autoscale-sim: ## scale real workers with the shipped autoscaler, and draw docs/autoscaling*.svg (about 12 minutes)
	@tools/deps.sh test
	@tools/build.sh $(BUILD)
	@$(PYTHON) deploy/autoscale-sim/run --build $(BUILD) --docs --json $(BUILD)/autoscaling.json

lint: ## warnings, formatting, static analysis, include direction (CHANGED=1: only files changed since HEAD)
	@tools/deps.sh lint
	@tools/lint.sh

format: ## rewrite the C files as .clang-format says
	@tools/deps.sh lint
	@git ls-files '*.c' '*.h' ':!tests/hostile/compilers/*' ':!tests/*/corpus/*' | xargs clang-format -i

bench: ## measure as ratios against bare spawns, in one run (LONG=1: longer, steadier)
	@tools/deps.sh bench
	@tools/build.sh $(BUILD)
	@$(PYTHON) bench/run.py --build $(BUILD) $(if $(LONG),--long)

install: ## install below DESTDIR/PREFIX (PREFIX=/usr/local)
	@tools/build.sh $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

deb: ## build the Debian package of this tree, to build-deb/
	@tools/deps.sh deb
	@tools/deb.sh

test-deb: ## the package in a virtual machine with systemd: installed, started, hardened, upgraded, purged (minutes)
	@tools/deps.sh test vm
	@tests/package/on_systemd.sh

docs: ## bring the generated parts of the documentation up to date
	@tools/build.sh $(BUILD)
	@$(PYTHON) tools/docs.py --build $(BUILD)
	@deploy/grafana/dashboards.py

deps: ## install the Debian packages of FOR="build run test lint bench languages"
	@tools/deps.sh $(or $(FOR),build)

clean: ## remove the build folders
	@rm -rf $(BUILD) build-asan build-fuzz build-lint build-tsan

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 28
