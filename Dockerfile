# The service on a base image without a shell. cargo-chef builds the dependencies in a layer of their own, so that a
# change to the service does not rebuild them.

FROM rust:1.95.0-trixie AS chef
RUN cargo install --locked cargo-chef --version 0.1.78
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# Features of Cargo.toml to enable, such as `otlp`.
ARG FEATURES=
COPY --from=plan /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --bin flashsale --features "$FEATURES" --recipe-path recipe.json
COPY . .
# The build needs no database: queries are checked against the committed .sqlx.
ENV SQLX_OFFLINE=true
RUN cargo build --release --locked --bin flashsale --features "$FEATURES"

FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /src/target/release/flashsale /usr/local/bin/flashsale
ENV LISTEN_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/flashsale", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/flashsale"]
CMD ["serve"]
