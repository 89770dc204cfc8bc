# hedgebot as an image: the interpreter, the packages of requirements.lock (by hash) and the bot. No shell, no package manager, no root.
#
#     docker build -t hedgebot .                                              # or: make image
#     docker build -t hedgebot --build-arg PYTHON_IMAGE=python@sha256:... .   # a base that cannot move
#     docker build -t hedgebot --build-arg EXTRAS="" .                        # without the extra evm (holdings on a chain)
#
# The extra evm is in it, history (replaying market data, pyarrow) is not: a bot never needs it, and it alone is as large as the rest.

ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS assembled
ARG EXTRAS=evm
ARG SOURCE_DATE_EPOCH=0
WORKDIR /build
COPY deploy/image/assemble.py requirements.lock pyproject.toml ./
RUN python3 assemble.py packages /image --lock requirements.lock --project pyproject.toml --extras "${EXTRAS}"
COPY bot ./bot
RUN python3 assemble.py program /image --source . --user 10001 \
    && mkdir -m 0700 /state && touch -d "@${SOURCE_DATE_EPOCH}" /state

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG PYTHON_IMAGE=python:3.11-slim
ARG EXTRAS=evm
LABEL org.opencontainers.image.title="hedgebot" \
      org.opencontainers.image.description="Keeps collateral delta-neutral with short perpetuals spread over several venues." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      hedgebot.extras="${EXTRAS}"
COPY --from=assembled /image /
COPY --from=assembled --chown=10001:10001 /state /var/lib/hedgebot
ENV PATH=/usr/local/bin \
    LANG=C.UTF-8 \
    HOME=/var/lib/hedgebot \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
WORKDIR /var/lib/hedgebot
EXPOSE 9108
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/python3", "-IB", "-m", "bot.health"]
# The bot itself is process 1: it hears SIGTERM, and its exit code is the container's.
ENTRYPOINT ["/usr/local/bin/hedgebot"]
CMD ["--help"]
