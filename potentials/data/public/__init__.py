"""Public data sets: their sources, download, checksums and conversion to extxyz in eV and A.

`catalog.py` lists them; `fetch.py` implements `potentials data fetch`; downloads, checksums, archives and formats
have one file each.
"""
