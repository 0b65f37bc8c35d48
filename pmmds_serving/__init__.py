"""The BentoML service. A package may import only the packages above it in this list.

generated/   Python of the .proto
api_errors.py  errors of the API, shared by HTTP and gRPC
private_apis/  adapters to private parts of uvicorn, BentoML and prometheus_client
process/     sidecar processes and their error guard
metrics/     counters shared between workers
spool/       the durable log in front of the database
shipping/    from the spool into the prediction log
model/       the model cache, watcher and verification
prediction/  validate, score, record, respond
tracing.py   spans
shadow/      the challenger scores live traffic
worker.py    one worker's components
access.py    who may call guarded endpoints
launch.py    start the server
http/, rpc/  HTTP and gRPC endpoints
application.py, service.py  the application, mounted in a BentoML service
"""
