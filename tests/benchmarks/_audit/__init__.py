"""What ``audit.py`` runs: a harness, and for each library a file of derivatives and faults."""
