"""Queues, the people who serve them, and the policy that routes by who is calling. Pure."""
