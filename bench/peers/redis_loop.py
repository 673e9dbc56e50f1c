"""A plain redis-py consumer: reads a hundred entries at a time; for each, runs the script, then acknowledges."""

import json

import redis

from shop import GROUP, SCRIPT, STORE_URL, STREAM, WAREHOUSE_URL, call

store = redis.Redis.from_url(STORE_URL)
warehouse = redis.Redis.from_url(WAREHOUSE_URL)
allocate = warehouse.register_script(SCRIPT)

while True:
    for _, entries in store.xreadgroup(GROUP, "redis-py", {STREAM: ">"}, count=100, block=1000) or []:
        for entry, fields in entries:
            keys, arguments = call(json.loads(fields[b"data"]))
            allocate(keys=keys, args=arguments)
            store.xack(STREAM, GROUP, entry)
