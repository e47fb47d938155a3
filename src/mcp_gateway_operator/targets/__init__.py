"""Decisions, pure: a target's shape, what is known and permitted, the rules, and the plan that asks them."""
