"""The named rules that judge a comparison, one small pure module each; drift/policy.py combines them."""
