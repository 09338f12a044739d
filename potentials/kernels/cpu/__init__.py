"""The kernels for CPUs: tables become code, atoms or pairs of edges rows of work, channels lanes of a vector."""
