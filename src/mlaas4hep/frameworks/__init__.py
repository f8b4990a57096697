"""One folder a framework: how a model of it is recognised, vetted, loaded and scored."""
