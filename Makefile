# What there is to make; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO            ?= go
GOLANGCI      := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.1.4
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS       := -s -w -X main.release=$(VERSION)
FUZZTIME      ?= 10s

# Testcontainers: no reaper image, and the containers answer on loopback.
export TESTCONTAINERS_RYUK_DISABLED ?= true
export TESTCONTAINERS_HOST_OVERRIDE ?= 127.0.0.1

.PHONY: help build build-arm64 demo test test-go simulate day replay mends kill-test pair-test package lint fmt bench fuzz cover vuln clean

help: ## list what there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## build/powermgr, static, for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/powermgr ./cmd/powermgr

build-arm64: ## build/powermgr-arm64, static, for a Raspberry Pi
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/powermgr-arm64 ./cmd/powermgr

demo: build ## a summer day on this machine
	build/powermgr demo

test: ## all tests, with the race detector; needs Go alone, uses Docker or mosquitto if there is one and says which
	@$(GO) test -count=1 -v -run TestWhichBroker ./bridge/brokertest | grep -E 'broker:' || true
	$(GO) test -race ./...

test-go: ## the fast tests, without Docker or mosquitto
	TEST_BROKER=embedded $(GO) test -short ./...

DAYS   ?= 500
SEED   ?= 1
FAULTS ?= all
simulate: ## DAYS days of people and faults, each of a seed from SEED on; FAULTS none, some, all or ahead
	@$(GO) test -c -o build/simulation.test ./cmd/simulation
	@build/simulation.test -test.run TestCampaign -test.timeout 24h -days $(DAYS) -seed $(SEED) -faults $(FAULTS)

FILE   ?= build/day.yaml
day: ## write the day of seed SEED to FILE, to be read, changed, lived by make replay, or kept in cmd/simulation/testdata/days
	@mkdir -p $(dir $(FILE))
	@$(GO) test -count=1 -run 'TestDay$$' ./cmd/simulation -write -day $(abspath $(FILE)) -seed $(SEED) -faults $(FAULTS) >/dev/null
	@echo $(FILE)

replay: ## live the day of FILE and tell its story
	@$(GO) test -count=1 -v -run 'TestDay$$' ./cmd/simulation -replay -day $(abspath $(FILE))

VARY ?= 0
MEND ?= .
mends: ## take out what mended each bug that was found (MEND=part of a day's name), and see its day fail; for one that does not, look at VARY variants
	$(GO) test -count=1 -timeout 2h -run 'TestEachMendIsNeeded/$(MEND)' ./cmd/simulation -mends -vary $(VARY)

KILLS ?= 200
kill-test: ## kill the daemon, a real process at a real broker, at KILLS random moments of a peak
	$(GO) test -count=1 -timeout 2h -run TestKilledAtAnyMoment ./cmd/powermgr -v -kills $(KILLS)

ROUNDS ?= 1
pair-test: ## two nodes with keepalived in network namespaces, each fault ROUNDS times; as root, with keepalived, mosquitto, iproute2, socat and curl
	$(GO) test -count=1 -timeout 3h -run 'TestPair$$' ./cmd/powermgr -v -pair-rounds $(ROUNDS)

package: build build-arm64 ## Debian packages for amd64 and arm64
	rm -f build/powermgr_*.deb
	deploy/package/build '$(VERSION)'

lint: ## gofmt, go vet and the linters, import rules included
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt: $$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run ./...

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

bench: ## the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

cover: ## coverage of the tests
	$(GO) test -short -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -1

vuln: ## known vulnerabilities, where the database can be reached
	$(GO) run $(GOVULNCHECK) ./...

clean: ## remove what was built
	rm -rf build coverage.out
