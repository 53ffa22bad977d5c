"""What reads a machine: hardware, memory, energy, GPU counters, its GEMM ceiling, child processes."""
