//! Rust types of Spin's interfaces, generated from `wit/`.

wasmtime::component::bindgen!({
    path: "wit",
    world: "redis-component",
    imports: { default: async | store },
    exports: { default: async | store },
    with: { "spin:redis/redis.connection": crate::host::redis::Connection },
});

pub(crate) use spin::redis::redis;
pub(crate) use spin::variables::variables;
