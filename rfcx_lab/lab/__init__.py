"""The work from end to end: ladders, sweeps, steps, what each comes to, and what is shown of it."""
