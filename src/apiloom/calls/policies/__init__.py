"""The rules in the path of a call, one file each. Their order stands in `calls/order.py`."""
