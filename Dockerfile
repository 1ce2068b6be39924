# SPDX-License-Identifier: Apache-2.0
# evalX in a container. docs/images.md has the manual: targets, sizes, what each needs to run.
#
#   docker build --target core .       C, C++, Python, Bash, SQL: the default
#   docker build --target popular .    and Java, JavaScript, Go, Rust, Ruby, PHP, Perl
#   docker build --target all .        whatever languages/ knows
#   docker build --target api .        takes submissions for workers to run: no compiler, no sandbox
#
# No architecture is named anywhere: `docker buildx build --platform linux/amd64,linux/arm64` works.
# Layers go from what seldom changes (Debian's packages) to what often does (evalX itself).

ARG BASE=debian:trixie-slim

# ---- building evalX ----

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /src
COPY tools/deps.sh tools/
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && tools/deps.sh build
COPY . .
# TARGETARCH keeps the builds of several architectures apart that share a cache of this layer.
ARG TARGETARCH
RUN meson setup --prefix=/usr --sysconfdir=/etc --buildtype=release --strip -Dtests=disabled \
        /build-${TARGETARCH} \
    && ninja -C /build-${TARGETARCH} src/main/evalx src/sandbox/evalx-box \
    && DESTDIR=/out meson install -C /build-${TARGETARCH} --no-rebuild \
    && mkdir /out/needed \
    && deploy/docker/needed.sh /out/usr/bin/evalx >/out/needed/api \
    && deploy/docker/needed.sh /out/usr/bin/evalx /out/usr/libexec/evalx/evalx-box >/out/needed/all

# ---- what every image has ----

FROM ${BASE} AS common
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="evalX" \
      org.opencontainers.image.description="Runs programs in a sandbox and judges them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=deploy/docker/install.sh,target=/run/install.sh \
    --mount=type=bind,from=build,source=/out/needed,target=/run/needed \
    /run/install.sh ca-certificates $(cat /run/needed/api)
# A user that no host has by accident; the data folder is his, whatever volume comes there.
RUN groupadd --system --gid 10001 evalx \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/evalx --shell /usr/sbin/nologin evalx \
    && install -d -o evalx -g evalx -m 0700 /var/lib/evalx \
    && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /var/log/lastlog /var/log/faillog
ENV EVALX_LISTEN=0.0.0.0:2358 \
    EVALX_DATA_DIR=/var/lib/evalx \
    EVALX_LOG_FORMAT=json
EXPOSE 2358
VOLUME /var/lib/evalx
USER 10001:10001
WORKDIR /var/lib/evalx
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/evalx", "health"]
# Process 1 is evalx itself: as such it also collects what nobody waits for (src/main/first.c).
ENTRYPOINT ["/usr/bin/evalx"]
CMD ["serve"]

# ---- languages, each set on top of the smaller one ----

FROM common AS core-languages
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=deploy/docker/install.sh,target=/run/install.sh \
    --mount=type=bind,source=languages,target=/run/languages \
    --mount=type=bind,from=build,source=/out/needed,target=/run/needed \
    /run/install.sh $(cat /run/needed/all) \
    && /run/install.sh --languages bash c cpp executable python sqlite text
USER 10001:10001

FROM core-languages AS popular-languages
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=deploy/docker/install.sh,target=/run/install.sh \
    --mount=type=bind,source=languages,target=/run/languages \
    /run/install.sh --languages csharp go java javascript perl php ruby rust typescript
USER 10001:10001

FROM popular-languages AS all-languages
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=deploy/docker/install.sh,target=/run/install.sh \
    --mount=type=bind,source=languages,target=/run/languages \
    /run/install.sh --languages-all
USER 10001:10001

# ---- the images ----

FROM all-languages AS all
LABEL org.opencontainers.image.title="evalX, all languages"
COPY --from=build /out/usr/bin /usr/bin
COPY --from=build /out/usr/libexec /usr/libexec
COPY --from=build /out/usr/share/evalx /usr/share/evalx

FROM popular-languages AS popular
LABEL org.opencontainers.image.title="evalX, popular languages"
COPY --from=build /out/usr/bin /usr/bin
COPY --from=build /out/usr/libexec /usr/libexec
COPY --from=build /out/usr/share/evalx /usr/share/evalx

FROM common AS api
LABEL org.opencontainers.image.title="evalX API"
COPY --from=build /out/usr/bin /usr/bin
COPY --from=build /out/usr/share/evalx /usr/share/evalx
ENV EVALX_ROLE=api

# The last one is what a plain `docker build .` makes.
FROM core-languages AS core
LABEL org.opencontainers.image.title="evalX, core languages"
COPY --from=build /out/usr/bin /usr/bin
COPY --from=build /out/usr/libexec /usr/libexec
COPY --from=build /out/usr/share/evalx /usr/share/evalx
