"""Writing frames to other formats, one after the other, with nothing lost on the way."""
