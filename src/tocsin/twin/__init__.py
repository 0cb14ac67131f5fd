"""The mathematics in plain Python, slow on purpose: all kernels are tested against it."""
