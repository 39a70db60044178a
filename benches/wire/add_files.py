"""The official client's way to add a folder of files. Argument: the folder."""

import sys

import redivis

dataset = redivis.organization("lab").dataset("bench", version="next")
dataset.table("raw").add_files(directory=sys.argv[1], progress=False)
