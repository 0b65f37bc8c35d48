"""Validates requests, scores rows and records predictions. Transport is in http/ and rpc/."""
