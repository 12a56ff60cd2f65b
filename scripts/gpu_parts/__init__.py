"""What only a GPU can show: run by scripts/gpu, rehearsed on a CPU with tiny shapes."""
