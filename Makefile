# Two commands matter to a newcomer: `make demo` and `make test`. Each installs and builds what it needs.

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
SWIFT ?= swift
OUT := $(CURDIR)/out
STORE := $(OUT)/share/cowork/images
HELPERS := coworkd cowork-hypervisor cowork-vsock cowork-guest
RELEASE := -c release --static-swift-stdlib -j $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help demo test build image image-check bench lint fmt install clean packages toolchain python

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: build image ## build everything, then run a small job in a guest and show the result
	@tools/demo

test: build image python ## run every test: unit, component and real guests
	@tools/test

build: toolchain packages ## build into out/: out/bin/cowork runs in place
	@echo "== build (release)"
	@$(SWIFT) build $(RELEASE)
	@tools/stage .build/release $(OUT)

image: build ## make the guest image where out/bin/cowork finds it
	@echo "== guest image"
	@$(OUT)/bin/cowork image build base --recipe images/base --store $(STORE)
	@tools/warm $(OUT)

image-check: build ## build the image twice from nothing and compare (long; by hand)
	@tools/image-check

bench: build image python ## measure, against bare QEMU where there is something to compare with
	@.venv/bin/python Tests/Benchmarks/run.py

lint: toolchain ## formatting and style
	@$(SWIFT) format lint --strict -r -p Sources Tests Package.swift

fmt: toolchain ## format the sources in place
	@$(SWIFT) format -i -r -p Sources Tests Package.swift

install: ## install what `make build image` made (DESTDIR, PREFIX)
	@DESTDIR="$(DESTDIR)" tools/install "$(OUT)" "$(DESTDIR)$(PREFIX)"

clean: ## remove everything that was built
	rm -rf .build out .venv

packages:
	@tools/packages

toolchain:
	@command -v $(SWIFT) >/dev/null 2>&1 || { \
		echo "cowork: no Swift toolchain: '$(SWIFT)' is not on PATH" >&2; \
		echo "hint: install Swift 6.3 for Debian 12 from https://www.swift.org/install/linux and put its usr/bin on PATH," >&2; \
		echo "hint: or name it: make SWIFT=/path/to/usr/bin/swift" >&2; exit 1; }

python: packages
	@tools/python
