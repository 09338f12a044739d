"""Public data sets: where they come from, how they are downloaded, checked and converted to extxyz in eV and A.

`catalogue.py` lists them; `fetch.py` does what `potentials data fetch` asks for; one file each for the download, the
checksums, the reading of archives and the formats.
"""
