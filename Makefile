# Two commands do everything on a fresh machine: `make run` and `make test`.
PORT ?= $(or $(CDS_PORT),8000)

.PHONY: run test test-fast check map docs bench bench-short bench-tail bench-population bench-definitions bench-peers examples unverified renew clean

run: .venv/service
	PORT=$(PORT) scripts/run

test: .venv/ready
	scripts/test

# What a developer runs after each change: no browser, no database, no other processes, nothing that takes a fifth of a second.
test-fast: .venv/ready
	scripts/test -m 'not (seconds or slow or browser or database or processes)' --durations=10 --durations-min=0.5

check: .venv/ready
	scripts/check

map: .venv/ready
	.venv/bin/python scripts/draw_map.py

bench: .venv/ready
	PYTHONPATH=. .venv/bin/python -m benchmarks.bench --page

bench-short: .venv/ready
	PYTHONPATH=. .venv/bin/python -m benchmarks.bench --short

# How even answers are under load, by ways to admit decisions; ARGUMENTS="--against REVISION" adds another revision.
bench-tail: .venv/ready
	PYTHONPATH=. .venv/bin/python -m benchmarks.tail --designs $(ARGUMENTS)

# Population runs of thousands of patients; Spark needs '.[spark]' and Java.
bench-population: .venv/ready
	PYTHONPATH=. .venv/bin/python -m benchmarks.population_scale $(ARGUMENTS)

bench-definitions: .venv/ready
	PYTHONPATH=. .venv/bin/python -m benchmarks.definitions --page

# What the benchmark compares with, outside the environment of the project; needs node.
bench-peers:
	mkdir -p .bench && cp benchmarks/cql/package.json .bench/ && cd .bench && npm install --no-package-lock --no-audit --no-fund
	python3 -m venv .bench/healthchain && .bench/healthchain/bin/pip install --quiet healthchain==0.16.1 orjson

.venv/ready: pyproject.toml requirements.lock scripts/install
	scripts/install
	touch .venv/ready

# What the service needs is a part of what its tests need.
.venv/service: pyproject.toml requirements.lock scripts/install
	test .venv/ready -nt pyproject.toml || scripts/install service
	touch .venv/service

docs: .venv/ready
	scripts/docs

examples: .venv/ready
	.venv/bin/python scripts/renew_examples.py
	.venv/bin/python scripts/renew_words.py
	.venv/bin/python scripts/words_and_codes.py
	.venv/bin/python scripts/renew_safety.py

unverified: .venv/ready
	.venv/bin/python scripts/renew_unverified.py

# Everything that is made from the rules, after a change of them: read the diff before it is committed.
renew: .venv/ready
	.venv/bin/cds fmt rules
	.venv/bin/cds lock rules
	.venv/bin/cds test rules --update
	.venv/bin/python scripts/renew_examples.py
	.venv/bin/python scripts/renew_safety.py
	.venv/bin/python scripts/renew_unverified.py
	.venv/bin/python scripts/walk_through.py

clean:
	rm -rf .venv
