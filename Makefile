# Needs: make, npm and any Node from 20 on. Everything else, the pinned Node 24 included, comes with `make setup`.

ARCH ?= $(HOST_ARCH)

SHELL = /bin/sh
HOST_ARCH := $(patsubst x86_64,x64,$(patsubst aarch64,arm64,$(shell uname -m)))
DIST = $(if $(filter $(HOST_ARCH),$(ARCH)),dist,dist/$(ARCH))
HOST_PATH := $(subst $(CURDIR)/node_modules/.bin:,,$(PATH))
# Whatever runs here runs under the pinned Node.
export PATH := $(CURDIR)/node_modules/.bin:$(HOST_PATH)

.DEFAULT_GOAL := help
# Whatever -j says: all of them work in dist/.
.NOTPARALLEL:
.PHONY: help setup npm-packages host-packages build-packages demo-packages check test unit simulation integration e2e build built demo simulator simulate mutations soak bench pictures image aci install uninstall package release clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16
	@echo '  Variables: ARCH=x64|arm64 (build, image, aci, install, package), DESTDIR, PREFIX, CNI_BIN_DIR, RKT_PLUGIN_DIR, SYSTEMD_DIR, TMPFILES_DIR, SYSUSERS_DIR, SHARE_DIR, DOC_DIR (install, uninstall)'

setup: npm-packages host-packages ## fetch the toolchain: npm packages, and as root the Debian packages that tests use

# Again only when the lock file has changed since the last time it went well. npm 9 leaves the link to Node out. A node_modules
# that is a link belongs to another tree, which npm ci would leave without it.
npm-packages:
	@if test ! -L node_modules && ! sha256sum --check --status node_modules/.setup 2>/dev/null; then \
	  PATH='$(HOST_PATH)' command -v npm >/dev/null || { echo 'setup: no npm on this host: install Node 20 or later with npm (Debian: apt-get install nodejs npm)' >&2; exit 1; }; \
	  echo 'setup: fetching npm packages and the pinned Node (npm ci), which takes a minute or two'; \
	  PATH='$(HOST_PATH)' npm ci --loglevel=error \
	  && ln -sfn ../node-linux-$(HOST_ARCH)/bin/node node_modules/.bin/node \
	  && sha256sum package-lock.json > node_modules/.setup; \
	fi

# PROGRAM:PACKAGE of Debian. A build or a demo brings no container runtimes onto a host: only tests need them.
build-packages: NEEDS = strip:binutils
demo-packages: NEEDS = bridge:containernetworking-plugins ip:iproute2
host-packages: NEEDS = bridge:containernetworking-plugins ip:iproute2 curl:curl openssl:openssl strip:binutils systemd:systemd \
  busybox:busybox-static dockerd:docker.io docker:docker-cli containerd:containerd runc:runc podman:podman catatonit:catatonit \
  chromium:chromium prometheus:prometheus mandoc:mandoc zsh:zsh fish:fish kustomize:kustomize
build-packages demo-packages host-packages:
	@missing=; PATH=$$PATH:/usr/lib/cni:/opt/cni/bin:/lib/systemd; \
	for need in $(NEEDS); do command -v $${need%:*} >/dev/null || missing="$$missing $${need#*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "setup: apt-get install$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && exit 0; \
	fi; \
	echo "setup: MISSING on this host (Debian names):$$missing - going on without: less is shown or tested, or the executable is larger"

check: npm-packages ## format, lint, types, import directions
	npm run --silent check

test: setup check build ## set up, check, build, write the images, run every test
	@node deploy/image/write.ts oci aci --dist dist || { test -z "$(CI)" && echo 'test: NO IMAGES on this host - going on without, less is tested'; }
	@node test/fixture/newest.ts || echo 'test: NO plugins and containerd of Debian testing on this host - going on without, less is tested'
	npm run --silent test

unit simulation integration: npm-packages ## run one tier of the tests: what is pure; the core in virtual time; the daemon against the simulator
	vitest run --project $@

e2e: host-packages build ## run the tests of the built executable, with real kernels, runtimes and packages
	vitest run --project $@

build: npm-packages build-packages ## build dist/infoblox-cni with its links, licences and SBOM (ARCH=arm64: dist/arm64/)
	node build.mjs --arch $(ARCH)

# What a build is made of. It is used again as long as none of it is newer, and the commit that it tells is this one.
SOURCES = src deploy/manual build.mjs package.json package-lock.json LICENSE

current = $(shell { commit=$${COMMIT:-$$(git describe --always --dirty --abbrev=12 --exclude='*' || echo unknown)}; \
  test -x $(DIST)/infoblox-cni && grep -qF "\"$$commit\"" $(DIST)/infoblox-cni.cdx.json \
  && test -z "$$(find $(SOURCES) -newer $(DIST)/infoblox-cni)" && echo yes; } 2>/dev/null)

.SECONDEXPANSION:
built: npm-packages $$(if $$(current),,build)
	@echo 'build: $(DIST)/infoblox-cni is up to date'

demo: demo-packages build ## a container's address from a simulated grid, and back: the whole way
	node test/demo/main.ts

simulator: npm-packages ## start the grid simulator alone, to point curl or a daemon at: FLAGS='--listen 192.0.2.10'
	node test/simulator/main.ts $(FLAGS)

soak: npm-packages ## the long chaos run: OPERATIONS=100000, SEED=...
	node test/e2e/reliability/soak.ts --operations $(or $(OPERATIONS),100000) $(if $(SEED),--seed $(SEED))

simulate: npm-packages ## the core in virtual time, with troubles: SEEDS=100000, SEED=1; SCENARIO=fleet for a site that boots
	@SEEDS='$(or $(SEEDS),500)' SEED='$(or $(SEED),1)' SCENARIO='$(or $(SCENARIO),seeds)' node test/simulation/main.ts

mutations: npm-packages ## take safety conditions out of the source one by one: each time a test has to fail
	@node test/mutations.ts

bench: demo-packages build ## what it costs: start-up, requests, latency
	node bench/main.ts

pictures: setup build ## make the pictures of the documentation anew: NAME=dashboard for one alone
	node test/pictures/main.ts $(NAME)

image: built ## write an OCI image archive of the daemon, for podman, docker and containerd (ARCH=arm64: dist/arm64/)
	node deploy/image/write.ts oci --arch $(ARCH) --dist $(DIST)

aci: built ## write an App Container Image of the daemon, for rkt
	node deploy/image/write.ts aci --arch $(ARCH) --dist $(DIST)

install: ## install on this host, or below DESTDIR; builds only if nothing is built
	@test -x $(DIST)/infoblox-cni && test -f $(DIST)/THIRD-PARTY-LICENSES || $(MAKE) build
	@version=$$($(DIST)/infoblox-cni --version 2>/dev/null) || version='a build that does not run on this machine'; \
	  echo "install: $$version, from $(DIST)"
	@DIST='$(DIST)' sh deploy/install.sh install

uninstall: ## remove what install put there; configuration and state stay
	@sh deploy/install.sh uninstall

package: built ## pack the build: a tarball with its installer, a Debian package; in dist/packages
	@ARCH='$(ARCH)' DIST='$(DIST)' sh deploy/package.sh

release: npm-packages ## put all of one version into dist/release, from its tag: see docs/releasing.md
	@MAKE='$(MAKE)' node deploy/release/write.ts

clean: ## remove what was built and fetched, node_modules excepted
	rm -rf dist coverage .cache
