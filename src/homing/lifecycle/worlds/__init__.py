"""In worlds: rollouts, logs, comparisons, trials, and bounds that know the truth."""
