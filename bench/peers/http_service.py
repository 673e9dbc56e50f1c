"""A FastAPI service that keeps orders in Redis: HSET and XADD in one pipeline to place one, HGETALL to show one."""

import json
import os
import time
import uuid

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI()
store = redis.Redis.from_url(os.environ["STORE_URL"], decode_responses=True)


class Line(BaseModel):
    product_id: str
    qty: int = Field(ge=1, le=1_000_000)


class PlaceOrder(BaseModel):
    customer_id: str
    lines: list[Line] = Field(min_length=1, max_length=100)


class Order(BaseModel):
    order_id: str
    customer_id: str
    status: str
    lines: list[Line]
    created_at: float


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


@app.post("/orders", status_code=201)
async def place(body: PlaceOrder) -> Order:
    order = Order(
        order_id=uuid.uuid4().hex,
        customer_id=body.customer_id,
        status="pending",
        lines=body.lines,
        created_at=time.time(),
    )
    fields = order.model_dump()
    fields["lines"] = json.dumps(fields["lines"])
    async with store.pipeline(transaction=False) as pipeline:
        pipeline.hset("order:" + order.order_id, mapping=fields)
        pipeline.xadd("order-placed", {"data": json.dumps({"order_id": order.order_id})})
        await pipeline.execute()
    return order


@app.get("/orders/{order_id}")
async def show(order_id: str) -> Order:
    fields = await store.hgetall("order:" + order_id)
    if not fields:
        raise HTTPException(404)
    fields["lines"] = json.loads(fields["lines"])
    return Order.model_validate(fields)


if __name__ == "__main__":
    uvicorn.run(
        "http_service:app",
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
