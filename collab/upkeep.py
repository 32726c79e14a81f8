"""`collab backup`, `collab restore` and `collab doctor`: what an administrator does beside the server."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from collab import backup
from collab.config import data_folder
from collab.data import open_data
from collab.doctor import Doctor

COMMANDS: Final = ("backup", "restore", "doctor")


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """The exit code: 0, or 1 when the doctor found what was not repaired. Raises BadBackup, BadSetting, StoreError."""
    given = _parser().parse_args(arguments)
    folder = data_folder(given.data, environ)
    match given.command:
        case "backup":
            made = backup.back_up(folder, Path(given.file))
            print(f"Backed up {made.notebooks} notebooks and {made.blobs} large outputs to {given.file}")
            return 0
        case "restore":
            with open_data(folder, ""):
                made = backup.restore(Path(given.file), folder, given.replace)
            print(f"Restored {made.notebooks} notebooks of {made.made} into {folder}")
            return 0
    if given.repair:
        with open_data(folder, ""):
            return _look(Doctor(folder, repair=True))
    return _look(Doctor(folder))


def _look(doctor: Doctor) -> int:
    report = doctor.examine()
    for finding in report.findings:
        where = f"“{finding.where}”: " if finding.where else ""
        print(f"{'repaired  ' if finding.repaired else 'NOT WELL  '}{where}{finding.text}")
    print(f"Looked at {report.notebooks} notebooks and {report.blobs} large outputs.", end=" ")
    print("All is well." if report.is_well else "Some is not; --repair mends what can be mended without a guess.")
    return 0 if report.is_well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="collab", description="Look after the data of a collab server.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("backup", "write everything to one file, also while the server runs"),
        ("restore", "put a backup back, while no server runs"),
        ("doctor", "check every log, snapshot and output"),
    ):
        command = commands.add_parser(name, help=what, description=what.capitalize() + ".")
        command.add_argument("--data", metavar="DIR", help="where notebooks are kept; also COLLAB_DATA")
        if name != "doctor":
            command.add_argument("file", help="the backup")
        if name == "restore":
            command.add_argument("--replace", action="store_true", help="put what is there aside first")
        if name == "doctor":
            command.add_argument("--repair", action="store_true", help="mend what can be mended; no server may run")
    return parser
