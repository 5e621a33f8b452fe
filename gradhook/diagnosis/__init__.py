"""Where a gradient is wrong, and why: each hypothesis tried on fresh lines."""
