"""What `aecore bench` times, and what the benchmarks of the sources are built on."""
