"""Reading runs: finding them below a folder, and reading their files while these grow, each time only what is new."""
