"""The named rules that judge a comparison. One small pure module a rule; drift/policy.py puts them together."""
