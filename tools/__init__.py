"""What the project needs around its notebooks: run, lint, student version, lock. Not installed."""
