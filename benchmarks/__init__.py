"""Benchmarks: genus beside the best peer at the same work. `python -m benchmarks --help`; results in README.md."""
