"""``torch.version``: the interface that is mirrored, and that no other device is there."""

__version__ = "2.13.0+corten"
cuda = None
hip = None
xpu = None
git_version = None
debug = False
