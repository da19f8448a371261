# Maillage. Two commands matter to a newcomer: `make run` and `make test`.
BIN := $(CURDIR)/.bin
# A checkout owned by another account cannot be stamped with its commit.
export GOFLAGS ?= -buildvcs=false
# Modules outside the workspace that hold code of ours.
TOOLS := tools/bench tools/vendorproto tools/openapi
# The part of what is generated that is not the contract's.
WEB := $(CURDIR)/services/web
# What `make breaking` compares with; empty: see .ci/breaking.
AGAINST ?=
# The tests that kill and damage what holds the log.
FAULTS := Kill|Flipped|Lost|RolledBack|TailCut|Share|Drills|Rewritten
# More flags for `go test -race`.
RACE ?=
# More flags for the bench, such as -quick.
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help build run test race gen lint breaking bench fault check

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## compile bin/maillage
	go build -trimpath -o bin/maillage ./services/cmd/maillage

run: build ## start everything in one process, with the seeds loaded
	bin/maillage up --data data --seed seeds

test: build ## run every test; on Debian, as root, installs PostgreSQL if it is missing
	.ci/postgres
	go test work
	MAILLAGE_APART=1 go test ./services/e2e # the same, each service a process of its own
	MAILLAGE_POSTGRES=1 go test ./services/e2e -skip '$(FAULTS)' # the same, reads answered from PostgreSQL
	GOWORK=off go -C tools/bench test ./...

race: build ## run every test under the race detector (needs gcc)
	.ci/postgres
	CGO_ENABLED=1 go test -race $(RACE) work

gen: $(BIN)/buf third_party ## generate from the .proto files what is made of them
	$(BIN)/buf generate
	GOWORK=off go -C tools/openapi run . -base $(WEB)/openapi.base.json -out $(WEB)/openapi.json $$(find $(WEB)/gen -name '*.openapi.json')

lint: $(BIN)/buf $(BIN)/golangci-lint third_party ## check the .proto files, the OpenAPI document and the Go code
	$(BIN)/buf lint
	GOWORK=off go -C tools/openapi test -count=1 .
	cd proto && $(BIN)/golangci-lint run ./...
	cd services && $(BIN)/golangci-lint run ./...
	for m in $(TOOLS); do (cd $$m && GOWORK=off $(BIN)/golangci-lint run ./...) || exit 1; done

breaking: $(BIN)/buf third_party ## refuse a change of the .proto files that breaks their readers
	.ci/breaking $(AGAINST)

bench: build ## measure against raw JetStream and PostgreSQL (20 minutes; BENCH=-quick: 4)
	GOWORK=off go -C tools/bench run . -maillage $(CURDIR)/bin/maillage $(BENCH)

fault: build ## kill it and its services 200 times each under load, flip bits, cut tails, race for a minute
	MAILLAGE_FAULT_ROUNDS=200 go test -count=1 -timeout 2h -v -run '$(FAULTS)' ./services/e2e
	MAILLAGE_RACE_SECONDS=60 go test -count=1 -timeout 10m ./services/eventlog/...
	MAILLAGE_RACE_SECONDS=60 go test -count=1 -timeout 10m -v -run 'Race|Schedules' ./services/projection ./services/serve
	MAILLAGE_KILLS=50 go test -count=1 -timeout 20m -v -run KilledInRebuilds ./services/registry/postgres

check: gen ## generated code is current, lint, breaking
	git diff --exit-code -- proto services/web && test -z "$$(git status --porcelain -- proto services/web)"
	$(MAKE) lint breaking

third_party: $(wildcard tools/vendorproto/*.go) tools/vendorproto/go.mod
	GOWORK=off go -C tools/vendorproto run . -out $(CURDIR)/third_party && touch $@

$(BIN)/buf: tools/buf/go.mod tools/buf/go.sum
	GOWORK=off GOBIN=$(BIN) go -C tools/buf install tool && touch $@

$(BIN)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	GOWORK=off GOBIN=$(BIN) go -C tools/lint install tool && touch $@
