"""``torch.hub``: nothing is downloaded and run."""

from __future__ import annotations

from typing import Any


def load(repo_or_dir: str, model: str, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError: it would run PyTorch code of the repository."""
    raise NotImplementedError(f"[torch.hub] load({repo_or_dir!r}, {model!r}): models of repositories are PyTorch's own code")


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError: such files are pickles."""
    raise NotImplementedError(f"[torch.hub] load_state_dict_from_url({url!r}): such files are pickles, which are not read")


def get_dir() -> str:
    """The cache folder."""
    from corten.data.sources import cache_folder

    return str(cache_folder())
