"""Validates, scores and records predictions; errors of the API. Transport is in http/ and rpc/."""
