"""Run unmodified scripts of other libraries on Corten."""
