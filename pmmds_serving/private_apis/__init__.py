"""Private APIs of other libraries, each used in only one module.

uvicorn_protocol.py   uvicorn's HTTP protocol class and its tables of protocols
bentoml_service.py    BentoML's service class and application
bentoml_files.py      static files that BentoML ships
prometheus_values.py  prometheus_client's value objects and files

`pmmds_tests/serving/private_apis` tests every attribute they rely on; `pyproject.toml` bounds the versions.
http/, metrics/ and service.py use these modules.
"""
