"""Settings: a flag wins over its variable, which wins over the default; what will not do is said in one sentence."""

import re
from pathlib import Path

import pytest

from collab.config import BadSetting, Config, is_loopback, read_config


def test_defaults() -> None:
    home = Path.home() / ".local/share/collab"
    assert read_config([], {}) == Config(home, ports=50, attach=("any",))
    assert read_config([], {"XDG_DATA_HOME": "/x"}).data == Path("/x/collab")
    assert read_config([], {"XDG_DATA_HOME": ""}).data == home


def test_a_flag_wins_over_a_variable() -> None:
    variables = {
        "COLLAB_DATA": "/variable",
        "COLLAB_HOST": "::1",
        "COLLAB_PORT": "1",
        "COLLAB_TOKEN": "from-a-variable",
        "COLLAB_PUBLIC_URL": "https://notebooks.example.org/",
        "COLLAB_GATEWAY_URL": "http://gateway:8900/",
        "COLLAB_GATEWAY_TOKEN": "secret",
        "COLLAB_GATEWAY_FLAGS": "--memory 4GiB --show '/my data'",
        "COLLAB_ATTACH": "http://gpu:8888/, HTTPS://jupyter.example.org",
        "COLLAB_OUTPUT_ORIGIN": "https://{label}.Example-Usercontent.org/",
        "COLLAB_OUTPUT_CROSS_SITE": "1",
        "COLLAB_ROOM_GRACE": "1.5m",
    }
    common = {
        "public_url": "https://notebooks.example.org",
        "gateway_url": "http://gateway:8900",
        "gateway_token": "secret",
        "gateway_flags": ("--memory", "4GiB", "--show", "/my data"),
        "attach": ("http://gpu:8888", "https://jupyter.example.org"),
        "output_origin": "https://{label}.example-usercontent.org",
        "output_cross_site": True,
        "room_grace_s": 90.0,
    }
    flags = ["--data", "/flag", "--host", "0.0.0.0", "--port", "0", "--token", "from-a-flag", "--no-browser", "a", "b"]
    paths = (Path("a"), Path("b"))
    assert read_config([], variables) == Config(Path("/variable"), "::1", 1, 1, "from-a-variable", **common)  # type: ignore[arg-type]
    assert read_config(flags, variables) == Config(
        Path("/flag"), "0.0.0.0", 0, 1, "from-a-flag", False, paths, **common  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_relative_folder_is_where_we_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(["--data", "here"], {}).data == tmp_path / "here"
    assert read_config(["--data", "~/there"], {}).data == Path.home() / "there"


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["--port", "x"], {}, "'x' is no port; choose a number from 0 to 65535 for --port."),
        (["--port", "65536"], {}, "'65536' is no port; choose a number from 0 to 65535 for --port."),
        ([], {"COLLAB_PORT": "-1"}, "'-1' is no port; choose a number from 0 to 65535 for --port."),
        (
            ["--token", "short"],
            {},
            "A token is 8 to 200 letters, digits and '-', '_', '.', '~'; choose another for --token.",
        ),
        (
            [],
            {"COLLAB_TOKEN": "with a space"},
            "A token is 8 to 200 letters, digits and '-', '_', '.', '~'; choose another for --token.",
        ),
        *(
            ([], {"COLLAB_PUBLIC_URL": url}, "COLLAB_PUBLIC_URL is like https://notebooks.example.org, without a path.")
            for url in ("notebooks.example.org", "https://a/b", "ftp://a", "https://", "https://u@a", "https://a?b")
        ),
        (
            [],
            {"COLLAB_GATEWAY_URL": "gateway"},
            "COLLAB_GATEWAY_URL is like http://gateway:8900; its token goes into COLLAB_GATEWAY_TOKEN.",
        ),
        ([], {"COLLAB_GATEWAY_FLAGS": "--show '/a"}, "COLLAB_GATEWAY_FLAGS has a quote that nothing closes; close it."),
        *(
            (
                [],
                {"COLLAB_ATTACH": text},
                "COLLAB_ATTACH is any, none, or a list such as http://gpu1:8888,https://jupyter.example.org.",
            )
            for text in ("gpu1:8888", "http://a/path", "http://user@a", "none,http://a")
        ),
        *(
            (
                [],
                {"COLLAB_OUTPUT_ORIGIN": text, "COLLAB_PUBLIC_URL": "https://a.example"},
                "COLLAB_OUTPUT_ORIGIN is like https://{label}.example-usercontent.org, or none.",
            )
            for text in ("https://out.example", "{label}.example", "https://{label}", "https://{label}.example/x")
        ),
        (
            [],
            {"COLLAB_OUTPUT_ORIGIN": "https://{label}.example"},
            "COLLAB_OUTPUT_ORIGIN goes with COLLAB_PUBLIC_URL, whose pages show the outputs; set both.",
        ),
        (
            [],
            {"COLLAB_OUTPUT_ORIGIN": "http://{label}.b.example", "COLLAB_PUBLIC_URL": "https://a.example"},
            "COLLAB_OUTPUT_ORIGIN and COLLAB_PUBLIC_URL begin with the same http or https.",
        ),
        ([], {"COLLAB_OUTPUT_CROSS_SITE": "yes"}, "COLLAB_OUTPUT_CROSS_SITE is 1 or 0."),
        ([], {"COLLAB_OFFLINE": "no"}, "COLLAB_OFFLINE is on or off."),
        ([], {"COLLAB_ROOM_GRACE": "30"}, "'30' is no duration; write it like 30s or 5m."),
    ],
)
def test_what_will_not_do(arguments: list[str], variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadSetting) as refused:
        read_config(arguments, variables)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "variables", "allowed"),
    [
        ([], {}, ("any",)),
        (["--host", "localhost"], {}, ("any",)),
        (["--host", "0.0.0.0"], {}, ()),
        ([], {"COLLAB_PUBLIC_URL": "https://notebooks.example.org"}, ()),  # a proxy lets others in
        (["--host", "0.0.0.0"], {"COLLAB_ATTACH": "any"}, ("any",)),
        ([], {"COLLAB_ATTACH": "none"}, ()),
        ([], {"COLLAB_ATTACH": ""}, ()),
    ],
)
def test_only_a_server_that_nobody_else_reaches_attaches_anything(
    arguments: list[str], variables: dict[str, str], allowed: tuple[str, ...]
) -> None:
    assert read_config(arguments, variables).attach == allowed


def test_loopback() -> None:
    hosts = ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"]
    others = ["0.0.0.0", "::", "192.168.1.7", "example.org", "", "127.0.0.1.evil.test", "LOCALHOST.evil.test"]
    assert [host for host in hosts + others if is_loopback(host)] == hosts


def test_the_origin_is_as_browsers_write_it() -> None:
    urls = ["https://A.example:443", "http://a.example:80", "https://a.example:8443", "http://a.example:443"]
    assert [Config(Path(), public_url=url).origin for url in urls] == [
        "https://a.example",
        "http://a.example",
        "https://a.example:8443",
        "http://a.example:443",
    ]
    assert Config(Path()).origin == ""


def test_every_setting_is_documented() -> None:
    root = Path(__file__).resolve().parents[2]
    source, docs = (root / "collab/config.py").read_text(), (root / "docs/deploy.md").read_text()
    settings = set(re.findall(r'"(--[a-z-]+|COLLAB_[A-Z_]+)"', source))
    assert len(settings) >= 10
    assert {name for name in settings if f"`{name}`" not in docs} == set()
