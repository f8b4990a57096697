"""The original's files: files.txt, labels.txt, params.json, preproc.json."""
