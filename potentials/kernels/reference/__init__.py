"""The kernels in plain PyTorch: any device, any floating dtype. Everything else is measured against these."""
