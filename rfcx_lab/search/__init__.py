"""A sweep's trials: the space, what is asked of it next, and the Optuna study that holds them."""
