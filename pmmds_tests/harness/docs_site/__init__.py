"""The documentation site: pages of docs/ and a reference generated from the code, in one folder for Zensical.

staging.py     copies pages and linked files, and rewrites links that leave docs/
reference/     one module per generated page
__main__.py    writes build/docs
site_check.py  finds broken links and addresses of other hosts in the built site; `make docs` runs both
"""
