import re
from pathlib import Path

import pytest
from kernelhost.config import BadSetting, Config, read_config
from kernelhost.confining import Confining
from kernelhost.culling import Policy
from kernelhost.limits import Limits, default_limits
from kernelhost.revival import Revival

TOKEN = "a-token-of-enough-letters"
ENVIRONMENT = {"KERNELHOST_TOKEN": TOKEN}


def test_settings_come_from_flags_and_the_token_from_the_environment(tmp_path: Path) -> None:
    arguments = [
        "--port",
        "0",
        "--root",
        str(tmp_path),
        "--keep",
        "2",
        "--orphan-after",
        "60",
        "--allow-origin",
        "http://a",
        "--revive",
        "0",
    ]
    assert read_config(arguments, {"KERNELHOST_TOKEN": TOKEN}) == Config(
        token=TOKEN,
        port=0,
        root=tmp_path,
        keep_bytes=2 << 20,
        orphan_after_s=60,
        origins=("http://a",),
        alone_s=60,
        confining=Confining(default_limits()),
        revival=Revival(deaths=0),
    )


def test_what_kernels_may_take_and_see_comes_from_flags(tmp_path: Path) -> None:
    line = "--memory 4GiB --cpus 1.5 --processes 50 --disk 10G --output-rate none --sandbox bwrap --network none --show"
    file = tmp_path / "token"
    file.write_text(TOKEN)
    config = read_config([*line.split(), str(tmp_path), "--token-file", str(file), "--port", "0"], {})
    limits = Limits(4 << 30, 1.5, 50, default_limits().files, 10 << 30, None)
    assert config.confining == Confining(limits, "bwrap", "none", (tmp_path,), (file,))


def test_ends_of_kernels_and_bounds_come_from_flags() -> None:
    line = "--cull-idle 90 --cull-busy --max-lifetime 12 --warn-idle 10 --warn-lifetime 30 --extend-lifetime"
    config = read_config([*line.split(), "--max-kernels", "3", "--max-starts", "4", "--max-sockets", "5"], ENVIRONMENT)
    assert config.culling == Policy(5_400.0, 43_200.0, 600.0, 1_800.0, True)
    assert config.extend_lifetime
    assert (config.max_kernels, config.max_starts, config.max_sockets) == (3, 4, 5)
    assert read_config([], ENVIRONMENT).culling == Policy()


@pytest.mark.parametrize("flag", ["--cull-idle", "--max-lifetime", "--warn-idle", "--max-kernels", "--max-sockets"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", ""])
def test_times_and_counts_are_above_nothing(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_config([f"{flag}={value}"], ENVIRONMENT)
    assert "argument" in capsys.readouterr().err


def test_the_token_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_config(["--token-file", str(file)], {}).token == TOKEN


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ([], "KERNELHOST_TOKEN"),
        (["--token", "short"], "8 to 200"),
        (["--token", "with spaces in it"], "letters"),
        (["--token-file", "/no/such/file"], "cannot be read"),
        (["--token", TOKEN, "--port", "99999"], "--port"),
        (["--token", TOKEN, "--port", "http"], "--port"),
        (["--token", TOKEN, "--network", "none", "--sandbox", "none"], "leave out --sandbox none"),
        (["--token", TOKEN, "--show", "/no/such/folder"], "correct --show"),
    ],
)
def test_a_setting_that_is_no_good_is_refused_with_the_remedy(arguments: list[str], remedy: str) -> None:
    with pytest.raises(BadSetting, match=remedy):
        read_config(arguments, {})


def test_the_documentation_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_config(["--help"], {})
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out.partition("options:")[2]))
    docs = Path(__file__).parents[2] / "docs"
    page = "".join(file.read_text() for file in docs.glob("*.md"))
    assert {"--keep", "--root"} < flags
    assert [flag for flag in flags - {"--help", "--token"} if flag not in page] == []
