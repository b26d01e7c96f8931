# Needs Python 3.11 or newer and nothing else. The environment in .venv is built once, by the first target that
# needs it, from pyproject.toml and constraints.txt: with uv where uv is on the PATH, else with venv and pip.
# PYTHON=/path/to/python3.12 chooses the interpreter.

.PHONY: help demo test prove lint bench bench-rivals broker-jars broker
.DEFAULT_GOAL := help

BIN := .venv/bin
BUILT := .venv/.built
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)

help:
	@echo "make demo    a small storm of 10 October 2025, one venue, in two and a half minutes"
	@echo "make test    lint, types and every test that is quick"
	@echo "make prove   the tests that are long: the storm over seeds with and without its makers, a hundred kills on a broker"
	@echo "make lint    ruff and mypy alone"
	@echo "make broker-jars   Apache Kafka for the tests, into build/kafka (needs Maven; the tests need Java 17)"
	@echo "make broker  one broker on port 9092 until Ctrl-C, without Docker (PORT=19092 for another)"
	@echo "make bench   how fast the book, the exchange, a whole run and the engine on Kafka are, kept as text"
	@echo "make bench-rivals   the engine on Kafka beside Quix Streams and Faust, the exchange beside other matching engines"

demo: $(BUILT)
	@$(BIN)/liqstorm demo

test: lint
	$(BIN)/python -m pytest

prove: $(BUILT)
	$(BIN)/python -m pytest -m prove

lint: $(BUILT)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(BUILT)
	$(BIN)/python -m tests.benchmarks

bench-rivals: $(BUILT) build/kafka/.fetched .venv-bench/.built
	$(BIN)/python -m tests.benchmarks exactly_once peers

.venv-bench/.built: tests/benchmarks/rivals.txt
	@rm -rf .venv-bench
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

broker-jars: build/kafka/.fetched

build/kafka/.fetched: tests/kafka/pom.xml
	@command -v mvn >/dev/null 2>&1 || { \
	    echo "Maven (mvn) fetches the broker's jars and is not on the PATH." >&2; \
	    echo "Install it, or name a broker that runs: KAFKA_BOOTSTRAP=host:port make test" >&2; exit 1; }
	@echo "Fetching Apache Kafka into build/kafka" >&2
	@rm -rf build/kafka
	@mvn --batch-mode --quiet --file tests/kafka/pom.xml dependency:copy-dependencies
	@touch $@

broker: $(BUILT) build/kafka/.fetched
	@$(BIN)/python -m tests.kafka.broker $(or $(PORT),9092)

$(BUILT): pyproject.toml constraints.txt
	@set -e; python=; \
	for one in $(CANDIDATES); do \
	    if "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$one; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "liqstorm needs Python 3.11 or newer, and none was found as: $(CANDIDATES)." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	rm -rf .venv; \
	if command -v uv >/dev/null 2>&1; then \
	    echo "Building .venv with uv and $$("$$python" --version)" >&2; \
	    uv venv --quiet --python "$$python" .venv; \
	    install="uv pip install --quiet --python $(BIN)/python"; \
	else \
	    echo "Building .venv with pip and $$("$$python" --version); this takes a minute" >&2; \
	    "$$python" -m venv .venv; \
	    install="$(BIN)/python -m pip install --quiet --disable-pip-version-check"; \
	fi; \
	$$install --constraint constraints.txt hatchling editables; \
	$$install --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $(BUILT)
