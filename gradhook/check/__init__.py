"""One check from start to finish: guard, sanity, settings, explanation, report."""
