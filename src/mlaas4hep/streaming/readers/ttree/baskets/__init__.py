"""The quick reader of baskets, beside uproot's."""
