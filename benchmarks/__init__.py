"""Speed, measured: the codec by pytest-benchmark (test_codec*.py), whole processes by `python -m benchmarks`."""
