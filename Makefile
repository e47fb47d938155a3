# `make demo` shows the operator at work, `make test` is what a contributor runs first and what CI runs.
# Needs make, Python 3.11 or later and a network with a Python package index; everything else is fetched or
# built here, into .venv and the cache directory of your account.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/mcp_gateway_operator/__init__.py)
IMG ?= mcp-gateway-operator:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
CONTAINER_TOOL ?= docker
BUILDX_BUILDER ?= multiarch
KUBECTL ?= hack/kubectl.sh
# Flags for the operator of `make run`, and for pytest of `make test`, `unit` and `integration`.
ARGS ?=
PYTEST_ARGS ?=
TEST_WORKERS ?= 3
ignore-not-found ?= false

BIN := .venv/bin
RUNTIME := .venv/runtime.stamp
LOCAL := .venv/local.stamp
DEV := .venv/dev.stamp
SIMULATOR := packages/agentcore-simulator
DEMO := packages/mcp-gateway-operator-demo
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
SOURCES := $(wildcard conftest.py src tests hack bench packages)
UNIT := tests/unit $(wildcard packages/*/tests/*/unit)
INTEGRATION := tests/integration $(wildcard packages/*/tests/*/integration)
# One worker more than there are cores in CI: the integration tests wait for processes much of the time. The API
# servers, helm and kubectl are Go's: let their collectors run less often, which saves a sixth of their time.
PYTEST := GOGC=400 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# The tests start hundreds of Python processes; each would compile the operator's modules anew.
unexport PYTHONDONTWRITEBYTECODE

stage = printf '\n==> %s\n' "$(1)"

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(LOCAL) ## Show the whole job on this machine: real API server, simulated AWS (KEEP=1 leaves it running)
	$(BIN)/mcp-gateway-operator demo $(if $(filter-out 0 false no,$(KEEP)),--keep)

.PHONY: test
test: $(DEV) ## Run every check: lint, types, layers, generated files, all tests, and what a hundred objects cost
	@$(call stage,Lint)
	@$(MAKE) --no-print-directory lint
	@$(call stage,Types and import layers)
	@# Types take one core. The other compiles the tests meanwhile, which else each worker of pytest would do.
	@# What a shell runs in the background does not hear Ctrl-C by itself.
	@trap 'kill $$tests' INT TERM; $(MAKE) --no-print-directory compiled-tests & tests=$$!; \
	  $(MAKE) --no-print-directory vet; status=$$?; wait; exit $$status
	@$(call stage,Generated files are up to date)
	@$(MAKE) --no-print-directory check-generated
	@$(call stage,Programs for the integration tests: API server and helm and promtool)
	@$(MAKE) --no-print-directory programs
	@$(call stage,Unit and integration tests with what a hundred objects cost beside them)
	@# Most of that is waiting, and no time it takes makes it fail.
	@trap 'kill $$smoke' INT TERM; $(BIN)/python bench/run.py --smoke >.venv/bench-smoke.log 2>&1 & smoke=$$!; \
	  $(PYTEST) $(UNIT) $(INTEGRATION) || { test $$? = 1 && $(BIN)/python hack/second_try.py; }; status=$$?; \
	  wait $$smoke || status=1; cat .venv/bench-smoke.log; exit $$status

##@ Development

.PHONY: venv
venv: $(DEV) ## Make the virtual environment .venv with all development tools

.PHONY: unit
unit: $(DEV) ## Run the unit tests
	$(PYTEST) $(UNIT)

.PHONY: integration
integration: $(DEV) programs ## Run the integration tests: real kube-apiserver, HTTP simulator
	$(PYTEST) $(INTEGRATION)

.PHONY: fmt
fmt: $(DEV) ## Format the code
	$(BIN)/ruff format $(SOURCES)

.PHONY: lint
lint: $(DEV) ## Check style and format, the Dockerfile's too
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/hadolint Dockerfile

.PHONY: lint-fix
lint-fix: $(DEV) ## Correct what the linter can correct by itself, and format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.PHONY: lint-config
lint-config: $(DEV) ## Check the configuration of the linters
	$(BIN)/ruff check --show-settings src >/dev/null
	$(BIN)/lint-imports --show-timings >/dev/null

.PHONY: vet
vet: $(DEV) ## Check types and the import layers
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: manifests
manifests: $(DEV) ## Write the CRD, the field reference and the chart's copies from their sources
	$(BIN)/python hack/generate.py
	$(BIN)/python hack/chart.py

.PHONY: generate
generate: manifests ## The same as manifests: all that is generated here is manifests and their documentation

.PHONY: compiled-tests
compiled-tests: $(DEV)
	@exec $(BIN)/python -m pytest -p no:xdist --collect-only -qq $(UNIT) $(INTEGRATION) >/dev/null

.PHONY: check-generated
check-generated: $(DEV) ## Fail when a generated file is not what its source says
	$(BIN)/python hack/generate.py --check
	$(BIN)/python hack/chart.py --check

.PHONY: programs
programs: $(DEV) ## Fetch or build what the integration tests run: etcd, kube-apiserver, kubectl, helm, promtool
	$(BIN)/python hack/programs.py

.PHONY: bench
bench: $(DEV) programs ## Run all benchmarks (an hour) and write their figures into docs/performance.md
	$(BIN)/python bench/run.py --out bench/results
	$(BIN)/python bench/table.py
	$(BIN)/python bench/simulator_load.py
	$(BIN)/python bench/sockets.py --out bench/results/sockets.json

.PHONY: bench-smoke
bench-smoke: $(DEV) programs ## Take 100 objects through all benchmarks and fail when calls or writes are too many
	$(BIN)/python bench/run.py --smoke

