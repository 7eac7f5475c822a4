"""The stages of a workspace's life, each a short story: train, evaluate, plan, report, explain."""
