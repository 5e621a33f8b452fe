"""The only writer to parameters and the only caller of user code."""
