"""Search for runs below a folder, and incremental reading of their files while these grow."""
