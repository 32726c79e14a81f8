# Builds the wheel with the frontend inside, then installs it where no Node is.
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
RUN useradd --create-home collab
COPY requirements.lock /tmp/
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir -r /tmp/requirements.lock /wheels/*.whl && rm -r /wheels
USER collab
ENV COLLAB_DATA=/home/collab/data
VOLUME /home/collab/data
EXPOSE 8899
CMD ["collab", "--no-browser", "--host", "0.0.0.0"]
