.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench clean

help:     ## list these
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install:  ## make .venv with the locked dependencies and this checkout
	@scripts/install

demo: install  ## the tour: fit, sample, compare; writes report.html
	.venv/bin/genus demo

test: install  ## lint, types and every test
	scripts/test

lint: install  ## ruff and mypy
	scripts/lint

format: install  ## sort imports and format
	scripts/format

bench:    ## measure against the best peers (arguments: scripts/bench --help)
	@scripts/install bench
	scripts/bench

clean:    ## remove caches, builds and .venv; never your runs
	rm -rf .venv dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
