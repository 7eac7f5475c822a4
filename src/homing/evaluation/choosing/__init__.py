"""From estimates to a choice: of parameters and estimators, of policies, and whether one may be tried."""
