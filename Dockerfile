# The image of every service in compose.yaml but the broker: the command `liqstorm`, at the versions it is tested with.
FROM python:3.11-slim

ENV PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
COPY . /src
RUN pip install /src && useradd --create-home liqstorm && install -d -o liqstorm /home/liqstorm/runs

USER liqstorm
WORKDIR /home/liqstorm
ENTRYPOINT ["liqstorm"]
CMD ["--help"]
