# The service alone, on a base without a shell. Dependencies are a layer of their own (cargo-chef), so that a change
# of ours does not build them again.

FROM rust:1.95-trixie AS chef
RUN cargo install --locked cargo-chef --version 0.1.78
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# Of Cargo.toml: `otlp`.
ARG FEATURES=
COPY --from=plan /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --bin flashsale --features "$FEATURES" --recipe-path recipe.json
COPY . .
# Queries are checked against the committed .sqlx: the build needs no database.
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
