# The daemon as an image: any user id, a read-only root, all state in the volume /data,
# the configuration in /etc/nuon-monitor/monitor.toml. compose.yaml shows how it is meant to run.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# pip stays in the first environment: the one that goes into the image can install nothing.
RUN python -m venv /build && python -m venv --without-pip /opt/nuon-monitor
COPY requirements-build.lock requirements.lock ./
RUN /build/bin/pip install --only-binary :all: --require-hashes -r requirements-build.lock \
    && /build/bin/pip --python /opt/nuon-monitor/bin/python install --no-compile \
        --only-binary :all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY monitor monitor
# Bytecode is compiled here, as the root is read-only later, and is never checked against its
# source, as some builders change the times of files.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /build/bin/pip --python /opt/nuon-monitor/bin/python install --no-compile \
        --no-deps --no-index /wheel/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/nuon-monitor/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="nuon-release-monitor" \
    org.opencontainers.image.description="Watches Nuon releases and notifies people in Slack of what changed, failed or stalled." \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/nuon-monitor /opt/nuon-monitor
ENV PATH=/opt/nuon-monitor/bin:${PATH}
# Slim images come without the standard library's bytecode, which would cost each health check
# more than all the rest: this leaves what the daemon imports. /data is open to every user
# because the user id is chosen when the container starts.
RUN python -c "import monitor.cli.run, monitor.service.reload" \
    && mkdir -p /etc/nuon-monitor \
    && install -d -m 1777 /data
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUON_MONITOR_CONFIG=/etc/nuon-monitor/monitor.toml \
    NUON_MONITOR_STORE__URL=sqlite:////data/nuon-monitor.db
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["nuon-monitor", "health"]
ENTRYPOINT ["nuon-monitor"]
CMD ["run"]
