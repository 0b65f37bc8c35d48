"""The counters that workers share, and their Prometheus names.

Gauges read from the service are in http/service_gauges.py.
"""
