import sys

from corten.compat.torch import main

sys.exit(main())
