# What there is to make; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO            ?= go
GOLANGCI      := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
ACTIONLINT    := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.1.4
VERSION       ?= $(shell deploy/package/version)
LDFLAGS       := -s -w -X main.release=$(VERSION)
FUZZTIME      ?= 10s

# Testcontainers: no reaper image, and the containers answer on loopback.
export TESTCONTAINERS_RYUK_DISABLED ?= true
export TESTCONTAINERS_HOST_OVERRIDE ?= 127.0.0.1

.PHONY: toolchain help build build-arm64 build-armhf demo test test-go simulate day replay mends kill-test pair-test package addon pictures lint fmt bench bench-plan bench-houses fuzz cover vuln clean

# Everything that runs go looks first whether this Go will do.
build build-arm64 build-armhf test test-go simulate day replay mends kill-test pair-test lint bench bench-plan bench-houses fuzz cover vuln: | toolchain
toolchain:
	@GO='$(GO)' .ci/toolchain go

help: ## list what there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## build/powermgr, static, for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/powermgr ./cmd/powermgr

build-arm64: ## build/powermgr-arm64, static, for a Raspberry Pi
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/powermgr-arm64 ./cmd/powermgr

build-armhf: ## build/powermgr-armhf, static, for a 32-bit Raspberry Pi OS, of a Pi 1 or Zero as well
	CGO_ENABLED=0 GOOS=linux GOARCH=arm GOARM=6 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/powermgr-armhf ./cmd/powermgr

LISTEN ?= 127.0.0.1:1883
demo: build ## a summer day on this machine; its broker listens on LISTEN, 0.0.0.0:1883 for a Home Assistant elsewhere
	build/powermgr demo --listen '$(LISTEN)'

test: ## all tests, with the race detector if there is a C compiler; needs Go alone, uses Docker or mosquitto if there is one and says which
	@race=$$(GO='$(GO)' .ci/toolchain race); \
	$(GO) test -count=1 -v -run TestWhichBroker ./bridge/brokertest | grep -E 'broker:' || true; \
	echo $(GO) test -timeout 30m $$race ./...; \
	$(GO) test -timeout 30m $$race ./...

test-go: ## the fast tests, without Docker or mosquitto
	TEST_BROKER=embedded $(GO) test -short -timeout 30m ./...

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

package: build build-arm64 build-armhf ## Debian packages for amd64, arm64 and armhf
	rm -f build/powermgr_*.deb
	deploy/package/build '$(VERSION)'

addon: build build-arm64 ## build/addon, the add-on for Home Assistant
	deploy/homeassistant/addon/build '$(VERSION)'

pictures: ## deploy/pictures, the pictures of README, from the demo; 3 minutes, needs chromium
	@mkdir -p deploy/pictures
	$(GO) test -count=1 -timeout 20m -run 'TestPictures$$' ./cmd/powermgr -pictures '$(abspath deploy/pictures)'

lint: ## gofmt, go vet, the linters, import rules included, and actionlint
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt: $$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run ./...
	$(GO) run $(ACTIONLINT) -shellcheck=

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

bench: ## the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

HOMES ?= ../shared/data/homes
SKY   ?= 0
bench-plan: ## the plan on the homes of HOMES, a CSV with a year of each: bill, peaks, times, memory, errors of the forecasts; 7 minutes for eight, twice that with SKY=0.25, a weather forecast that is off by that
	@$(GO) test -count=1 -timeout 2h -v -run 'TestHomes$$' ./control/whatif -homes '$(and $(wildcard $(HOMES)),$(abspath $(HOMES)))' -sky $(SKY)

HOUSES ?= deploy/houses
bench-houses: ## two hot weeks and two cold ones in the emulated houses of HOUSES: rule, plan, and plan with thermostats; two minutes
	@$(GO) test -count=1 -timeout 1h -v -run 'TestHouses$$' ./cmd/demo -houses '$(abspath $(HOUSES))'

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
