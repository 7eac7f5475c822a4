"""Shared limits become prices: one number per limit, solved ahead over all users."""
