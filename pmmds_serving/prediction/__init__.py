"""Validate a payload, score it, record it, answer; the errors of the API. Transport is in http/ and rpc/."""
