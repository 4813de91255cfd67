# One image for every process of Celeriac: `docker run IMAGE api`, `... mirror`, `... worker`; see docker-compose.yml.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/celeriac
ENV PATH=/opt/celeriac/bin:$PATH
# Before the code, so that a change of code does not fetch every package again.
COPY requirements/installer.txt requirements/run.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/installer.txt && \
    pip install --no-cache-dir --require-hashes -r requirements/run.txt
# .dockerignore lists what there is to copy.
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/celeriac /opt/celeriac
# Where workers start: `celeriac.hash_file` reads below it, and CELERIAC_TASK_MODULES are looked for in it.
WORKDIR /work
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /work celeriac && chown celeriac: /work
ENV PATH=/opt/celeriac/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["celeriac"]
CMD ["--help"]
