"""The dashboard: a local page of all runs below a folder, that reads what they write and changes nothing.

`reading/` finds runs and reads their files, never outside the folder. `summary.py` says in one row how each is doing,
`curves.py` sends their figures as they grow, `details.py` is about one run. `server.py` answers requests, `serving.py`
listens. Nothing of torch is imported, so that the page is there at once.
"""
