# Spin and an app: docker build --file deploy/Dockerfile.app --tag store-and-warehouse \
#   --build-arg SPIN_SHA256=... .
# --build-arg APP=store-component, or warehouse-component, makes the image of one service.
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-slim-trixie AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-wasip2 \
    && cargo build --locked --release --target wasm32-wasip2 \
        --package store-component --package warehouse-component --package console-component

# The official release; the components need Spin 4.1 or later.
FROM debian:trixie-slim AS spin
ARG SPIN_VERSION=v4.1.0
ARG SPIN_SHA256
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ADD https://github.com/spinframework/spin/releases/download/${SPIN_VERSION}/spin-${SPIN_VERSION}-linux-amd64.tar.gz /spin.tar.gz
# The checksum is on the page of the release; the build needs it.
RUN echo "${SPIN_SHA256:?}  /spin.tar.gz" | sha256sum --check \
    && tar -xzf /spin.tar.gz -C /usr/local/bin spin

# Only Spin, for SpinKube's executor, which names the app.
FROM gcr.io/distroless/cc-debian13:nonroot AS runtime
COPY --from=spin /usr/local/bin/spin /usr/local/bin/spin
# Writes only to /tmp, so the root filesystem may be read-only.
ENV XDG_CACHE_HOME=/tmp/cache \
    HOME=/tmp
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/spin"]

FROM runtime
ARG APP=.
COPY --from=build /src/target/wasm32-wasip2/release/*_component.wasm /app/target/wasm32-wasip2/release/
COPY ${APP}/spin.toml /app/${APP}/spin.toml
WORKDIR /app/${APP}
EXPOSE 3000
CMD ["up", "--listen", "0.0.0.0:3000", "--log-dir", "/tmp/logs", "--quiet", \
    "--max-instance-reuse-count", "1024"]
