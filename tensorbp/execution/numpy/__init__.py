"""numpy: plans as straight-line code, a call of numpy for each instruction."""
