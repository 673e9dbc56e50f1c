"""What the consumers share: the warehouse's script and its arguments for one order."""

import json
import os
import time
import uuid

STREAM = "order-completed"
GROUP = "warehouse-group"
STORE_URL = os.environ["STORE_URL"]
WAREHOUSE_URL = os.environ["WAREHOUSE_URL"]

with open(os.environ["SCRIPT_FILE"]) as file:
    SCRIPT = file.read()


def call(order):
    """The keys and the arguments for one order, given the event's data."""
    lines = order["lines"]
    units = {}
    for line in lines:
        units[line["product_id"]] = units.get(line["product_id"], 0) + line["qty"]
    products = list(units)
    order_id = order["order_id"]
    keys = ["order-fulfilled", "refund-order", "low-stock", "allocation:" + order_id]
    keys += ["stock:" + product for product in products]
    seconds = time.time()
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (seconds % 1 * 1000)
    arguments = [now, 1, *products, order_id, uuid.uuid4().hex, json.dumps(lines, separators=(",", ":")), len(units)]
    for product, qty in units.items():
        arguments += [product, qty]
    return keys, arguments