.PHONY: monitoring-check
monitoring-check: $(DEV) ## Have Debian's Prometheus watch an operator: panels with data, alerts that fire (ARGS="--servers=1000")
	$(BIN)/python hack/monitoring_check.py $(ARGS)

.PHONY: mutants
mutants: $(DEV) ## Change the decision core in small ways; fail when its tests miss one in ten (ARGS="--sample=50 --quick")
	nice $(BIN)/python hack/mutants.py $(ARGS)

.PHONY: fuzz
fuzz: $(DEV) programs ## Ask the admission policy and the operator about 10,000 random specs (FUZZ_SPECS, FUZZ_SEED)
	FUZZ_SPECS=$(or $(FUZZ_SPECS),10000) FUZZ_SEED=$(or $(FUZZ_SEED),admission) \
	  $(BIN)/python -m pytest -p no:xdist -q -s --timeout=3600 tests/integration/api/test_admission_fuzz.py

.PHONY: lock
lock: ## Resolve the dependencies anew into requirements*.txt (UPGRADE=1 takes newer versions)
	UPGRADE=$(UPGRADE) hack/lock.sh

.PHONY: pin
pin: $(LOCAL) ## Write the digests of the Dockerfile's images and of the envtest archives (asks their publishers)
	$(BIN)/python hack/pin.py

.PHONY: clean
clean: ## Remove what make made in this tree (the cache of your account stays)
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

##@ Build

.PHONY: build
build: $(DEV) ## Build the three wheels and the operator's source archive in dist/
	$(BIN)/python -m hatchling build
	cd $(SIMULATOR) && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist
	cd $(DEMO) && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist

.PHONY: krew
krew: build ## Write the archive of `kubectl mcps` and its krew manifest in dist/ (KREW_URL=where it will be)
	$(BIN)/python hack/krew.py "$(KREW_URL)"

.PHONY: run
run: $(RUNTIME) ## Run the operator here against the current kubeconfig context (ARGS="--gateway-id=...")
	$(BIN)/mcp-gateway-operator run $(ARGS)

.PHONY: docker-build
docker-build: ## Build the image IMG
	$(CONTAINER_TOOL) build --tag "$(IMG)" .

.PHONY: docker-push
docker-push: ## Push the image IMG
	$(CONTAINER_TOOL) push "$(IMG)"

.PHONY: docker-buildx
docker-buildx: ## Build the image IMG for PLATFORMS and push it
	$(CONTAINER_TOOL) buildx inspect "$(BUILDX_BUILDER)" >/dev/null 2>&1 || \
	  $(CONTAINER_TOOL) buildx create --name "$(BUILDX_BUILDER)" --driver docker-container
	$(CONTAINER_TOOL) buildx build --builder "$(BUILDX_BUILDER)" --platform "$(PLATFORMS)" --tag "$(IMG)" --push .

.PHONY: image-proof
image-proof: $(DEV) ## Run the image's contents without a container engine (root, Debian or Ubuntu)
	$(BIN)/python hack/image_proof.py

.PHONY: build-installer
build-installer: $(LOCAL) ## Write dist/install.yaml: CRD, permissions and Deployment of IMG in one file
	@mkdir -p dist
	@new=$$(mktemp dist/.install.XXXXXX) && trap 'rm -f "$$new" "$$new.yaml"' EXIT && \
	  $(KUBECTL) kustomize config/default >"$$new" && \
	  sed 's|^\( *image: \).*|\1$(IMG)|' "$$new" >"$$new.yaml" && mv "$$new.yaml" dist/install.yaml
	@echo "dist/install.yaml deploys $(IMG)"

##@ Cluster (the current kubeconfig context)

.PHONY: install
install: $(LOCAL) ## Install the CRD
	$(KUBECTL) apply --server-side --force-conflicts -k config/crd
	@# kubectl gives up at once on a CRD so new that its conditions are still null.
	for try in 1 2 3 4 5; do \
	  $(KUBECTL) wait --for=condition=Established --timeout=60s crd/mcpservers.mcpgateway.bedrock.aws && exit 0; \
	  sleep 1; \
	done; exit 1

.PHONY: uninstall
uninstall: $(LOCAL) ## Remove the CRD, and with it every MCPServer (ignore-not-found=true forgives absence)
	$(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -k config/crd

.PHONY: deploy
deploy: build-installer ## Install everything, the operator as a Deployment of IMG
	$(KUBECTL) apply --server-side --force-conflicts -f dist/install.yaml

# The CRD goes first, and is waited for: while the operator still runs, it removes the targets of the MCPServers
# that go with it.
.PHONY: undeploy
undeploy: uninstall ## Remove everything that deploy installed, MCPServers and their targets first
	$(KUBECTL) kustomize config/default | $(KUBECTL) delete --ignore-not-found=true --wait=false -f -

# --- the virtual environment: made again only when what it is made from changed ---------------------------

# pip is told the very files by their hashes; where it gets them from is the machine's own configuration.
$(RUNTIME): requirements.txt requirements-build.txt pyproject.toml
	@python=$$(hack/python.sh) && $(call stage,Virtual environment in .venv with $$python) && \
	  { $(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear .venv; }
	$(PIP_INSTALL) --require-hashes -r requirements.txt -r requirements-build.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# The simulator, the local cluster and the demo: from this tree, whatever an index may have under their names.
$(LOCAL): $(RUNTIME) requirements-local.txt $(SIMULATOR)/pyproject.toml $(DEMO)/pyproject.toml
	$(PIP_INSTALL) --require-hashes -r requirements-local.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e $(SIMULATOR) -e $(DEMO)
	@touch $@

$(DEV): $(LOCAL) requirements-dev.txt
	@$(call stage,Development tools in .venv)
	$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@
