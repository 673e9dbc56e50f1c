"""FastStream's consumer group, as its documentation writes it: one entry per call; it acknowledges after the call."""

import redis.asyncio as redis
import uvloop
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from shop import GROUP, SCRIPT, STORE_URL, STREAM, WAREHOUSE_URL, call

broker = RedisBroker(STORE_URL, logger=None)
app = FastStream(broker, logger=None)
allocate = redis.Redis.from_url(WAREHOUSE_URL).register_script(SCRIPT)


@broker.subscriber(stream=StreamSub(STREAM, group=GROUP, consumer="faststream"))
async def handle(order: dict) -> None:
    # Of an entry's fields FastStream hands on the one named `data`, read as JSON.
    keys, arguments = call(order)
    await allocate(keys=keys, args=arguments)


uvloop.run(app.run())
