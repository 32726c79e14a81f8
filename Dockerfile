# Builds the wheel with the frontend inside, then installs it where no Node is.
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
COPY requirements.lock /tmp/
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir -r /tmp/requirements.lock /wheels/*.whl && rm -r /wheels
# The folders exist before they become volumes, so that they belong to the user who writes in them.
RUN useradd --create-home collab && install -d -o collab -g collab /home/collab/data /home/collab/files
USER collab
ENV COLLAB_DATA=/home/collab/data
VOLUME ["/home/collab/data", "/home/collab/files"]
EXPOSE 8899
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8899/healthz', timeout=3)"]
CMD ["collab", "--no-browser", "--host", "0.0.0.0", "--port", "8899"]
