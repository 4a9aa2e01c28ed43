# Two commands do everything on a fresh Debian 12, as root:
#   make run    installs what is needed, builds, starts the server in development mode with its data in ./data
#   make test   installs what tests need, builds with sanitizers, runs all tests; last line: "N passed, N failed"
# `make help` lists the rest.

JOBS ?= $(shell nproc)
QUIET = --log-level=WARNING

.PHONY: help docs run build install portability dev tsan tsan-test test test-quick check format bench sim fuzz kill clean
help:
	@sed -n 's/^## //p' Makefile

## make run         build and start the server (development mode, loopback; BECK_DATA=./data BECK_LISTEN=127.0.0.1:8800)
run: build
	@tools/run-dev

## make build       release build: programs in build/bin
build:
	@tools/install-deps
	@echo "compiling: the server and its tool, into build/bin"
	@cmake $(QUIET) --preset release >/dev/null && cmake --build build -j $(JOBS) -- --no-print-directory -s

## make install     programs, library, headers, beck.pc below PREFIX (/usr/local); DESTDIR goes before it
PREFIX ?= /usr/local
install:
	@tools/install-deps
	@cmake $(QUIET) --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null && cmake --build build -j $(JOBS) -- --no-print-directory -s
	@cmake --install build >/dev/null

## make dev         debug build with ASan and UBSan in build/dev
dev:
	@tools/install-deps test
	@echo "compiling: everything with sanitizers, into build/dev/bin"
	@cmake $(QUIET) --preset dev >/dev/null && cmake --build build/dev -j $(JOBS) -- --no-print-directory -s

tsan:
	@tools/install-deps test
	@cmake $(QUIET) --preset tsan >/dev/null && cmake --build build/tsan -j $(JOBS) -- --no-print-directory -s

## make tsan-test   the api tests and a storm of clients under the thread sanitizer
tsan-test:
	@tools/install-deps test
	@tools/run-tests --only tsan

## make test        all tests, under 40 minutes on 2 cores
test: dev
	@tools/run-tests

## make test-quick  the quick ones, under 5 minutes
test-quick: dev
	@tools/run-tests --quick

## make check       layout, lint, layers, banned functions
check:
	@tools/install-deps test
	@tools/check_layers
	@tools/check_banned
	@tools/make_limits_doc --check
	@tools/make_web_schema --check
	@web/node_modules/.bin/tsc -p web
	@tools/make_api_doc --check
	@tools/make_quickstart --check
	@tools/make_man --check
	@tools/check_format
	@cmake $(QUIET) --preset dev >/dev/null
	@tools/check_tidy

format:
	@tools/check_format --fix

## make docs        pages that are made from data and from the examples
docs:
	@tools/make_limits_doc
	@tools/make_web_schema
	@tools/make_api_doc

## make portability compiles libbeck for musl, ARM and Windows, and runs its tests for ARM by qemu; INSTALL=1 installs what that needs
portability: build
	@tools/portability $(if $(INSTALL),--install)

## make sim         SEEDS=n runs of the whole server in one thread with faults; prints the seed of a failure (SEED=x replays)
SEEDS ?= 200
sim: dev
	@tools/run-sim --seeds $(SEEDS) $(if $(SEED),--seed $(SEED))

## make fuzz        SECONDS=n for each fuzz target
SECONDS ?= 120
fuzz:
	@tools/install-deps test
	@cmake $(QUIET) --preset fuzz >/dev/null && cmake --build build/fuzz -j $(JOBS) -- --no-print-directory -s
	@tools/run-fuzz --seconds $(SECONDS)

## make kill        ROUNDS=n random kill -9 under load
ROUNDS ?= 20
kill: dev
	@BECK_KILL_ROUNDS=$(ROUNDS) python3 -m pytest -q tests/kill

## make bench       the numbers of docs/benchmarks.md, measured here and now
bench:
	@tools/install-deps bench
	@cmake $(QUIET) --preset release >/dev/null && cmake --build build -j $(JOBS) -- --no-print-directory -s
	@cmake --build build -j $(JOBS) --target bench_programs -- --no-print-directory -s
	@bench/run

clean:
	@rm -rf build
