"""FastStream's batch subscriber, the scripts of a batch in one pipeline; it acknowledges the batch after the call."""

import json

import redis.asyncio as redis
import uvloop
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from shop import GROUP, SCRIPT, STORE_URL, STREAM, WAREHOUSE_URL, call

broker = RedisBroker(STORE_URL, logger=None)
app = FastStream(broker, logger=None)
warehouse = redis.Redis.from_url(WAREHOUSE_URL)
allocate = warehouse.register_script(SCRIPT)


@broker.subscriber(stream=StreamSub(STREAM, group=GROUP, consumer="faststream", batch=True, max_records=256))
async def handle(events: list[dict]) -> None:
    async with warehouse.pipeline(transaction=False) as pipeline:
        for event in events:
            keys, arguments = call(json.loads(event["data"]))
            pipeline.evalsha(allocate.sha, len(keys), *keys, *arguments)
        await pipeline.execute()


@app.on_startup
async def load() -> None:
    await warehouse.script_load(SCRIPT)


uvloop.run(app.run())
