"""Examples that nobody expects, and what must come of them; `scripts/fuzz.py` runs many of them."""
