"""MLflow: what a study shows there, and what is read from it."""
