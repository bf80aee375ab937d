"""Where things are: the platform's folders, configuration files, a project's root. Imports next to nothing."""

import os
import sys

# Named so that type checkers take the branch; importing typing would cost more than a whole no-op.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LOCKFILE",
    "MANIFESTS",
    "configurations",
    "machine_config",
    "platform_folder",
    "system_config",
    "upwards",
    "user_config",
]

MANIFESTS = ("downloads.yaml", "downloads.yml")
LOCKFILE = "downloads.lock"

_REPOSITORY = (".git", ".hg", ".svn", ".jj")
_SHELL_FOLDERS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders"
_XDG = {
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "state": ("XDG_STATE_HOME", ".local/state"),
    "config": ("XDG_CONFIG_HOME", ".config"),
}


def user_config(environment: "Mapping[str, str]") -> "str | None":
    """The user's file: ``DLM_CONFIG_FILE``, else ``config.yaml`` in the platform's folder; None for no file."""
    if environment.get("DLM_NO_CONFIG"):
        return None
    return environment.get("DLM_CONFIG_FILE") or os.path.join(platform_folder("config", environment), "config.yaml")


def system_config(environment: "Mapping[str, str]", machine: "str | None" = None) -> str:
    """The system's file, from which its defaults come: what ``DLM_SYSTEM_CONFIG_FILE`` names, else the machine's."""
    return environment.get("DLM_SYSTEM_CONFIG_FILE") or machine or machine_config()


def machine_config() -> str:
    """The file in the platform's own place, which an administrator keeps and no variable moves."""
    system: str = sys.platform
    if system == "win32":
        return os.path.join(_program_data(), "dlm", "config.yaml")
    if system == "darwin":
        return "/Library/Application Support/dlm/config.yaml"
    return "/etc/dlm/config.yaml"


def configurations(environment: "Mapping[str, str]") -> "tuple[str, ...]":
    """Every file that settings may come from."""
    user = user_config(environment)
    files = (machine_config(), system_config(environment), *((user,) if user is not None else ()))
    return tuple(dict.fromkeys(files))


def platform_folder(kind: str, environment: "Mapping[str, str]") -> str:
    """The platform's folder for dlm's ``cache``, ``state`` or ``config`` (XDG base directories on Linux)."""
    system: str = sys.platform
    if system not in ("win32", "darwin"):
        # Two look-ups instead of a library's import: this stands on the path of every command.
        variable, default = _XDG[kind]
        base = environment.get(variable, "")
        if not os.path.isabs(base):
            base = os.path.join(os.path.expanduser("~"), default)
        return os.path.join(base, "dlm")
    import platformdirs

    folder = {
        "cache": platformdirs.user_cache_dir,
        "state": platformdirs.user_state_dir,
        "config": platformdirs.user_config_dir,
    }[kind]
    return folder("dlm", appauthor=False)


def _program_data() -> str:
    """Windows' folder for all users, by the registry, which only an administrator writes; PROGRAMDATA is anybody's."""
    folder = r"C:\ProgramData"
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _SHELL_FOLDERS) as key:
                folder = str(winreg.QueryValueEx(key, "Common AppData")[0])
        except OSError:
            pass  # a Windows without that entry has the folder where it always is
    return folder


def upwards(directory: str) -> "list[str]":
    """``directory`` and what is above it, up to the repository's root or the user's home, where a project may lie."""
    folders: list[str] = []
    home = os.path.expanduser("~")
    folder = os.path.abspath(directory)
    while True:
        folders.append(folder)
        above = os.path.dirname(folder)
        if folder in (above, home) or any(os.path.lexists(os.path.join(folder, one)) for one in _REPOSITORY):
            return folders
        folder = above
