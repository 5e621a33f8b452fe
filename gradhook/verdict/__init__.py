"""Judgement, with no evaluation and no input or output: from evidence to verdicts and sentences."""
