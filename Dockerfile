# A server of trained runs: page and API on port 7860. See docs/serve.md.
#
#   docker build -t unpaired-serve .
#
# By default, pip's build of torch is installed. Another one, as the smaller build for CPUs, comes from the index that
# pytorch.org names for it: --build-arg TORCH_INDEX=URL
FROM python:3.12-slim-bookworm AS build
ARG TORCH_INDEX=""
ARG EXTRAS="formats,video,voice,voice-vad,export,hub,serve"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/unpaired
COPY constraints.txt /source/
RUN /opt/unpaired/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c /source/constraints.txt torch
COPY pyproject.toml README.md LICENSE NOTICE /source/
COPY src /source/src
RUN /opt/unpaired/bin/pip install -c /source/constraints.txt "/source[$EXTRAS]"

FROM python:3.12-slim-bookworm
COPY --from=build /opt/unpaired /opt/unpaired
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin unpaired
ENV PATH=/opt/unpaired/bin:$PATH HOME=/tmp OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1
USER 10001
WORKDIR /models
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["python", "-m", "unpaired.serve.health", "7860"]
# The address is the container's own; whoever publishes the port sets UNPAIRED_TOKEN.
ENTRYPOINT ["unpaired", "serve", "--host", "0.0.0.0", "--port", "7860"]
