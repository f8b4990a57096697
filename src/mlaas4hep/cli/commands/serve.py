"""``serve``: the inference server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.outputs import Output, check_outputs

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep serve --repository models

  mlaas4hep serve --repository models --port 0 --grpc-port 0 --workers 4

  mlaas4hep serve --config server.yaml --host 0.0.0.0 --tls-certificate host.pem --tls-key host.key

Any setting can also be given by the environment, e.g. MLAAS4HEP_SERVE_PORT=8083 or MLAAS4HEP_SERVE_LIMITS__RATE=100-S;
options win over the environment, the environment over the file.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EXAMPLES)
    def serve(
        repository: Annotated[Path | None, typer.Option(help="Folder of the models. Default: models.")] = None,
        host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
        port: Annotated[
            int | None, typer.Option(min=0, max=65535, help="HTTP; 0: any free port. Default: 8083.")
        ] = None,
        grpc_port: Annotated[
            int | None, typer.Option(min=0, max=65535, help="gRPC; 0: any free port. Default: 8001.")
        ] = None,
        workers: Annotated[int | None, typer.Option(min=1, help="Server processes. Default: 1.")] = None,
        config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
        base_path: Annotated[str | None, typer.Option(help="Prefix of all HTTP paths.")] = None,
        default_model: Annotated[str | None, typer.Option(help="Model for requests that name none.")] = None,
        tls_certificate: Annotated[Path | None, typer.Option(help="PEM file of the certificate and its chain.")] = None,
        tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
        log_file: Annotated[Path | None, typer.Option(help="File for the log instead of standard error.")] = None,
        insecure: Annotated[
            bool, typer.Option("--insecure", help="Listen on other addresses than loopback without authentication.")
        ] = False,
    ) -> None:
        """Serve the models of a repository over HTTP and gRPC, until SIGTERM or Ctrl+C.

        What is in flight then is finished; a second signal ends at once.

        Without an OpenID issuer in the settings, anyone who can reach the server may do anything.

        It then serves loopback addresses only, unless told --insecure.
        """
        from mlaas4hep.extras import require

        require("server")
        from mlaas4hep.inference.operation.serve import serve as run
        from mlaas4hep.inference.operation.settings_file import load_settings

        options = {
            "repository": repository,
            "host": host,
            "port": port,
            "grpc_port": grpc_port,
            "workers": workers,
            "base_path": base_path,
            "default_model": default_model,
            "tls.certificate": tls_certificate,
            "tls.key": tls_key,
            "log_file": log_file,
            "insecure": insecure or None,
        }
        settings = load_settings(config, os.environ, options)
        if settings.log_file is not None:
            read = [config, settings.repository, settings.tls.certificate, settings.tls.key]
            check_outputs([Output("--log-file", settings.log_file, "log")], read)
        code = run(settings)
        if code:
            raise typer.Exit(code)
