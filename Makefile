# SPDX-License-Identifier: Apache-2.0
#
# The short names for what people do here. Meson builds; this file only remembers how to ask it.
#
#   make DEPS=: TARGET      leaves installing packages to you
#   make BUILD=DIR TARGET   builds in another place (the examples expect `build`)

DEPS  ?= tools/deps
BUILD ?= build
# Whoever comes with a newer compiler gets its new warnings, but also a program. CI is stricter.
SETUP ?= -Dwerror=false
PYTEST = /usr/bin/python3 -m pytest -q -p no:cacheprovider

.DEFAULT_GOAL := help
.PHONY: help build run test check bench clean format install

help:
	@echo 'make run      build, start a small example bot and guard it; the screen says what to try'
	@echo 'make test     build and run the tests that take a minute'
	@echo 'make build    only build: build/albraguard'
	@echo 'make check    everything CI does, which takes half an hour'
	@echo 'make bench    measure what watching costs'
	@echo 'make format   lay out the C code'
	@echo 'make install  install what was built (PREFIX and DESTDIR as usual)'
	@echo 'make clean    remove what was built and the example run'
	@echo
	@echo 'What is missing is installed first, with apt-get (tools/deps says what and why).'

build:
	@$(DEPS) build
	@tools/build $(BUILD) $(SETUP)

run:
	@$(DEPS) run
	@tools/build $(BUILD) $(SETUP)
	@BUILD=$(BUILD) tools/demo

test:
	@$(DEPS) test
	@tools/build $(BUILD) $(SETUP)
	@echo 'test: unit tests, golden screens, saved inputs, the tools themselves'
	@tools/suite $(BUILD) unit golden corpus tools-fast
	@echo 'test: the real daemon with real processes, the quick part'
	@BUILD=$(BUILD) $(PYTEST) -m quick test/live

check:
	@echo 'check: what CI does after make test; each step prints its name and time'
	@.ci/run check

bench:
	@$(DEPS) check
	@tools/build $(BUILD) $(SETUP)
	@echo 'bench: what watching costs'
	@meson test -C $(BUILD) --benchmark --verbose

format:
	@echo 'format: laying out the C code with clang-format 14'
	@tools/format

install:
	@$(DEPS) build
	@tools/build $(BUILD) $(SETUP) $(if $(PREFIX),-Dprefix=$(PREFIX))
	@echo 'install: into $(or $(DESTDIR),/)'
	@meson install -C $(BUILD) --no-rebuild --quiet

clean:
	@echo 'clean: removing build*/ and run/'
	@rm -rf build build-*/ run
