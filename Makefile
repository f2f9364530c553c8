# Two commands do everything on a fresh machine: `make run` and `make test`.
.PHONY: run test check bench examples clean

run: .venv/ready
	scripts/run

test: .venv/ready
	scripts/test

check: .venv/ready
	scripts/check

bench: .venv/ready
	.venv/bin/python benchmarks/decide.py

.venv/ready: pyproject.toml requirements.lock scripts/install
	scripts/install
	touch .venv/ready

examples: .venv/ready
	.venv/bin/python scripts/renew_examples.py

clean:
	rm -rf .venv
