"""The operator's books: plans, accounts, seats, terms, payments.

They know customers by the names the operator gives them, and circles not at all: a circle appears
as an activation code's hash, a device as a handle. The relay reads one published file (``publish``)
and never these books; nothing here reads the relay.
"""
