# The Python of the first image is the one that the second has: Debian 13 comes with 3.13. `make pin` adds the
# digests behind the tags.
ARG BUILD_IMAGE=python:3.13-slim-trixie
ARG BASE_IMAGE=gcr.io/distroless/python3-debian13:nonroot

# Runs on the machine that builds, whatever the target: wheels for the target are only put in place.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
ARG TARGETARCH
WORKDIR /src
COPY requirements-build.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY . .
RUN python hack/image.py --arch "${TARGETARCH:-$(dpkg --print-architecture)}" /out

# No shell, no package manager, no compiler.
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="mcp-gateway-operator" \
      org.opencontainers.image.description="Keeps AWS Bedrock AgentCore gateway targets in step with MCP servers on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
# Else glibc keeps a heap for each thread that has called AWS, and the room of every large page of a list: a limit
# of 128Mi has no room for either.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
USER 65532:65532
ENTRYPOINT ["/manager"]
