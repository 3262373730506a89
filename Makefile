# Each target works as the only command after a clone: it makes its virtual environment and installs what it needs there.
# PYTHON chooses the interpreter, VENV the place of the environment, ARGS goes to pytest, to the demonstration or to the benchmarks.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Processes that run tests side by side, each with servers of its own.
WORKERS ?= auto
# Seconds for each harness of the fuzzer in the mean, and its compiler.
FUZZ_SECONDS ?= 60
CLANG ?= clang-14
SANITIZERS := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined \
	-fsanitize-ignorelist=fuzz/ignored.txt

BIN := $(VENV)/bin
# The extra gss is built with Kerberos' headers, so the tests have it only where those are: python3 -m tools.kerberos.
COMMA := ,
GSS := $(if $(shell command -v krb5-config 2>/dev/null),$(COMMA)gss)
SOURCES := pyproject.toml setup.py $(wildcard pgfast/_codec.pyx pgfast/kernels/*.pxd)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Some tools start others by name (cython-lint starts pycodestyle).
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help demo test test-matrix test-compat lint bench fuzz fuzz-compiler wheel clean

help:
	@echo 'make demo        load and read TPC-H lineitem with a server of its own, compiled beside pure'
	@echo 'make test        the whole suite, with both implementations, against real servers, PostgreSQL 14 to 18'
	@echo 'make test-matrix the live tests against PostgreSQL 10 to 18, with both implementations: one table'
	@echo 'make test-compat the tests of SQLAlchemy, Django, pandas and PEP 249, with pgfast and with psycopg: one table'
	@echo 'make lint        ruff, cython-lint, mypy --strict, stubtest, actionlint'
	@echo 'make bench       every kind of work beside the floor and the peers: docs/benchmarks.md (ARGS=--quick: two minutes)'
	@echo 'make fuzz        the codec, the parsers and the session under ASan and UBSan, FUZZ_SECONDS each (Linux, clang-14)'
	@echo 'make wheel       sdist, compiled and pure wheel, each tested in a clean environment'
	@echo 'make clean       remove everything these make'

$(VENV)/made:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("pgfast needs Python 3.10 or later: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# The checkout itself with one set of extras. The codec lies beside its sources, compiled once for all the sets.
$(VENV)/with-%: $(VENV)/made $(SOURCES)
	PGFAST_BUILD=$$(test -e $(VENV)/compiled && test -z "$$(find $(SOURCES) -newer $(VENV)/compiled)" && \
		ls pgfast/_codec.*.so > /dev/null 2>&1 && echo skip || echo require) \
		$(BIN)/python -m pip install --quiet --editable '.[$*$(if $(filter test,$*),$(GSS))]'
	touch $(VENV)/compiled $@

demo: $(VENV)/with-demo
	$(BIN)/pgfast demo $(ARGS)

# Files go to the processes in the order that tests/conftest.py gives them.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The second run leaves out what the first has seen of both modules. Of the versions it has the oldest and the newest:
# what those between send, the first run has read, and what a codec makes of bytes is compared there with the other one.
test: $(VENV)/with-test
	PGFAST_IMPL=c $(PYTEST) $(ARGS)
	PGFAST_IMPL=python $(PYTEST) --only-implementation --versions 14,18 $(ARGS)

test-matrix: $(VENV)/with-test
	$(BIN)/python tools/test_matrix.py $(ARGS)

test-compat: $(VENV)/with-test
	$(BIN)/python -m tools.test_compat $(ARGS)

lint: $(VENV)/with-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint pgfast
	$(BIN)/mypy
	$(BIN)/python tools/stubtest.py
	$(BIN)/python tools/lint_workflows.py .github/workflows/*.yml

# The peers' environment and the floor's program are made by the benchmarks themselves, in build/.
bench: $(VENV)/with-bench
	$(BIN)/python -m benchmarks $(ARGS)

# The ordinary codec of its environment is never loaded; it is compiled by the same compiler, so that one is enough.
fuzz: export CC = $(CLANG)
fuzz: fuzz-compiler $(VENV)/with-fuzz
	CFLAGS='-g -fno-omit-frame-pointer $(SANITIZERS)' PGFAST_BUILD=require \
		$(BIN)/python setup.py --quiet build_ext --force --build-lib build/fuzz --build-temp build/fuzz/objects
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

fuzz-compiler:
	@test -f "$$($(CLANG) -print-resource-dir 2>/dev/null)/lib/linux/libclang_rt.asan_static-$$(uname -m).a" || \
		{ echo 'make fuzz needs $(CLANG) and its sanitizers: apt-get install $(CLANG) lib$(subst clang,clang-rt,$(CLANG))-dev' >&2; exit 1; }

wheel: $(VENV)/with-wheel
	$(BIN)/python tools/build_wheels.py

clean:
	rm -rf $(VENV) build dist *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f pgfast/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
