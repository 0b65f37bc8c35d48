"""The BentoML service. A package may import only the packages above it in this list.

generated/   Python code generated from the .proto file
api_errors.py  errors of the API, shared by HTTP and gRPC
private_apis/  adapters to private parts of uvicorn, BentoML and prometheus_client
process/     sidecar processes and their error guard
metrics/     counters shared between workers
spool/       the durable log in front of the database
shipping/    moves the spool into the prediction log
model/       the model cache, watcher and verification
prediction/  validates, scores and records predictions
tracing.py   OpenTelemetry spans
shadow/      scores live traffic with the challenger
worker.py    one worker's components
access.py    access control for guarded endpoints
launch.py    starts the server
http/, rpc/  HTTP and gRPC endpoints
application.py, service.py  the application, mounted in a BentoML service
"""
