"""Acceptance testing: a contract agreed before data, the evidence measured against it, and the verdict they give.

contract.read -> Contract -> needs.suite -> runs -> needs.values -> Evidence -> judge -> Verdict -> FleetVerdict
"""
