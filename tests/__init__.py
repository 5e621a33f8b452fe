"""The tests; ``tests.catalogue`` is a package that other programs import too."""
