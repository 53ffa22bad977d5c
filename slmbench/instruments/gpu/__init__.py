"""Counters of NVIDIA GPUs: memory and energy as the driver reports them."""
