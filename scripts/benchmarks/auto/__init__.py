"""scripts/benchmark_auto: how good are the models that tools choose by themselves, and how true is what they report."""
