"""The person's settings as the interface shows and changes them: the file below flags and all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cloister.cli.person import Person
from cloister.device.config_file import KNOWN, change_setting, choices_of
from cloister.device.settings import Origins, Settings, Value, load_settings
from cloister.tui.setting import Setting, SettingRow


class FileSettings:
    """Settings of one run of the program: its flags and environment go before the file."""

    def __init__(self, file: Path, person: Person) -> None:
        self._file = file
        self._folder = person.folder
        self._flags: dict[str, Value | None] = {
            name: getattr(person.settings, name)
            for name, origin in person.origins.items()
            if origin == "flag"
        }

    def _load(self) -> tuple[Settings, Origins]:
        return load_settings(self._file, flags=self._flags)

    def rows(self) -> list[SettingRow]:
        """Return every setting."""
        settings, origins = self._load()
        return [self._row(name, value, origins[name]) for name, value in asdict(settings).items()]

    def _row(self, name: str, value: Value, origin: str) -> SettingRow:
        from_file = origin == str(self._file)
        return SettingRow(
            name=name,
            value=str(value).lower() if isinstance(value, bool) else str(value),
            origin=self._file.name if from_file else origin,
            meaning=KNOWN[name].meaning,
            effect=KNOWN[name].effect,
            choices=choices_of(name),
            is_overridden=not from_file and origin != "default",
        )

    def change(self, name: str, text: str) -> SettingRow:
        """Write one into the file."""
        change_setting(self._file, name, text)
        return next(row for row in self.rows() if row.name == name)

    def present(self) -> Setting:
        """Return what the interface takes."""
        settings, _ = self._load()
        return Setting(
            timeout_s=settings.timeout_s,
            autolock_s=settings.autolock_s,
            notify=settings.notify,
            bidi=settings.bidi,
            folder=self._folder,
        )
