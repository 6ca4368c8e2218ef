# The service in a container; this file stands here because `docker build .` and `podman build .` look for it here.
#   docker build -t lstm-trace .
#   docker run --rm -p 127.0.0.1:8000:8000 -v lstm-trace:/data -e LSTM_TRACE_TOKEN=… lstm-trace
FROM docker.io/library/python:3.13-slim
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY lstm_trace lstm_trace
RUN pip install --no-cache-dir '.[serve,models,postgres,xlsx,pdf,parquet,jit]' \
 && useradd --create-home --uid 10001 service \
 && install -d -o service /data
USER service
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Within a container 127.0.0.1 is reached by nobody, so it listens to all; that asks for a token.
CMD ["lstm-trace", "serve", "--host", "0.0.0.0", "--no-open", "--store", "sqlite:////data/store.db"]
