"""The same work done by autotune and by its peers, side by side: scripts/benchmark."""
