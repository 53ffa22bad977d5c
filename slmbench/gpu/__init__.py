"""What NVIDIA GPUs need of their own: NVML, clocks on the device, memory on the device, and torch as a backend."""
