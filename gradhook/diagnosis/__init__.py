"""Where a gradient is wrong, and why: one hypothesis a file, each tried on fresh lines."""
