"""Parts of data that stay in their files: an index says what there is, frames are read and graphs built on demand.

What is done with parts in memory and with these alike goes through `part_facts.py`.
"""
