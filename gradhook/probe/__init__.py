"""Evidence, and no judgement.

Points, directions, noise, slopes, and how the functions behave when called again.  Everything here
evaluates or prepares to; what the numbers mean is decided in ``gradhook.verdict``.
"""
