"""The callback: the training loop, its clock, and what leaves it."""
