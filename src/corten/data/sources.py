"""Where the public data sets are: folders to look in, mirrors to download from."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from corten.atomic import atomic_write

_PIECE = 1 << 16


class DatasetUnavailableError(OSError):
    """A data set was found nowhere and could not be downloaded; the message says what was tried."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public data set: its name, length in bytes, and SHA-256."""

    name: str
    nbytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A public data set: a short name, its files, and the folders (as URLs) that have them."""

    name: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    folders: tuple[str, ...]  # below a root, where others keep the same files


def cache_folder() -> Path:
    """The user's cache for data sets: ``$XDG_CACHE_HOME/corten/data``, or the system's usual place."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base, "corten", "data")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local", "corten", "cache", "data")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "corten" / "data"
    return Path.home() / ".cache" / "corten" / "data"


def roots(root: str | os.PathLike[str] | None = None) -> list[tuple[str, Path]]:
    """The folders to look in, each with what it is: ``root`` alone, or ``$CORTEN_DATA`` and the user's cache."""
    if root is not None:
        return [("root", Path(root))]
    places = []
    if named := os.environ.get("CORTEN_DATA"):
        places.append(("CORTEN_DATA", Path(named)))
    places.append(("cache", cache_folder()))
    return places


def find(source: Source, root: str | os.PathLike[str] | None = None) -> list[Path] | None:
    """The files of ``source`` where all of them are in one folder, compressed or not; else None."""
    for _, base in roots(root):
        for folder in source.folders:
            paths = []
            for file in source.files:
                candidates = [base / folder / file.name, base / folder / file.name.removesuffix(".gz")]
                paths.append(next((p for p in candidates if p.is_file()), None))
            if all(p is not None for p in paths):
                return [p for p in paths if p is not None]
    return None


def locate(
    source: Source, root: str | os.PathLike[str] | None = None, download: bool = True, progress: bool = True
) -> list[Path]:
    """The files of ``source``, downloaded where they are not found.

    They are looked for in ``root``, or else in ``$CORTEN_DATA`` and the user's cache, and downloaded into ``root`` or
    the cache. ``CORTEN_OFFLINE=1`` forbids downloads.

    Raises
    ------
    DatasetUnavailableError
        Naming every folder and address that was tried, and why each failed.
    """
    if found := find(source, root):
        return found
    tried = [f"{what} ({base}): no {source.folders[0]}/ with {source.files[0].name} and the others" for what, base in
             roots(root)]  # fmt: skip
    if root is None and not os.environ.get("CORTEN_DATA"):
        tried.insert(0, "CORTEN_DATA: not set")
    if not download:
        tried.append("download: not asked for")
    elif os.environ.get("CORTEN_OFFLINE", "0") not in ("", "0"):
        tried.append("download: forbidden by CORTEN_OFFLINE")
    else:
        folder = roots(root)[-1][1] / source.folders[0]
        problems = _download(source, folder, progress)
        if not problems:
            return [folder / file.name for file in source.files]
        tried += problems
    raise DatasetUnavailableError(
        f"[{source.name}] not found and not downloaded. Tried:\n" + "\n".join(f"  - {line}" for line in tried)
    )


def _download(source: Source, folder: Path, progress: bool) -> list[str]:
    """Download what is missing into ``folder``. Returns what went wrong, nothing when all is there."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [f"download into {folder}: {error}"]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    from rich.console import Console

    with Progress(*columns, console=Console(stderr=True), disable=not progress, transient=True) as bar:
        for file in source.files:
            target = folder / file.name
            if target.is_file() and _sha256(target) == file.sha256:
                continue
            task = bar.add_task(file.name, total=file.nbytes)
            problems = []
            for mirror in source.mirrors:
                bar.reset(task)
                try:
                    fetch(mirror + file.name, target, file, lambda n, task=task: bar.advance(task, n))
                    break
                except (OSError, ValueError) as error:
                    problems.append(f"{mirror}{file.name}: {getattr(error, 'reason', error)}")
            else:
                return problems
    return []


def fetch(url: str, target: Path, file: RemoteFile, advance: object = None) -> None:
    """Download one file and check its length and SHA-256 before it gets its name.

    Raises
    ------
    OSError
        When it cannot be fetched or written.
    ValueError
        When what came is not the file.
    """
    import hashlib  # these two load half of the standard library: not before there is something to fetch
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "corten"})
    digest, got = hashlib.sha256(), 0
    with urllib.request.urlopen(request, timeout=15) as answer, atomic_write(target) as out:
        while piece := answer.read(_PIECE):
            got += len(piece)
            if got > file.nbytes:
                raise ValueError(f"longer than the expected {file.nbytes} bytes")
            digest.update(piece)
            out.write(piece)
            if callable(advance):
                advance(len(piece))
        if got != file.nbytes:
            raise ValueError(f"{got} bytes, expected {file.nbytes}")
        if digest.hexdigest() != file.sha256:
            raise ValueError(f"SHA-256 {digest.hexdigest()}, expected {file.sha256}")


def _sha256(path: Path) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
