"""The dashboard: a local page of all runs below a folder, that reads what they write and changes nothing.

`folder.py` opens files, never outside the folder; `runs.py` finds runs, `summary.py` says in one row how each is doing,
`curves.py` reads their figures as they grow and thins them out, `details.py` is about one run. `server.py` answers
requests, `serving.py` listens. Nothing of torch is imported, so that the page is there at once.
"""
