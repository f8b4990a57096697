#!/usr/bin/env python3
"""The checks of the Makefile as nox sessions, for those who prefer nox or want other versions of Python."""

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run all tests."""
    session.install("-c", "constraints.txt", "-e", ".[all]", *nox.project.dependency_groups(PROJECT, "test"))
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Run all static checks."""
    groups = nox.project.dependency_groups(PROJECT, "lint", "test")
    session.install("-c", "constraints.txt", "-e", ".[all]", *groups)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("repo-review", ".")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation."""
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PROJECT, "docs"))
    session.run("mkdocs", "build", "--strict")


PROJECT = nox.project.load_toml("pyproject.toml")

if __name__ == "__main__":
    nox.main()
