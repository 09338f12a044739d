"""Commands that compute structures with a potential and write structures: `predict`, `md`, `relax`."""
